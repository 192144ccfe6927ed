"""Guards beside a canary's sequential test: outages, and the split of the traffic."""

from __future__ import annotations

from typing import Self, final

import numpy as np
import pydantic
from scipy import stats as scipy_stats

from mldeploy._record import Record
from mldeploy.errors import InvalidDataError
from mldeploy.stats._sequential import checked_alpha
from mldeploy.stats._two_by_two import check_share


@final
class OutageGuard(Record):
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

    @pydantic.model_validator(mode="after")
    def _check(self) -> Self:
        if not 0 < self.conspicuous <= 1:
            raise ValueError(f"conspicuous is {self.conspicuous}; a share lies in (0, 1]")
        checked_alpha(self.block_chance)
        if self.n_in_a_row < 1:
            raise ValueError(f"n_in_a_row is {self.n_in_a_row}; at least one block is needed")
        return self

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
        check_share(failures, total)
        if total == 0:
            return self
        conspicuous = failures / total - comparison_share >= self.conspicuous
        run = self.run + 1 if conspicuous else 0
        return self.model_copy(update={"run": run, "longest": max(self.longest, run)})

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
