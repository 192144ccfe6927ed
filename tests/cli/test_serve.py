"""The command serve, as a process on a real port."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mldeploy.cli import main
from mldeploy.project import Project, stated_problem
from mldeploy.serving import read_log
from mldeploy.store import Store

ROW = {"x": 0.5, "hour": 3, "carrier": "AA"}

Start = Callable[..., "Served"]


class Served:
    """A server in a process of its own."""

    def __init__(self, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "mldeploy.cli", *map(str, arguments), "--port", "0"],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self.process.stderr is not None
        self.told: list[str] = []
        for line in self.process.stderr:
            self.told.append(line)
            if found := re.match(r"serving .* on http://127\.0\.0\.1:(\d+)", line):
                self.port = int(found[1])
                threading.Thread(target=self._listen, daemon=True).start()
                return
        raise AssertionError("".join(self.told))

    def _listen(self) -> None:
        assert self.process.stderr is not None
        self.told.extend(self.process.stderr)

    def post(self, path: str, asked: object) -> tuple[int, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        headers = {"Content-Type": "application/json"}
        with closing(connection):
            connection.request("POST", path, json.dumps(asked), headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def version(self) -> str:
        return str(self.post("/predict", {"row": ROW})[1]["version"])

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)


@pytest.fixture
def start() -> Iterator[Start]:
    started: list[Served] = []

    def starting(*arguments: object) -> Served:
        started.append(Served(*arguments))
        return started[-1]

    yield starting
    for served in started:
        if served.process.poll() is None:
            served.process.kill()
            served.process.wait()
        assert served.process.stderr is not None
        served.process.stderr.close()


def approve_second(store: Path) -> Project:
    opened = Store.open(store)
    project = Project(stated_problem(opened, "delays"), store=opened, by="tom")
    project.approve(project.registry.get("delays", 2), by="ana", reason="looked at it")
    return project


@pytest.fixture
def bundle(store: Path, tmp_path: Path) -> Path:
    with Store.open(store) as opened:
        project = Project(stated_problem(opened, "delays"), store=opened, by="tom")
        version = project.registry.get("delays", 1)
        return project.registry.open_bundle(version, target=tmp_path / "bundle").directory


def test_a_bundle_is_served_logged_and_drained(start: Start, bundle: Path, tmp_path: Path) -> None:
    served = start("serve", bundle, "--log", tmp_path / "log", "--label", "delays:1")

    status, answer = served.post("/predict", {"row": ROW, "key": "f7"})
    code = served.end()

    assert (status, answer["version"], answer["key"]) == (200, "delays:1", "f7")
    assert code == 0
    log = read_log(tmp_path / "log")
    assert log["prediction_id"].to_list() == [answer["id"]]
    assert log["x"].to_list() == [0.5]


def test_a_compiled_bundle_is_served_without_scikit_learn_or_pandas(
    start: Start, bundle: Path, tmp_path: Path
) -> None:
    served = start("serve", bundle, "--log", tmp_path / "log")
    served.post("/predict", {"row": ROW})

    mapped = Path(f"/proc/{served.process.pid}/maps")
    if not mapped.exists():
        pytest.skip("this system does not tell what a process has loaded")
    libraries = mapped.read_text()

    assert "polars" in libraries
    assert "sklearn" not in libraries
    assert "pandas" not in libraries


LOADED_WHEN_READY = """
import json, os, sys

from mldeploy.cli import main


class Told:
    def write(self, text):
        if text.startswith("serving "):
            print(json.dumps(sorted(sys.modules)), flush=True)
            os._exit(0)
        sys.__stderr__.write(text)

    def flush(self):
        pass


