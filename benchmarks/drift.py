"""Every column of the flights, half a year against the other, beside Evidently in the same run.

``--peer`` names the Python of an environment with Evidently, made once::

    python -m venv .venv-peer && .venv-peer/bin/pip install evidently pyarrow
    python benchmarks/drift.py --peer .venv-peer/bin/python

Both read the same Parquet files first; reading is not timed. The bar: at least 20 times faster.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import polars as pl

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

from flights import _data_folder, _flights_csv
from mldeploy.data import DriftReport, Profile
from mldeploy.evidence import text_table

PEER = """
import sys, time, warnings
import pandas as pd
warnings.filterwarnings("ignore")
from evidently import Report
from evidently.presets import DataDriftPreset
reference, current = (pd.read_parquet(path) for path in sys.argv[1:])
begin = time.perf_counter()
result = Report([DataDriftPreset()]).run(current, reference)
result.dict()
print(time.perf_counter() - begin)
"""


def seconds(call: Callable[[], object], n: int = 5) -> float:
    """Return the median time of a call."""
    times = []
    for _ in range(n):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return median(times)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--peer", help="a Python in whose environment Evidently is installed")
    options = parser.parse_args()
    flights = pl.read_csv(_flights_csv(_data_folder()), null_values=["NA"])
    halves = [flights.filter(pl.col("month") <= 6), flights.filter(pl.col("month") > 6)]
    profiles = [Profile.of(half) for half in halves]
    report = DriftReport.of(*halves, target="arr_delay")
    ours = {
        "two tables, all statistics": seconds(lambda: DriftReport.of(*halves)),
        "the same, ranked by what they imply for the target": seconds(
            lambda: DriftReport.of(*halves, target="arr_delay")
        ),
        "two profiles": seconds(lambda: DriftReport.of(*profiles)),
        "the page": seconds(report.to_html),
    }
    rows = [(what, f"{took:.3f} s", "") for what, took in ours.items()]
    if options.peer:
        theirs = _peer(options.peer, halves)
        times = theirs / ours["two tables, all statistics"]
        rows.append(("Evidently's DataDriftPreset", f"{theirs:.1f} s", f"{times:.0f} times"))
    print(text_table(("What", "Median", "Of our two tables"), rows))


def _peer(python: str, halves: list[pl.DataFrame]) -> float:
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{i}.parquet") for i in range(2)]
        for half, path in zip(halves, paths, strict=True):
            half.write_parquet(path)
        done = subprocess.run(
            [python, "-c", PEER, *paths], capture_output=True, text=True, check=False
        )
    if done.returncode:
        sys.exit(done.stderr)
    return float(done.stdout.split()[-1])


if __name__ == "__main__":
    main()
