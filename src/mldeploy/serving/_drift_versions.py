"""Watch the drift of every version that serves."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Final, TypeAlias, final

import polars as pl

from mldeploy.serving._plan import Switchboard

if TYPE_CHECKING:
    from mldeploy.serving._drift import DriftState, DriftWatch
    from mldeploy.serving._drift_figures import DriftFigure

_MOST: Final = 4
"""Versions to remember: the two that may answer, and two before them."""

WatchOf: TypeAlias = "Callable[[str], DriftWatch | None]"
"""Returns what watches a version; None if nothing can."""


@final
class DriftWatches:
    """Watch each version by its own training; an observer of a `ParquetLog`.

    It can be given to a log before it is known what will serve: nothing is watched until `follow`
    is told how.

    Parameters
    ----------
    without : collection of str
        Features that `follow_board` does not watch, such as those that the log hashes.

    Examples
    --------
    >>> watches = DriftWatches()
    >>> watches.figures("late-arrivals:3")
    ()
    """

    def __init__(self, *, without: Collection[str] = ()) -> None:
        self._without = frozenset(without)
        self._watch_of: WatchOf = lambda _: None
        self._watches: dict[str, DriftWatch | None] = {}
        self._lock = threading.Lock()

    def follow(self, watch_of: WatchOf) -> None:
        """Watch from now on what this returns for each version."""
        self._watch_of = watch_of

    def follow_board(self, board: Switchboard) -> None:
        """Watch from now on what a switchboard lets serve."""
        self.follow(lambda version: _watch_on(board, version, self._without))

    def __call__(self, rows: pl.DataFrame) -> None:
        """Show rows of the log to the watch of each version."""
        for version in rows["version"].unique().to_list():
            watch = self._watch(version)
            if watch is not None:
                watch(rows)

    def states(self) -> dict[str, DriftState]:
        """Return what was counted, by version."""
        with self._lock:
            watches = dict(self._watches)
        return {version: watch.state() for version, watch in watches.items() if watch is not None}

    def figures(
        self, version: str, others: Sequence[Mapping[str, DriftState]] = ()
    ) -> tuple[DriftFigure, ...]:
        """Tell how far a version's columns have moved, here and where `others` have counted.

        Parameters
        ----------
        version : str
            Its label.
        others : sequence of mapping of str to DriftState
            What `states` returned in other processes.
        """
        watch = self._watch(version)
        if watch is None:
            return ()
        return watch.figures([states[version] for states in others if version in states])

    def _watch(self, version: str) -> DriftWatch | None:
        with self._lock:
            if version not in self._watches:
                found = self._watch_of(version)
                if found is None:
                    return None
                self._watches[version] = found
                while len(self._watches) > _MOST:
                    del self._watches[next(iter(self._watches))]
            return self._watches[version]


def _watch_on(board: Switchboard, version: str, without: Collection[str]) -> DriftWatch | None:
    from mldeploy.serving._drift import DriftWatch  # noqa: PLC0415 - after the first answers

    plan = board.plan
    arms = [arm for arm in (plan.champion, plan.candidate) if arm and arm.version == version]
    if not arms:
        return None
    # Another object of the same bundle: a profile is large, and is not kept.
    bundle = replace(board.bundle(arms[0]))
    return DriftWatch(bundle.signature, bundle.reference, version=version, without=without)
