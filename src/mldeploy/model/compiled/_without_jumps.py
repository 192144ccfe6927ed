"""What kernels have in common whose answer does not jump."""

from __future__ import annotations

import abc
from typing import Any, ClassVar, Final

from mldeploy.model.compiled._kernel import Floats

MAX_WIDTH: Final = 1 << 20
"""Columns that a kernel may be told to have."""


class Smooth(abc.ABC):
    """A kernel without breakpoints, and by default without settings."""

    kind: ClassVar[str]

    def breakpoints(self) -> dict[int, Floats]:
        """Return none: its answer does not jump."""
        return {}

    def spec(self) -> dict[str, Any]:
        """Return its settings."""
        return {"kind": self.kind}
