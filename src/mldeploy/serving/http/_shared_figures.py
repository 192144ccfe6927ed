"""Figures of several processes that serve one port: whichever is asked tells the sum."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, final

import msgspec

from mldeploy.serving import DriftState
from mldeploy.serving.http._families import Family, Labels, counted, merged

_logger = logging.getLogger(__name__)

_EVERY: Final = 1.0
"""Seconds between two writes."""

_DEAD_AFTER: Final = 10.0
"""Seconds without a write, after which only what a process has counted is still told."""

_FamilyTold = tuple[str, str, str, list[tuple[str, Labels, float]]]


@final
class Told(msgspec.Struct, frozen=True):
    """What one process tells the others.

    Attributes
    ----------
    families : list of Family
        Its figures.
    drift : dict of str to str
        What it has counted of drift, by version: a `DriftState` as JSON.
    """

    families: list[_FamilyTold] = []
    drift: dict[str, str] = {}


_encode: Final = msgspec.json.Encoder().encode
_decode: Final = msgspec.json.Decoder(Told).decode


@final
class SharedFigures:
    """Write a process's figures to a folder, and read those of the others.

    Each place among the workers has one file, replaced as a whole every second. A worker that
    takes the place of one that died goes on with its counts, so that no sum ever falls; gauges,
    such as memory, die with their process. Whoever is asked for the sum writes first, so that
    nothing that was told is forgotten.

    Parameters
    ----------
    folder : Path
        Best in memory; the same for all workers of one supervisor.
    place : int
        Number of the worker.
    families : callable
        Returns the figures of this process; called from a thread.
    drift : callable
        Returns what this process has counted of drift, by version.
    """

    def __init__(
        self,
        folder: Path,
        place: int,
        *,
        families: Callable[[], list[Family]],
        drift: Callable[[], dict[str, DriftState]] = dict,
    ) -> None:
        self._folder = folder
        self._own = folder / f"worker-{place}.json"
        self._families = families
        self._drift = drift
        self._lock = threading.Lock()
        self._ended = threading.Event()
        before = self._read(self._own) if self._own.exists() else Told()
        self._before = Told(families=_listed(counted(before.families)), drift=before.drift)
        self._thread = threading.Thread(target=self._run, name="shared figures", daemon=True)
        self._thread.start()

    def write(self) -> None:
        """Write now what this process, and those before it, have counted."""
        with self._lock:
            told = Told(
                families=_listed(merged([self._families(), self._before.families])),
                drift={v: state.to_json() for v, state in self._states().items()},
            )
            waiting = self._own.with_suffix(".new")
            waiting.write_bytes(_encode(told))
            waiting.replace(self._own)

    def families(self) -> list[list[Family]]:
        """Return the figures of the others, and of those that were here before."""
        self.write()
        return [list(told.families) for told in (self._before, *self._others())]

    def drift(self) -> list[dict[str, DriftState]]:
        """Return what the others have counted of drift, and those that were here before."""
        return [_states_of(told) for told in (self._before, *self._others())]

    def close(self) -> None:
        """Write for the last time."""
        self._ended.set()
        self._thread.join()
        self._try_to_write()

    def _run(self) -> None:
        while not self._ended.wait(_EVERY):
            self._try_to_write()

    def _try_to_write(self) -> None:
        try:
            self.write()
        except OSError as error:
            _logger.warning("figures cannot be told to the other workers: %s", error)

    def _states(self) -> dict[str, DriftState]:
        states = _states_of(self._before)
        for version, state in self._drift().items():
            known = states.get(version)
            alike = known is not None and known.bins == state.bins
            states[version] = known.merge(state) if known is not None and alike else state
        return states

    def _others(self) -> list[Told]:
        now, others = time.time(), []
        for path in sorted(self._folder.glob("worker-*.json")):
            if path == self._own:
                continue
            told = self._read(path)
            if now - path.stat().st_mtime > _DEAD_AFTER:
                told = Told(families=_listed(counted(told.families)), drift=told.drift)
            others.append(told)
        return others

    @staticmethod
    def _read(path: Path) -> Told:
        return _decode(path.read_bytes())


def _listed(families: list[Family]) -> list[_FamilyTold]:
    return [(name, told, kind, list(samples)) for name, told, kind, samples in families]


def _states_of(told: Told) -> dict[str, DriftState]:
    return {v: DriftState.model_validate_json(text) for v, text in told.drift.items()}


def folder_in_memory() -> str | None:
    """Return where a folder of figures is best made; None for the usual place."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
    return str(memory) if memory.is_dir() and os.access(memory, os.W_OK | os.X_OK) else None
