"""Several processes serve one port; one that dies is replaced, and none outlives its parent."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from mldeploy.errors import DeploymentError
from mldeploy.serving.http._supervisor import Supervisor
from mldeploy.serving.http._workers import WorkerSpec

HERE = Path(__file__).parent
SPEC = WorkerSpec(factory="worked:answers", arguments={"version": "a"})


@pytest.fixture(autouse=True)
def _factories_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(HERE))


def ask(port: int, path: str = "/p") -> dict[str, Any]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        told: dict[str, Any] = json.loads(answer.read())
        return told


async def until(condition: Callable[[], bool], *, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)


def has_returned(supervisor: Supervisor, n_times: int) -> bool:
    return supervisor.n_restarts == n_times and bool(supervisor.pids)


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_workers_share_a_port_and_take_plans_and_close_behind_them(tmp_path: Path) -> None:
    arguments = {"version": "a", "folder": str(tmp_path)}
    heard: list[tuple[int, Any]] = []

    async def main() -> tuple[int, ...]:
        spec = WorkerSpec(factory="worked:answers", arguments=arguments)
        supervisor = Supervisor(spec, 2, heard=lambda i, told: heard.append((i, told["now"])))
        async with supervisor:
            pids = supervisor.pids
            seen = [await asyncio.to_thread(ask, supervisor.port) for _ in range(40)]
            assert {one["pid"] for one in seen} == set(pids)
            assert {one["index"] for one in seen} == {0, 1}
            assert {one["version"] for one in seen} == {"a"}

            outcomes = await supervisor.plan({"version": "b"})
            assert [o.result for o in outcomes] == [{"was_in": pid} for pid in pids]
            seen = [await asyncio.to_thread(ask, supervisor.port) for _ in range(20)]
            assert {one["version"] for one in seen} == {"b"}

            outcomes = await supervisor.plan({"version": "bad"})
            assert ["no such version" in o.error for o in outcomes] == [True, True]
            return pids

    pids = asyncio.run(main())

    assert sorted(heard) == [(0, "b"), (1, "b")]
    assert {path.name for path in tmp_path.iterdir()} == {"closed-0", "closed-1"}
    assert not any(is_alive(pid) for pid in pids)


def test_a_worker_that_dies_returns_with_the_last_plan_while_others_go_on() -> None:
    """kill -9 under load: only connections of the dead worker break, and new ones are answered."""
    failed, answered = Counter[str](), Counter[int]()
    is_over = threading.Event()

    def load(port: int) -> None:
        while not is_over.is_set():
            try:
                told = ask(port, "/work")
                answered[told["pid"]] += 1
            except OSError as error:
                failed[type(error).__name__] += 1

    async def main() -> None:
        async with Supervisor(SPEC, 2) as supervisor:
            await supervisor.plan({"version": "b"})
            threads = [threading.Thread(target=load, args=(supervisor.port,)) for _ in range(4)]
            for thread in threads:
                thread.start()
            try:
                killed, other = supervisor.pids
                await until(lambda: answered[killed] > 20 and answered[other] > 20)
                os.kill(killed, signal.SIGKILL)
                await until(lambda: supervisor.n_restarts == 1 and len(supervisor.pids) == 2)
                new = supervisor.pids[0]
                assert new != killed
                before = answered[other]
                await until(lambda: answered[new] > 20 and answered[other] > before + 20)
            finally:
                is_over.set()
                for thread in threads:
                    await asyncio.to_thread(thread.join)
            seen = [await asyncio.to_thread(ask, supervisor.port) for _ in range(20)]
            assert {one["version"] for one in seen} == {"b"}

    asyncio.run(main())

    assert failed.total() <= 4, "at most one request of each client was in the dead worker"


def test_a_worker_that_dies_again_and_again_is_waited_for(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def main() -> None:
        async with Supervisor(SPEC, 1) as supervisor:
            for n in range(1, 4):
                with pytest.raises(OSError, match=r".*"):
                    await asyncio.to_thread(ask, supervisor.port, "/die")
                await until(partial(has_returned, supervisor, n))

    asyncio.run(main())

    delays = [record.getMessage().split(" in ")[1] for record in caplog.records]
    assert delays == ["0.0 s", "0.1 s", "0.2 s"]


def test_while_a_worker_cannot_return_the_others_take_its_connections(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    spec = WorkerSpec(factory="worked:answers", arguments={"version": "a", "broken": str(broken)})

    async def main() -> None:
        async with Supervisor(spec, 2) as supervisor:
            broken.touch()
            os.kill(supervisor.pids[0], signal.SIGKILL)
            await until(lambda: supervisor.n_restarts >= 2)
            seen = [await asyncio.to_thread(ask, supervisor.port) for _ in range(30)]
            assert {one["index"] for one in seen} == {1}

            broken.unlink()
            await until(lambda: len(supervisor.pids) == 2, seconds=30)
            seen = [await asyncio.to_thread(ask, supervisor.port) for _ in range(40)]
            assert {one["index"] for one in seen} == {0, 1}

    asyncio.run(main())


def test_a_worker_that_cannot_start_is_told_why() -> None:
    async def main(factory: str) -> None:
        await Supervisor(WorkerSpec(factory=factory), 2).start()

    with pytest.raises(DeploymentError, match="there is no bundle"):
        asyncio.run(main("worked:fails"))
    with pytest.raises(DeploymentError, match="cannot import the factory 'worked:nothing'"):
        asyncio.run(main("worked:nothing"))


@pytest.mark.parametrize("n_workers", [1, 2])
def test_a_port_that_is_taken_is_an_error(n_workers: int) -> None:
    async def main() -> None:
        async with Supervisor(SPEC, n_workers) as first:
            with pytest.raises(DeploymentError, match="cannot listen"):
                await Supervisor(SPEC, n_workers, port=first.port).start()

    asyncio.run(main())


SUPERVISING = """
import asyncio, sys
sys.path.insert(0, sys.argv[1])
from mldeploy.serving.http._supervisor import Supervisor
from mldeploy.serving.http._workers import WorkerSpec

async def main():
    spec = WorkerSpec(factory="worked:answers", arguments={"version": "a", "duck": 0.3})
    supervisor = Supervisor(spec, 2)
    async def say():
        while len(supervisor.pids) < 2:
            await asyncio.sleep(0.02)
        print(supervisor.port, *supervisor.pids, flush=True)
    saying = asyncio.create_task(say())
    await supervisor.serve_forever()

asyncio.run(main())
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_workers_answer_what_was_asked_and_do_not_outlive_their_parent(
    number: signal.Signals,
) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SUPERVISING, str(HERE)], stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdout is not None
        port, *pids = map(int, parent.stdout.readline().split())
        answers: list[dict[str, Any]] = []
        asking = [
            threading.Thread(target=lambda: answers.append(ask(port, "/slow"))) for _ in range(8)
        ]
        for thread in asking:
            thread.start()
        time.sleep(0.1)
        parent.send_signal(number)
        for thread in asking:
            thread.join()
        parent.wait(timeout=15)
    begin = time.monotonic()
    while any(is_alive(pid) for pid in pids) and time.monotonic() - begin < 10:
        time.sleep(0.05)
    assert not any(is_alive(pid) for pid in pids)
    assert len(answers) == 8
    assert parent.returncode == (0 if number == signal.SIGTERM else -signal.SIGKILL)
