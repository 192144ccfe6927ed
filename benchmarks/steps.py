"""What recording a step costs, its ledger event included, beside what the disk costs alone.

The bar: a step with an empty body takes less than 5 ms.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from mldeploy.evidence import text_table
from mldeploy.project import Step, StepRunner
from mldeploy.store import Store

N_RUNS = 200


def seconds(call: Callable[[int], object], n: int = N_RUNS) -> float:
    """Return the median time of a call that is told how often it was called before."""
    times = []
    for i in range(n):
        begin = time.perf_counter()
        call(i)
        times.append(time.perf_counter() - begin)
    return median(times)


def empty_step(i: int) -> Step[None]:
    """Return a step that does nothing, on inputs that nothing was done on before."""
    return Step(
        name=f"step {i}",
        inputs={"i": i},
        do=lambda: None,
        save=lambda _: {},
        load=lambda _: None,
    )


def main() -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as folder:
        with Store.open(Path(folder) / "store") as store:
            runner = StepRunner(store, actor="benchmark")
            done = seconds(lambda i: runner(empty_step(i)))
            found = seconds(lambda i: runner(empty_step(i)))
        with (Path(folder) / "floor").open("wb", buffering=0) as file:
            floor = seconds(lambda _: (file.write(b"x" * 512), os.fsync(file.fileno())))
    rows = [
        ("a step with an empty body, recorded", f"{done * 1e3:.2f} ms", f"{done / floor:.1f}"),
        ("the same step, found done", f"{found * 1e3:.2f} ms", f"{found / floor:.1f}"),
        ("512 bytes written and synced", f"{floor * 1e3:.2f} ms", "1.0"),
    ]
    print(text_table(("What", "Median", "Times the disk's own"), rows))


if __name__ == "__main__":
    main()
