"""Bins of a watched column, and what is counted in them."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.model import Signature
from mldeploy.problem import Task
from mldeploy.serving._batch import logged_name
from mldeploy.stats import kept_levels, quantile_edges

if TYPE_CHECKING:
    from mldeploy.data import ColumnProfile, Profile

Counts: TypeAlias = npt.NDArray[np.int64]
Against: TypeAlias = Literal["training", "before"]
"""What a column is compared with: the rows it was trained on, or what was answered before."""

_TENTHS: Final = tuple(k / 10 for k in range(1, 10))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class WatchedColumn:
    """A column with the bins that it is counted in.

    Attributes
    ----------
    name : str
        What people know it by.
    logged : str
        Its column in the prediction log.
    edges : tuple of float, optional
        Inner edges of a number's bins, closed on the right; times are as in a profile.
    levels : tuple of str, optional
        Texts with a bin of their own; all others share one.
    reference : ndarray of shape (n_bins,), optional
        Counts of the training; without it, what was answered before is the reference.
    """

    name: str
    logged: str
    edges: tuple[float, ...] | None = None
    levels: tuple[str, ...] | None = None
    reference: Counts | None = None

    @property
    def n_bins(self) -> int:
        """Number of bins; the last is that of missing values."""
        return len(self.levels if self.edges is None else self.edges) + 2  # type: ignore[arg-type]

    @property
    def against(self) -> Against:
        """What it is compared with."""
        return "before" if self.reference is None else "training"

    def count(self, values: pl.Series) -> Counts | None:
        """Count values; None if they are of another sort than the reference's."""
        if values.dtype == pl.Null:
            return np.array([0] * (self.n_bins - 1) + [len(values)], np.int64)
        if self.edges is not None:
            numbers = _numbers(values)
            return None if numbers is None else _counted_numbers(numbers, self.edges)
        assert self.levels is not None, "a column has edges or levels"
        return _counted_texts(values, self.levels)


def watched_columns(
    signature: Signature, reference: Profile | None, *, n_bins: int
) -> tuple[WatchedColumn, ...]:
    """Return the features of a model, and its answers, with bins cut on the reference.

    Features that the reference lacks are left out. Answers have the bins of the reference where
    it has ``model.prediction`` or ``model.score``; else labels have one each, and probabilities
    tenths.
    """
    known = {} if reference is None else {c.name: c for c in reference.columns if c.n}
    features = [
        _of_profile(known[name], name, logged_name(name), n_bins)
        for name in signature.features
        if name in known
    ]
    return (*features, *_answers(signature, known, n_bins))


def _answers(
    signature: Signature, known: Mapping[str, ColumnProfile], n_bins: int
) -> Iterator[WatchedColumn]:
    for name in ("prediction", "score"):
        told = f"model.{name}"
        if told in known:
            yield _of_profile(known[told], told, name, n_bins)
        elif name == "prediction" and signature.classes:
            yield _labels(signature, told)
        elif name == "score" and signature.task is Task.BINARY and signature.probabilistic:
            yield WatchedColumn(name=told, logged=name, edges=_TENTHS)


def _labels(signature: Signature, told: str) -> WatchedColumn:
    if all(isinstance(label, str) for label in signature.classes):
        levels = tuple(str(label) for label in signature.classes)
        return WatchedColumn(name=told, logged="prediction", levels=levels)
    numbers = sorted(float(label) for label in signature.classes)
    return WatchedColumn(name=told, logged="prediction", edges=tuple(numbers[:-1]))


def _of_profile(profile: ColumnProfile, name: str, logged: str, n_bins: int) -> WatchedColumn:
    if profile.is_text:
        table: dict[Hashable, int] = dict(profile.levels().items())
        levels = tuple(str(level) for level in kept_levels(table))
        counts = profile.counts_in_bins(levels=levels)
        return WatchedColumn(name=name, logged=logged, levels=levels, reference=counts)
    found = quantile_edges(profile.table, n_bins=n_bins).tolist() if profile.n_known else []
    counts = profile.counts_in_bins(edges=found)
    return WatchedColumn(name=name, logged=logged, edges=tuple(found), reference=counts)


def _counted_numbers(values: npt.NDArray[np.float64], edges: tuple[float, ...]) -> Counts:
    """Count values between edges, NaN last: an edge at a time is faster than a search."""
    known = int(np.count_nonzero(values == values))  # noqa: PLR0124 (NaN is not itself)
    above = (known, *(int(np.count_nonzero(values > edge)) for edge in edges), 0)
    between = [more - fewer for more, fewer in pairwise(above)]
    return np.array([*between, len(values) - known], np.int64)


def _counted_texts(values: pl.Series, levels: tuple[str, ...]) -> Counts | None:
    if not (values.dtype == pl.String or isinstance(values.dtype, pl.Enum | pl.Categorical)):
        return None
    found = values.value_counts()
    distinct, counts = found.get_columns()
    by_text: dict[str | None, int] = dict(
        zip(distinct.cast(pl.String).to_list(), counts.to_list(), strict=True)
    )
    missing = by_text.pop(None, 0)
    own = [by_text.get(level, 0) for level in levels]
    others = len(values) - missing - sum(own)
    return np.array([*own, others, missing], np.int64)


def _numbers(values: pl.Series) -> npt.NDArray[np.float64] | None:
    """Return numbers and times in the units of a profile, NaN where missing."""
    dtype = values.dtype
    if dtype == pl.Time:
        values = values.to_physical() // 1_000
    elif dtype == pl.Date:
        values = values.to_physical()
    elif dtype.is_temporal():
        values = values.dt.cast_time_unit("us").to_physical()
    elif not (dtype.is_numeric() or dtype == pl.Boolean):
        return None
    return values.cast(pl.Float64).to_numpy()
