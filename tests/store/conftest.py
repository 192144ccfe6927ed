"""What the tests of the store share: a store, a version in it, processes, faults of the disk."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa

from mldeploy.store import Event, Store, tables

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)

AddVersion = Callable[..., Event]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "mlstore", clock=lambda: NOW) as opened:
        yield opened


@pytest.fixture
def memory_path(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory, where there is such: many tests are of calls, not of a slow disk."""
    memory = Path("/dev/shm")
    if not (memory.is_dir() and os.access(memory, os.W_OK)):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory, prefix="mldeploy-tests-") as folder:
        yield Path(folder)


def version_row(name: str, number: int, bundle: str) -> dict[str, object]:
    return {
        "name": name,
        "number": number,
        "bundle_digest": bundle,
        "model_digest": bundle,
        "problem_digest": "p" * 64,
        "data_fingerprint": "d" * 64,
        "created_at": NOW,
        "created_by": "ana",
        "details": {"note": name},
    }


@pytest.fixture(scope="session")
def add_version() -> AddVersion:
    """Put an artifact, then its version's row and event: what a registry does."""

    def add(store: Store, name: str, number: int, content: bytes = b"model") -> Event:
        bundle = store.artifacts.put_bytes(content)
        with store.write() as tx:
            row = version_row(name, number, bundle)
            tx.connection.execute(sa.insert(tables.versions), row)
            key = {"name": name, "number": number}
            rows = [(tables.versions, key)]
            return tx.record("version.registered", subject=name, actor="ana", rows=rows)

    return add


@pytest.fixture
def version_names() -> Callable[[Store], dict[str, str]]:
    """Map the name of every version to the digest of its bundle."""

    def names(store: Store) -> dict[str, str]:
        versions = tables.versions
        with store.read() as connection:
            rows = connection.execute(sa.select(versions.c.name, versions.c.bundle_digest))
            return {row.name: row.bundle_digest for row in rows}

    return names


@pytest.fixture
def run_processes() -> Callable[..., list[str]]:
    """Run code in several fresh processes that start together; return what each printed."""

    def run(code: str, *arguments: str, n_processes: int) -> list[str]:
        start = "import sys; print('ready', flush=True); sys.stdin.readline()\n"
        processes = [
            subprocess.Popen(
                [sys.executable, "-c", code.replace("# START\n", start), str(k), *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            for k in range(n_processes)
        ]
        for process in processes:
            assert process.stdout is not None
            first = process.stdout.readline()
            assert first == "ready\n", first + process.stdout.read()
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        outputs = [process.communicate(timeout=120)[0] for process in processes]
        assert [p.returncode for p in processes] == [0] * n_processes, outputs
        return outputs

    return run


@pytest.fixture
def in_child() -> Callable[[Callable[[], None]], int]:
    """Run a function in a forked child; return its exit status (0, the fault's, or 1)."""

    def run(function: Callable[[], None]) -> int:
        sys.stdout.flush()
        pid = os.fork()
        if pid == 0:
            status = 1
            try:
                function()
                status = 0
            except BaseException:
                traceback.print_exc()
            finally:
                os._exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

    return run


class Disk:
    """Sees every call of this process that changes the disk, and can make the k-th one fail.

    SQLite makes its calls in C: there the seam is each statement and each commit.
    """

    CALLS = ("open", "write", "fsync", "replace", "rename", "mkdir", "unlink")

    def __init__(self) -> None:
        self.log: list[tuple[str, tuple[object, ...]]] = []
        self.fault: Callable[[], None] | None = None
        self.fault_at = -1
        self._paths: dict[int, str] = {}
        self._lock = threading.Lock()

    def note(self, call: str, *arguments: object) -> None:
        with self._lock:
            self.log.append((call, arguments))
            due = len(self.log) - 1 == self.fault_at
        if due and self.fault is not None:
            self.fault()

    @contextmanager
    def watched(
        self, *, fault_at: int = -1, fault: Callable[[], None] | None = None
    ) -> Iterator[None]:
        self.log, self.fault_at, self.fault = [], fault_at, fault
        patch = pytest.MonkeyPatch()
        for call in self.CALLS:
            patch.setattr(os, call, self._wrapped(call, getattr(os, call)))
        listeners = [("before_cursor_execute", self._on_statement), ("commit", self._on_commit)]
        for name, listener in listeners:
            sa.event.listen(sa.Engine, name, listener)
        try:
            yield
        finally:
            for name, listener in listeners:
                sa.event.remove(sa.Engine, name, listener)
            patch.undo()

    def _wrapped(self, call: str, real: Callable[..., object]) -> Callable[..., object]:
        def wrapper(*args: object, **kwargs: object) -> object:
            if call == "open":
                flags = args[1] if len(args) > 1 else 0
                assert isinstance(flags, int)
                if flags & os.O_CREAT:
                    self.note(call, str(args[0]))
                descriptor = real(*args, **kwargs)
                assert isinstance(descriptor, int)
                self._paths[descriptor] = str(args[0])
                return descriptor
            if call in {"write", "fsync"}:
                assert isinstance(args[0], int)
                self.note(call, self._paths.get(args[0], "?"))
            else:
                self.note(call, *[str(a) for a in args])
            return real(*args, **kwargs)

        return wrapper

    def _on_statement(self, _connection: object, _cursor: object, sql: str, *_: object) -> None:
        self.note("sql", sql.split("\n", maxsplit=1)[0])

    def _on_commit(self, _connection: object) -> None:
        self.note("commit")


@pytest.fixture
def disk() -> Disk:
    return Disk()
