"""Expectations that were read from a foreign tool."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

from mldeploy.data.expectations._suite import Expectations


@final
@dataclass(frozen=True, kw_only=True)
class ForeignExpectations:
    """Expectations that were read from a foreign tool, and what they cannot say.

    Attributes
    ----------
    expectations : Expectations
        What both can say.
    left_out : tuple of str
        Every foreign rule that is not among them.
    """

    expectations: Expectations
    left_out: tuple[str, ...] = ()
