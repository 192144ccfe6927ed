"""Is a change of distribution both real and large enough to matter?"""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt
import pydantic
from scipy import stats as scipy_stats

from mldeploy._record import Record
from mldeploy.stats._divergence import paired_counts, psi


@final
class DriftTest(Record):
    """Outcome of `psi_test`: the effect, the evidence, and what they rest on."""

    psi: float = pydantic.Field(ge=0, description="Population stability index, in nats.")
    p_value: float = pydantic.Field(ge=0, le=1, description='Of H0 "PSI <= epsilon".')
    epsilon: float = pydantic.Field(ge=0, description="Largest immaterial PSI, in nats.")
    n_reference: int
    n_current: int
    n_bins: int


def psi_test(
    reference_counts: npt.ArrayLike, current_counts: npt.ArrayLike, *, epsilon: float = 0.02
) -> DriftTest:
    r"""Test whether two samples differ by more than an immaterial stability index.

    Parameters
    ----------
    reference_counts, current_counts : array_like of shape (n_bins,)
        Counts over the same bins, of independent rows; bins empty in both are ignored. Both are
        samples: treating the reference as known makes the p-value far too small.
    epsilon : float, default=0.02
        Largest population stability index that does not matter, in nats; 0 tests for any change.

    Returns
    -------
    DriftTest
        The index, and the p-value of H0 "PSI <= epsilon". With a single filled bin there is
        nothing to differ in: PSI 0 and p 1.

    Raises
    ------
    EmptyDataError
        If a sample has no counts.
    InvalidDataError
        If the arrays differ in shape, or hold negative or fractional counts.
    ValueError
        If `epsilon` is negative.

    Notes
    -----
    With samples of n and m rows, :math:`(1/n + 1/m)^{-1} \mathrm{PSI}` is asymptotically
    chi-squared with B - 1 degrees of freedom when nothing changed [1]_; when the true index is
    epsilon, it is noncentral with parameter :math:`\varepsilon / (1/n + 1/m)`. Bins with few
    expected counts make the approximation worse: build them with `align_numbers` or
    `align_categories`. Rows of real systems are seldom independent; with six or more past
    windows prefer `judge_against_history`.

    References
    ----------
    .. [1] B. Yurdakul and J. Naranjo, "Statistical properties of the population stability
       index", Journal of Risk Model Validation 14 (2020) 89-100.

    Examples
    --------
    >>> test = psi_test([500, 500], [500, 500])
    >>> test.psi, test.p_value > 0.99
    (0.0, True)
    >>> psi_test([5000, 5000], [3500, 6500]).p_value < 1e-6
    True
    """
    if epsilon < 0:
        raise ValueError(f"epsilon is {epsilon}; an immaterial index is at least 0")
    pair = paired_counts(reference_counts, current_counts)
    n, m = int(pair.reference.sum()), int(pair.current.sum())
    n_bins = int(np.count_nonzero(pair.reference + pair.current))
    index = max(psi(pair.reference, pair.current), 0.0)
    return DriftTest(
        psi=index,
        p_value=_p_value(index, n_bins=n_bins, scale=1 / (1 / n + 1 / m), epsilon=epsilon),
        epsilon=epsilon,
        n_reference=n,
        n_current=m,
        n_bins=n_bins,
    )


def _p_value(index: float, *, n_bins: int, scale: float, epsilon: float) -> float:
    if n_bins == 1:
        return 1.0
    if epsilon == 0:
        return float(scipy_stats.chi2.sf(index * scale, n_bins - 1))
    p = float(scipy_stats.ncx2.sf(index * scale, n_bins - 1, epsilon * scale))
    return min(max(p, 0.0), 1.0)
