"""Faults in the calls that SQLite itself makes, injected by the kernel's tracer."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from mldeploy.store import Event, Store

AddVersion = Callable[..., Event]
VersionNames = Callable[[Store], dict[str, str]]

MUTATING = "pwrite64,write,fsync,fdatasync,ftruncate,rename,unlink,mkdir,fallocate"
STRACE = shutil.which("strace")
EXIT_REFUSED, EXIT_UNEXPECTED = 3, 4


def run_traced(act: Callable[[], None], *options: str) -> int | None:
    """Fork a child, trace it, let it act; return its exit status, or None if tracing fails.

    The tracer attaches once the child is through its fork: what libraries do in it is no call of
    the store's, and some of them abort where it fails.
    """
    assert STRACE is not None
    waiting, go = os.pipe()
    forked, through = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = EXIT_UNEXPECTED
        try:
            os.write(through, b"f")
            os.read(waiting, 1)
            act()
            status = 0
        except OSError:
            status = EXIT_REFUSED
        finally:
            os._exit(status)
    os.close(through)
    os.read(forked, 1)
    os.close(forked)
    command = [STRACE, "-f", "-p", str(pid), "-e", f"trace={MUTATING}", *options]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        attached = "attached" in tracer.stderr.readline()
        os.write(go, b"g")
        os.close(go)
        os.close(waiting)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        tracer.stderr.read()
    return status if attached else None


@pytest.mark.slow
@pytest.mark.skipif(STRACE is None, reason="strace, which injects the faults, is not installed")
@pytest.mark.parametrize("fault", ["error=ENOSPC", "error=EIO", "signal=SIGKILL"])
def test_a_fault_at_any_system_call_damages_nothing(
    memory_path: Path, add_version: AddVersion, version_names: VersionNames, fault: str
) -> None:
    start, log = memory_path / "start", memory_path / "log"
    with Store.open(start) as store:
        add_version(store, "old", 1, b"old")
    dry = shutil.copytree(start, memory_path / "dry")

    def act_in(root: Path) -> Callable[[], None]:
        def act() -> None:
            store = Store.open(root)
            add_version(store, "new", 1, b"new" * 20_000)
            (root / "acknowledged").touch()

        return act

    if run_traced(act_in(dry), "-o", str(log)) != 0:
        pytest.skip("the tracer may not attach here (no right to ptrace)")
    n_calls = len(re.findall(r"^\d+ +\w+\(", log.read_text(), flags=re.MULTILINE))
    assert n_calls > 10
    refused = 0
    for k in range(1, n_calls + 1):
        root = shutil.copytree(start, memory_path / "run")
        inject = f"inject={MUTATING}:{fault}:when={k}"

        status = run_traced(act_in(root), "-e", inject, "-o", os.devnull)

        assert status in {0, EXIT_REFUSED, -9}, (k, status)
        refused += status != 0
        with Store.open(root) as store:
            held = set(version_names(store))
            assert held in ({"old"}, {"old", "new"}), k
            assert "new" in held or not (root / "acknowledged").exists()
            assert store.ledger.head().sequence == len(held) + 1
            assert store.verify() == (), k
            if "new" not in held:
                add_version(store, "new", 1, b"new" * 20_000)
        with Store.open(root) as store:
            assert set(version_names(store)) == {"old", "new"}
            assert store.verify() == (), k
        shutil.rmtree(root)
    assert refused > n_calls / 2
