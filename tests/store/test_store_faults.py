"""Every single call that changes the disk may fail, or be the last: nothing is half-written."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from mldeploy.errors import StoreFullError
from mldeploy.store import Event, Store

AddVersion = Callable[..., Event]
VersionNames = Callable[[Store], dict[str, str]]
InChild = Callable[[Callable[[], None]], int]

EXITED = 42


def errors_of(code: int) -> Callable[[], None]:
    def fail() -> None:
        raise OSError(code, f"injected {errno.errorcode[code]}")

    return fail


def exit_now() -> None:
    os._exit(EXITED)


FAULTS = {"full": errors_of(errno.ENOSPC), "broken": errors_of(errno.EIO), "killed": exit_now}


@pytest.fixture(params=["warm", pytest.param("cold", marks=pytest.mark.slow)])
def scenario(
    request: pytest.FixtureRequest, memory_path: Path, add_version: AddVersion
) -> Iterator[tuple[Path, Callable[[Path], None]]]:
    """A folder to start from, and what is done in a copy of it."""
    bundle = memory_path / "bundle"
    bundle.mkdir()
    (bundle / "model").write_bytes(b"weights")
    (bundle / "card").write_bytes(b"# card")
    start = memory_path / "start"
    start.mkdir()
    if request.param == "warm":
        with Store.open(start) as store:
            add_version(store, "old", 1, b"old")

    def act(root: Path) -> None:
        with Store.open(root) as store:
            store.artifacts.put_directory(bundle)
            add_version(store, "new", 1, b"new")

    return start, act


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_at_any_call_damages_nothing(
    scenario: tuple[Path, Callable[[Path], None]],
    fault: str,
    memory_path: Path,
    disk: Any,
    in_child: InChild,
    version_names: VersionNames,
) -> None:
    start, act = scenario
    dry = shutil.copytree(start, memory_path / "dry")
    with disk.watched():
        act(dry)
    # Tables are created in a file that nobody sees yet: some of the many statements will do.
    some = [
        k for k, (call, facts) in enumerate(disk.log) if "CREATE" not in str(facts) or k % 9 == 0
    ]
    # What raises is tried at every other call, and the other error at those between. Of the many
    # calls of a store's first day, so is a kill.
    is_warm = start.joinpath("store.sqlite").exists()
    some = some if fault == "killed" and is_warm else some[fault == "full" :: 2]
    assert len(some) > 15
    for k in some:
        root = shutil.copytree(start, memory_path / f"run {k}")

        def attempt(root: Path = root, k: int = k) -> None:
            # What closes a store is not told about the disk: everything is committed by then.
            with suppress(OSError), disk.watched(fault_at=k, fault=FAULTS[fault]):
                act(root)
                raise AssertionError(f"call {k}, {disk.log[k]}, did not fail")

        acknowledged = False
        if fault == "killed":
            assert in_child(attempt) == EXITED, disk.log[k]
        else:
            with suppress(AssertionError):
                attempt()
        with Store.open(root) as store:
            assert store.verify() == (), k
            held = set(version_names(store))
            assert held - {"new"} == ({"old"} if is_warm else set())
            acknowledged = "new" in held
            assert store.ledger.head().sequence == len(held) + 1
        if not acknowledged:
            act(root)
            with Store.open(root) as store:
                assert "new" in version_names(store)
                assert store.verify() == ()
        if fault != "killed":
            left = [p.name for p in root.rglob("*") if "tmp" in p.name and p.is_file()]
            assert left == [], k
        shutil.rmtree(root)


def test_a_full_disk_is_named_as_such_wherever_a_file_is_written(
    store: Store, disk: Any, add_version: AddVersion
) -> None:
    def act() -> None:
        store.artifacts.put_bytes(b"some content")

    with disk.watched():
        act()
    # The last removal of a temporary name may fail unnoticed: the name is gone by then.
    watched = [k for k, (call, _) in enumerate(disk.log) if call != "unlink"]
    for k in watched:
        shutil.rmtree(store.artifacts.root, ignore_errors=True)
        with (
            pytest.raises(StoreFullError, match="Free some space"),
            disk.watched(fault_at=k, fault=FAULTS["full"]),
        ):
            act()


class PoweredDisk:
    """What survives a power loss: synced content under synced names, and nothing else.

    Replays the log of calls. SQLite syncs its own files (``synchronous=FULL``).
    """

    def __init__(self, root: Path) -> None:
        self.root = str(root)
        self.synced: set[str] = set()
        self.soft_content: set[str] = set()
        self.soft_names: set[str] = set()

    def replay(self, call: str, arguments: tuple[Any, ...]) -> None:
        if call in {"open", "write"}:
            self.soft_content.add(arguments[0])
            self.synced.discard(arguments[0])
        if call in {"open", "mkdir"}:
            self.soft_names.add(arguments[0])
        if call in {"replace", "rename"}:
            source, target = arguments
            if source not in self.synced:
                self.soft_content.add(target)
            self.soft_names.discard(source)
            self.soft_names.add(target)
        if call == "unlink":
            self.soft_names.discard(arguments[0])
        if call == "fsync":
            synced = arguments[0]
            self.synced.add(synced)
            self.soft_content.discard(synced)
            self.soft_names -= {n for n in self.soft_names if str(Path(n).parent) == synced}

    def lose_power(self, image: Path) -> None:
        """Take away from a copy of the store what was not synced."""
        for lost in self.soft_names:
            path = image / Path(lost).relative_to(self.root)
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        for emptied in self.soft_content - self.soft_names:
            path = image / Path(emptied).relative_to(self.root)
            if path.exists():
                path.write_bytes(b"")


def test_a_power_loss_after_an_acknowledgement_takes_nothing_of_it(
    tmp_path: Path, disk: Any, add_version: AddVersion, version_names: VersionNames
) -> None:
    root, bundle = tmp_path / "deep" / "mlstore", tmp_path / "bundle"
    bundle.mkdir()
    (bundle / "model").write_bytes(b"weights")
    powered, n_replayed = PoweredDisk(tmp_path), 0
    with disk.watched():
        store = Store.open(root)
        for k in range(4):
            with store.write() as tx:
                tx.record("note", subject=str(k), actor="ana")
            if k:  # the first loss follows the creation of the store and one event
                digest = store.artifacts.put_directory(bundle)
                add_version(store, str(k), 1, str(k % 3).encode())
            for call, arguments in disk.log[n_replayed:]:
                powered.replay(call, arguments)
            image = tmp_path / f"image {k}"
            image.mkdir()
            shutil.copytree(tmp_path / "deep", image / "deep")
            powered.lose_power(image)

            with Store.open(image / "deep" / "mlstore") as survivor:
                assert survivor.ledger.head() == store.ledger.head()
                assert set(version_names(survivor)) == {str(i) for i in range(1, k + 1)}
                assert survivor.verify() == ()
                if k:
                    survivor.artifacts.restore_directory(digest, tmp_path / f"restored {k}")
            n_replayed = len(disk.log)
        store.close()


def test_a_row_is_committed_after_the_files_that_it_names_are_synced(
    store: Store, disk: Any, add_version: AddVersion
) -> None:
    with disk.watched():
        add_version(store, "late", 1)

    calls = [call for call, _ in disk.log]
    commit = calls.index("commit")
    assert {"write", "replace"} <= set(calls[:commit])
    assert "fsync" in calls[calls.index("write") : calls.index("replace")]
    assert calls[calls.index("replace") : commit].count("fsync") >= 2  # the folder and its parent
    assert not {"write", "replace", "fsync", "mkdir"} & set(calls[commit:])


def test_the_database_syncs_every_commit(store: Store) -> None:
    with store.write() as tx:
        settings = {
            name: tx.connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        }

    assert settings == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


def test_a_caught_disk_error_leaves_the_store_usable(
    store: Store, disk: Any, add_version: AddVersion, version_names: VersionNames
) -> None:
    fault = FAULTS["broken"]
    with pytest.raises(OSError, match="EIO"), disk.watched(fault_at=1, fault=fault), store.write():
        pass

    add_version(store, "late", 1)
    assert set(version_names(store)) == {"late"}
