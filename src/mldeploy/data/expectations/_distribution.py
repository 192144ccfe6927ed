"""Does a column look like that of a reference?"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np
import polars as pl
from typing_extensions import override

from mldeploy.data._column_profile import ColumnProfile
from mldeploy.data.expectations._base import Expectation, Facts, Question
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Finding, Verdict
from mldeploy.stats import kept_levels, psi_test, quantile_edges

_FEWEST_PER_BIN = 5
"""Rows expected in a bin below which the chi-squared law is no approximation (Cochran, 1954)."""


@final
@dataclass(frozen=True, eq=False)
class LikeReference(Expectation):
    """A column is distributed as in a reference profile, up to what does not matter.

    Rows are counted in bins at the reference's quantiles, or in its frequent levels; missing
    values are a bin of their own. It fails if the population stability index is larger than
    `epsilon` beyond what chance explains; see `mldeploy.stats.psi_test`.

    Attributes
    ----------
    reference : ColumnProfile
        The column as it was.
    epsilon : float
        Largest stability index that does not matter, in nats.
    alpha : float
        Chance of a false alarm if the index is `epsilon`, in (0, 1).
    n_bins : int
        Number of bins for numbers and times.

    Examples
    --------
    >>> from mldeploy.data import Profile
    >>> from mldeploy.data.expectations import Expectations
    >>> then = pl.DataFrame({"carrier": ["UA", "AA"] * 500})
    >>> now = pl.DataFrame({"carrier": ["UA", "UA", "UA", "AA"] * 250})
    >>> rule = LikeReference(Profile.of(then)["carrier"])
    >>> print(Expectations([rule]).check(now).findings[0].summary)
    carrier is distributed as in the reference: the stability index is 0.274 (p 6.5e-18).
    """

    reference: ColumnProfile = field(repr=False)
    epsilon: float = field(default=0.02, kw_only=True)
    alpha: float = field(default=0.01, kw_only=True)
    n_bins: int = field(default=10, kw_only=True)
    kind: ClassVar[str] = "distribution"

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1 or self.epsilon < 0 or self.n_bins < 2:
            raise InvalidDataError(
                f"alpha is {self.alpha}, epsilon {self.epsilon}, n_bins {self.n_bins}; give a "
                "chance in (0, 1), an index of at least 0, and at least 2 bins"
            )

    @property
    @override
    def says(self) -> str:
        return f"{self.reference.name} is distributed as in the reference"

    @property
    @override
    def needs(self) -> tuple[str, ...]:
        return (self.reference.name,)

    @override
    def _question(self, facts: Facts) -> Question:
        dtype = facts.schema[self.reference.name]
        bins = self._by_level(dtype) if self.reference.is_text else self._by_edge(dtype)
        chosen = None if self.where is None else self.where.fill_null(value=False)
        wanted = {"n": pl.len() if chosen is None else chosen.sum()} | {
            f"bin {i}": (bin_ if chosen is None else bin_ & chosen).sum()
            for i, bin_ in enumerate(bins.inside)
        }
        return Question(judge=lambda answer, _table: self._judge(answer, bins), wanted=wanted)

    def _by_level(self, dtype: pl.DataType) -> _Bins:
        if dtype != pl.String and not isinstance(dtype, pl.Enum | pl.Categorical):
            raise InvalidDataError(f"it was text in the reference, and is {dtype}")
        counts: dict[Hashable, int] = dict(self.reference.levels().items())
        levels = [str(level) for level in kept_levels(counts)]
        text = pl.col(self.reference.name).cast(pl.String)
        inside = [text == level for level in levels]
        expected = self.reference.counts_in_bins(levels=levels)
        return _Bins(inside=[*inside, text.is_null()], reference=expected, cumulative=False)

    def _by_edge(self, dtype: pl.DataType) -> _Bins:
        edges = quantile_edges(self.reference.table, n_bins=self.n_bins).tolist()
        number = _in_units_of_the_profile(pl.col(self.reference.name), dtype)
        inside = [number <= edge for edge in edges]
        expected = self.reference.counts_in_bins(edges=edges)
        return _Bins(inside=[*inside, number.is_null()], reference=expected, cumulative=True)

    def _judge(self, answer: Mapping[str, Any], bins: _Bins) -> Finding:
        n, counts = int(answer["n"]), [int(answer[f"bin {i}"]) for i in range(len(bins.inside))]
        current = bins.counts(n, counts)
        fewest = _FEWEST_PER_BIN * int(np.count_nonzero(bins.reference + current))
        if min(n, self.reference.n) < fewest:
            return self.finding(
                Verdict.INSUFFICIENT,
                f"{self.says}: {n:,} rows, and {self.reference.n:,} in the reference, are too few "
                "to tell.",
                action="Wait for more rows, or ask for fewer bins.",
                n=n,
                rows_needed=max(fewest - n, 0),
            )
        test = psi_test(bins.reference, current, epsilon=self.epsilon)
        broken = test.psi > self.epsilon and test.p_value < self.alpha
        return self.finding(
            Verdict.FAIL if broken else Verdict.PASS,
            f"{self.says}: the stability index is {test.psi:.3f} (p {test.p_value:.2g}).",
            action="See what changed at the source, or take a newer reference." if broken else "",
            estimate=test.psi,
            n=n,
            threshold=self.epsilon,
            details={"p_value": test.p_value},
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Bins:
    """Rows that are in each bin, or below each edge, and the reference's counts.

    The last of `inside` are the missing; the last but one of `reference` are all others.
    """

    inside: list[pl.Expr]
    reference: np.ndarray[tuple[int], np.dtype[np.int64]]
    cumulative: bool

    def counts(self, n: int, told: list[int]) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
        """Return the table's counts, in the bins of the reference's."""
        *inside, n_missing = told
        known = n - n_missing
        if self.cumulative:
            return np.diff([0, *inside, known], append=known + n_missing).astype(np.int64)
        return np.array([*inside, known - sum(inside), n_missing], np.int64)


def _in_units_of_the_profile(column: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Express a column in the unit that its kind is profiled in; see `ColumnProfile`."""
    if dtype == pl.Time:
        return (column.to_physical() // 1_000).cast(pl.Float64)
    if dtype.is_temporal() and dtype != pl.Date:
        return column.dt.cast_time_unit("us").to_physical().cast(pl.Float64)
    if not (dtype.is_numeric() or dtype in (pl.Boolean, pl.Date)):
        raise InvalidDataError(f"it was a number or a time in the reference, and is {dtype}")
    return column.to_physical().cast(pl.Float64)
