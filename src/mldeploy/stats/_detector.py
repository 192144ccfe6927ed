"""Find when a stream of block statistics became worse, within a budget of false alarms a year."""

from __future__ import annotations

import math
from typing import Self, final

import numpy as np
import numpy.typing as npt
import pydantic

from mldeploy._record import Record
from mldeploy.stats._sequential import finite_blocks


@final
class ShiryaevRoberts(Record):
    r"""Shiryaev-Roberts e-detector: alarm when block statistics have risen, whenever that was.

    Feed it one standardised statistic a block, large when things are bad: for a day's AUC,
    ``(reference - margin - auc) / standard_error``. A test restarts its clock never; a detector
    looks for a change at every block so far and stays sensitive after years of calm.

    Attributes
    ----------
    blocks_per_year : float
        Blocks in a year, at least 1: 365 for days.
    false_alarms_per_year : float
        Budget: largest chance of a false alarm within the first year, and (since alarms restart
        the detector) largest mean number of false alarms a year. In (0, 1].
    effects : tuple of float
        Standardised worsenings that are looked for, each positive.
    log_evidence : tuple of float
        State: natural logarithm of M for each effect; empty at the start.
    n_blocks : int
        State: blocks since the start or the last `restart`.
    alarm_block : int or None
        State: number, from 1, of the first block at which the evidence reached the threshold.

    Notes
    -----
    For each effect :math:`\delta`, :math:`M \leftarrow (M + 1) e` with the e-value
    :math:`e = \exp(\delta z - \delta^2/2)`, which is at most 1 on average whenever z is
    sub-Gaussian with mean at most 0 and variance at most 1. The alarm compares the mean over
    effects with ``blocks_per_year / false_alarms_per_year``. As :math:`M_n - n` is a
    supermartingale, the mean time to a false alarm is at least the threshold, and the chance of
    one within N blocks is at most N over the threshold (Doob), if those bounds on z hold given
    the past [1]_.

    References
    ----------
    .. [1] J. Shin, A. Ramdas and A. Rinaldo, "E-detectors: a nonparametric framework for
       sequential change detection", New England Journal of Statistics in Data Science 2 (2024).

    Examples
    --------
    >>> detector = ShiryaevRoberts(blocks_per_year=365, false_alarms_per_year=0.02)
    >>> detector = detector.update([0.3, -1.1, 0.4, -0.2, 0.8])
    >>> detector.alarm, detector.threshold
    (False, 18250.0)
    >>> detector.update([2.6, 2.2, 3.1, 2.4, 2.7]).alarm
    True
    """

    blocks_per_year: float = 365.0
    false_alarms_per_year: float = 0.02
    effects: tuple[float, ...] = (0.25, 0.5, 1.0, 2.0, 3.0)
    log_evidence: tuple[float, ...] = ()
    n_blocks: int = 0
    alarm_block: int | None = None

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if not self.effects or min(self.effects) <= 0:
            raise ValueError(f"effects is {self.effects}; give at least one, all positive")
        if self.blocks_per_year < 1:
            raise ValueError(f"blocks_per_year is {self.blocks_per_year}; give at least 1")
        if not 0 < self.false_alarms_per_year <= 1:
            raise ValueError(
                f"false_alarms_per_year is {self.false_alarms_per_year}; it lies in (0, 1]"
            )
        if self.log_evidence and len(self.log_evidence) != len(self.effects):
            raise ValueError("log_evidence and effects differ in length; start afresh")
        return self

    @property
    def threshold(self) -> float:
        """Evidence at which the alarm is raised: the mean number of blocks between false ones."""
        return self.blocks_per_year / self.false_alarms_per_year

    def update(self, z: npt.ArrayLike) -> ShiryaevRoberts:
        """Return the state after more blocks.

        Parameters
        ----------
        z : array_like of shape (n,) or float
            Standardised statistic of each new block, in order; above 0 is worse than the margin.

        Returns
        -------
        ShiryaevRoberts
            The new state; this one is unchanged.

        Raises
        ------
        InvalidDataError
            If a value is NaN or infinite; leave out a block that could not be judged.
        """
        state = self
        for value in finite_blocks(z):
            state = state._with_block(float(value))
        return state

    def _with_block(self, z: float) -> ShiryaevRoberts:
        delta = np.asarray(self.effects)
        before = np.asarray(self.log_evidence or [-np.inf] * delta.size)
        log_m = np.logaddexp(before, 0.0) + delta * z - delta**2 / 2
        after = self.model_copy(
            update={"log_evidence": tuple(log_m.tolist()), "n_blocks": self.n_blocks + 1}
        )
        if self.alarm_block is None and after.log_m >= math.log(self.threshold):
            return after.model_copy(update={"alarm_block": after.n_blocks})
        return after

    def restart(self) -> ShiryaevRoberts:
        """Return the detector as it was before the first block: after an alarm was dealt with."""
        return self.model_copy(update={"log_evidence": (), "n_blocks": 0, "alarm_block": None})

    @property
    def log_m(self) -> float:
        """Natural logarithm of the evidence for a change, averaged over effects."""
        if not self.log_evidence:
            return -math.inf
        return float(np.logaddexp.reduce(self.log_evidence) - math.log(len(self.log_evidence)))

    @property
    def m(self) -> float:
        """Evidence for a change, averaged over effects; on average at most `n_blocks` in calm."""
        return math.exp(min(self.log_m, 700.0))

    @property
    def alarm(self) -> bool:
        """Whether the evidence has reached the threshold, now or before."""
        return self.alarm_block is not None
