"""How long the store takes: opening, a transaction, registering, promoting.

Run ``python benchmarks/store.py``. The floor is what SQLite and the disk take by themselves for
one durable row and one durable file; a ratio to it says more than a time on a noisy machine.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
from sklearn.linear_model import LogisticRegression

from mldeploy.data import dataset_for
from mldeploy.evidence import Approval, Finding, Report, Verdict
from mldeploy.model import Bundle, CodeState, Model, Provenance, Signature
from mldeploy.problem import Criterion, Problem
from mldeploy.registry import Registry
from mldeploy.store import Store

N = 60
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def median_ms(do: Callable[[int], object], n: int = N) -> float:
    """Return the median duration of `do` in milliseconds."""
    times = []
    for k in range(n):
        tick = time.perf_counter()
        do(k)
        times.append(time.perf_counter() - tick)
    return 1e3 * statistics.median(times)


def make_bundle(folder: Path, k: int) -> Bundle:
    """Return a small real bundle; the model of each is another, some files are shared."""
    problem = Problem(
        name="benchmark",
        statement="Which flights land late.",
        target="late",
        positive=True,
        criteria=[Criterion("roc_auc", at_least=0.7)],
    )
    frame = pd.DataFrame({"wind": [0.0, 1, 2, 3], "late": [False, False, True, True]})
    dataset = dataset_for(frame, problem)
    estimator = LogisticRegression(C=1.0 + k).fit(dataset.X(), dataset.y())
    model = Model(
        estimator=estimator,
        signature=Signature(
            task=problem.task,
            inputs=dataset.schema.select(("wind",)),
            target="late",
            classes=(False, True),
            positive=True,
            probabilistic=True,
        ),
        provenance=Provenance.of(
            estimator,
            problem=problem.digest,
            data=dataset.fingerprint,
            n_rows=4,
            features=("wind",),
            trainer="benchmark",
            trained_by="tom",
            trained_at=NOW,
            duration=timedelta(0),
            seed=0,
            code=CodeState(commit=None, dirty=None, diff=None),
        ),
        problem=problem,
    )
    return Bundle.write(folder, model)


def report_on(bundle: Bundle) -> Report:
    """Return evidence that passes."""
    finding = Finding(check="Demo", name="roc_auc", verdict=Verdict.PASS, summary="It holds.")
    digests = {"model": bundle.model_digest, "problem": bundle.problem.digest, "data": "e" * 64}
    return Report(
        step="validate", made_by="Demo", findings=(finding,), about=digests, started_at=NOW
    )


def floor_of_rows(folder: Path) -> float:
    """Measure one row of plain SQLite in WAL, each commit fsynced."""
    with sqlite3.connect(folder / "floor.sqlite", isolation_level=None) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute("CREATE TABLE t (a TEXT)")
        took = median_ms(lambda k: database.execute("INSERT INTO t VALUES (?)", (str(k),)))
    database.close()
    return took


def floor_of_files(folder: Path) -> float:
    """Measure one file of 4 kB, written and fsynced."""

    def write(k: int) -> None:
        with (folder / f"file-{k}").open("wb") as file:
            file.write(b"x" * 4096)
            file.flush()
            os.fsync(file.fileno())

    return median_ms(write)


def measure(folder: Path) -> list[tuple[str, float, float | None, float]]:
    """Return name, milliseconds, bar and floor of each measurement."""
    rows, files = floor_of_rows(folder), floor_of_files(folder)
    bundles = [make_bundle(folder / f"bundle-{k}", k) for k in range(N)]
    reports = [report_on(bundle) for bundle in bundles]
    first = median_ms(lambda k: Store.open(folder / f"new-{k}").close(), n=10)
    with Store.open(folder / "mlstore") as store:
        registry = Registry(store)

        def write(_: int) -> None:
            with store.write() as tx:
                tx.record("note", subject="x", actor="ana")

        event = median_ms(write)
        register = median_ms(lambda k: registry.register(bundles[k], reports[k], by="tom"))
        version = registry.get("benchmark", 1)
        approval = Approval(
            model_name=version.name,
            number=1,
            version_digest=version.digest,
            by="ana",
            reason="reviewed",
            at=NOW,
        )
        registry.sign_offs.approve(version, approval)
        promote = median_ms(lambda _: registry.promote(version, approval=approval, by="ops"))
        alias = median_ms(lambda _: registry.get("benchmark"))
        n_files = len(list(bundles[0].directory.iterdir()))
    return [
        ("plain sqlite3: one durable row", rows, None, rows),
        ("one durable file of 4 kB", files, None, files),
        ("first use of an empty folder", first, 500.0, rows),
        ("transaction with an event of the ledger", event, None, rows),
        (f"register a version ({n_files} files)", register, 50.0, rows + n_files * files),
        ("promote a version", promote, None, rows),
        ("look up the champion", alias, None, rows),
    ]


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        results = measure(Path(folder))
    print(f"{'median of many':<42} {'ms':>8} {'bar':>7} {'x floor':>8}")
    for name, took, bar, floor in results:
        limit = "" if bar is None else f"{bar:.0f}"
        print(f"{name:<42} {took:8.2f} {limit:>7} {took / floor:8.1f}")


if __name__ == "__main__":
    main()
