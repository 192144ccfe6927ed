"""A bundle, loaded and asked in a process of its own: what a server would meet."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final, final

from mldeploy._record import Record
from mldeploy.errors import RehearsalFailedError
from mldeploy.evidence import Finding

_PATIENCE: Final = 300.0
_MODULE: Final = "mldeploy.model._rehearse"


@final
class Rehearsal(Record):
    """What a fresh process made of a bundle.

    Attributes
    ----------
    serves : str
        ``"compiled"`` or ``"original"``: what answered the timed calls.
    golden : tuple of Finding
        Whether the golden rows are answered as they were when the bundle was written, by the
        original, and by the compiled model if there is one.
    latency_s : tuple of float
        Seconds that single answers took, after some to warm up.
    memory_mb : float
        Most memory that was resident while what serves was loaded and asked, in MB.
    start_s : float
        Seconds from the start of the process to the first answer.
    python : str
        Version of Python.
    loaded : dict of str to str
        Version of each distribution of which something was imported.
    rollback : Finding, optional
        Whether the former model answers its own golden rows after this one has served.
    rollback_s : float, optional
        Seconds from opening the former model's bundle to its first answer.
    """

    serves: str
    golden: tuple[Finding, ...]
    latency_s: tuple[float, ...]
    memory_mb: float
    start_s: float
    python: str
    loaded: dict[str, str]
    rollback: Finding | None = None
    rollback_s: float | None = None


def rehearse(
    directory: str | Path,
    *,
    n_calls: int = 400,
    former: str | Path | None = None,
    trusted: Sequence[str] = (),
) -> Rehearsal:
    """Load a bundle in a fresh process, ask it, and go back to a former one.

    The process knows nothing of this one: only the bundle's files, the versions that are
    installed, and the types that `trusted` names.

    Parameters
    ----------
    directory : path
        The bundle, written with golden rows.
    n_calls : int, default=400
        Single rows that are timed.
    former : path, optional
        The bundle of what serves now, for the drill of going back to it.
    trusted : sequence of str
        Types that may come to life in the original model; see `Bundle.load_model`.

    Returns
    -------
    Rehearsal
        What it took, and whether the answers are the same.

    Raises
    ------
    RehearsalFailedError
        If the process could not load or ask a model; it says why.
    """
    command = [sys.executable, "-m", _MODULE, str(directory), str(n_calls), str(former or "")]
    try:
        ran = subprocess.run(  # noqa: S603 - our own module
            [*command, *trusted],
            capture_output=True,
            text=True,
            check=False,
            timeout=_PATIENCE,
            env=os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")},
        )
    except subprocess.TimeoutExpired as error:
        raise RehearsalFailedError(f"no answer within {_PATIENCE:.0f} s") from error
    if ran.returncode:
        raise RehearsalFailedError(ran.stderr.strip().rpartition("\n")[2])
    return Rehearsal.model_validate_json(ran.stdout.rpartition("\n")[2])
