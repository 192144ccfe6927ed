"""Pairs of groups: the smaller against each larger one."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

from mldeploy.evidence import Verdict
from mldeploy.validation._fairness_rates import Group, Rates, Ratio
from mldeploy.validation._slice_cuts import Cut

Array: TypeAlias = npt.NDArray[Any]
_MOST_TIMES = 10_000.0


@final
@dataclass(frozen=True, kw_only=True)
class Divided:
    """Rows divided into groups, the largest first.

    Attributes
    ----------
    name : str
        The column, or the columns that are crossed.
    n_columns : int
        How many.
    groups : dict of str to ndarray
        Positions of the rows of each group that is large enough.
    small : dict of str to int
        Rows of each group that is not.
    """

    name: str
    n_columns: int
    groups: dict[str, Array]
    small: dict[str, int]

    @classmethod
    def of(cls, cut: Cut, *, n_columns: int, min_rows: int) -> Divided:
        """Read a cut's groups; what it left out as too rare is no group."""
        counts = np.bincount(cut.codes, minlength=len(cut.names))[:-1]
        order = np.argsort(-counts, kind="stable")
        present = [int(i) for i in order if counts[i]]
        return cls(
            name=cut.column,
            n_columns=n_columns,
            groups={
                cut.names[i]: np.flatnonzero(cut.codes == i)
                for i in present
                if counts[i] >= min_rows
            },
            small={cut.names[i]: int(counts[i]) for i in present if counts[i] < min_rows},
        )


@final
@dataclass(frozen=True, kw_only=True)
class Paired:
    """A rate in a group and in a larger one.

    Attributes
    ----------
    cut, rate : str
        What divides the rows, and what is compared.
    name, larger : str
        The two groups.
    ratio : Ratio
        The rate in the group over that in the larger one.
    least : float
        What the ratio and its inverse must reach.
    p_value : float
        Of "it does", two-sided.
    n_rows : int
        Rows of the group, whether they count towards the rate or not.
    adjusted : float
        The p-value, all comparisons taken together.
    low, high : float
        Interval of the ratio of the smaller rate to the larger one.
    confidence : float
        Its level.
    verdict : Verdict
        Whether the groups are alike.
    """

    cut: str
    rate: str
    name: str
    larger: str
    ratio: Ratio
    least: float
    p_value: float
    n_rows: int
    adjusted: float = 1.0
    low: float = 0.0
    high: float = math.inf
    confidence: float = 0.95
    verdict: Verdict = Verdict.INSUFFICIENT

    @property
    def is_worse(self) -> bool:
        """Whether the group has the smaller rate."""
        return not self.ratio.value > 1

    @property
    def value(self) -> float:
        """The smaller rate's share of the larger; NaN when there is none."""
        value = self.ratio.value
        return value if self.is_worse else 1 / value

    def judged(self, adjusted: float, alpha: float, *, confidence: float) -> Paired:
        """Return the pair with its verdict."""
        low, high = self.ratio.interval(confidence)
        if not self.is_worse:
            low, high = (1 / high if high else math.inf), (1 / low if low else math.inf)
        verdict = Verdict.INSUFFICIENT
        if adjusted <= alpha:
            verdict = Verdict.FAIL
        elif low >= self.least and high <= 1 / self.least:
            verdict = Verdict.PASS
        return replace(
            self, adjusted=adjusted, low=low, high=high, confidence=confidence, verdict=verdict
        )

    def more_rows(self) -> int | None:
        """Return about how many more rows of the group would settle it; None if none would."""
        if math.isnan(self.value):
            return None
        one, other = self.ratio.one, self.ratio.other
        for bound in (1.0, _MOST_TIMES):  # first of this group only, then of both
            low, high = 1.0, _MOST_TIMES
            if not self._settled(one, other, high, bound):
                continue
            while high > 1.01 * low:
                middle = math.sqrt(low * high)
                low, high = (
                    (low, middle) if self._settled(one, other, middle, bound) else (middle, high)
                )
            return max(1, math.ceil((high - 1) * self.n_rows))
        return None

    def _settled(self, one: Group, other: Group, factor: float, bound: float) -> bool:
        grown = Ratio(one=one.grown(factor), other=other.grown(min(factor, bound)))
        low, high = grown.interval(self.confidence)
        edge = 1 / self.least
        within = low >= self.least and high <= edge
        return within or high < self.least or low > edge


def pairs_of(rate: Rates, cut: Divided, least: float) -> Iterator[Paired]:
    """Yield each pair of groups in which the rate has a value, the smaller group first."""
    groups = {name: rate.group(rows) for name, rows in cut.groups.items()}
    for larger, name in combinations(groups, 2):
        ratio = Ratio(one=groups[name], other=groups[larger])
        yield Paired(
            cut=cut.name,
            rate=rate.name,
            name=name,
            larger=larger,
            ratio=ratio,
            least=least,
            p_value=ratio.p_value(least),
            n_rows=len(cut.groups[name]),
        )
