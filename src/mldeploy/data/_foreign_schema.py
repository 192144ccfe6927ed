"""A schema that was read from a foreign one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from mldeploy.data._schema import Schema


@final
@dataclass(frozen=True, kw_only=True)
class ForeignSchema:
    """A schema that was read from a foreign one, and what it cannot say.

    Attributes
    ----------
    schema : Schema
        What both can say.
    left_out : tuple of str
        Every rule of the foreign schema that is not in this one.
    """

    schema: Schema
    left_out: tuple[str, ...] = ()
