"""Columns that tell the label alone, or in pairs: found on one half, confirmed on the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.assessment._outcome import Floats, Outcome, Rows, numbers_of
from mldeploy.problem import Task
from mldeploy.stats import Estimate, holm_confidence

_BINS = 128
_PRIOR_ROWS = 2.0
"""Rows that the overall mean counts for in the mean of each bin."""
_MAX_PAIRED = 40
_PAIR_ROWS = 3_000
_DAY = 1_440


@final
@dataclass(frozen=True, kw_only=True)
class Told:
    """Columns from which the label was told on rows that were not looked at before."""

    columns: tuple[str, ...]
    how: str
    estimate: Estimate


@final
@dataclass(frozen=True, kw_only=True)
class Search:
    """Rows to search on and rows to confirm on, with the smallest score that is a leak."""

    table: pl.DataFrame
    outcome: Outcome
    first: Rows
    second: Rows
    units: npt.NDArray[Any] | None
    max_score: float
    confidence: float

    def alone(self, columns: list[str], n_rows: int) -> tuple[Told, ...]:
        """Return the columns that tell the label alone, that they are missing included."""
        rows = self.first[:: max(1, self.first.size // n_rows)]
        near = self.max_score - 0.02
        outcome = self.outcome.take(rows)
        suspects = {}
        for name in columns if outcome.varies else ():
            bins = bins_of(self.table[name])
            line = self._on_a_line(self.table[name])
            told = max(
                outcome.score(_out_of_fold(bins[rows], outcome)),
                0.0 if line is None else _strength(outcome, line[rows]),
            )
            if told > near:
                suspects[name] = bins, line
        return tuple(
            Told(columns=(name,), how="alone", estimate=found)
            for name, (bins, line) in suspects.items()
            if (found := self._confirm(bins, line, len(suspects))).interval.low > self.max_score
        )

    def in_pairs(self, columns: list[str]) -> tuple[Told, ...]:
        """Return the pairs of numbers whose sum or difference tells the label."""
        if self.outcome.task is Task.MULTICLASS:
            return ()
        numbers = dict(_numbers(self.table, columns[:_MAX_PAIRED]))
        rows = self.first[:: max(1, self.first.size // _PAIR_ROWS)]
        outcome, suspects = self.outcome.take(rows), []
        for (name, one), (other, two) in combinations(numbers.items(), 2):
            for how, both in _together(one, two):
                strength = _strength(outcome, both[rows])
                if strength > self.max_score - 0.03:
                    suspects.append((strength, name, other, how, both))
        suspects.sort(key=lambda s: -s[0])
        best: dict[tuple[str, str], Told] = {}
        for _, name, other, how, both in suspects[:30]:
            found = self._confirm(
                bins_of(pl.Series(both)), self._on_a_line(pl.Series(both)), min(len(suspects), 30)
            )
            if found.interval.low > self.max_score and (name, other) not in best:
                best[name, other] = Told(columns=(name, other), how=how, estimate=found)
        return tuple(best.values())

    def weight_of(self, name: str) -> float:
        """Return how much a column tells of the label alone, on the first half."""
        outcome = self.outcome.take(self.first)
        return outcome.score(_out_of_fold(bins_of(self.table[name])[self.first], outcome))

    def _on_a_line(self, column: pl.Series) -> Floats | None:
        """Return the numbers that a regression's labels may lie on a line with."""
        if self.outcome.task is not Task.REGRESSION or column.dtype == pl.String:
            return None
        return numbers_of(column)

    def _confirm(self, bins: Rows, line: Floats | None, n_tests: int) -> Estimate:
        """Learn on the first half, score the second; the level is shared by all tests."""
        learnt, asked = self.outcome.take(self.first), self.outcome.take(self.second)
        means = _means(bins[self.first], learnt.targets(), int(bins.max()) + 1)
        guesses = [means[bins[self.second]]]
        if line is not None and np.ptp(known := line[np.isfinite(line)]) > 0 and known.size > 2:
            guesses.append(_by_line(line, learnt, self.first, self.second))
        units = None if self.units is None else self.units[self.second]
        confidence = holm_confidence(max(n_tests, 1) * len(guesses), self.confidence)
        found = [asked.estimate(g, units=units, confidence=confidence) for g in guesses]
        return max(found, key=lambda estimate: estimate.interval.low)


