"""Profiles of tables in an object store, through a real S3 server on loopback."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from mldeploy.data import Profile
from mldeploy.errors import UnreadableFileError

boto3 = pytest.importorskip("boto3")
pytest.importorskip("moto.server")
pytestmark = pytest.mark.slow

KEYS = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing"}
ROWS = pl.DataFrame({"x": range(5_000), "s": [f"N{i % 17}" for i in range(5_000)]})


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server in a process of its own, and how polars reaches it."""
    told = tmp_path_factory.mktemp("moto") / "told"
    with told.open("wb") as file:
        server = subprocess.Popen(
            [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"],
            stdout=file, stderr=file, env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )  # fmt: skip
    try:
        address = _address(told)
        store = boto3.resource("s3", endpoint_url=address, region_name="us-east-1", **KEYS)
        bucket = store.create_bucket(Bucket="tables")
        for number, start in enumerate(range(0, 5_000, 2_000)):
            part = ROWS[start : start + 2_000]
            written = io.BytesIO()
            part.write_parquet(written)
            bucket.put_object(Key=f"rows/{number}.parquet", Body=written.getvalue())
        bucket.put_object(Key="rows.csv", Body=ROWS.write_csv().encode())
        bucket.put_object(Key="cut.parquet", Body=written.getvalue()[:-50])
        yield {
            **KEYS, "aws_region": "us-east-1", "aws_endpoint_url": address,
            "aws_allow_http": "true",
        }  # fmt: skip
    finally:
        server.terminate()
        server.wait(timeout=20)


def _address(told: Path) -> str:
    for _ in range(1_200):
        for word in told.read_text().split():
            if word.startswith("http://127.0.0.1:"):
                return word
        time.sleep(0.05)
    raise AssertionError(told.read_text())


@pytest.mark.parametrize("place", ["rows/*.parquet", "rows/", "rows.csv"])
def test_objects_have_the_profile_of_the_table_they_hold(
    place: str, options: dict[str, str]
) -> None:
    found = Profile.of(f"s3://tables/{place}", storage_options=options, progress=False)

    assert found == Profile.of(ROWS, progress=False)


@pytest.mark.parametrize("place", ["cut.parquet", "gone.parquet"])
def test_objects_that_cannot_be_read_are_named(place: str, options: dict[str, str]) -> None:
    with pytest.raises(UnreadableFileError) as caught:
        Profile.of(f"s3://tables/{place}", storage_options=options, progress=False)

    assert caught.value.path == f"s3://tables/{place}"
