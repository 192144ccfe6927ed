"""Tables are scored by the versions in service, as requests are answered."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path

import polars as pl
import pytest

from mldeploy.data import to_polars
from mldeploy.deployment import (
    BatchDeployer,
    BatchDeployment,
    Canary,
    Deployer,
    Release,
    Rollout,
    Shadow,
)
from mldeploy.errors import DeploymentError, JobChangedError
from mldeploy.serving import BulkLog
from mldeploy.testing import DeployerConformance, mixed_sample, sample_model


class TestBatchDeployer(DeployerConformance):
    @pytest.fixture
    def deployer(self) -> Deployer:
        return BatchDeployer()


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    frame = to_polars(mixed_sample().test.X())
    path = tmp_path / "rows.parquet"
    frame.with_columns(key=pl.int_range(frame.height).cast(pl.String)).write_parquet(path)
    return path


def deployed(rollout: Rollout | None = None, *, log: Path | None = None) -> BatchDeployment:
    deployer = BatchDeployer()
    if log is not None:
        deployer = BatchDeployer(name="nightly", sink=partial(BulkLog, log))
    champion, candidate = (
        Release(model=sample_model(mixed_sample()), version=f"sample:{number}")
        for number in (1, 2)
    )
    live = deployer.deploy(candidate, champion=champion, rollout=rollout)
    assert isinstance(live, BatchDeployment)
    return live


def test_rows_go_to_the_version_that_requests_with_their_key_go_to(
    rows: Path, tmp_path: Path
) -> None:
    table = pl.read_parquet(rows)
    with deployed(Canary([0.4, 1.0]), log=tmp_path / "log") as live:
        summary = live.run(rows, tmp_path / "out.parquet", key="key", progress=False)
        answers = pl.read_parquet(tmp_path / "out.parquet")
        asked = live.predict_frame(table.drop("key"), keys=table["key"].to_list())
        logged = live.answers()
        tally = live.tally()

    assert answers["version"].to_list() == list(asked.versions)
    assert {"sample:1", "sample:2"} == set(answers["version"])
    assert summary.version == "sample:1+sample:2"
    assert logged.height == 2 * table.height
    assert set(answers["prediction_id"]) < set(logged["prediction_id"])
    assert (tally.accepted, tally.dropped) == (2 * table.height, 0)


def test_a_rollout_is_decided_on_what_was_scored(rows: Path, tmp_path: Path) -> None:
    with deployed(Shadow(hold=timedelta(hours=1))) as live:
        live.run(rows, tmp_path / "out.parquet", key="key", progress=False)
        outcomes = live.answers().with_columns(label=pl.lit(None, dtype=pl.Boolean))
        decision = live.decide(outcomes)

    assert set(outcomes["arm"]) == {"champion", "shadow"}
    assert decision.report.findings


class Interrupting:
    """A log that is told to end while it writes."""

    dropped = 0

    def write(self, batch: object) -> None:
        raise KeyboardInterrupt

    def flush(self, timeout: timedelta | None = None) -> None: ...

    def close(self) -> None: ...


def test_a_job_goes_on_in_the_next_process_but_not_with_another_split(
    rows: Path, tmp_path: Path
) -> None:
    out, log = tmp_path / "out.parquet", tmp_path / "log"
    champion = Release(model=sample_model(mixed_sample()), version="sample:2")
    deployer = BatchDeployer(name="nightly", sink=lambda _: Interrupting())
    with deployer.deploy(champion) as live, pytest.raises(KeyboardInterrupt):
        live.run(rows, out, key="key", progress=False)

    another = deployed(Canary([0.5, 1.0]), log=log)
    with another as live, pytest.raises(JobChangedError, match="split of the traffic"):
        live.run(rows, out, key="key", resume=True, progress=False)
    again = BatchDeployer(name="nightly", sink=partial(BulkLog, log))
    with again.deploy(champion) as live:
        live.run(rows, out, key="key", resume=True, progress=False)
        logged = live.answers()

    assert sorted(logged["prediction_id"]) == pl.read_parquet(out)["prediction_id"].to_list()


def test_a_stopped_deployment_scores_no_more(rows: Path, tmp_path: Path) -> None:
    live = deployed()
    live.stop()

    with pytest.raises(DeploymentError, match="stopped"):
        live.run(rows, tmp_path / "out.parquet")

    assert not (tmp_path / "out.parquet").exists()


def test_without_the_log_the_answers_are_the_only_record(rows: Path, tmp_path: Path) -> None:
    with deployed() as live:
        live.run(rows, tmp_path / "out.parquet", key="key", log=False, progress=False)
        assert live.answers().is_empty()

    assert "prediction_id" not in pl.read_parquet(tmp_path / "out.parquet").columns
