"""Two streams of successes and failures: safe 2x2 test, outage guard, sample-ratio check."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import final

import numpy as np
import numpy.typing as npt
from scipy import special
from scipy import stats as scipy_stats

from mldeploy.errors import InvalidDataError
from mldeploy.stats._counts import Floats
from mldeploy.stats._sequential import checked_alpha


@final
@dataclass(frozen=True, kw_only=True)
class SafeTwoByTwo:
    r"""Always-valid test that stream B fails no more often than stream A, for single rows.

    For *independent* rows only. When failures come in clumps every test that counts rows rolls
    back healthy canaries: use `TEProcess` on blocks then.

    Attributes
    ----------
    prior : float
        Beta prior of both failure rates, in pseudo-counts of failures and of successes each.
    failures_a, n_a, failures_b, n_b : int
        State: failures and rows so far in each stream.
    log_e_value : float
        State: natural logarithm of the evidence against H0 "B fails no more often than A".

    Notes
    -----
    For each block with :math:`n_a, n_b` rows the e-variable is
    :math:`\prod p_{\theta_a} p_{\theta_b} / p_{\theta_0}` with
    :math:`\theta_0 = (n_a\theta_a + n_b\theta_b) / (n_a + n_b)`, the projection of the
    alternative on H0 [1]_. The alternative is the posterior mean of the blocks before; while it
    does not have B above A, the factor is 1.

    References
    ----------
    .. [1] R. Turner, A. Ly and P. Grünwald, "Generic E-variables for exact sequential k-sample
       tests that allow for optional stopping", Journal of Statistical Planning and Inference 230
       (2024) 106116.

    Examples
    --------
    >>> state = SafeTwoByTwo()
    >>> for _ in range(5):
    ...     state = state.update(failures_a=5, n_a=500, failures_b=30, n_b=500)
    >>> state.rejects(0.01)
    True
    """

    prior: float = 0.18
    failures_a: int = 0
    n_a: int = 0
    failures_b: int = 0
    n_b: int = 0
    log_e_value: float = 0.0

    def __post_init__(self) -> None:
        if self.prior <= 0:
            raise ValueError(f"prior is {self.prior}; pseudo-counts are positive")

    @property
    def e_value(self) -> float:
        """Evidence against H0: 1 at the start, at most 1 on average under it."""
        return math.exp(min(self.log_e_value, 700.0))

    def update(self, *, failures_a: int, n_a: int, failures_b: int, n_b: int) -> SafeTwoByTwo:
        """Return the state after one more block of rows.

        Parameters
        ----------
        failures_a, n_a : int
            Failures and rows of stream A (the champion) in the block.
        failures_b, n_b : int
            Failures and rows of stream B (the canary) in the block.

        Returns
        -------
        SafeTwoByTwo
            The new state; this one is unchanged.

        Raises
        ------
        InvalidDataError
            If there are more failures than rows, or a negative number of either.
        """
        _check_share(failures_a, n_a)
        _check_share(failures_b, n_b)
        rate_a = (self.failures_a + self.prior) / (self.n_a + 2 * self.prior)
        rate_b = (self.failures_b + self.prior) / (self.n_b + 2 * self.prior)
        gain = 0.0
        if rate_b > rate_a and n_a and n_b:
            null = (n_a * rate_a + n_b * rate_b) / (n_a + n_b)
            gain = _log_likelihood(failures_a, n_a, rate_a) - _log_likelihood(
                failures_a + failures_b, n_a + n_b, null
            )
            gain += _log_likelihood(failures_b, n_b, rate_b)
        return replace(
            self,
            failures_a=self.failures_a + failures_a,
            n_a=self.n_a + n_a,
            failures_b=self.failures_b + failures_b,
            n_b=self.n_b + n_b,
            log_e_value=self.log_e_value + gain,
        )

    def rejects(self, alpha: float) -> bool:
        """Tell whether the evidence is enough at level `alpha`, in (0, 1)."""
        return self.log_e_value >= -math.log(checked_alpha(alpha))


def safe_two_by_two(
    failures_a: npt.ArrayLike, n_a: npt.ArrayLike, failures_b: npt.ArrayLike, n_b: npt.ArrayLike
) -> Floats:
    """Return the e-value of `SafeTwoByTwo` after each of several blocks.

    Parameters
    ----------
    failures_a, n_a, failures_b, n_b : array_like of shape (n_blocks,)
        Failures and rows of the streams A and B in each block.

    Returns
    -------
    ndarray of shape (n_blocks,)
        Evidence against H0 "B fails no more often than A" (Turner, Ly and Grünwald, 2024).

    Raises
    ------
    InvalidDataError
        If there are more failures than rows, or a negative number of either.

    Examples
    --------
    >>> safe_two_by_two([1, 0], [100, 100], [9, 12], [100, 100]).round(1).tolist()
    [1.0, 1346.3]
    """
    state, path = SafeTwoByTwo(), []
    blocks = np.column_stack(
        [np.asarray(x, dtype=int) for x in (failures_a, n_a, failures_b, n_b)]
    )
    for f_a, rows_a, f_b, rows_b in blocks.tolist():
        state = state.update(failures_a=f_a, n_a=rows_a, failures_b=f_b, n_b=rows_b)
        path.append(state.e_value)
    return np.array(path, dtype=np.float64)


def _log_likelihood(failures: int, n: int, rate: float) -> float:
    return float(special.xlogy(failures, rate) + special.xlog1py(n - failures, -rate))


def _check_share(failures: int, n: int) -> None:
    if not 0 <= failures <= n:
        raise InvalidDataError(f"{failures} failures in {n} rows; count failures among the rows")


@final
@dataclass(frozen=True, kw_only=True)
class OutageGuard:
    """Stop at once when several blocks in a row fail conspicuously.

    A sequential test takes blocks to learn how much blocks vary; an outage needs no such lesson.

    Attributes
    ----------
    conspicuous : float
        Failure share, above the comparison's, that a healthy block hardly ever has; in (0, 1].
    block_chance : float
        Largest chance that a healthy block is conspicuous all the same, in (0, 1): what the
        caller vouches for, from the service's own past. Clumps within a block are covered by it.
    n_in_a_row : int
        Conspicuous blocks in a row that make an outage.
    run, longest : int
        State: conspicuous blocks in a row now, and at most so far.

    Examples
    --------
    >>> guard = OutageGuard(conspicuous=0.2, block_chance=0.01, n_in_a_row=3)
    >>> for failures in [3, 60, 71, 66]:
    ...     guard = guard.update(failures=failures, total=100)
    >>> guard.outage
    True
    >>> f"{guard.false_alarm_probability(240):.5f}"
    '0.00024'
    """

    conspicuous: float = 0.2
    block_chance: float = 0.01
    n_in_a_row: int = 3
    run: int = 0
    longest: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.conspicuous <= 1:
            raise ValueError(f"conspicuous is {self.conspicuous}; a share lies in (0, 1]")
        checked_alpha(self.block_chance)
        if self.n_in_a_row < 1:
            raise ValueError(f"n_in_a_row is {self.n_in_a_row}; at least one block is needed")

    def update(self, *, failures: int, total: int, comparison_share: float = 0.0) -> OutageGuard:
        """Return the state after one more block.

        Parameters
        ----------
        failures, total : int
            Failures and rows of the block; a block without rows changes nothing.
        comparison_share : float, default=0.0
            Failure share of the comparison (the champion) in the same block, in [0, 1]: an outage
            of both is not the canary's.

        Returns
        -------
        OutageGuard
            The new state; this one is unchanged.

        Raises
        ------
        InvalidDataError
            If there are more failures than rows, or a negative number of either.
        """
        _check_share(failures, total)
        if total == 0:
            return self
        conspicuous = failures / total - comparison_share >= self.conspicuous
        run = self.run + 1 if conspicuous else 0
        return replace(self, run=run, longest=max(self.longest, run))

    @property
    def outage(self) -> bool:
        """Whether `n_in_a_row` conspicuous blocks were seen, now or before."""
        return self.longest >= self.n_in_a_row

    def false_alarm_probability(self, n_blocks: int) -> float:
        """Chance that a healthy service is called an outage within `n_blocks` blocks.

        Parameters
        ----------
        n_blocks : int
            Independent blocks, each looked at.

        Returns
        -------
        float
            Exact when every block is conspicuous with chance `block_chance`; by monotonicity
            an upper bound when the chance is smaller. In [0, 1].

        Notes
        -----
        Recursion over the length of the current run (W. Feller, "An Introduction to Probability
        Theory and Its Applications" I, section XIII.7).
        """
        q = self.block_chance
        runs = np.zeros(self.n_in_a_row)
        runs[0] = 1.0
        hit = 0.0
        for _ in range(n_blocks):
            hit += q * runs[-1]
            broken = (1 - q) * runs.sum()
            runs[1:] = q * runs[:-1]
            runs[0] = broken
        return float(hit)


def sample_ratio_p_value(n_a: int, n_b: int, share_b: float) -> float:
    """Test whether rows were split between two streams as intended.

    Parameters
    ----------
    n_a, n_b : int
        Independent units (users, sessions; requests if nothing better) that each stream got.
    share_b : float
        Intended share of stream B, in (0, 1).

    Returns
    -------
    float
        Two-sided exact binomial p-value. A small one (below .001, say) means that the comparison
        of the streams cannot be trusted, whatever it says [1]_.

    Raises
    ------
    InvalidDataError
        If nobody was counted, or a count is negative.
    ValueError
        If `share_b` is not in (0, 1).

    References
    ----------
    .. [1] A. Fabijan et al., "Diagnosing sample ratio mismatch in online controlled
       experiments", KDD 2019.

    Examples
    --------
    >>> sample_ratio_p_value(900, 100, 0.1)
    1.0
    >>> sample_ratio_p_value(880, 140, 0.1) < 0.001
    True
    """
    if not 0 < share_b < 1:
        raise ValueError(f"share_b is {share_b}; the intended share lies between 0 and 1")
    if min(n_a, n_b) < 0 or n_a + n_b == 0:
        raise InvalidDataError(f"{n_a} and {n_b} units; count at least one, and none below 0")
    return float(scipy_stats.binomtest(n_b, n_a + n_b, share_b).pvalue)
