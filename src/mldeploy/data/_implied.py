"""By how much a changed column alone would change the target."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.data._bins import ColumnBins

Floats = npt.NDArray[np.float64]

MOST_ROWS: Final = 50_000
_MOST_CLASSES = 20


def sampled(table: pl.DataFrame, *, seed: int = 0) -> pl.DataFrame:
    """Return at most 50,000 rows drawn at random, in their order."""
    if table.height <= MOST_ROWS:
        return table
    rows = np.random.default_rng(seed).choice(table.height, MOST_ROWS, replace=False)
    return table[np.sort(rows)]


def coded_target(target: pl.Series) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Return the target as columns whose means tell it, and which rows have one.

    A number of more than 20 values is one column in its standard deviations; anything else has
    a column of 0 and 1 for each of its most frequent values.
    """
    known = target.is_not_null().to_numpy()
    dtype = target.dtype
    if dtype.is_numeric() and target.n_unique() > _MOST_CLASSES + 1:
        values = target.cast(pl.Float64).to_numpy()
        known = known & np.isfinite(values)
        with np.errstate(over="ignore", invalid="ignore"):
            sd = float(values[known].std()) if known.any() else 0.0
            middle = float(values[known].mean()) if known.any() else 0.0
            scaled = (values - middle) / (sd or 1.0)
        return np.where(known & np.isfinite(scaled), scaled, 0.0)[:, None], known
    classes = target.drop_nulls().value_counts(sort=True)[target.name].head(_MOST_CLASSES)
    columns = [(target == value).fill_null(value=False).to_numpy() for value in classes]
    return np.column_stack(columns).astype(float) if columns else np.zeros((len(target), 0)), known


def means_by_bin(
    places: npt.NDArray[np.intp], n_bins: int, target: Floats, known: npt.NDArray[np.bool_]
) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Return the target's means in each bin (overall, where a bin is empty), and rows behind."""
    rows, inside = places[known], target[known]
    counts = np.bincount(rows, minlength=n_bins)
    overall = inside.mean(axis=0) if len(inside) else np.zeros(target.shape[1])
    sums = [np.bincount(rows, inside[:, c], n_bins) for c in range(target.shape[1])]
    means: Floats = np.column_stack(sums).astype(float) if sums else np.zeros((n_bins, 0))
    filled = counts > 0
    means[filled] /= counts[filled, None]
    means[~filled] = overall
    return means, counts.astype(np.int64)


def implied_changes(
    table: pl.DataFrame,
    target: str,
    compared: Sequence[tuple[str, ColumnBins, Floats, Floats]],
) -> dict[str, float]:
    """Return for each column what its changed shares imply for the target.

    Parameters
    ----------
    table : polars.DataFrame
        Rows of the reference.
    target : str
        The column that matters; for itself the share of rows that moved is returned.
    compared : sequence of (name, bins, reference shares, current shares)
        The columns.

    Returns
    -------
    dict of str to float
        Half the summed absolute changes of the classes' shares, or of a number the absolute
        change of its mean, in standard deviations.
    """
    rows = sampled(table)
    coded, known = coded_target(rows[target])
    weight = 0.5 if coded.shape[1] != 1 else 1.0
    found = {}
    for name, bins, before, now in compared:
        if name == target:
            found[name] = float(np.abs(now - before).sum() / 2)
            continue
        means, _ = means_by_bin(bins.places(rows[name]), len(bins.labels), coded, known)
        found[name] = float(weight * np.abs((now - before) @ means).sum())
    return found
