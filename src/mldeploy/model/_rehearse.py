"""The fresh process of a rehearsal, run as a module so that nothing else is loaded.

``python -m mldeploy.model._rehearse BUNDLE N_CALLS FORMER TRUSTED...`` prints a `Rehearsal` as
JSON on its last line; FORMER is empty where there is none.
"""

from __future__ import annotations

import os
import re
import resource
import sys
import time
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from mldeploy.model import Bundle
from mldeploy.model._rehearsal import Rehearsal

if TYPE_CHECKING:
    from mldeploy.model import CompiledModel, Model

_LOADED = time.perf_counter()
_N_WARM = 20
_HIGH_WATER = re.compile(r"VmHWM:\s+(\d+) kB")


def rehearsal(
    directory: Path, *, n_calls: int, former: Path | None = None, trusted: Sequence[str] = ()
) -> Rehearsal:
    """Load, answer, measure, check, and go back."""
    bundle = Bundle.open(directory)
    serving = _what_serves(bundle, trusted)
    answer = _answering(bundle, serving)
    answer(0)
    start = _seconds_since_start()
    for i in range(_N_WARM):
        answer(i)
    latencies = []
    for i in range(n_calls):
        begin = time.perf_counter()
        answer(i)
        latencies.append(time.perf_counter() - begin)
    memory = _peak_mb()
    golden = [bundle.check_golden(serving)]
    compiled = bundle.compiled_report is not None and bundle.load_compiled() is not None
    if compiled:
        golden.insert(0, bundle.check_golden(bundle.load_model(trusted=trusted)))
    rollback, took = None, None
    if former is not None:
        begin = time.perf_counter()
        before = Bundle.open(former)
        again = _what_serves(before, trusted)
        _answering(before, again)(0)
        took = time.perf_counter() - begin
        rollback = before.check_golden(again)
    return Rehearsal(
        serves="compiled" if compiled else "original",
        golden=tuple(golden),
        latency_s=tuple(latencies),
        memory_mb=memory,
        start_s=start,
        python=sys.version.split()[0],
        loaded=_loaded(),
        rollback=rollback,
        rollback_s=took,
    )


def _what_serves(bundle: Bundle, trusted: Sequence[str]) -> Model | CompiledModel:
    return bundle.load_compiled() or bundle.load_model(trusted=trusted)


def _answering(bundle: Bundle, model: Model | CompiledModel) -> Callable[[int], object]:
    """Return what answers one golden row after the other, in the form that the model reads."""
    rows = bundle.golden_rows()
    names = bundle.signature.features
    if hasattr(model, "score_row"):
        plain = bundle.signature.inputs.enforce(rows).select(names).rows()
        return lambda i: model.score_row(plain[i % len(plain)])
    single = [rows[i : i + 1] for i in range(rows.height)]
    return lambda i: model.predict(single[i % len(single)])


def _loaded() -> dict[str, str]:
    """Return the versions of the distributions of which something was imported."""
    of_module = metadata.packages_distributions()
    tops = {name.partition(".")[0] for name in tuple(sys.modules)}
    names = {dist for top in tops for dist in of_module.get(top, ())}
    return {name: metadata.version(name) for name in sorted(names)}


def _peak_mb() -> float:
    """Return the most memory that was resident, in MB."""
    try:
        found = _HIGH_WATER.search(Path("/proc/self/status").read_text())
    except OSError:
        found = None
    if found is not None:
        return int(found[1]) * 1024 / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1e6 if sys.platform == "darwin" else 1e3)


def _seconds_since_start() -> float:
    """Return how long ago this process began; where that is not told, since this was loaded."""
    try:
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        uptime = float(Path("/proc/uptime").read_text().split()[0])
    except OSError:
        return time.perf_counter() - _LOADED
    return uptime - ticks / os.sysconf("SC_CLK_TCK")


if __name__ == "__main__":
    _, place, calls, back, *types = sys.argv
    found = rehearsal(
        Path(place), n_calls=int(calls), former=Path(back) if back else None, trusted=types
    )
    sys.stdout.write(f"\n{found.to_json()}")
