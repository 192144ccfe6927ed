"""Real processes, real kills, a real full disk."""

from __future__ import annotations

import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mldeploy.errors import StoreFullError
from mldeploy.evidence import Approval, Report
from mldeploy.model import Bundle
from mldeploy.registry import CHAMPION, ModelVersion, Registry
from mldeploy.store import Store

NAME = "late-arrivals"
Start = Callable[..., "subprocess.Popen[str]"]

REGISTER = """
import sys
from pathlib import Path
from mldeploy.evidence import Report
from mldeploy.model import Bundle
from mldeploy.registry import Registry
from mldeploy.store import Store
root, folder, report, n = sys.argv[1:]
bundle, report = Bundle.open(folder), Report.model_validate_json(Path(report).read_text())
registry = Registry(Store.open(root))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(int(n)):
    print(registry.register(bundle, report, by="tom").number, flush=True)
"""
PROMOTE = """
import sys
from mldeploy.registry import Registry
from mldeploy.store import Store
root, name, number = sys.argv[1:]
registry = Registry(Store.open(root))
version = registry.get(name, int(number))
(approval,) = registry.sign_offs.approvals(version)
print("ready", flush=True)
sys.stdin.readline()
for _ in range(20):
    registry.promote(version, approval=approval, by=f"ops{number}")
"""


@pytest.fixture
def evidence(tmp_path: Path, bundle: Bundle, report: Callable[..., Report]) -> Path:
    path = tmp_path / "report.json"
    path.write_text(report(bundle).to_json())
    return path


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("go\n")
    process.stdin.flush()


def wait_until_ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    first = process.stdout.readline()
    assert first == "ready\n", first + process.stdout.read()


@pytest.mark.slow
def test_two_processes_register_400_versions_without_gap_or_duplicate(
    tmp_path: Path, bundle: Bundle, evidence: Path, start: Start
) -> None:
    root = tmp_path / "mlstore"
    arguments = (str(root), str(bundle.directory), str(evidence), "200")
    processes = [start(REGISTER, *arguments) for _ in range(2)]
    for process in processes:
        wait_until_ready(process)
    for process in processes:
        go(process)

    outputs = [process.communicate(timeout=200)[0] for process in processes]

    assert [process.returncode for process in processes] == [0, 0], outputs
    numbers = [int(line) for output in outputs for line in output.split()]
    assert sorted(numbers) == list(range(1, 401))
    with Store.open(root) as store:
        versions = Registry(store).versions(NAME)
        assert [v.number for v in versions] == list(range(1, 401))
        events = store.ledger.events(kind="version.registered")
        assert [e.subject for e in events] == [v.label for v in versions]
        assert store.verify(progress=False) == ()


def killed_after(process: subprocess.Popen[str], seconds: float) -> list[int]:
    """Let a process register for a while, kill it with -9, and return what it acknowledged."""
    wait_until_ready(process)
    go(process)
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=seconds)
    process.kill()
    output, _ = process.communicate(timeout=60)
    return [int(line) for line in output.split("\n")[:-1]]


@pytest.mark.parametrize("n_kills", [2, pytest.param(8, marks=pytest.mark.slow)])
def test_a_kill_at_any_moment_loses_nothing_acknowledged(
    tmp_path: Path, bundle: Bundle, evidence: Path, start: Start, n_kills: int
) -> None:
    """50 registrations take over a second; the kill comes at a random moment before that."""
    root, rng = tmp_path / "mlstore", random.Random(n_kills)
    acknowledged: list[int] = []
    for kill in range(n_kills):
        process = start(REGISTER, str(root), str(bundle.directory), str(evidence), "50")
        acknowledged += killed_after(process, rng.uniform(0.0, 0.8))
        with Store.open(root) as store:
            registry = Registry(store)
            versions = registry.versions(NAME)
            assert [v.number for v in versions] == list(range(1, len(versions) + 1))
            assert set(acknowledged) <= {v.number for v in versions}
            assert len(versions) - len(acknowledged) <= kill + 1
            for number in acknowledged[-3:]:
                target = tmp_path / f"out-{kill}-{number}"
                model = registry.open_bundle(registry.get(NAME, number), target=target)
                assert model.load_model().digest == versions[0].model
            assert all(registry.report(v).passed for v in versions[-3:])
            assert store.verify(progress=False) == ()
    assert len(set(acknowledged)) == len(acknowledged)


def test_two_processes_promoting_leave_one_winner_and_a_history_that_tells_it(
    tmp_path: Path,
    registry: Registry,
    store: Store,
    approved: Callable[[], tuple[ModelVersion, Approval]],
    start: Start,
) -> None:
    for _ in range(2):
        approved()
    processes = [start(PROMOTE, str(store.root), NAME, str(n)) for n in (1, 2)]
    for process in processes:
        wait_until_ready(process)
    for process in processes:
        go(process)
    outputs = [process.communicate(timeout=100)[0] for process in processes]

    assert [process.returncode for process in processes] == [0, 0], outputs
    moves = registry.history(NAME, CHAMPION)
    assert len(moves) == 40
    assert [m.previous for m in moves] == [None, *(m.number for m in moves[:-1])]
    assert all(m.by == f"ops{m.number}" for m in moves)
    assert registry.get(NAME).number == moves[-1].number
    assert store.verify(progress=False) == ()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(mount)]
    if shutil.which("mount") is None:
        pytest.skip("there is no mount command here to make a small disk with")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"may not mount a small disk here: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def test_a_full_disk_registers_nothing_by_half_and_goes_on_reading(
    small_disk: Path,
    tmp_path: Path,
    bundle: Bundle,
    other_bundle: Bundle,
    report: Callable[..., Report],
) -> None:
    with Store.open(small_disk / "mlstore") as store:
        registry = Registry(store)
        registry.register(bundle, report(bundle), by="tom")
        filler = small_disk / "filler"
        with filler.open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(b"x" * 4096)

        for _ in range(2):
            with pytest.raises(StoreFullError):
                registry.register(other_bundle, report(other_bundle), by="tom")

        (version,) = registry.versions(NAME)
        opened = registry.open_bundle(version, target=tmp_path / "out")
        assert opened.load_model().digest == version.model
        assert store.verify(progress=False) == ()
        filler.unlink()
        assert registry.register(other_bundle, report(other_bundle), by="tom").number == 2
        assert store.verify(progress=False) == ()
