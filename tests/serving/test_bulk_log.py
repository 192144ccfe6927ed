"""The log of jobs is a prediction log like any other, and keeps each batch once."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from mldeploy.errors import PredictionLogError
from mldeploy.model import Model
from mldeploy.serving import BulkLog, DropColumn, PredictionSink, Predictor
from mldeploy.serving._bulk_log import job_ids
from mldeploy.testing import PredictionSinkConformance, sample_batch

NOON = datetime(2013, 4, 1, 12, tzinfo=UTC)


class TestBulkLog(PredictionSinkConformance):
    @pytest.fixture
    def sink(self, tmp_path: Path) -> PredictionSink:
        return BulkLog(tmp_path / "log", "sample")


def test_a_batch_written_again_replaces_itself(tmp_path: Path) -> None:
    log, batch = BulkLog(tmp_path, "sample"), sample_batch(8)

    for _ in range(3):
        log.write(batch)
    BulkLog(tmp_path, "sample").write(batch)

    assert log.frame()["prediction_id"].to_list() == sorted(batch.ids)


def test_single_answers_are_logged_too(tmp_path: Path, make_model: Callable[..., Model]) -> None:
    log = BulkLog(tmp_path, "sample")
    predictor = Predictor(make_model(), version="v:1", deployment="sample", sink=log)

    given = [predictor.predict({"wind": 5.0, "hour": 8, "carrier": "AA", "score": 1.0}).id]
    given.append(predictor.predict({"wind": 6.0, "hour": 8, "carrier": "AA", "score": 1.0}).id)

    assert log.frame()["prediction_id"].to_list() == given


def test_sensitive_columns_do_not_reach_the_disk(tmp_path: Path) -> None:
    seen: list[pl.DataFrame] = []
    log = BulkLog(tmp_path, "sample", columns={"wind": DropColumn()}, observers=[seen.append])

    log.write(sample_batch(8))

    assert "wind" not in log.frame().columns
    assert "wind" not in seen[0].columns


def test_a_log_takes_no_batch_of_somebody_else(tmp_path: Path) -> None:
    with pytest.raises(PredictionLogError, match="open a BulkLog for it"):
        BulkLog(tmp_path, "other").write(sample_batch(1))
    with pytest.raises(ValueError, match="pass its name"):
        BulkLog(tmp_path, "")


def test_identifiers_count_the_rows_of_a_job() -> None:
    """2013-04-01 12:00 UTC is 1,364,817,600,000 ms, 0x13dc577de00."""
    rows = np.array([0, 1, 65_535, 65_536, 2**32 - 1, 2**32, 2**39 + 7])

    ids = job_ids("89abcdef", NOON, rows).to_list()

    assert [int(i[-10:], 16) for i in ids] == rows.tolist()
    assert {i[:-10] for i in ids} == {"013dc577de00" + "7" + "89a" + "8" + "bcdef"}
    assert {len(i) for i in ids} == {32}
    assert ids == sorted(ids)
    assert job_ids("89abcdee", NOON, rows[:1])[0] != ids[0]
