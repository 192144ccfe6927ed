"""Evidence about the mean of bounded values, at every look, whatever their distribution."""

from __future__ import annotations

import math
from typing import Self, final

import numpy as np
import numpy.typing as npt
import pydantic

from mldeploy._record import Record
from mldeploy.errors import InvalidDataError
from mldeploy.stats._counts import Floats
from mldeploy.stats._sequential import checked_alpha, finite_blocks

_CHUNK = 100_000


@final
class BoundedMeanEProcess(Record):
    r"""Always-valid test that bounded values have a mean above a limit.

    Feed it one value a unit (a cost between 0 and 1, a unit's share of errors) and look as
    often as you like: if the mean is at most `limit`, the e-value ever reaches 1/alpha with
    probability at most alpha. No shape and no variance is assumed.

    Attributes
    ----------
    limit : float
        Largest mean that is in order, between `low` and `high`.
    low, high : float
        Smallest and largest value there can be.
    bets : tuple of float
        Shares of the wealth that are staked, each in (0, 1); the e-value is the mean over them.
    log_wealth : tuple of float
        State: natural logarithm of what each bet has become; empty at the start.
    n : int
        State: number of values.

    Notes
    -----
    A stake of :math:`\lambda` becomes :math:`1 + \lambda (x - m) / (m - low)`, at least
    :math:`1 - \lambda` and on average at most 1 if the mean is at most m [1]_. To show that a
    mean is *below* a limit, pass ``-x`` and ``-limit``. Values must be independent, or at least
    their mean given the past must not exceed the limit under the null hypothesis.

    References
    ----------
    .. [1] I. Waudby-Smith and A. Ramdas, "Estimating means of bounded random variables by
       betting", Journal of the Royal Statistical Society B 86, 2024.

    Examples
    --------
    >>> state = BoundedMeanEProcess(limit=0.5).update([0.9, 0.8, 1.0, 0.9, 0.7] * 2)
    >>> state.n, state.rejects(0.05)
    (10, True)
    >>> BoundedMeanEProcess(limit=0.5).update([0.4, 0.6, 0.5, 0.7]).rejects(0.05)
    False
    """

    limit: float
    low: float = 0.0
    high: float = 1.0
    bets: tuple[float, ...] = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8, 0.95)
    log_wealth: tuple[float, ...] = ()
    n: int = 0

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError(f"values from {self.low} to {self.high} are not bounded")
        if not self.low < self.limit < self.high:
            raise ValueError(
                f"limit is {self.limit}; it lies between low, {self.low}, and high, {self.high}"
            )
        if not self.bets or not all(0 < bet < 1 for bet in self.bets):
            raise ValueError(f"bets is {self.bets}; give at least one, each in (0, 1)")
        if self.log_wealth and len(self.log_wealth) != len(self.bets):
            raise ValueError("log_wealth and bets differ in length; start afresh")
        return self

    def update(self, values: npt.ArrayLike) -> BoundedMeanEProcess:
        """Return the state after more values.

        Parameters
        ----------
        values : array_like of shape (n,) or float
            One value for each new unit, in order of arrival.

        Returns
        -------
        BoundedMeanEProcess
            The new state; this one is unchanged.

        Raises
        ------
        InvalidDataError
            If a value is NaN or outside the bounds.
        """
        x = finite_blocks(values)
        if x.size and (x.min() < self.low or x.max() > self.high):
            raise InvalidDataError(
                f"a value lies outside [{self.low}, {self.high}]; the test holds within only"
            )
        log_wealth = np.asarray(self.log_wealth or [0.0] * len(self.bets))
        bets = np.asarray(self.bets)[:, None]
        gains = (x - self.limit) / (self.limit - self.low)
        for start in range(0, x.size, _CHUNK):
            log_wealth = log_wealth + np.log1p(bets * gains[start : start + _CHUNK]).sum(axis=1)
        return self.model_copy(
            update={"log_wealth": tuple(log_wealth.tolist()), "n": self.n + x.size}
        )

    @property
    def log_e_value(self) -> float:
        """Natural logarithm of the e-value, which may exceed what a float can hold."""
        if not self.log_wealth:
            return 0.0
        return float(np.logaddexp.reduce(self.log_wealth) - math.log(len(self.log_wealth)))

    @property
    def e_value(self) -> float:
        """Evidence against H0 "mean <= limit": 1 at the start, at most 1 on average under it."""
        return math.exp(min(self.log_e_value, 700.0))

    def rejects(self, alpha: float) -> bool:
        """Tell whether the evidence is enough at level `alpha`, in (0, 1)."""
        return self.log_e_value >= -math.log(checked_alpha(alpha))


def log_peak(values: Floats, *, limit: float, low: float, high: float) -> float:
    """Return the largest logarithm that the e-value reached on the way through the values."""
    state = BoundedMeanEProcess(limit=limit, low=low, high=high)
    bets = np.asarray(state.bets)
    steps = np.log1p(bets * ((values - limit) / (limit - low))[:, None]).cumsum(axis=0)
    path = np.logaddexp.reduce(steps, axis=1) - math.log(bets.size)
    return max(0.0, float(path.max()))
