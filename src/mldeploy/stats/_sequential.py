"""Tests that may be looked at after every block: the error bound holds at all looks together."""

from __future__ import annotations

import math
from typing import Self, final

import numpy as np
import numpy.typing as npt
import pydantic

from mldeploy._record import Record
from mldeploy.errors import InvalidDataError
from mldeploy.stats._counts import Floats

_LOG_GRID = np.linspace(-32.0, 12.0, 111)


@final
class TEProcess(Record):
    r"""Always-valid one-sided t-test of block values against a margin.

    Feed it one value a block (a minute's failure share of the canary less the champion's, an
    hour's mean difference) and look as often as you like: if the mean is at most `margin`, the
    e-value ever reaches 1/alpha with probability at most alpha.

    The block is the unit: whatever clumps *within* a block, such as failures that come in
    bursts, is one value. Blocks must be long enough not to depend on each other.

    Attributes
    ----------
    margin : float
        Largest mean that does not matter, in the unit of the block values.
    effects : tuple of float
        Standardised effects (mean above the margin over the blocks' sd) that are looked for, each
        positive; the e-value is the mean of one e-value for each.
    min_sd : float
        Smallest standard deviation of a block to believe, in the unit of the block values, at
        least 0. Discrete values that happen to agree prove nothing; raising it only lowers
        the e-value, so the error bound is kept.
    n_blocks, total, squares : int, float, float
        State: number of blocks, and the sums of their excesses over the margin and of the squares.

    Notes
    -----
    The e-value for effect :math:`\delta` is the likelihood ratio of the t-statistic under
    :math:`\mu/\sigma = \delta` against 0: both integrated over :math:`\sigma` with the right Haar
    prior :math:`1/\sigma` [1]_ [2]_,

    .. math:: e^{-n\delta^2/2} \frac{\int_0^\infty v^{n-1} e^{-v^2/2 + \delta v S/\sqrt{Q}} dv}
              {\int_0^\infty v^{n-1} e^{-v^2/2} dv}

    with S and Q the sums of the excesses and of their squares. It is exact for Gaussian blocks.
    Block means of many rows are nearly that, and the suite simulates Poisson and clumped ones.

    References
    ----------
    .. [1] H. Wang and A. Ramdas, "Anytime-valid t-tests and confidence sequences for Gaussian
       means with unknown variance", Sequential Analysis 44 (2025) 56-110.
    .. [2] M. F. Perez-Ortiz, T. Lardy, R. de Heide and P. Grünwald, "E-statistics, group
       invariance and anytime-valid testing", Annals of Statistics 52 (2024) 1410-1432.

    Examples
    --------
    >>> state = TEProcess(margin=0.005).update([0.031, 0.028, 0.035, 0.030, 0.026])
    >>> state.n_blocks, state.rejects(0.01)
    (5, True)
    >>> TEProcess(margin=0.005).update([0.004, -0.002, 0.007, 0.001, 0.003]).rejects(0.01)
    False
    """

    margin: float = 0.0
    effects: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
    min_sd: float = 0.0
    n_blocks: int = 0
    total: float = 0.0
    squares: float = 0.0

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if not self.effects or min(self.effects) <= 0:
            raise ValueError(f"effects is {self.effects}; give at least one, all positive")
        if self.min_sd < 0:
            raise ValueError(f"min_sd is {self.min_sd}; a standard deviation is at least 0")
        return self

    def update(self, block_values: npt.ArrayLike) -> TEProcess:
        """Return the state after more blocks.

        Parameters
        ----------
        block_values : array_like of shape (n,) or float
            One value for each new block, in order.

        Returns
        -------
        TEProcess
            The new state; this one is unchanged.

        Raises
        ------
        InvalidDataError
            If a value is NaN or infinite; leave out a block without rows.
        """
        excess = finite_blocks(block_values) - self.margin
        return self.model_copy(
            update={
                "n_blocks": self.n_blocks + excess.size,
                "total": self.total + float(excess.sum()),
                "squares": self.squares + float((excess**2).sum()),
            }
        )

    @property
    def e_value(self) -> float:
        """Evidence against H0 "mean <= margin": 1 at the start, at most 1 on average under it."""
        return math.exp(min(self.log_e_value, 700.0))

    @property
    def log_e_value(self) -> float:
        """Natural logarithm of the e-value, which may exceed what a float can hold."""
        if self.n_blocks == 0:
            return 0.0
        squares = self._believable_squares()
        z = self.total / math.sqrt(squares) if squares > 0 else 0.0
        delta = np.asarray(self.effects)
        logs = _log_t_ratio(delta, z=z, n=self.n_blocks)
        return float(np.logaddexp.reduce(logs) - math.log(delta.size))

    def _believable_squares(self) -> float:
        floor = self.n_blocks * self.min_sd**2 + self.total**2 / self.n_blocks
        return max(self.squares, floor if self.min_sd else 0.0)

    def rejects(self, alpha: float) -> bool:
        """Tell whether the evidence is enough at level `alpha`, in (0, 1)."""
        return self.log_e_value >= -math.log(checked_alpha(alpha))


def _log_t_ratio(delta: Floats, *, z: float, n: int) -> Floats:
    """Log likelihood ratio of the t-statistic at effects `delta` against 0; trapezoid in log v."""
    slope = (delta * z)[:, None]
    mode = (slope + np.sqrt(slope**2 + 4 * n)) / 2
    width = 1 / np.sqrt(mode**2 + n)
    v = mode * np.exp(_LOG_GRID * width)
    logs = n * np.log(v) - v**2 / 2 + slope * v
    top = logs.max(axis=1)
    area = np.exp(logs - top[:, None]).sum(axis=1) * (_LOG_GRID[1] - _LOG_GRID[0]) * width[:, 0]
    log_null = (n / 2 - 1) * math.log(2) + math.lgamma(n / 2)
    ratio: Floats = top + np.log(area) - n * delta**2 / 2 - log_null
    return ratio


def finite_blocks(block_values: npt.ArrayLike) -> Floats:
    """Return block values as a flat float array; refuse NaN and infinity."""
    blocks = np.asarray(block_values, dtype=np.float64).ravel()
    if not np.isfinite(blocks).all():
        raise InvalidDataError("a block value is NaN or infinite; leave out blocks without rows")
    return blocks


def checked_alpha(alpha: float) -> float:
    """Return `alpha`, or refuse what is not an error rate."""
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha}; an error rate lies between 0 and 1")
    return alpha
