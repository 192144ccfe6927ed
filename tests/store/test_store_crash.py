"""Killed at random moments, a writer loses nothing that it acknowledged."""

from __future__ import annotations

import itertools
import json
import os
import random
import select
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from mldeploy._record import sha256_hex
from mldeploy.store import Event, Store

AddVersion = Callable[..., Event]
VersionNames = Callable[[Store], dict[str, str]]


def write_until_killed(root: Path, add_version: AddVersion, *, life: int) -> list[str]:
    """Fork a writer, kill it some moments past its first few acknowledgements; return them."""
    chance = random.Random(life)
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reading)
        try:
            store = Store.open(root)
            for k in itertools.count():
                name = f"{life}-{k}"
                add_version(store, name, 1, name.encode() * 1000)
                os.write(writing, f"{name}\n".encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb", buffering=0) as pipe:
        acknowledged = [pipe.readline() for _ in range(chance.randrange(4))]
        select.select([], [], [], chance.uniform(0, 0.02))
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        return b"".join([*acknowledged, pipe.read()]).decode().split()


def kill_many(
    root: Path, add_version: AddVersion, version_names: VersionNames, *, n_kills: int
) -> None:
    acknowledged: list[str] = []
    for life in range(n_kills):
        acknowledged += write_until_killed(root, add_version, life=life)
        with Store.open(root) as store:
            held = version_names(store)
            assert set(acknowledged) <= set(held)
            # At most the write that was cut off is there without its acknowledgement.
            assert len(held) - len(acknowledged) <= life + 1
            assert store.ledger.head().sequence == len(held) + 1
            if life % 10 == 9 or life == n_kills - 1:
                assert store.verify(progress=False) == ()
    with Store.open(root) as store:
        for name, digest in version_names(store).items():
            assert store.artifacts.read_bytes(digest) == name.encode() * 1000
    assert acknowledged


def test_a_writer_killed_ten_times_loses_nothing(
    tmp_path: Path, add_version: AddVersion, version_names: VersionNames
) -> None:
    kill_many(tmp_path / "mlstore", add_version, version_names, n_kills=10)


@pytest.mark.slow
def test_a_writer_killed_a_hundred_times_loses_nothing(
    tmp_path: Path, add_version: AddVersion, version_names: VersionNames
) -> None:
    kill_many(tmp_path / "mlstore", add_version, version_names, n_kills=100)


def test_a_first_open_killed_at_any_moment_is_repeated_with_success(memory_path: Path) -> None:
    for life in range(10):
        root = memory_path / str(life)
        pid = os.fork()
        if pid == 0:
            Store.open(root)
            os._exit(0)
        select.select([], [], [], 0.004 * life)
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        with Store.open(root) as store:
            assert store.verify() == ()


def test_a_second_writer_goes_on_when_the_first_is_killed_in_its_transaction(
    tmp_path: Path, add_version: AddVersion
) -> None:
    Store.open(tmp_path).close()
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        store = Store.open(tmp_path)
        with store.write() as tx:
            tx.record("note", subject="lost", actor="ana")
            os.write(writing, b"holding")
            signal.pause()
    os.read(reading, 7)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    os.close(reading)
    os.close(writing)

    with Store.open(tmp_path) as store:
        add_version(store, "late", 1)
        assert store.ledger.events(subject="lost") == ()
        assert store.verify() == ()


def test_what_a_killed_writer_leaves_is_not_damage(store: Store) -> None:
    store.artifacts.put_bytes(b"unreferenced")
    (store.artifacts.root / "tmp").mkdir(exist_ok=True)
    (store.artifacts.root / "tmp" / "f00").write_bytes(b"half")
    (store.root / ".store.sqlite.f00.tmp").write_bytes(b"half")

    assert store.verify() == ()
    assert json.loads(store.ledger.head().to_json())["sequence"] == 1
    assert list(store.artifacts.digests()) == [sha256_hex(b"unreferenced")]
