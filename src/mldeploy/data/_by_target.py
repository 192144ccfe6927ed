"""How the target goes with each feature, and on which slices it is unlike elsewhere."""

from __future__ import annotations

from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy._record import Record
from mldeploy.data._bins import ColumnBins
from mldeploy.data._dataset import Dataset
from mldeploy.data._implied import coded_target, means_by_bin, sampled
from mldeploy.data._profile import Profile
from mldeploy.stats import Interval, holm_confidence, mean_interval, wilson

_FEWEST: Final = 30
_MOST_SLICES: Final = 12


@final
class TargetByColumn(Record):
    """The target's mean in each bin of a feature, and how much the feature tells of it.

    Attributes
    ----------
    labels : tuple of str
        What each bin holds.
    means : tuple of float
        Mean in each: the share of the positive class, or the mean number.
    n : tuple of int
        Rows looked at in each.
    explained : float
        Share of the target's variance between the bins, less what chance explains; in [0, 1].
    """

    labels: tuple[str, ...]
    means: tuple[float, ...]
    n: tuple[int, ...]
    explained: float


@final
class TargetSlice(Record):
    """A bin of a feature in which the target is unlike its overall mean, beyond chance."""

    column: str
    label: str
    n: int
    share: float
    mean: float
    interval: Interval


@final
class ByTarget(Record):
    """How the target goes with each feature, on rows drawn at random.

    Attributes
    ----------
    target, positive : str
        The target, and the class whose share is told; empty for a number.
    n : int
        Rows looked at: at most 50,000, and one for each unit.
    overall : float
        Share of the positive class, or mean.
    columns : dict of str to TargetByColumn
        The features that tell most first.
    slices : tuple of TargetSlice
        Those that matter most (share of rows times difference) first; their intervals hold
        together with 95 % confidence.
    """

    target: str
    positive: str
    n: int
    overall: float
    columns: dict[str, TargetByColumn]
    slices: tuple[TargetSlice, ...]

    @classmethod
    def of(
        cls, dataset: Dataset, profile: Profile, *, positive: object | None = None
    ) -> ByTarget | None:
        """Look at every feature; None without a target of two classes or of numbers."""
        target = dataset.roles.target
        if target is None:
            return None
        rows = sampled(_one_of_each_unit(dataset)).drop_nulls(target)
        told = _as_number(rows[target], positive)
        if told is None or rows.height < _FEWEST:
            return None
        y, name = told
        coded, known = coded_target(rows[target])
        columns, slices = {}, []
        for feature in dataset.features:
            bins = ColumnBins.of(profile[feature])
            places = bins.places(rows[feature])
            means, counts = means_by_bin(places, len(bins.labels), coded, known)
            at = [np.flatnonzero(places == b) for b in range(len(bins.labels))]
            filled = [b for b in range(len(bins.labels)) if len(at[b])]
            columns[feature] = TargetByColumn(
                labels=tuple(bins.labels[b] for b in filled),
                means=tuple(float(y[at[b]].mean()) for b in filled),
                n=tuple(len(at[b]) for b in filled),
                explained=_explained(means, counts, coded[known]),
            )
            slices += [(feature, bins.labels[b], y[at[b]]) for b in filled]
        ranked = sorted(columns, key=lambda c: -columns[c].explained)
        return cls(
            target=target,
            positive=name,
            n=rows.height,
            overall=float(y.mean()),
            columns={c: columns[c] for c in ranked},
            slices=_unlike(slices, y, binary=bool(name)),
        )


def _one_of_each_unit(dataset: Dataset) -> pl.DataFrame:
    unit = dataset.roles.unit
    if unit is None:
        return dataset.table
    shuffled = dataset.table.sample(fraction=1.0, shuffle=True, seed=0)
    return shuffled.unique(unit, keep="first", maintain_order=True)


def _as_number(
    target: pl.Series, positive: object | None
) -> tuple[npt.NDArray[np.float64], str] | None:
    """Return 1 for the positive class and 0 else, or the numbers; None for many classes."""
    classes: list[Any] = sorted(target.unique().to_list(), key=str)
    if len(classes) == 2:
        chosen = positive if positive in classes else classes[1]
        return (target == chosen).to_numpy().astype(float), f"{chosen}"
    if target.dtype.is_numeric() and len(classes) > 2:
        numbers = target.cast(pl.Float64).to_numpy()
        return (numbers, "") if np.isfinite(numbers).all() else None
    return None


def _explained(
    means: npt.NDArray[np.float64], counts: npt.NDArray[np.int64], coded: npt.NDArray[np.float64]
) -> float:
    r"""Return :math:`\omega^2`: the share of variance between bins, corrected for chance."""
    n, n_bins = len(coded), int(np.count_nonzero(counts))
    total = float(((coded - coded.mean(axis=0)) ** 2).sum())
    if total <= 0 or n <= n_bins:
        return 0.0
    between = float((counts[:, None] * (means - coded.mean(axis=0)) ** 2).sum())
    within = (total - between) / (n - n_bins)
    return float(min(max((between - (n_bins - 1) * within) / (total + within), 0.0), 1.0))


def _unlike(
    slices: list[tuple[str, str, npt.NDArray[np.float64]]],
    y: npt.NDArray[np.float64],
    *,
    binary: bool,
) -> tuple[TargetSlice, ...]:
    enough = [s for s in slices if _FEWEST <= len(s[2]) < len(y)]
    if not enough:
        return ()
    confidence, overall = holm_confidence(len(enough)), float(y.mean())
    found = []
    for column, label, values in enough:
        if binary:
            estimate = wilson(int(values.sum()), len(values), confidence=confidence)
        else:
            estimate = mean_interval(values, confidence=confidence)
        if not estimate.interval.contains(overall):
            share = len(values) / len(y)
            found.append(
                TargetSlice(
                    column=column,
                    label=label,
                    n=len(values),
                    share=share,
                    mean=estimate.value,
                    interval=estimate.interval,
                )
            )
    found.sort(key=lambda s: -s.share * abs(s.mean - overall))
    return tuple(found[:_MOST_SLICES])
