"""A process that is ours alone starts sooner."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from mldeploy.serving.http._when_used import load_when_used

_SELDOM: Final = ("polars",)
"""Packages that much of mldeploy imports, and that one row is answered without."""


@contextmanager
def starting() -> Iterator[None]:
    """Import within this what a process needs that is ours alone.

    Packages that a server does not need to answer wait until they are used; see
    `load_when_used`. The garbage collector neither looks at modules while they are loaded nor
    ever after: they stay as long as the process.
    """
    for package in _SELDOM:
        load_when_used(package)
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def settle() -> None:
    """Tell the garbage collector that what there is now stays: it need not look at it again."""
    gc.collect()
    gc.freeze()
