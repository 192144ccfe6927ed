"""How many requests may wait, so that none waits longer than is worth it."""

from __future__ import annotations

from typing import Final, final

_FEWEST: Final = 16


@final
class Load:
    """Count the requests that wait, and how many of them a second are answered.

    As many may wait as were lately answered within `longest_wait`, and never more than `most`.

    Parameters
    ----------
    most : int
        Requests that may wait at most.
    longest_wait : float
        Seconds that a request may wait for those before it.

    Examples
    --------
    >>> load = Load(most=512, longest_wait=1.0)
    >>> load.n_waiting, load.n_done, load.was_idle = 60, 25, False
    >>> load.tick(0.25)
    >>> load.allowed
    100
    """

    def __init__(self, *, most: int, longest_wait: float) -> None:
        self.n_waiting = 0
        self.n_done = 0
        self.was_idle = True
        self.allowed = most
        self._most = most
        self._longest_wait = longest_wait

    def tick(self, seconds: float) -> None:
        """Judge anew, from what was answered in the last seconds."""
        if self.was_idle or seconds <= 0:
            self.allowed = min(self._most, 2 * self.allowed)
        else:
            within_wait = int(self.n_done / seconds * self._longest_wait)
            self.allowed = min(self._most, max(_FEWEST, within_wait))
        self.n_done = 0
        self.was_idle = not self.n_waiting
