"""A table of any size is answered row by row, in order, whatever its format."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LinearRegression, LogisticRegression

from mldeploy.data import ColumnSchema, Dataset, Schema
from mldeploy.errors import (
    AlreadyExistsError,
    DuplicateColumnsError,
    InvalidDataError,
    InvalidRowsError,
    JobChangedError,
    JobRunningError,
    JobUnfinishedError,
    NotFoundError,
    PredictionFailedError,
    SchemaMismatchError,
    StoreFullError,
)
from mldeploy.model import Bundle, Model
from mldeploy.problem import Route, Routing
from mldeploy.serving import (
    BulkLog,
    BulkSummary,
    MemoryLog,
    Predictor,
    Traffic,
    read_log,
    score_table,
)

NOON = datetime(2013, 4, 1, 12, tzinfo=UTC)
WRITERS: dict[str, Callable[[pl.DataFrame, Path], object]] = {
    "parquet": lambda frame, path: frame.write_parquet(path, row_group_size=70),
    "csv": lambda frame, path: frame.write_csv(path),
    "arrow": lambda frame, path: frame.write_ipc(path),
}
READERS: dict[str, Callable[..., pl.DataFrame]] = {
    "parquet": pl.read_parquet,
    "csv": pl.read_csv,
    "arrow": pl.read_ipc,
}


@pytest.fixture(scope="module")
def model(make_model: Callable[..., Model]) -> Model:
    return make_model()


def table(n: int = 500, *, seed: int = 1) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "id": np.arange(n) * 7,
            "wind": rng.gamma(2.0, 5.0, n),
            "hour": rng.integers(5, 24, n),
            "carrier": rng.choice(["AA", "UA", "B6"], n),
            "score": rng.random(n),
        }
    )


def quietly(source: Any, target: Any, model: Any, **settings: Any) -> BulkSummary:
    return score_table(source, target, model, progress=False, **settings)


def assert_answered(answers: pl.DataFrame, rows: pl.DataFrame, model: Model) -> None:
    assert answers["prediction"].to_list() == model.predict(rows).tolist()
    score = model.score(rows)
    assert score is not None
    np.testing.assert_allclose(answers["score"].to_numpy(), score, rtol=1e-9)


# --- formats ------------------------------------------------------------------------------


@pytest.mark.parametrize("given", list(WRITERS))
@pytest.mark.parametrize("asked", list(READERS))
def test_every_format_becomes_every_other(
    tmp_path: Path, model: Model, given: str, asked: str
) -> None:
    rows, out = table(), tmp_path / f"out.{asked}"
    WRITERS[given](rows, tmp_path / f"in.{given}")

    summary = quietly(
        tmp_path / f"in.{given}", out, model, version="late:1", key="id", piece_rows=120
    )

    answers = READERS[asked](out)
    assert answers.columns == ["key", "prediction", "score", "route", "version"]
    assert answers["key"].cast(pl.Int64).to_list() == rows["id"].to_list()
    assert_answered(answers, rows, model)
    assert set(answers["version"]) == {"late:1"}
    assert (summary.rows, summary.answered, summary.refused) == (500, 500, 0)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([f"in.{given}", f"out.{asked}"])


def test_files_of_a_folder_and_of_a_pattern_are_one_table(tmp_path: Path, model: Model) -> None:
    rows, folder = table(), tmp_path / "rows"
    (folder / "deep").mkdir(parents=True)
    rows[:200].write_parquet(folder / "a.parquet")
    rows[200:201].write_parquet(folder / "b.parquet")
    rows[:0].write_parquet(folder / "c.parquet")
    rows[201:].write_parquet(folder / "deep" / "d.parquet")

    quietly(folder, tmp_path / "one.parquet", model, keep=["id"], piece_rows=64)
    quietly(f"{folder}/**/*.parquet", tmp_path / "two.parquet", model, keep=["id"])

    one = pl.read_parquet(tmp_path / "one.parquet")
    assert one["id"].to_list() == rows["id"].to_list()
    assert one.equals(pl.read_parquet(tmp_path / "two.parquet"))


def test_columns_are_handed_on_as_they_are(tmp_path: Path, model: Model) -> None:
    rows = table(5).with_columns(
        name=pl.Series(["é", "日本", "", None, '👍\n,"']),
        day=pl.date(2013, 1, 31),
        when=pl.lit(NOON),
        part=pl.Series([["a"], [], None, ["b", "c"], ["d"]]),
        ünï=pl.Series([1, 2, 3, 4, 5], dtype=pl.UInt8),
    )
    kept = ["ünï", "part", "when", "day", "name"]
    rows.write_parquet(tmp_path / "in.parquet")

    quietly(tmp_path / "in.parquet", tmp_path / "out.parquet", model, keep=kept, piece_rows=2)
    quietly(tmp_path / "in.parquet", tmp_path / "out.csv", model, keep=kept, piece_rows=2)

    assert pl.read_parquet(tmp_path / "out.parquet").select(kept).equals(rows.select(kept))
    text = pl.read_csv(tmp_path / "out.csv")
    assert text["name"].to_list() == ["é", "日本", "", None, '👍\n,"']
    assert text["part"].to_list() == ["[a]", "[]", None, "[b, c]", "[d]"]


def test_an_empty_table_has_empty_answers_of_the_same_columns(
    tmp_path: Path, model: Model
) -> None:
    table(0).write_parquet(tmp_path / "none.parquet")
    table(3).write_parquet(tmp_path / "some.parquet")
    (tmp_path / "none.csv").write_text("id,wind,hour,carrier,score\n", encoding="utf-8")

    for name in ("none.parquet", "some.parquet", "none.csv"):
        quietly(tmp_path / name, tmp_path / f"{name}.out.parquet", model, key="id", keep=["wind"])

    none, some, text = (
        pl.read_parquet(tmp_path / f"{name}.out.parquet")
        for name in ("none.parquet", "some.parquet", "none.csv")
    )
    assert none.schema == some.schema
    assert (none.height, text.height, text.columns) == (0, 0, some.columns)


@pytest.mark.parametrize("target", ["a", "several", 2.5])
def test_each_task_has_its_own_columns(
    tmp_path: Path, make_model: Callable[..., Model], flights: pd.DataFrame, target: object
) -> None:
    n = len(flights)
    if target == "a":
        trained = make_model(target=np.where(flights["late"], 1, 0))
    elif target == "several":
        trained = make_model(target=np.array(["x", "y", "z"])[np.arange(n) % 3])
    else:
        trained = make_model(LinearRegression(), target=flights["wind"] * 2.0)
    rows = table(50)
    rows.write_parquet(tmp_path / "in.parquet")

    quietly(tmp_path / "in.parquet", tmp_path / "out.parquet", trained, piece_rows=20)
    quietly(tmp_path / "in.parquet", tmp_path / "out.csv", trained)

    answers = pl.read_parquet(tmp_path / "out.parquet")
    expected, scores = trained.predict(rows), trained.score(rows)
    if target == 2.5:
        assert answers.columns == ["prediction", "route", "version"]
        np.testing.assert_allclose(answers["prediction"].to_numpy(), expected)
    else:
        assert answers["prediction"].to_list() == expected.tolist()
        np.testing.assert_allclose(np.array(answers["score"].to_list()), scores)
    if target == "several":
        cell = pl.read_csv(tmp_path / "out.csv")["score"][0]
        np.testing.assert_allclose(json.loads(cell), answers["score"][0].to_list())


def test_routes_are_those_of_the_policy(tmp_path: Path, make_model: Callable[..., Model]) -> None:
    routing = Routing(certain=Route.AUTOMATIC, uncertain=Route.REVIEW, min_confidence=0.8)
    trained = make_model(routing=routing)
    table().write_parquet(tmp_path / "in.parquet")

    quietly(tmp_path / "in.parquet", tmp_path / "out.parquet", trained)

    answers = pl.read_parquet(tmp_path / "out.parquet")
    sure = (answers["score"] >= 0.8) | (answers["score"] <= 0.2)
    assert 0 < sure.sum() < 500
    assert (answers["route"] == "automatic").to_list() == sure.to_list()
    assert set(answers["route"]) == {"automatic", "review"}


# --- refused rows -------------------------------------------------------------------------


def strict(model: Model) -> Model:
    """Refuse an hour after 23 and a missing wind."""
    from dataclasses import replace

    inputs = model.signature.inputs.edit("hour", strict_range=True, minimum=0, maximum=23)
    return replace(model, signature=model.signature.model_copy(update={"inputs": inputs}))


def test_a_refused_row_ends_the_job_and_is_named_by_its_number(
    tmp_path: Path, model: Model
) -> None:
    rows = table().with_columns(hour=pl.when(pl.col("id") == 7 * 3).then(24).otherwise("hour"))
    rows.write_parquet(tmp_path / "in.parquet")

    with pytest.raises(InvalidRowsError, match="row 3, 'hour': 24 is outside"):
        quietly(tmp_path / "in.parquet", tmp_path / "out.parquet", strict(model), piece_rows=100)

    assert [p.name for p in tmp_path.iterdir()] == ["in.parquet"]


@pytest.mark.parametrize("side", ["bad.parquet", "bad.csv"])
def test_refused_rows_stand_aside_and_do_not_stop_the_others(
    tmp_path: Path, model: Model, side: str
) -> None:
    bad = [0, 3, 250, 251, 499]
    rows = table().with_row_index().with_columns(
        hour=pl.when(pl.col("index").is_in(bad)).then(24).otherwise("hour"),
        wind=pl.when(pl.col("index") == 250).then(None).otherwise("wind"),
    ).drop("index")  # fmt: skip
    rows.write_parquet(tmp_path / "in.parquet")

    summary = quietly(
        tmp_path / "in.parquet",
        tmp_path / "out.parquet",
        strict(model),
        key="id",
        quarantine=tmp_path / side,
        piece_rows=120,
    )

    answers = pl.read_parquet(tmp_path / "out.parquet")
    good = [i for i in range(500) if i not in bad]
    assert answers["key"].to_list() == [str(7 * i) for i in good]
    assert_answered(answers, rows[good], model)
    refused = READERS[side.partition(".")[2]](tmp_path / side)
    assert refused["refused_row"].to_list() == bad
    assert refused["id"].to_list() == [7 * i for i in bad]
    told = [json.loads(text) for text in refused["refused_errors"]]
    assert told[0] == [{"column": "hour", "code": "range", "message": "24 is outside [0, 23]"}]
    assert {e["column"]: e["code"] for e in told[2]} == {"hour": "range", "wind": "missing"}
    assert (summary.answered, summary.refused) == (495, 5)
    assert summary.quarantine == str(tmp_path / side)
    assert "5 refused" in str(summary)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        ["in.parquet", "out.parquet", side]
    )


def test_text_that_cannot_be_read_is_refused_in_its_own_words(
    tmp_path: Path, model: Model
) -> None:
    lines = ["wind,hour,carrier,score", "1.5,5,AA,0.1", "much,5,AA,0.1", ",5,AA,x", "2,5.5,UA,1"]
    (tmp_path / "in.csv").write_text("\n".join(lines), encoding="utf-8")

    quietly(tmp_path / "in.csv", tmp_path / "out.csv", model, quarantine=tmp_path / "bad.parquet")

    assert pl.read_csv(tmp_path / "out.csv").height == 1
    refused = pl.read_parquet(tmp_path / "bad.parquet")
    assert refused.select("refused_row", "wind", "hour").rows() == [
        (1, "much", "5"), (2, None, "5"), (3, "2", "5.5"),
    ]  # fmt: skip
    told = [[e["message"] for e in json.loads(text)] for text in refused["refused_errors"]]
    assert told[0] == ["'much' is not a number"]
    assert sorted(told[1]) == ["'x' is not a number", "a value is required"]
    assert told[2] == ["'5.5' is not a whole number of 64 bits"]


def test_a_piece_of_nothing_but_refused_rows_is_no_harm(tmp_path: Path, model: Model) -> None:
    rows = table(60).with_columns(hour=pl.when(pl.col("id") < 7 * 40).then(24).otherwise("hour"))
    rows.write_parquet(tmp_path / "in.parquet")

    summary = quietly(
        tmp_path / "in.parquet",
        tmp_path / "out.parquet",
        strict(model),
        quarantine=tmp_path / "bad.parquet",
        piece_rows=20,
    )

    assert (summary.answered, summary.refused) == (20, 40)
    assert pl.read_parquet(tmp_path / "out.parquet").height == 20


def test_a_job_that_met_a_refused_row_goes_on_with_a_quarantine(
    tmp_path: Path, model: Model
) -> None:
    rows = table().with_columns(hour=pl.when(pl.col("id") == 7 * 450).then(24).otherwise("hour"))
    rows.write_parquet(tmp_path / "in.parquet")
    places = (tmp_path / "in.parquet", tmp_path / "out.parquet", strict(model))

    with pytest.raises(InvalidRowsError, match="row 450") as caught:
        quietly(*places, piece_rows=100)
    assert "--resume" in caught.value.__notes__[0]
    summary = quietly(*places, quarantine=tmp_path / "bad.csv", resume=True)

    assert (summary.answered, summary.refused) == (499, 1)
    assert 100 <= summary.resumed_rows <= 400


# --- what is refused at once --------------------------------------------------------------


def test_what_cannot_work_is_said_before_anything_is_written(tmp_path: Path, model: Model) -> None:
    rows, out = tmp_path / "in.parquet", tmp_path / "out.parquet"
    table(5).with_columns(prediction=1, amount=0.5).write_parquet(rows)
    table(5).drop("wind", "hour").write_parquet(tmp_path / "narrow.parquet")
    (tmp_path / "twice.csv").write_text("wind,wind\n1,2\n", encoding="utf-8")
    (tmp_path / "none.parquet").write_bytes(b"PAR1")
    (tmp_path / "mixed").mkdir()
    table(5).write_parquet(tmp_path / "mixed" / "a.parquet")
    table(5).write_csv(tmp_path / "mixed" / "b.csv")
    before = sorted(tmp_path.rglob("*"))

    def refuse(error: type[Exception], says: str, source: Path | str, **settings: Any) -> None:
        target = settings.pop("target", out)
        with pytest.raises(error, match=says):
            quietly(source, target, model, **settings)
        assert sorted(tmp_path.rglob("*")) == before, says

    refuse(SchemaMismatchError, "'wind', 'hour'", tmp_path / "narrow.parquet")
    refuse(InvalidDataError, "no column 'nowhere'", rows, key="nowhere")
    refuse(InvalidDataError, "no column 'nix'", rows, keep=["nix"])
    refuse(InvalidDataError, "'prediction' of their own", rows, keep=["prediction"])
    refuse(InvalidDataError, "'amount' holds Float64; a key is text", rows, key="amount")
    refuse(InvalidDataError, "should end in", rows, target=tmp_path / "out.txt")
    refuse(InvalidDataError, "no file matches", tmp_path / "no*.csv")
    refuse(InvalidDataError, "cannot be read", tmp_path / "none.parquet")
    refuse(InvalidDataError, "csv and parquet", tmp_path / "mixed")
    refuse(DuplicateColumnsError, "'wind'", tmp_path / "twice.csv")
    refuse(NotFoundError, "no folder", rows, target=tmp_path / "no" / "out.csv")
    refuse(AlreadyExistsError, "exists", rows, target=rows)
    refuse(ValueError, "at least 1", rows, piece_rows=0)


def test_a_file_cut_short_is_told_by_its_name(tmp_path: Path, model: Model) -> None:
    table(5000).write_parquet(tmp_path / "in.parquet", row_group_size=1000)
    content = bytearray((tmp_path / "in.parquet").read_bytes())
    content[2000:60_000] = bytes(58_000)
    (tmp_path / "in.parquet").write_bytes(content)

    with pytest.raises(InvalidDataError, match=r"in\.parquet cannot be read"):
        quietly(tmp_path / "in.parquet", tmp_path / "out.parquet", model)


def test_lines_with_too_many_cells_are_told(tmp_path: Path, model: Model) -> None:
    (tmp_path / "in.csv").write_text(
        "wind,hour,carrier,score\n1,5,AA,1\n1,5,AA,1,9\n", encoding="utf-8"
    )

    with pytest.raises(InvalidDataError, match=r"in\.csv cannot be read"):
        quietly(tmp_path / "in.csv", tmp_path / "out.parquet", model)


class Grumpy(ClassifierMixin, BaseEstimator):
    """Raise on some rows, as a model may."""

    def fit(self, X: Any, y: Any) -> Grumpy:
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:
        if len(X) < 100:
            raise ZeroDivisionError("no")
        return np.full(len(X), self.classes_[0])


def test_a_model_that_raises_is_named_and_what_was_done_is_kept(
    tmp_path: Path, make_model: Callable[..., Model]
) -> None:
    trained = make_model(Grumpy())
    table(250).write_parquet(tmp_path / "in.parquet")

    with pytest.raises(PredictionFailedError, match="v:1 accepted 50 rows and then raised Zero"):
        quietly(
            tmp_path / "in.parquet", tmp_path / "out.parquet", trained, version="v:1",
            piece_rows=100,
        )  # fmt: skip

    assert len(list((tmp_path / "out.parquet.unfinished").glob("part-*"))) == 2


# --- resuming -----------------------------------------------------------------------------


def interrupted(tmp_path: Path, model: Model, *, after: int = 2, **settings: Any) -> Path:
    """Leave a job behind that wrote some pieces of 100 rows and was then told to end."""

    class Stop:
        dropped, n = 0, 0

        def write(self, batch: Any) -> None:
            self.n += 1
            if self.n > after:
                raise KeyboardInterrupt

        def flush(self, timeout: object = None) -> None: ...

        def close(self) -> None: ...

    source = tmp_path / "in.parquet"
    if not source.exists():
        table().write_parquet(source)
    with pytest.raises(KeyboardInterrupt) as caught:
        quietly(source, tmp_path / "out.parquet", model, piece_rows=100, log=Stop(), **settings)
    assert f"{after * 100:,} rows are done and kept" in caught.value.__notes__[0]
    return source


def test_an_interrupted_job_says_so_and_goes_on_where_it_was(tmp_path: Path, model: Model) -> None:
    source, out, log = interrupted(tmp_path, model), tmp_path / "out.parquet", MemoryLog()
    assert not out.exists()

    with pytest.raises(JobUnfinishedError, match="--resume"):
        quietly(source, out, model, log=log)
    summary = quietly(source, out, model, log=log, resume=True)

    assert (summary.rows, summary.resumed_rows) == (500, 200)
    assert_answered(pl.read_parquet(out), table(), model)
    assert len(log) == 300


@pytest.mark.parametrize("changed", ["input", "model", "columns", "touched"])
def test_a_job_is_not_resumed_with_anything_else(
    tmp_path: Path, model: Model, make_model: Callable[..., Model], changed: str
) -> None:
    source, out = interrupted(tmp_path, model), tmp_path / "out.parquet"
    settings: dict[str, Any] = {"log": MemoryLog()}
    if changed == "input":
        table(seed=2).write_parquet(source)
    elif changed == "touched":
        os.utime(source, ns=(1, 1))
    elif changed == "model":
        model = make_model(LogisticRegression(C=0.01))
    else:
        settings["keep"] = ["id"]

    with pytest.raises(JobChangedError, match=r"out\.parquet had another") as caught:
        quietly(source, out, model, resume=True, **settings)

    assert caught.value.changed[0].startswith(
        {"input": "input", "touched": "input", "model": "model", "columns": "choice"}[changed]
    )
    assert not out.exists()


def test_resuming_what_was_never_begun_begins_it(tmp_path: Path, model: Model) -> None:
    table().write_parquet(tmp_path / "in.parquet")

    summary = quietly(tmp_path / "in.parquet", tmp_path / "out.parquet", model, resume=True)

    assert (summary.answered, summary.resumed_rows) == (500, 0)


def test_two_processes_do_not_work_on_one_target(tmp_path: Path, model: Model) -> None:
    source, refused = interrupted(tmp_path, model), threading.Event()

    class Other:
        dropped = 0

        def write(self, batch: Any) -> None:
            with pytest.raises(JobRunningError, match="another process"):
                quietly(source, tmp_path / "out.parquet", model, log=MemoryLog(), resume=True)
            refused.set()

        def flush(self, timeout: object = None) -> None: ...

        def close(self) -> None: ...

    quietly(source, tmp_path / "out.parquet", model, log=Other(), resume=True)

    assert refused.is_set()


# --- the log ------------------------------------------------------------------------------


def test_predictions_are_logged_as_those_of_single_requests(tmp_path: Path, model: Model) -> None:
    rows, seen = table(), []
    rows.write_parquet(tmp_path / "in.parquet")
    log = BulkLog(tmp_path / "log", "nightly", observers=[seen.append])

    quietly(
        tmp_path / "in.parquet",
        tmp_path / "out.parquet",
        model,
        version="late:1",
        key="id",
        log=log,
        deployment="nightly",
        piece_rows=120,
        clock=lambda: NOON,
    )

    answers, logged = pl.read_parquet(tmp_path / "out.parquet"), log.frame()
    assert logged.equals(read_log(tmp_path / "log", deployment="nightly"))
    assert logged["prediction_id"].to_list() == answers["prediction_id"].to_list()
    assert answers["prediction_id"].n_unique() == 500
    assert logged["key"].to_list() == answers["key"].to_list()
    assert set(logged["time"]) == {NOON}
    assert logged["feature.score"].to_list() == rows["score"].to_list()
    assert sum(frame.height for frame in seen) == 500
    single = MemoryLog()
    Predictor(model, version="late:1", deployment="nightly", sink=single).predict_frame(rows)
    assert single.frame().schema == logged.schema


def test_rows_of_two_versions_are_shared_as_requests_are(
    tmp_path: Path, make_model: Callable[..., Model]
) -> None:
    one, other = make_model(), make_model(LogisticRegression(C=0.001))
    rows, sink = table(), MemoryLog()
    rows.write_parquet(tmp_path / "in.parquet")
    champion, candidate = (
        Predictor(m, version=f"late:{i}", deployment="d", sink=sink, arm=arm)
        for i, m, arm in ((1, one, "champion"), (2, other, "candidate"))
    )
    traffic = Traffic(champion)
    traffic.split(champion, candidate, share=0.3)
    by_request = traffic.predict_frame(rows, keys=rows["id"].to_list())

    summary = quietly(
        tmp_path / "in.parquet", tmp_path / "out.parquet", traffic, key="id", piece_rows=77
    )

    answers = pl.read_parquet(tmp_path / "out.parquet")
    assert answers["version"].to_list() == list(by_request.versions)
    assert answers["prediction"].to_list() == by_request.predictions.tolist()
    np.testing.assert_allclose(answers["score"].to_numpy(), by_request.scores)
    assert summary.version == "late:1+late:2"
    assert traffic.counts.accepted == 1000


def test_a_shadow_is_logged_and_never_given(
    tmp_path: Path, make_model: Callable[..., Model]
) -> None:
    one, other, sink = make_model(), make_model(LogisticRegression(C=0.001)), MemoryLog()
    rows = table(100)
    rows.write_parquet(tmp_path / "in.parquet")
    champion = Predictor(one, version="late:1", deployment="d", sink=sink)
    shadow = Predictor(other, version="late:2", deployment="d", sink=sink, arm="shadow")
    traffic = Traffic(champion)
    traffic.split(champion, shadow, share=0.0, is_shadow=True)

    summary = quietly(
        tmp_path / "in.parquet", tmp_path / "out.parquet", traffic, log=sink, deployment="d"
    )

    assert summary.version == "late:1"
    assert set(pl.read_parquet(tmp_path / "out.parquet")["version"]) == {"late:1"}
    logged = sink.frame()
    assert logged.group_by("arm").len().sort("arm").rows() == [("champion", 100), ("shadow", 100)]
    assert logged["prediction_id"].n_unique() == 200


def test_rows_without_a_key_are_shared_too_and_alike_in_every_run(
    tmp_path: Path, make_model: Callable[..., Model]
) -> None:
    """Of 500 rows at a share of 0.5 between 160 and 340, but for a probability of 1e-15."""
    sink = MemoryLog()
    table().write_parquet(tmp_path / "in.parquet")
    champion, candidate = (
        Predictor(make_model(), version=f"late:{i}", deployment="d", sink=sink) for i in (1, 2)
    )
    traffic = Traffic(champion)
    traffic.split(champion, candidate, share=0.5)

    quietly(tmp_path / "in.parquet", tmp_path / "out.parquet", traffic, piece_rows=100)

    versions = pl.read_parquet(tmp_path / "out.parquet")["version"].to_list()
    assert 160 <= versions.count("late:2") <= 340


# --- limits -------------------------------------------------------------------------------


def test_a_full_disk_is_told_and_the_job_goes_on_when_there_is_space(
    small_disk: Path, tmp_path: Path, model: Model
) -> None:
    rows = table(100_000).with_columns(note=pl.int_range(100_000).hash(0).cast(pl.String))
    rows.write_parquet(tmp_path / "in.parquet")
    out, filler = small_disk / "out.parquet", small_disk / "filler"
    filler.write_bytes(bytes(3_000_000))
    keep = ["id", "note"]

    with pytest.raises(StoreFullError, match="resume=True"):
        quietly(tmp_path / "in.parquet", out, model, keep=keep, piece_rows=10_000)
    done = len(list((small_disk / "out.parquet.unfinished").glob("part-*")))
    filler.unlink()
    summary = quietly(tmp_path / "in.parquet", out, model, keep=keep, resume=True)

    assert done > 0
    assert summary.resumed_rows == done * 10_000
    answers = pl.read_parquet(out)
    assert answers.select(keep).equals(rows.select(keep))
    assert_answered(answers, rows, model)


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(mount)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"may not mount a small disk here: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


MEASURE = """
import sys
from mldeploy.model import Bundle
from mldeploy.serving import score_table
model = Bundle.open(sys.argv[1]).load_compiled()
assert not {"pandas", "scipy", "sklearn"} & set(sys.modules)
print(score_table(sys.argv[2], sys.argv[3], model, progress=False, piece_rows=65_536).peak_memory)
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_memory_does_not_grow_with_the_table(
    tmp_path: Path, model: Model, flights: pd.DataFrame, kind: str
) -> None:
    """Four times the rows, 80 MB more of them in one row group, cost less than 50 MB more.

    A compiled model needs none of the libraries that it was trained with.
    """
    Bundle.write(tmp_path / "bundle", model, golden=Dataset.of(flights, target="late"))
    peaks = []
    for n in (600_000, 2_400_000):
        source = tmp_path / f"in{n}.{kind}"
        rows = table(n)
        rows.write_csv(source) if kind == "csv" else rows.write_parquet(source, row_group_size=n)
        out = tmp_path / f"out{n}.parquet"
        command = [sys.executable, "-c", MEASURE, str(tmp_path / "bundle"), str(source), str(out)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        peaks.append(int(done.stdout))
        assert pl.scan_parquet(out).select(pl.len()).collect().item() == n

    assert peaks[1] - peaks[0] < 50e6, peaks


def test_the_summary_tells_rows_time_and_memory(tmp_path: Path, model: Model) -> None:
    table().write_parquet(tmp_path / "in.parquet")

    summary = quietly(tmp_path / "in.parquet", tmp_path / "<b>.parquet", model, version="v:1")

    assert "500 answers by v:1 written to" in str(summary)
    assert summary.rows_per_second > 0
    assert BulkSummary.model_validate_json(summary.to_json()) == summary
    assert summary.peak_memory is None or summary.peak_memory > 1e7
    assert "<b>" not in summary._repr_html_().replace("<p><b>", "")


def test_times_and_durations_of_text_are_read_as_the_schema_says() -> None:
    from mldeploy.serving._bulk_text import read_text

    schema = Schema(
        columns=(
            ColumnSchema(name="zoned", kind="datetime", time_zone="America/New_York"),
            ColumnSchema(name="local", kind="datetime", time_unit="ms"),
            ColumnSchema(name="day", kind="date"),
            ColumnSchema(name="time", kind="time"),
            ColumnSchema(name="took", kind="duration"),
            ColumnSchema(name="truth", kind="boolean"),
        )
    )
    text = pl.DataFrame(
        {
            "zoned": ["2013-01-01T05:15:00Z", "2013-01-01 05:15:00+0100", "2013-01-01T05:15:00"],
            "local": ["2013-01-01T05:15:00.5", "2013-01-01 05:15:00", "2013-01-01T05:15:00Z"],
            "day": ["2013-01-31", None, "2013-02-30"],
            "time": ["05:15:00", "23:59:59.5", "24:00:00"],
            "took": ["1.5", "-0.000001", "long"],
            "truth": ["true", "FALSE", "yes"],
        }
    )

    frame, errors = read_text(text, schema)

    assert frame.rows()[0][1:] == (
        datetime(2013, 1, 1, 5, 15, 0, 500_000),
        datetime(2013, 1, 31).date(),
        datetime(2013, 1, 1, 5, 15).time(),
        pd.Timedelta(seconds=1.5).to_pytimedelta(),
        True,
    )
    zoned = frame["zoned"].dt.convert_time_zone("UTC")
    assert zoned.to_list()[:2] == [
        datetime(2013, 1, 1, 5, 15, tzinfo=UTC), datetime(2013, 1, 1, 4, 15, tzinfo=UTC),
    ]  # fmt: skip
    assert frame["took"][1] == pd.Timedelta(microseconds=-1).to_pytimedelta()
    assert [(e.row, e.column) for e in errors] == [(2, c) for c in text.columns]
