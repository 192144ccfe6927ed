"""The three answers a check may give, and how much they weigh."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import final


@final
class Verdict(enum.StrEnum):
    """What the evidence says: it holds, it does not, or there is too little to tell."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    FAIL = "FAIL"
    INSUFFICIENT = "INSUFFICIENT"

    @classmethod
    def combine(cls, verdicts: Iterable[Verdict]) -> Verdict:
        """Return the verdict of several checks that must all hold.

        One FAIL fails; else one INSUFFICIENT leaves it open; no check at all proves nothing.

        Examples
        --------
        >>> str(Verdict.combine([Verdict.PASS, Verdict.INSUFFICIENT]))
        'INSUFFICIENT'
        >>> str(Verdict.combine([]))
        'INSUFFICIENT'
        """
        found = set(verdicts)
        if cls.FAIL in found:
            return cls.FAIL
        if cls.INSUFFICIENT in found or not found:
            return cls.INSUFFICIENT
        return cls.PASS


@final
class Severity(enum.StrEnum):
    """What follows when a check does not hold."""

    BLOCKER = "blocker"
    """Nothing goes on until it is mended or waived."""
    WARNING = "warning"
    """Somebody should look; the step goes on."""
    INFO = "info"
    """For the record."""
