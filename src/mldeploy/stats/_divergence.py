"""Distances between two distributions, computed from counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats._counts import Counts, Floats, ValueCounts, as_counts


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _Pair:
    reference: Counts
    current: Counts

    @property
    def shares(self) -> tuple[Floats, Floats]:
        return self.reference / self.reference.sum(), self.current / self.current.sum()


def paired_counts(reference_counts: npt.ArrayLike, current_counts: npt.ArrayLike) -> _Pair:
    """Check that two count arrays lie over the same bins and that neither sample is empty."""
    reference = as_counts(reference_counts, name="reference_counts")
    current = as_counts(current_counts, name="current_counts")
    if reference.shape != current.shape:
        raise InvalidDataError(
            f"{reference.size} reference bins and {current.size} current bins; "
            "count both samples over the same bins"
        )
    if reference.sum() == 0 or current.sum() == 0:
        raise EmptyDataError("a sample has no counts at all; two samples are needed to compare")
    return _Pair(reference=reference, current=current)


def psi(reference_counts: npt.ArrayLike, current_counts: npt.ArrayLike) -> float:
    r"""Population stability index: how far two samples' bin shares are apart.

    Parameters
    ----------
    reference_counts, current_counts : array_like of shape (n_bins,)
        Counts over the same bins. Bins that are empty in both are ignored.

    Returns
    -------
    float
        Index in nats: 0 for equal shares, unbounded above, symmetric.

    Raises
    ------
    EmptyDataError
        If a sample has no counts.
    InvalidDataError
        If the arrays differ in shape, or hold negative or fractional counts.

    Notes
    -----
    :math:`\sum_b (p_b - q_b) \ln(p_b / q_b)` with half a count added to every bin, so that an
    empty bin has a finite part in it. It grows as samples shrink: a fixed cut-off has no fixed
    error rate [1]_; `psi_test` has one.

    References
    ----------
    .. [1] B. Yurdakul and J. Naranjo, "Statistical properties of the population stability
       index", Journal of Risk Model Validation 14 (2020) 89-100.

    Examples
    --------
    >>> psi([50, 50], [50, 50])
    0.0
    >>> round(psi([25, 75], [50, 50]), 4)
    0.2687
    """
    pair = paired_counts(reference_counts, current_counts)
    filled = (pair.reference + pair.current) > 0
    reference, current = pair.reference[filled] + 0.5, pair.current[filled] + 0.5
    p, q = current / current.sum(), reference / reference.sum()
    return float(np.sum((p - q) * np.log(p / q)))


def jensen_shannon(reference_counts: npt.ArrayLike, current_counts: npt.ArrayLike) -> float:
    r"""Jensen-Shannon distance between two samples' bin shares.

    Parameters
    ----------
    reference_counts, current_counts : array_like of shape (n_bins,)
        Counts over the same bins.

    Returns
    -------
    float
        Distance in [0, 1]: 0 for equal shares, 1 for disjoint ones; a metric.

    Raises
    ------
    EmptyDataError
        If a sample has no counts.
    InvalidDataError
        If the arrays differ in shape, or hold negative or fractional counts.

    Notes
    -----
    Square root of the mean Kullback-Leibler divergence, in bits, of both from their midpoint [1]_.

    References
    ----------
    .. [1] D. M. Endres and J. E. Schindelin, "A new metric for probability distributions",
       IEEE Transactions on Information Theory 49 (2003) 1858-1860.

    Examples
    --------
    >>> jensen_shannon([1, 0], [0, 7])
    1.0
    """
    p, q = paired_counts(reference_counts, current_counts).shares
    middle = (p + q) / 2
    bits = (_relative_bits(p, middle) + _relative_bits(q, middle)) / 2
    return float(np.sqrt(min(max(bits, 0.0), 1.0)))


def _relative_bits(p: Floats, q: Floats) -> float:
    some = p > 0
    return float(np.sum(p[some] * np.log2(p[some] / q[some])))


def total_variation(reference_counts: npt.ArrayLike, current_counts: npt.ArrayLike) -> float:
    """Total variation distance: the share of rows that would have to change bins.

    Parameters
    ----------
    reference_counts, current_counts : array_like of shape (n_bins,)
        Counts over the same bins.

    Returns
    -------
    float
        Half the summed absolute differences of shares, in [0, 1]; a metric.

    Raises
    ------
    EmptyDataError
        If a sample has no counts.
    InvalidDataError
        If the arrays differ in shape, or hold negative or fractional counts.

    References
    ----------
    .. [1] D. A. Levin, Y. Peres and E. L. Wilmer, "Markov Chains and Mixing Times", section 4.1.

    Examples
    --------
    >>> total_variation([25, 75], [50, 50])
    0.25
    """
    p, q = paired_counts(reference_counts, current_counts).shares
    return float(np.abs(p - q).sum() / 2)


def ks_statistic(reference_counts: npt.ArrayLike, current_counts: npt.ArrayLike) -> float:
    """Kolmogorov-Smirnov statistic: largest gap between two cumulative shares.

    Parameters
    ----------
    reference_counts, current_counts : array_like of shape (n_bins,)
        Counts over the same *ordered* bins. With one bin for every distinct value this is the
        two-sample statistic itself; coarser bins give a lower bound of it.

    Returns
    -------
    float
        Gap in [0, 1].

    Raises
    ------
    EmptyDataError
        If a sample has no counts.
    InvalidDataError
        If the arrays differ in shape, or hold negative or fractional counts.

    References
    ----------
    .. [1] J. L. Hodges, "The significance probability of the Smirnov two-sample test",
       Arkiv för Matematik 3 (1958) 469-486.

    Examples
    --------
    >>> ks_statistic([2, 1, 1], [1, 1, 2])
    0.25
    """
    p, q = paired_counts(reference_counts, current_counts).shares
    return float(min(np.abs(np.cumsum(p - q)).max(), 1.0))


def wasserstein_1d(reference: ValueCounts, current: ValueCounts) -> float:
    """Wasserstein-1 (earth mover's) distance between two samples of numbers.

    Parameters
    ----------
    reference, current : ValueCounts
        Value-count tables; missing values are left out.

    Returns
    -------
    float
        Mean distance that a value has to be moved, in the unit of the values; at least 0.

    Raises
    ------
    EmptyDataError
        If a sample holds only missing values.
    InvalidDataError
        If a value is infinite: the distance then has no meaning.

    Notes
    -----
    Area between the two distribution functions [1]_.

    References
    ----------
    .. [1] S. S. Vallender, "Calculation of the Wasserstein distance between probability
       distributions on the line", Theory of Probability and its Applications 18 (1974) 784-786.

    Examples
    --------
    >>> wasserstein_1d(ValueCounts.of([0, 1, 3]), ValueCounts.of([5, 6, 8]))
    5.0
    """
    if reference.n == 0 or current.n == 0:
        raise EmptyDataError("a sample has no known values; two samples are needed to compare")
    grid = np.union1d(reference.values, current.values)
    if not np.isfinite(grid).all():
        raise InvalidDataError("a value is infinite; leave infinite values out, or count them")
    gap = np.abs(_reached(reference, grid) - _reached(current, grid))
    return float(np.sum(gap[:-1] * np.diff(grid)))


def _reached(table: ValueCounts, grid: Floats) -> Floats:
    """Share of the table's values at or below each grid point."""
    up_to = np.concatenate([[0], np.cumsum(table.counts)])
    reached: Floats = up_to[np.searchsorted(table.values, grid, side="right")] / table.n
    return reached
