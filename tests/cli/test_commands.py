"""Every command does what it says, and ends with the code that says so."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from mldeploy.cli import main
from mldeploy.evidence import Report
from mldeploy.problem import Criterion, Problem
from mldeploy.project import Project
from mldeploy.serving import read_log
from mldeploy.store import Store

Run = Callable[..., tuple[int, str, str]]


def state(store: Path, name: str) -> None:
    problem = Problem(
        name=name,
        statement="How long?",
        target="y",
        task="regression",
        criteria=[Criterion("r2", at_least=0.5)],
    )
    Project(problem, store=store, by="tom").close()


# --- assess -------------------------------------------------------------------------------


def test_assess_judges_a_file_for_the_stated_problem(run: Run, data: Path) -> None:
    by_default, by_name = run("assess", data), run("assess", data, "--problem", "delays")

    assert by_default[0] == by_name[0] == 0, by_default
    assert "PASS" in by_default[1]


def test_assess_reads_a_problem_from_a_file(run: Run, data: Path, tmp_path: Path) -> None:
    problem = Problem(
        name="other",
        statement="Is it late?",
        target="late",
        positive=True,
        criteria=[Criterion("missing_share", at_most=0.05, columns=["x"])],
    )
    path = tmp_path / "problem.json"
    path.write_text(problem.to_json(), encoding="utf-8")

    assert run("assess", data, "--problem", path)[0] in {0, 3}
    path.write_text('{"name": "other"}', encoding="utf-8")
    code, _, error = run("assess", data, "--problem", path)
    assert (code, "states no problem" in error) == (2, True)
    path.write_bytes(b"\xff\xfe")
    assert run("assess", data, "--problem", path)[0] == 2
    assert run("assess", data, "--problem", tmp_path / "none.json")[0] == 2


def test_assess_fails_on_data_that_leaks(run: Run, data: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(data)
    frame["answer"] = frame["late"].astype(float)
    frame.to_parquet(tmp_path / "leaking.parquet")

    code, shown, _ = run("assess", tmp_path / "leaking.parquet")

    assert code == 1
    assert "answer" in shown


def test_too_little_data_is_no_verdict(run: Run, data: Path, tmp_path: Path) -> None:
    pd.read_csv(data).head(6).to_csv(tmp_path / "few.csv", index=False)

    assert run("validate", "delays:1", tmp_path / "few.csv")[0] == 3


def test_a_report_is_written_in_each_format(run: Run, data: Path, tmp_path: Path) -> None:
    shown = {
        f: run("assess", data, "--format", f)[1] for f in ("text", "json", "markdown", "html")
    }

    assert Report.model_validate_json(shown["json"]).step
    assert "|" in shown["markdown"]
    HTMLParser().feed(shown["html"])
    assert shown["html"].startswith("<!DOCTYPE html>")
    assert "default-src 'none'" in shown["html"]
    out = tmp_path / "report.html"
    code, printed, _ = run("assess", data, "--format", "html", "--out", out)
    assert (code, printed) == (0, "")
    assert out.read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert run("assess", data, "--out", tmp_path / "nowhere" / "report.txt")[0] == 2


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("none.csv", None, "no file matches"),
        ("table.xlsx", b"PK", "pass .parquet or .csv"),
        ("broken.parquet", b"PAR1 nonsense", "cannot be read"),
        ("twice.csv", b"x,x\n1,2\n", "several columns"),
        ("empty.csv", b"", "empty.csv"),
        ("binary.csv", bytes(range(256)), "binary.csv"),
        ("ragged.csv", b"x,late\n1,true\n1,2,3,4\n", "ragged.csv"),
        ("other.csv", b"a,b\n1,2\n", "'late'"),
    ],
)
def test_a_file_that_is_no_table_is_refused_in_one_line(
    run: Run, tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)

    code, shown, error = run("assess", tmp_path / name)

    assert (code, shown) == (2, "")
    assert error.startswith("mldeploy: ")
    assert says in error


# --- validate -----------------------------------------------------------------------------


@pytest.mark.parametrize("version", ["delays", "delays:1", "delays:2", "delays@champion"])
def test_validate_judges_the_version_that_is_named(run: Run, data: Path, version: str) -> None:
    code, shown, error = run("validate", version, data)

    assert code == 0, error
    assert "roc_auc" in shown


def test_validate_fails_a_version_that_does_not_hold(run: Run, data: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(data)
    frame["late"] = ~frame["late"]
    frame.to_csv(tmp_path / "turned.csv", index=False)

    assert run("validate", "delays:1", tmp_path / "turned.csv", "--format", "json")[0] == 1


@pytest.mark.parametrize(
    "version",
    [
        *("nothing", "nothing:1", "delays:3", "delays:0", "delays:-1", "delays:01", "delays:1.0"),
        *("delays:", "delays@", "delays@nobody", "delays:1@champion", "delays@champion:1", ""),
        *(":1", "@champion", "delays::1", "delays:" + "9" * 40, "delays:²", "delays: 1", "a/../b"),
    ],
)
def test_a_version_that_is_not_there_is_an_error(run: Run, data: Path, version: str) -> None:
    code, shown, error = run("validate", version, data)

    assert (code, shown) == (2, "")
    assert error.startswith("mldeploy: ")


# --- status, history, verify --------------------------------------------------------------


def test_status_shows_every_problem_or_the_one_named(run: Run, store: Path) -> None:
    state(store, "durations")
    code, shown, _ = run("status")

    assert code == 0
    for text in ("delays (binary)", "durations (regression)", "delays:1", "champion", "stopped"):
        assert text in shown
    assert "delays:1" not in run("status", "durations")[1]
    assert run("status", "nothing")[0] == 2


def test_history_shows_the_latest_events_up_to_the_limit(run: Run, store: Path) -> None:
    state(store, "delays-2")
    full, two = run("history")[1], run("history", "--limit", "2")[1]

    assert "store.created" in full
    assert len(full.splitlines()) - len(two.splitlines()) > 3
    assert two.splitlines()[-1].split() == full.splitlines()[-1].split()
    named = run("history", "delays")[1]
    assert "delays:1" in named
    assert "delays-2" not in named
    for limit in ("0", "-3", "many"):
        with pytest.raises(SystemExit) as caught:
            main(["--store", str(store), "history", "--limit", limit])
        assert caught.value.code == 2


def test_verify_finds_nothing_in_a_sound_store(run: Run, store: Path, tmp_path: Path) -> None:
    code, shown, _ = run("verify")
    assert code == 0
    assert shown.startswith("0 damages")

    with Store.open(store) as opened:
        head = opened.ledger.head()
    kept = tmp_path / "head.json"
    kept.write_text(head.to_json(), encoding="utf-8")
    state(store, "later")
    assert run("verify", "--head", kept)[0] == 0
    kept.write_text(json.dumps({"sequence": head.sequence, "hash": "0" * 64}), encoding="utf-8")
    assert run("verify", "--head", kept)[0] == 1
    kept.write_text("not a head", encoding="utf-8")
    code, _, error = run("verify", "--head", kept)
    assert (code, "holds no head" in error) == (2, True)
    assert run("verify", "--head", tmp_path / "none")[0] == 2


def test_verify_names_the_artifact_in_which_a_byte_was_flipped(run: Run, store: Path) -> None:
    victim = max((store / "artifacts").rglob("*"), key=lambda p: p.is_file() and p.stat().st_size)
    content = bytearray(victim.read_bytes())
    content[len(content) // 2] ^= 1
    victim.chmod(0o600)
    victim.write_bytes(content)

    code, shown, _ = run("verify")

    assert code == 1
    assert victim.name in shown.replace("/", "")
    assert "1 damages" in shown


@pytest.mark.parametrize("command", ["status", "history", "verify"])
def test_asking_does_not_make_a_store(command: str, tmp_path: Path, capsys: object) -> None:
    assert main(["--store", str(tmp_path / "none"), command]) == 2
    assert list(tmp_path.iterdir()) == []


# --- predict ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_predict_answers_each_row_of_a_file(
    run: Run, data: Path, store: Path, tmp_path: Path, kind: str
) -> None:
    frame = pd.read_csv(data).drop(columns="late").assign(id=lambda t: t.index)
    given, out = tmp_path / f"rows.{kind}", tmp_path / f"answers.{kind}"
    frame.to_csv(given, index=False) if kind == "csv" else frame.to_parquet(given)

    code, shown, error = run("predict", "delays@champion", given, "--out", out, "--key", "id")

    assert code == 0, error
    assert "1,200 answers by delays:1" in shown
    answers = pl.read_csv(out) if kind == "csv" else pl.read_parquet(out)
    assert answers["key"].cast(pl.String).to_list() == [str(i) for i in range(1200)]
    with Project(_problem(store), store=store) as project:
        model = project.release(project.registry.get("delays", 1)).model
        assert answers["prediction"].to_list() == model.predict(frame).tolist()
        assert answers["score"].to_list() == pytest.approx(model.score(frame).tolist())
    logged = read_log(store / "predictions", deployment="batch-1")
    assert set(logged["prediction_id"]) == set(answers["prediction_id"])


def _problem(store: Path) -> Problem:
    from mldeploy.project import stated_problem

    with Store.open(store) as opened:
        return stated_problem(opened, "delays")


def test_predict_never_writes_over_a_file(
    run: Run, data: Path, store: Path, tmp_path: Path
) -> None:
    out = tmp_path / "answers.csv"
    out.write_text("precious", encoding="utf-8")

    code, _, error = run("predict", "delays", data, "--out", out)

    assert (code, "exists" in error) == (2, True)
    assert out.read_text(encoding="utf-8") == "precious"


@pytest.mark.parametrize("out", ["answers.txt", "answers", "nowhere/answers.csv"])
def test_predict_refuses_a_place_to_write_before_it_answers(
    run: Run, data: Path, store: Path, tmp_path: Path, out: str
) -> None:
    assert run("predict", "delays", data, "--out", tmp_path / out)[0] == 2
    assert not list((store / "predictions").rglob("*batch*"))


def test_predict_names_each_bad_field_and_writes_nothing(
    run: Run, data: Path, tmp_path: Path
) -> None:
    frame = pd.read_csv(data).head(10).astype({"x": object})
    frame.loc[3, "x"], frame.loc[7, "x"] = "high", "low"
    frame.to_csv(tmp_path / "bad.csv", index=False)

    code, shown, error = run(
        "predict", "delays", tmp_path / "bad.csv", "--out", tmp_path / "out.csv"
    )

    assert (code, shown) == (2, "")
    assert "'x'" in error
    assert "row 3" in error
    assert not [p for p in tmp_path.iterdir() if "out.csv" in p.name]


def test_predict_says_which_columns_are_missing(run: Run, data: Path, tmp_path: Path) -> None:
    pd.read_csv(data)[["hour"]].to_csv(tmp_path / "few.csv", index=False)
    arguments = ("predict", "delays", tmp_path / "few.csv", "--out", tmp_path / "out.csv")

    code, _, error = run(*arguments)
    assert (code, "'x'" in error, "'carrier'" in error) == (2, True, True)
    code, _, error = run(*arguments, "--key", "flight")
    assert (code, "no column 'flight'" in error) == (2, True)


# --- the command itself -------------------------------------------------------------------


def test_wrong_usage_is_told_with_code_2(store: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in ([], ["nothing"], ["predict"], ["assess", "x.csv", "--format", "pdf"]):
        with pytest.raises(SystemExit) as caught:
            main(["--store", str(store), *arguments])
        assert caught.value.code == 2
    assert "usage: mldeploy" in capsys.readouterr().err


@pytest.mark.slow
def test_the_installed_command_does_the_same(store: Path, data: Path, tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("mldeploy")
    code = "import sys; from mldeploy.cli import main; sys.exit(main())"
    start = [str(script)] if script.exists() else [sys.executable, "-c", code]
    bad = tmp_path / "bad.csv"
    bad.write_text("x,hour,carrier\nhigh,3,AA\n", encoding="utf-8")

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*start, "--store", str(store), *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )

    fine = call("predict", "delays", data, "--out", tmp_path / "answers.csv")
    refused = call("predict", "delays", bad, "--out", tmp_path / "other.csv")

    assert (fine.returncode, fine.stderr) == (0, "")
    assert refused.returncode == 2
    assert refused.stderr.startswith("mldeploy: ")
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "other.csv").exists()
