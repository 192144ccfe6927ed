"""Always-valid test of two streams of successes and failures, row by row."""

from __future__ import annotations

import math
from typing import Self, final

import numpy as np
import numpy.typing as npt
import pydantic
from scipy import special

from mldeploy._record import Record
from mldeploy.errors import InvalidDataError
from mldeploy.stats._counts import Floats
from mldeploy.stats._sequential import checked_alpha


@final
class SafeTwoByTwo(Record):
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

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if self.prior <= 0:
            raise ValueError(f"prior is {self.prior}; pseudo-counts are positive")
        return self

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
        check_share(failures_a, n_a)
        check_share(failures_b, n_b)
        rate_a = (self.failures_a + self.prior) / (self.n_a + 2 * self.prior)
        rate_b = (self.failures_b + self.prior) / (self.n_b + 2 * self.prior)
        gain = 0.0
        if rate_b > rate_a and n_a and n_b:
            null = (n_a * rate_a + n_b * rate_b) / (n_a + n_b)
            gain = _log_likelihood(failures_a, n_a, rate_a) - _log_likelihood(
                failures_a + failures_b, n_a + n_b, null
            )
            gain += _log_likelihood(failures_b, n_b, rate_b)
        return self.model_copy(
            update={
                "failures_a": self.failures_a + failures_a,
                "n_a": self.n_a + n_a,
                "failures_b": self.failures_b + failures_b,
                "n_b": self.n_b + n_b,
                "log_e_value": self.log_e_value + gain,
            }
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


def check_share(failures: int, n: int) -> None:
    """Refuse more failures than rows, and negative numbers of either."""
    if not 0 <= failures <= n:
        raise InvalidDataError(f"{failures} failures in {n} rows; count failures among the rows")
