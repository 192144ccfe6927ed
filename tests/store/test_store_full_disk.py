"""A full disk stops writing, not reading; a real one of 30 MB."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from mldeploy.errors import StoreFullError
from mldeploy.store import Event, Store, tables

AddVersion = Callable[..., Event]
VersionNames = Callable[[Store], dict[str, str]]

N_VERSIONS = 20

READER = """
import sys
import sqlalchemy as sa
from mldeploy.store import Store, tables
with Store.open(sys.argv[1]) as store:
    with store.read() as connection:
        rows = connection.execute(sa.select(tables.versions)).mappings().all()
        for row in rows:
            store.ledger.check_row(connection, tables.versions, row)
            store.artifacts.read_bytes(row["bundle_digest"])
    assert store.verify(progress=False) == ()
    print(len(rows))
"""


def snapshot(root: Path) -> dict[str, bytes]:
    """Content of every file but SQLite's index, which is shared memory, and an empty log."""
    files = (path for path in root.rglob("*") if path.is_file() and path.suffix != ".sqlite-shm")
    contents = {path: path.read_bytes() for path in files}
    return {str(p): c for p, c in contents.items() if c or p.suffix != ".sqlite-wal"}


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=30m", "tmpfs", str(mount)]
    if shutil.which("mount") is None:
        pytest.skip("there is no mount command here to make a small disk with")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"may not mount a small disk here: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def fill(disk: Path) -> Path:
    """Take every byte that is left."""
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass
    assert shutil.disk_usage(disk).free == 0
    return filler


def read_in_a_fresh_process(root: Path) -> int:
    run = subprocess.run(
        [sys.executable, "-c", READER, str(root)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return int(run.stdout)


def close_as_sqlite_does(root: Path, add_version: AddVersion) -> None:
    """The log and its index are gone, as after a foreign tool was the last to close."""
    for suffix in ("-wal", "-shm"):
        (root / f"store.sqlite{suffix}").unlink(missing_ok=True)


def leave_log_without_index(root: Path, add_version: AddVersion) -> None:
    """A writer was killed, and its index was lost in a restart of the machine."""
    pid = os.fork()
    if pid == 0:
        store = Store.open(root)
        add_version(store, "killed", 1, b"x")
        os.kill(os.getpid(), signal.SIGKILL)
    os.waitpid(pid, 0)
    assert (root / "store.sqlite-wal").stat().st_size > 0
    (root / "store.sqlite-shm").unlink()


def leave_as_closed(root: Path, add_version: AddVersion) -> None:
    assert (root / "store.sqlite-shm").exists()


@pytest.mark.parametrize(
    ("leave", "n_versions"),
    [
        (leave_as_closed, N_VERSIONS),
        (close_as_sqlite_does, N_VERSIONS),
        (leave_log_without_index, N_VERSIONS + 1),
    ],
)
def test_a_full_disk_stops_writing_but_not_reading(
    small_disk: Path,
    add_version: AddVersion,
    version_names: VersionNames,
    leave: Callable[[Path, AddVersion], None],
    n_versions: int,
) -> None:
    root = small_disk / "mlstore"
    with Store.open(root) as store:
        for k in range(N_VERSIONS):
            add_version(store, str(k), 1, str(k).encode() * 10_000)
    leave(root, add_version)
    filler = fill(small_disk)
    before = snapshot(root)

    assert read_in_a_fresh_process(root) == n_versions
    with Store.open(root) as store:
        assert len(version_names(store)) == n_versions
        with pytest.raises(StoreFullError):
            store.artifacts.put_bytes(b"y" * 100_000)
        with pytest.raises(StoreFullError), store.write() as tx:
            tx.record("note", subject="x" * 1_000_000, actor="ana")
        assert len(version_names(store)) == n_versions
        assert snapshot(root) == before
        filler.unlink()
        add_version(store, "new", 1, b"new")
        assert store.verify() == ()
    assert read_in_a_fresh_process(root) == n_versions + 1


def test_writing_until_the_disk_is_full_keeps_all_that_was_acknowledged(
    small_disk: Path, add_version: AddVersion, version_names: VersionNames
) -> None:
    root, acknowledged = small_disk / "mlstore", 0
    with Store.open(root) as store:
        with pytest.raises(StoreFullError):  # noqa: PT012 -- one of many calls fails
            while True:
                add_version(store, str(acknowledged), 1, os.urandom(300_000))
                acknowledged += 1
        held = version_names(store)
        assert acknowledged > 50
        assert set(held) == {str(k) for k in range(acknowledged)}
        assert all(store.artifacts.read_bytes(digest) for digest in held.values())
        assert store.verify() == ()
    assert read_in_a_fresh_process(root) == acknowledged


def test_rows_that_fill_the_disk_are_rolled_back(small_disk: Path) -> None:
    row = {"name": "n", "rows": 1, "json": {"text": "x" * 100_000}}
    query = sa.select(sa.func.count()).select_from(tables.datasets)
    with Store.open(small_disk / "mlstore") as store:
        with pytest.raises(StoreFullError), store.write() as tx:  # noqa: PT012 -- any may fail
            rows = [{**row, "fingerprint": str(k)} for k in range(1000)]
            tx.connection.execute(sa.insert(tables.datasets), rows)
            tx.record("dataset.added", subject="n", actor="ana")
        with store.read() as connection:
            assert connection.execute(query).scalar_one() == 0
        with store.write() as tx:
            tx.connection.execute(sa.insert(tables.datasets), {**row, "fingerprint": "one"})
        assert store.verify() == ()


def test_a_store_cannot_be_created_on_a_full_disk_and_can_later(small_disk: Path) -> None:
    filler = fill(small_disk)
    with pytest.raises(StoreFullError):
        Store.open(small_disk / "mlstore")

    filler.unlink()
    with Store.open(small_disk / "mlstore") as store:
        assert store.verify() == ()


@pytest.mark.parametrize("leave", [leave_as_closed, close_as_sqlite_does])
def test_a_disk_mounted_for_reading_is_read(
    small_disk: Path, add_version: AddVersion, leave: Callable[[Path, AddVersion], None]
) -> None:
    root = small_disk / "mlstore"
    with Store.open(root) as store:
        add_version(store, "late", 1)
    leave(root, add_version)
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)

    assert read_in_a_fresh_process(root) == 1
    with Store.open(root) as store:
        with pytest.raises(OSError, match=r"[Rr]ead-?\s?only"):
            add_version(store, "new", 1, b"new")
        with pytest.raises(OSError, match="cannot be used"), store.write() as tx:
            tx.record("note", subject="x", actor="ana")


def test_reading_changes_no_file(store: Store, add_version: AddVersion) -> None:
    add_version(store, "late", 1)
    store.close()
    before = snapshot(store.root)

    assert read_in_a_fresh_process(store.root) == 1

    assert snapshot(store.root) == before
