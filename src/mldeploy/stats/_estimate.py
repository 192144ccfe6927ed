"""Estimates with their intervals: the records that every statistic is returned in."""

from __future__ import annotations

from typing import Self, final

import pydantic

from mldeploy._record import Record
from mldeploy.stats._arrays import check_confidence


@final
class Interval(Record):
    """A confidence interval; an infinite end says that the data set no limit there.

    The lower end of a two-sided interval of confidence 0.90 is the one-sided 0.95 bound.

    Examples
    --------
    >>> interval = Interval(low=0.5, high=0.75, confidence=0.95)
    >>> interval.width, interval.contains(0.8)
    (0.25, False)
    """

    low: float
    high: float
    confidence: float

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        check_confidence(self.confidence)
        if not self.low <= self.high:
            raise ValueError(f"an interval cannot run from {self.low} to {self.high}")
        return self

    @property
    def width(self) -> float:
        """Distance between the ends."""
        return self.high - self.low

    def contains(self, x: float) -> bool:
        """Tell whether `x` lies between the ends or on one."""
        return self.low <= x <= self.high


@final
class Estimate(Record):
    """A value with its interval, the number of independent units it rests on, and the method."""

    value: float
    interval: Interval
    n: int
    """Independent units: rows, or the clusters that rows come in."""
    method: str
    """The method's usual name, such as "Wilson" or "BCa bootstrap"."""


@final
class Comparison(Record):
    """A difference of two paired values, with its interval and a two-sided p-value.

    Superiority by a margin holds when ``interval.low > margin``, non-inferiority when
    ``interval.low > -margin``; ask for a confidence of 0.90 to decide at the one-sided 0.05.
    """

    difference: float
    interval: Interval
    p_value: float
    """Two-sided p-value of no difference, in [0, 1]."""
    n: int
    """Independent units: rows, or the clusters that rows come in."""
    method: str
