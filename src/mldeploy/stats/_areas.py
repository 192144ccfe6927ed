"""Areas under the ROC curve of resampled rows, of any number of rows."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from mldeploy.stats._arrays import Floats, Ints
from mldeploy.stats._auc import Placements, starts_of_runs
from mldeploy.stats._replicates import draws, per_unit, random_groups

_FEW = 20_000
"""Rows up to which each resample weighs single rows, which is exact."""
_N_GROUPS = 2000
"""Groups that more units are pooled into, at random ..."""
_N_BINS = 2000
"""... and bins that more scores are cut into, of about equal numbers of rows."""


def resampled_areas(
    positive: npt.NDArray[np.bool_],
    score: Floats,
    places: Placements,
    *,
    codes: Ints | None,
    n_units: int,
    n_resamples: int,
    rng: np.random.Generator,
) -> Floats:
    """Return the area of each resample of rows, or of whole units; NaN without both classes."""
    if positive.size <= _FEW:
        return _by_rows(
            positive, score, codes=codes, n_units=n_units, n_resamples=n_resamples, rng=rng
        )
    influence = per_unit(codes, places.influence(positive), n=n_units)
    groups = random_groups(n_units, n_groups=_N_GROUPS, rng=rng)
    areas = _by_groups(
        positive,
        score,
        groups if codes is None else groups[codes],
        n_resamples=n_resamples,
        rng=rng,
    )
    # Pooling and binning lose the last digits of the spread, which the rows' influence knows.
    pooled = per_unit(groups, influence, n=int(groups.max()) + 1)
    spread = math.sqrt(float(influence @ influence) / max(float(pooled @ pooled), 1e-300))
    centred: Floats = places.auc + (areas - _area_of(positive, score)) * spread
    return centred


def _by_rows(
    positive: npt.NDArray[np.bool_],
    score: Floats,
    *,
    codes: Ints | None,
    n_units: int,
    n_resamples: int,
    rng: np.random.Generator,
) -> Floats:
    order = np.argsort(score)
    # Without units the rows are exchangeable: draws may as well be made in sorted order.
    spread = None if codes is None else codes[order]
    positive, starts = positive[order], starts_of_runs(score[order])
    chunks = draws(n_units, n_resamples=n_resamples, width=score.size, rng=rng)
    weights = (counts if spread is None else counts[:, spread] for counts in chunks)
    return np.concatenate(
        [_areas(_runs(w * positive, starts), _runs(w * ~positive, starts)) for w in weights]
    )


def _by_groups(
    positive: npt.NDArray[np.bool_],
    score: Floats,
    groups: Ints,
    *,
    n_resamples: int,
    rng: np.random.Generator,
) -> Floats:
    """Weigh tables of counts per group and bin of the score, by one product of matrices."""
    bins, n_bins = _bins(score)
    n_groups = int(groups.max()) + 1
    of_positive, of_negative = (
        np.bincount(groups[side] * n_bins + bins[side], minlength=n_groups * n_bins)
        .reshape(n_groups, n_bins)
        .astype(np.float64)
        for side in (positive, ~positive)
    )
    chunks = draws(n_groups, n_resamples=n_resamples, width=n_bins, rng=rng)
    return np.concatenate([_areas(w @ of_positive, w @ of_negative) for w in chunks])


def _area_of(positive: npt.NDArray[np.bool_], score: Floats) -> float:
    """Return the area of all rows with scores as coarse as in `_by_groups`."""
    bins, n_bins = _bins(score)
    counts = [np.bincount(bins[side], minlength=n_bins) for side in (positive, ~positive)]
    above, below = (part[None].astype(np.float64) for part in counts)
    return float(_areas(above, below)[0])


def _bins(score: Floats) -> tuple[Ints, int]:
    """Number the scores' bins: one a score if there are few, else of about equal sizes."""
    cuts = np.unique(score)
    if cuts.size > _N_BINS:
        cuts = np.unique(np.quantile(score, np.arange(1, _N_BINS) / _N_BINS, method="higher"))
        return np.searchsorted(cuts, score, side="right"), cuts.size + 1
    return np.searchsorted(cuts, score), cuts.size


def _runs(weights: Floats, starts: Ints) -> Floats:
    """Add up the columns of equal scores, which begin at `starts`."""
    if starts.size == weights.shape[1]:
        return weights
    return np.asarray(np.add.reduceat(weights, starts, axis=1), dtype=np.float64)


def _areas(of_positive: Floats, of_negative: Floats) -> Floats:
    """Return the area of each row of class weights, whose columns are scores in order."""
    below = np.cumsum(of_negative, axis=1) - of_negative / 2
    wins = np.einsum("ij,ij->i", of_positive, below)
    n_pairs = of_positive.sum(axis=1) * of_negative.sum(axis=1)
    areas = np.full(wins.size, np.nan)
    np.divide(wins, n_pairs, out=areas, where=n_pairs > 0)
    return areas
