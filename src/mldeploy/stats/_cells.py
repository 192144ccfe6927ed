"""The bootstrap of metrics that see rows only by the cell of a table they fall into."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mldeploy.stats._arrays import Floats, Ints
from mldeploy.stats._estimate import Comparison, Estimate
from mldeploy.stats._replicates import (
    Replicates,
    Statistic,
    codes_of,
    comparison_from,
    draws,
    estimate_from,
    finite_value,
    random_groups,
    replicates_of,
)

_N_GROUPS = 10_000
"""Units kept apart; more are pooled at random: 0.7 % noise in the standard error."""
_N_JACKKNIFE = 200


def bootstrap_cells(
    statistic: Statistic,
    cells: npt.ArrayLike,
    *,
    n_cells: int,
    weights: npt.ArrayLike | None = None,
    units: npt.ArrayLike | None = None,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> Estimate:
    """Estimate a metric of a table of counts, such as a confusion matrix, with a BCa interval.

    Parameters
    ----------
    statistic : callable
        ``statistic(counts) -> float``; the counts, of shape (n_cells,), say how much weight
        each cell has. It answers NaN where it is undefined.
    cells : array-like of int of shape (n_rows,)
        The cell of each row, in [0, n_cells).
    n_cells : int
        Number of cells.
    weights : array-like of shape (n_rows,), optional
        How much each row counts.
    units : array-like of shape (n_rows,), optional
        What the rows belong to, as in `bootstrap`.
    n_resamples : int, default=1000
        Resamples, at least 50.
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1).
    rng : numpy.random.Generator
        Source of the resamples.

    Returns
    -------
    Estimate
        As of `bootstrap`: rows that are drawn with replacement fill cells multinomially, so it
        is the same bootstrap, at a cost that does not depend on the number of rows.

    Raises
    ------
    ValueError
        As in `bootstrap`.

    Examples
    --------
    >>> right = np.repeat([0, 1], [20, 80])
    >>> estimate = bootstrap_cells(
    ...     lambda n: n[1] / n.sum(), right, n_cells=2, rng=np.random.default_rng(0)
    ... )
    >>> estimate.value, estimate.n, estimate.method
    (0.8, 100, 'BCa bootstrap')
    """
    replicates, n_units = _replicates(
        statistic, cells, n_cells, weights=weights, units=units, n_resamples=n_resamples, rng=rng
    )
    return estimate_from(replicates, confidence=confidence, n=n_units, clustered=units is not None)


def paired_bootstrap_cells(
    statistic: Statistic,
    cells: npt.ArrayLike,
    *,
    n_cells: int,
    weights: npt.ArrayLike | None = None,
    units: npt.ArrayLike | None = None,
    n_resamples: int = 1000,
    confidence: float = 0.95,
    rng: np.random.Generator,
) -> Comparison:
    """Compare two models on the same rows by a metric of a table of counts.

    Parameters
    ----------
    statistic : callable
        The difference, as a function of the weight of each cell; a cell says what both models
        answered.
    cells, n_cells, weights, units, n_resamples, confidence, rng
        As in `bootstrap_cells`.

    Returns
    -------
    Comparison
        As of `paired_bootstrap`.

    Raises
    ------
    ValueError
        As in `bootstrap`.

    Examples
    --------
    >>> both = np.repeat([0, 1, 2], [80, 15, 5])  # neither, only a, only b is right
    >>> found = paired_bootstrap_cells(
    ...     lambda n: (n[1] - n[2]) / n.sum(), both, n_cells=3, rng=np.random.default_rng(0)
    ... )
    >>> found.difference, found.interval.low > 0
    (0.1, True)
    """
    replicates, n_units = _replicates(
        statistic, cells, n_cells, weights=weights, units=units, n_resamples=n_resamples, rng=rng
    )
    return comparison_from(
        replicates, confidence=confidence, n=n_units, clustered=units is not None
    )


def _replicates(
    statistic: Statistic,
    cells: npt.ArrayLike,
    n_cells: int,
    *,
    weights: npt.ArrayLike | None,
    units: npt.ArrayLike | None,
    n_resamples: int,
    rng: np.random.Generator,
) -> tuple[Replicates, int]:
    of_rows = np.asarray(cells, dtype=np.int64)
    n_rows = of_rows.size
    codes, n_units = codes_of(units, n_rows=n_rows)
    if codes is None and weights is None:
        counts = np.bincount(of_rows, minlength=n_cells)
        return _of_counts(statistic, counts, n_resamples=n_resamples, rng=rng), n_units
    own = np.ones(n_rows) if weights is None else np.asarray(weights, dtype=np.float64)
    groups = random_groups(n_units, n_groups=_N_GROUPS, rng=rng)
    of_row = groups if codes is None else groups[codes]
    table = _table(of_row, of_rows, own, shape=(min(n_units, _N_GROUPS), n_cells))
    return _of_table(statistic, table, n_resamples=n_resamples, rng=rng), n_units


def _of_counts(
    statistic: Statistic, counts: Ints, *, n_resamples: int, rng: np.random.Generator
) -> Replicates:
    """Draw rows with replacement, which is a multinomial draw of their cells."""
    if n_resamples < 50:
        raise ValueError(f"{n_resamples=} resamples make no interval; take 50 or more")
    n = int(counts.sum())
    drawn = rng.multinomial(n, counts / n, size=n_resamples).astype(np.float64)
    resampled = np.fromiter((statistic(row) for row in drawn), np.float64, n_resamples)
    value = finite_value(statistic(counts.astype(np.float64)))
    filled = np.flatnonzero(counts)
    without = np.fromiter(
        (statistic(counts - (np.arange(counts.size) == cell)) for cell in filled), np.float64
    )
    # Each row of a cell moves the statistic alike: leave one out, count it as often as it is.
    influence = np.repeat(value - without, np.minimum(counts[filled], n))
    return replicates_of(value, resampled, influence=influence)


def _of_table(
    statistic: Statistic, table: Floats, *, n_resamples: int, rng: np.random.Generator
) -> Replicates:
    """Draw the rows of a table of weights by unit (or group of units) and cell."""
    n_groups = table.shape[0]
    chunks = draws(n_groups, n_resamples=n_resamples, width=n_groups, rng=rng)
    resampled = np.fromiter(
        (statistic(sums) for chunk in chunks for sums in chunk @ table), np.float64
    )
    total = table.sum(axis=0)
    value = finite_value(statistic(total))
    left_out = random_groups(n_groups, n_groups=_N_JACKKNIFE, rng=rng)
    sums = _table(left_out, None, table, shape=(int(left_out.max()) + 1, table.shape[1]))
    without = np.fromiter((statistic(total - part) for part in sums), np.float64)
    return replicates_of(value, resampled, influence=np.nanmean(without) - without)


def _table(groups: Ints, cells: Ints | None, own: Floats, *, shape: tuple[int, int]) -> Floats:
    """Add weights up by group and cell; without cells, whole rows of a table by group."""
    if cells is None:
        summed = np.zeros(shape)
        np.add.at(summed, groups, own)
        return summed
    flat = np.bincount(groups * shape[1] + cells, weights=own, minlength=shape[0] * shape[1])
    return np.asarray(flat, dtype=np.float64).reshape(shape)
