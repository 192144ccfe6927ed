"""Measure one way of answering in this process, run as a module so that nothing else is loaded.

``python -m mldeploy.deployment._hosting_trial BUNDLE HOW SECONDS TRUSTED...`` prints a `Hosting`
as JSON, where HOW is ``original`` or ``compiled``, and each of it again with ``-bulk``.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl

from mldeploy.deployment._hosting import Hosting
from mldeploy.deployment._hosting_process import resident_mb, seconds_since_start
from mldeploy.errors import NotFoundError
from mldeploy.model import Bundle
from mldeploy.serving import ParquetLog, Predictor, Wait

if TYPE_CHECKING:
    from mldeploy.model import CompiledModel, Model

_BULK_ROWS: Final = 50_000
_MOST_ANSWERS: Final = 100_000


def trial(directory: Path, how: str, *, seconds: float, trusted: Sequence[str] = ()) -> Hosting:
    """Measure how fast a bundle answers its own golden rows, validated and logged.

    Parameters
    ----------
    directory : Path
        The bundle.
    how : str
        ``original``, ``compiled``, ``original-bulk`` or ``compiled-bulk``.
    seconds : float
        How long to measure.
    trusted : sequence of str
        Types that may come to life in the original.
    """
    bundle = Bundle.open(directory)
    kind, _, bulk = how.partition("-")
    model: Model | CompiledModel | None = (
        bundle.load_compiled() if kind == "compiled" else bundle.load_model(trusted=trusted)
    )
    if model is None:
        raise NotFoundError(f"the bundle at {directory} has no compiled model")
    rows = bundle.golden_rows()
    with (
        tempfile.TemporaryDirectory(prefix="mldeploy-bench-") as folder,
        ParquetLog(folder, "bench", on_full=Wait()) as log,
    ):
        predictor = Predictor(model, version="bench", deployment="bench", sink=log)
        measure = _in_bulk if bulk else _one_by_one
        name = f"{kind}, {'in bulk' if bulk else 'in process'}"
        return measure(predictor, rows, name=name, seconds=seconds)


def _one_by_one(predictor: Predictor, rows: pl.DataFrame, *, name: str, seconds: float) -> Hosting:
    asked = rows.to_dicts()
    predictor.predict(asked[0])
    start = seconds_since_start()
    latencies: list[float] = []
    begin = last = time.perf_counter()
    while last - begin < seconds and len(latencies) < _MOST_ANSWERS:
        predictor.predict(asked[len(latencies) % len(asked)])
        now = time.perf_counter()
        latencies.append(now - last)
        last = now
    return Hosting(
        name=name,
        rows_per_s=len(latencies) / (last - begin),
        latency_s=tuple(latencies),
        memory_mb=resident_mb(),
        start_s=start,
    )


def _in_bulk(predictor: Predictor, rows: pl.DataFrame, *, name: str, seconds: float) -> Hosting:
    many = rows[[i % rows.height for i in range(_BULK_ROWS)]]
    predictor.predict_frame(rows)
    start, n_rows, begin = seconds_since_start(), 0, time.perf_counter()
    while time.perf_counter() - begin < seconds:
        predictor.predict_frame(many)
        n_rows += many.height
    return Hosting(
        name=name,
        rows_per_s=n_rows / (time.perf_counter() - begin),
        memory_mb=resident_mb(),
        start_s=start,
    )


if __name__ == "__main__":
    found = trial(Path(sys.argv[1]), sys.argv[2], seconds=float(sys.argv[3]), trusted=sys.argv[4:])
    sys.stdout.write(found.to_json())
