"""Any number of processes and threads share a store, also one that does not exist yet."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
from collections.abc import Callable
from pathlib import Path

import sqlalchemy as sa

from mldeploy.store import Event, Store, tables

RunProcesses = Callable[..., list[str]]
AddVersion = Callable[..., Event]

WRITER = """
import json, sys
from datetime import UTC, datetime
import sqlalchemy as sa
from mldeploy.store import Store, tables

me, folder, n_writes = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
# START
acknowledged = []
with Store.open(folder) as store:
    for k in range(n_writes):
        digest = store.artifacts.put_bytes(f"{me} {k}".encode())
        shared = store.artifacts.put_bytes(f"shared {k}".encode())
        with store.write() as tx:
            versions = tables.versions
            last = tx.connection.scalar(sa.select(sa.func.max(versions.c.number)))
            number = (last or 0) + 1
            row = dict(name="late", number=number, bundle_digest=digest, model_digest=shared,
                       problem_digest="p", data_fingerprint="d", created_at=tx.now,
                       created_by="ana", details={})
            tx.connection.execute(sa.insert(versions), row)
            key = {"name": "late", "number": number}
            tx.record("version.registered", subject="late", actor="ana", rows=[(versions, key)])
        acknowledged.append([number, digest])
print(json.dumps(acknowledged))
"""


def test_eight_processes_on_a_cold_store_lose_and_repeat_nothing(
    memory_path: Path, run_processes: RunProcesses
) -> None:
    outputs = run_processes(WRITER, str(memory_path / "cold"), "50", n_processes=8)

    acknowledged = dict(pair for output in outputs for pair in json.loads(output))
    with Store.open(memory_path / "cold") as store:
        versions = tables.versions
        query = sa.select(versions.c.number, versions.c.bundle_digest).order_by(versions.c.number)
        with store.read() as connection:
            rows = [(number, digest) for number, digest in connection.execute(query)]
        assert [number for number, _ in rows] == list(range(1, 401))
        assert dict(rows) == acknowledged
        assert all(store.artifacts.read_bytes(digest) for _, digest in rows)
        assert [event.sequence for event in store.ledger.events()] == list(range(1, 402))
        assert store.verify() == ()


def test_eight_processes_that_race_the_first_open_all_open_one_store(memory_path: Path) -> None:
    n_processes, n_races = 8, 12
    barrier = multiprocessing.get_context("fork").Barrier(n_processes)

    def race(me: int) -> None:
        for k in range(n_races):
            barrier.wait(60)
            with Store.open(memory_path / str(k)) as store, store.write() as tx:
                tx.record("note", subject=str(me), actor="ana")

    children = []
    for me in range(n_processes):
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                race(me)
                status = 0
            finally:
                os._exit(status)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * n_processes

    for k in range(n_races):
        with Store.open(memory_path / str(k)) as store:
            subjects = sorted(e.subject for e in store.ledger.events(kind="note"))
            assert subjects == [str(me) for me in range(n_processes)]
            assert len(store.ledger.events(kind="store.created")) == 1
            assert store.verify() == ()


def test_threads_of_one_process_queue_for_the_write_lock(
    store: Store, add_version: AddVersion
) -> None:
    """Half of them share one `Store`, the others have another on the same folder."""
    failures: list[BaseException] = []
    other = Store.open(store.root)

    def work(me: int) -> None:
        try:
            for k in range(10):
                mine = store if me % 2 else other
                add_version(mine, f"{me}-{k}", 1, b"shared")
                mine.ledger.events(limit=3)
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(me,)) for me in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    other.close()
    assert failures == []
    assert store.ledger.head().sequence == 81
    assert store.verify() == ()


def test_a_forked_child_uses_connections_of_its_own(
    store: Store, add_version: AddVersion, in_child: Callable[[Callable[[], None]], int]
) -> None:
    add_version(store, "parent", 1)

    status = in_child(lambda: [add_version(store, f"child {k}", 1) for k in range(5)] and None)
    add_version(store, "parent again", 1)

    assert status == 0
    assert store.ledger.head().sequence == 8
    assert store.verify() == ()