sys.stderr = Told()
main()
"""


def test_a_server_is_ready_with_little_loaded(bundle: Path, tmp_path: Path) -> None:
    """When this was written: 129 modules of ours; what else there is waits until it is used."""
    asked = ("serve", bundle, "--port", "0", "--log", tmp_path / "log")

    said = subprocess.run(
        [sys.executable, "-c", LOADED_WHEN_READY, *map(str, asked)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    loaded = set(json.loads(said.stdout or "[]"))
    ours = {name for name in loaded if name.partition(".")[0] == "mldeploy"}
    seldom = ("mldeploy.problem._problem", "mldeploy.serving._drift", "mldeploy.serving._compact")
    assert {"numpy", "mldeploy.cli._serve"} <= loaded, said.stderr
    assert not {"sklearn", "pandas", "scipy", "polars.dataframe", "tomlkit", "tqdm"} & loaded
    assert not loaded.intersection(seldom)
    assert len(ours) < 145
    assert len(loaded) < 600


def test_several_processes_follow_an_alias_and_keep_labels(start: Start, store: Path) -> None:
    project = approve_second(store)
    served = start("--store", store, "serve", "delays@champion", "--workers", "2")
    before = served.version()

    project.promote(project.registry.get("delays", 2))
    until = time.monotonic() + 30
    while served.version() == before and time.monotonic() < until:
        time.sleep(0.05)
    time.sleep(1)
    after = {served.version() for _ in range(20)}
    _, answer = served.post("/predict", {"row": ROW})
    status, _ = served.post(
        "/labels", {"labels": [{"prediction_id": answer["id"], "value": True}]}
    )
    code = served.end()

    assert (before, after) == ("delays:1", {"delays:2"})
    assert (status, code) == (202, 0)
    answers = read_log(store / "predictions", deployment="delays")
    labelled = project.labels.join(answers, as_of=project.clock())
    assert labelled.filter(labelled["prediction_id"] == answer["id"])["label"].to_list() == [True]
    project.close()


@pytest.mark.slow
def test_a_worker_that_is_killed_costs_only_its_own_connections_and_comes_back(
    start: Start, store: Path
) -> None:
    served = start("--store", store, "serve", "delays:1", "--workers", "2")
    children = f"/proc/{served.process.pid}/task/{served.process.pid}/children"
    if not Path(children).exists():
        pytest.skip("this system does not tell which processes a process has started")
    victim = int(Path(children).read_text().split()[0])

    os.kill(victim, signal.SIGKILL)
    answered = 0
    for _ in range(200):
        try:
            answered += served.post("/predict", {"row": ROW})[0] == 200
        except OSError:
            continue
    until = time.monotonic() + 30
    while len(Path(children).read_text().split()) < 2 and time.monotonic() < until:
        time.sleep(0.1)
    alive = Path(children).read_text().split()

    assert answered >= 190
    assert len(alive) == 2
    assert str(victim) not in alive


def test_what_answers_durably_is_on_the_disk_when_the_process_is_killed(
    start: Start, bundle: Path, tmp_path: Path
) -> None:
    served = start("serve", bundle, "--log", tmp_path / "log", "--durable")
    given = [served.post("/predict", {"row": ROW})[1]["id"] for _ in range(20)]

    os.kill(served.process.pid, signal.SIGKILL)
    served.process.wait()

    assert set(given) <= set(read_log(tmp_path / "log")["prediction_id"].to_list())


def test_an_address_that_others_can_reach_asks_for_keys(
    bundle: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["serve", str(bundle), "--host", "0.0.0.0"])

    assert code == 2
    assert "keys" in capsys.readouterr().err


def test_a_version_that_nobody_approved_is_not_served(
    store: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = main(["--store", str(store), "serve", "delays:2", "--port", "0"])

    assert code == 2
    assert "approved" in capsys.readouterr().err


def test_bench_says_what_fits(
    store: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "hosting.html"
    code = main(
        ["--store", str(store), "bench", "delays:1", "--seconds", "0.2", "--connections", "1", "4",
         "--price", "small=0.05", "--out", str(page)]
    )  # fmt: skip

    shown = page.read_text()
    assert code == 0
    assert "compiled, in bulk" in shown
    assert "HTTP, 4 connections" in shown
    assert "a million on small" in shown
    assert "fits:" in capsys.readouterr().out
