"""Tables in an object store are read and written through a real S3 server on loopback."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from mldeploy.errors import (
    AlreadyExistsError,
    InvalidDataError,
    JobChangedError,
    JobUnfinishedError,
)
from mldeploy.model import Model
from mldeploy.serving import MemoryLog, score_table

boto3 = pytest.importorskip("boto3")
pytest.importorskip("moto.server")

KEYS = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing"}


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server in a process of its own, which tells its port on standard error."""
    told = tmp_path_factory.mktemp("moto") / "told"
    with told.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=file, stderr=file, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    try:
        yield _address(told)
    finally:
        server.terminate()
        server.wait(timeout=20)


def _address(told: Path) -> str:
    for _ in range(1200):
        for word in told.read_text().split():
            if word.startswith("http://127.0.0.1:"):
                return word
        time.sleep(0.05)
    raise AssertionError(told.read_text())


@pytest.fixture
def bucket(endpoint: str, request: pytest.FixtureRequest) -> Any:
    name = f"bucket-{abs(hash(request.node.name)) % 10**8}"
    client = boto3.resource("s3", endpoint_url=endpoint, region_name="us-east-1", **KEYS)
    return client.create_bucket(Bucket=name)


@pytest.fixture
def options(endpoint: str) -> dict[str, str]:
    return {
        **KEYS,
        "aws_region": "us-east-1",
        "aws_endpoint_url": endpoint,
        "aws_allow_http": "true",
    }


@pytest.fixture(scope="module")
def model(make_model: Callable[..., Model]) -> Model:
    return make_model()


def table(n: int, *, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    return pl.DataFrame(
        {
            "id": np.arange(n),
            "wind": rng.gamma(2.0, 5.0, n),
            "hour": rng.integers(5, 24, n),
            "carrier": rng.choice(["AA", "UA", "B6"], n),
            "score": rng.random(n),
        }
    )


def put(bucket: Any, key: str, rows: pl.DataFrame) -> None:
    content = io.BytesIO()
    rows.write_csv(content) if key.endswith(".csv") else rows.write_parquet(content)
    bucket.put_object(Key=key, Body=content.getvalue())


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_objects_are_read_and_written(
    bucket: Any, options: dict[str, str], model: Model, tmp_path: Path, kind: str
) -> None:
    rows, place = table(500), f"s3://{bucket.name}"
    put(bucket, f"rows.{kind}", rows)

    summary = score_table(
        f"{place}/rows.{kind}", f"{place}/out/answers.{kind}", model,
        key="id", work=tmp_path, storage_options=options, piece_rows=120, progress=False,
    )  # fmt: skip

    content = bucket.Object(f"out/answers.{kind}").get()["Body"].read()
    answers = pl.read_csv(content) if kind == "csv" else pl.read_parquet(content)
    assert answers["key"].cast(pl.Int64).to_list() == rows["id"].to_list()
    np.testing.assert_allclose(answers["score"].to_numpy(), model.score(rows))
    assert summary.answered == 500
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(AlreadyExistsError):
        score_table(
            f"{place}/rows.{kind}", f"{place}/out/answers.{kind}", model,
            work=tmp_path, storage_options=options, progress=False,
        )  # fmt: skip
    assert list(tmp_path.iterdir()) == []


def test_a_pattern_of_objects_is_one_table_in_the_order_of_names(
    bucket: Any, options: dict[str, str], model: Model, tmp_path: Path
) -> None:
    rows = table(300)
    for number in range(3):
        put(bucket, f"day/part-{number}.parquet", rows[100 * number : 100 * (number + 1)])

    score_table(
        f"s3://{bucket.name}/day/*.parquet", tmp_path / "out.parquet", model,
        keep=["id"], storage_options=options, progress=False,
    )  # fmt: skip

    assert pl.read_parquet(tmp_path / "out.parquet")["id"].to_list() == rows["id"].to_list()


class Interrupting:
    """A log that is told to end with the third batch."""

    dropped, n = 0, 0

    def write(self, batch: object) -> None:
        self.n += 1
        if self.n == 3:
            raise KeyboardInterrupt

    def flush(self, timeout: object = None) -> None: ...

    def close(self) -> None: ...


def test_a_job_on_objects_is_resumed_unless_they_changed(
    bucket: Any, options: dict[str, str], model: Model, tmp_path: Path
) -> None:
    place, rows = f"s3://{bucket.name}", table(500)
    put(bucket, "rows.parquet", rows)

    def run(**settings: Any) -> Any:
        return score_table(
            f"{place}/rows.parquet", f"{place}/answers.parquet", model, keep=["id"],
            work=tmp_path, storage_options=options, piece_rows=100, progress=False, **settings,
        )  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        run(log=Interrupting())
    assert list(bucket.objects.filter(Prefix="answers")) == []
    with pytest.raises(JobUnfinishedError):
        run(log=MemoryLog())
    put(bucket, "rows.parquet", table(500, seed=1))
    with pytest.raises(JobChangedError, match="another input"):
        run(log=MemoryLog(), resume=True)
    put(bucket, "rows.parquet", rows)
    summary = run(log=MemoryLog(), resume=True)

    assert summary.resumed_rows == 200
    answers = pl.read_parquet(bucket.Object("answers.parquet").get()["Body"].read())
    assert answers["id"].to_list() == rows["id"].to_list()


def test_an_object_that_is_not_there_is_told(
    bucket: Any, options: dict[str, str], model: Model, tmp_path: Path
) -> None:
    with pytest.raises(InvalidDataError, match=r"nothing\.parquet cannot be read"):
        score_table(
            f"s3://{bucket.name}/nothing.parquet", tmp_path / "out.parquet", model,
            storage_options=options, progress=False,
        )  # fmt: skip
