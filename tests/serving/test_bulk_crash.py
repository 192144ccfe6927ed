"""Whatever kills a job, resuming it leaves each row in the answers, and in the log, once."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
import sqlalchemy as sa

from mldeploy.data import Dataset
from mldeploy.model import Bundle, Model
from mldeploy.serving import read_log

N_ROWS = 6_000

JOB = """
import os, signal, sys
from pathlib import Path
from mldeploy.errors import AlreadyExistsError
from mldeploy.model import Bundle
from mldeploy.serving import BulkLog, SqlTable, score_table

folder, target, fatal = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
bundle = Bundle.open(folder / "bundle")
model = bundle.load_compiled() or bundle.load_model()
calls = 0

def deadly(call):
    # Dies just before or just after the call with the fatal number.
    def wrapper(*arguments, **settings):
        global calls
        calls += 1
        if 2 * calls - 1 == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        result = call(*arguments, **settings)
        if 2 * calls == fatal:
            os.kill(os.getpid(), signal.SIGKILL)
        return result
    return wrapper

if fatal:
    for name in ("open", "write", "fsync", "replace"):
        setattr(os, name, deadly(getattr(os, name)))
else:
    print("begin", flush=True)
place = SqlTable.parse(target) or folder / target
score_table(
    folder / "in.parquet", place, model, version="late:1", key="id",
    quarantine=folder / "bad.parquet", log=BulkLog(folder / "log", "nightly"),
    deployment="nightly", piece_rows=500, resume=True, progress=False,
)
print("calls", calls)
"""


@pytest.fixture(scope="module")
def bundle(
    make_model: Callable[..., Model],
    flights: pd.DataFrame,
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    """A bundle whose model is compiled, if it can be: that starts in a quarter of a second."""
    golden = Dataset.of(flights, target="late")
    place = tmp_path_factory.mktemp("crash") / "bundle"
    return Bundle.write(place, make_model(), golden=golden).directory


@pytest.fixture
def folder(bundle: Path, tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    (tmp_path / "bundle").symlink_to(bundle)
    rows = pl.DataFrame(
        {
            "id": np.arange(N_ROWS),
            "wind": rng.gamma(2.0, 5.0, N_ROWS),
            "hour": rng.integers(5, 24, N_ROWS),
            "carrier": rng.choice(["AA", "UA", "B6"], N_ROWS),
            "score": rng.random(N_ROWS),
        }
    )
    unknown = pl.col("id") % 700 == 3
    rows = rows.with_columns(wind=pl.when(unknown).then(None).otherwise("wind"))
    rows.write_parquet(tmp_path / "in.parquet")
    return tmp_path


def start(folder: Path, target: str, *, fatal: int = 0) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", JOB, str(folder), target, str(fatal)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip


def killed(job: subprocess.Popen[str]) -> bool:
    """Wait for a job: whether it was killed; anything else but success is a failure."""
    _, told = job.communicate(timeout=120)
    assert job.returncode in {0, -signal.SIGKILL}, told
    return job.returncode != 0


def require_each_row_once(folder: Path, target: str) -> None:
    rows = pl.read_parquet(folder / "in.parquet")
    good, bad = rows.filter(pl.col("id") % 700 != 3), rows.filter(pl.col("id") % 700 == 3)
    answers = read(folder, target)
    assert answers["key"].cast(pl.Int64).to_list() == good["id"].to_list()
    model = Bundle.open((folder / "bundle").resolve()).load_model()
    np.testing.assert_allclose(answers["score"].to_numpy(), model.score(good), rtol=1e-9)
    refused = pl.read_parquet(folder / "bad.parquet")
    assert refused["refused_row"].to_list() == bad["id"].to_list()
    logged = read_log(folder / "log", deployment="nightly")
    assert logged["prediction_id"].to_list() == answers["prediction_id"].to_list()
    assert logged["key"].to_list() == good["id"].cast(pl.String).to_list()
    left = {p.name for p in folder.iterdir()} - {"rows.sqlite", target}
    left -= {f".{target}.unfinished.removed"}  # garbage, if the kill came while it was removed
    assert left == {"bundle", "in.parquet", "bad.parquet", "log"}


def read(folder: Path, target: str) -> pl.DataFrame:
    if target.startswith("sqlite"):
        with sa.create_engine(target.partition("#")[0]).connect() as connection:
            return pl.read_database("SELECT * FROM answers ORDER BY rowid", connection)
    return (
        pl.read_parquet(folder / target) if "parquet" in target else pl.read_csv(folder / target)
    )


def target_in(folder: Path, name: str) -> str:
    return f"sqlite:///{folder / 'rows.sqlite'}#answers" if name == "sql" else name


def kill_at_random(folder: Path, target: str, *, longest: float, seed: int) -> int:
    """Kill and resume a job until it ends; return how often it was killed at work."""
    rng, n_kills = random.Random(seed), 0
    for _ in range(5):
        job = start(folder, target)
        assert job.stdout is not None
        if job.stdout.readline():
            time.sleep(rng.uniform(0.0, longest))
            job.kill()
        if not killed(job) or is_whole(folder, target):
            return n_kills
        n_kills += 1
    assert not killed(start(folder, target))
    return n_kills


def is_whole(folder: Path, target: str) -> bool:
    """Whether nothing is left to do, though the job was killed before it could say so."""
    if target.startswith("sqlite"):
        with sa.create_engine(target.partition("#")[0]).connect() as connection:
            return sa.inspect(connection).has_table("mldeploy_jobs") and bool(
                connection.execute(sa.text("SELECT max(finished) FROM mldeploy_jobs")).scalar()
            )
    return (folder / target).exists() and not (folder / f"{target}.unfinished").exists()


@pytest.mark.parametrize(
    ("name", "longest"),
    [
        ("out.parquet", 0.15),
        pytest.param("sql", 0.5, marks=pytest.mark.slow),
    ],
)
def test_a_job_killed_again_and_again_at_random_loses_and_doubles_nothing(
    folder: Path, name: str, longest: float
) -> None:
    target = target_in(folder, name)

    n_kills = kill_at_random(folder, target, longest=longest, seed=len(name))

    assert n_kills >= 1
    require_each_row_once(folder, target)


@pytest.mark.parametrize(
    "fatal",
    [33, 214, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 455))],
)
def test_a_job_killed_at_any_step_to_the_disk_can_be_resumed(folder: Path, fatal: int) -> None:
    assert killed(start(folder, "out.parquet", fatal=fatal))
    if not is_whole(folder, "out.parquet"):
        assert not killed(start(folder, "out.parquet"))

    require_each_row_once(folder, "out.parquet")


def test_a_table_of_a_database_survives_a_kill(folder: Path) -> None:
    target = target_in(folder, "sql")

    assert killed(start(folder, target, fatal=60))
    assert not killed(start(folder, target))

    require_each_row_once(folder, target)