def _by_line(line: Floats, learnt: Outcome, first: Rows, second: Rows) -> Floats:
    """Guess numbers by a least-squares line; where nothing is known, by the mean."""
    known = np.isfinite(line)
    x, y = line[first][known[first]], learnt.values[known[first]]
    mean = float(learnt.values.mean())
    if x.size < 3 or np.ptp(x) == 0:
        return np.full((second.size, 1), mean)
    slope = float(np.cov(x, y)[0, 1] / x.var(ddof=1))
    guess = y.mean() + slope * (line[second] - x.mean())
    return np.where(known[second], guess, mean)[:, None]


def bins_of(column: pl.Series) -> Rows:
    """Number the values of a column: missing 0, texts each their own, numbers by quantile."""
    if column.dtype == pl.String or isinstance(column.dtype, pl.Enum | pl.Categorical):
        codes = column.cast(pl.String).rank("dense").fill_null(0)
        return codes.cast(pl.Int64).to_numpy()
    numbers = numbers_of(column)
    known = np.isfinite(numbers)
    if not known.any():
        return np.zeros(numbers.size, dtype=np.int64)
    levels = np.unique(numbers[known])
    if levels.size > _BINS:
        levels = np.unique(np.quantile(numbers[known], np.linspace(0, 1, _BINS)))
    bins = np.searchsorted(levels, numbers, side="left") + 1
    return np.where(known, bins, 0).astype(np.int64)


def _means(bins: Rows, targets: Floats, n_bins: int) -> Floats:
    """Return the mean of the targets in each bin, drawn towards the overall mean."""
    counts = np.bincount(bins, minlength=n_bins)[:, None]
    sums = np.column_stack([np.bincount(bins, weights=t, minlength=n_bins) for t in targets.T])
    means: Floats = (sums + _PRIOR_ROWS * targets.mean(axis=0)) / (counts + _PRIOR_ROWS)
    return means


def _out_of_fold(bins: Rows, outcome: Outcome) -> Floats:
    targets, fold = outcome.targets(), np.arange(bins.size) % 2
    guess, n_bins = np.empty_like(targets), int(bins.max()) + 1
    for side in (0, 1):
        learnt, asked = fold != side, fold == side
        guess[asked] = _means(bins[learnt], targets[learnt], n_bins)[bins[asked]]
    return guess


def _numbers(table: pl.DataFrame, columns: list[str]) -> Iterator[tuple[str, Floats]]:
    for name in columns:
        dtype = table[name].dtype
        if dtype.is_numeric() or isinstance(dtype, pl.Datetime | pl.Duration):
            values = numbers_of(table[name])
            known = values[np.isfinite(values)]
            if known.size > 0.5 * values.size and known.size and known.min() < known.max():
                yield name, values


def _together(one: Floats, two: Floats) -> Iterator[tuple[str, Floats]]:
    yield "their difference", one - two
    yield "their sum", one + two
    if _is_clock(one) and _is_clock(two):
        minutes = _minutes(one) - _minutes(two)
        yield "the minutes between them", (minutes + _DAY / 2) % _DAY - _DAY / 2


def _is_clock(values: Floats) -> bool:
    """Tell whether numbers read as times of day, such as 1745 for 17:45."""
    known = values[np.isfinite(values)]
    whole = bool((known == np.floor(known)).all())
    return (
        whole
        and bool(((known >= 0) & (known <= 2400) & (known % 100 < 60)).all())
        and float(known.max()) > 1_000
        and np.unique(known[:5_000]).size > 60
    )


def _minutes(values: Floats) -> Floats:
    minutes: Floats = values // 100 * 60 + values % 100
    return minutes


def _strength(outcome: Outcome, values: Floats) -> float:
    """Return how well numbers rank the labels (AUC), or explain them by a line (R²)."""
    known = np.isfinite(values)
    if known.sum() < 100:
        return 0.0
    y, x = outcome.values[known], values[known]
    if y.min() == y.max() or x.min() == x.max():
        return 0.0
    if outcome.task is Task.BINARY:
        area = Outcome(task=Task.BINARY, values=y, n_classes=2).score(x[:, None])
        return max(area, 1 - area)
    return float(np.corrcoef(x, y)[0, 1] ** 2)
