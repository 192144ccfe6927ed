"""Servers of a small real model, and what talks to servers byte by byte."""

from __future__ import annotations

import http.client
import json
import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pandas as pd
import pytest

from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Report
from mldeploy.governance import ModelCard, draft_card
from mldeploy.model import Bundle, Model
from mldeploy.serving import Arm, MemoryLog, Plan
from mldeploy.serving.http import Assembly, RunningServer, assembled, serve_in_thread

_CLIENTS = Path(__file__).parents[3] / ".venv-clients" / "bin"
collect_ignore = ["clients"]
"""They run elsewhere, with packages that are not installed here."""


@dataclass(frozen=True)
class Answer:
    """One answer of HTTP/1.1."""

    status: int
    headers: dict[str, str]
    body: bytes


class Wire:
    """A connection that sends bytes as they are, and reads answers."""

    def __init__(self, port: int, *, seconds: float = 10.0) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=seconds)
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._file = self.sock.makefile("rb")

    def send(self, data: bytes) -> Self:
        self.sock.sendall(data)
        return self

    def answer(self, *, with_body: bool = True) -> Answer:
        """Return the next answer, words to go on included."""
        version, status, _ = self._file.readline().split(b" ", 2)
        assert version == b"HTTP/1.1"
        headers = {}
        while line := self._file.readline().rstrip(b"\r\n"):
            name, _, value = line.decode().partition(": ")
            assert name not in headers or name == "www-authenticate"
            headers[name] = value
        n_bytes = int(headers.get("content-length", 0)) if with_body else 0
        return Answer(int(status), headers, self._file.read(n_bytes))

    def is_at_end(self) -> bool:
        """Wait for the end; False if there is something before it."""
        return self._file.read() == b""

    def close(self) -> None:
        self._file.close()
        self.sock.close()


@pytest.fixture
def wire() -> Iterator[Callable[..., Wire]]:
    """Open connections that are closed after the test."""
    opened: list[Wire] = []

    def opening(port: int, *, seconds: float = 10.0) -> Wire:
        opened.append(Wire(port, seconds=seconds))
        return opened[-1]

    yield opening
    for connection in opened:
        connection.close()


@dataclass(frozen=True)
class Running:
    """A server on a real port, and what stands behind it."""

    server: RunningServer
    assembly: Assembly
    log: MemoryLog

    @property
    def port(self) -> int:
        return self.server.port

    @property
    def url(self) -> str:
        return self.server.url

    def ask(
        self,
        method: str,
        path: str,
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Ask once, over a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            data = body.encode() if isinstance(body, str) else body
            connection.request(method, path, body=data, headers=dict(headers or {}))
            found = connection.getresponse()
            names = {name.lower(): value for name, value in found.getheaders()}
            return Answer(found.status, names, found.read())
        finally:
            connection.close()

    def post(self, path: str, asked: object, **headers: str) -> Answer:
        """Post JSON; a keyword such as `content_type` becomes a header."""
        headers.setdefault("content_type", "application/json")
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        body = asked if isinstance(asked, bytes | str) else json.dumps(asked)
        return self.ask("POST", path, body, given)


Opens = Callable[..., AbstractContextManager[Running]]


@pytest.fixture(scope="session")
def flight_bundle(make_model: Any, flights: pd.DataFrame, tmp_path_factory: Any) -> Path:
    """A compiled model of late flights, with golden rows, and with the card of its validation."""
    folder: Path = tmp_path_factory.mktemp("bundles") / "late"
    golden = Dataset.of(flights.head(200), target="late", name="flights")
    model = make_model()
    Bundle.write(folder, model, golden=golden, card=card_of(model).to_markdown())
    return folder


def card_of(model: Model, *, carrier: str = "carrier=B6") -> ModelCard:
    """Return the card of a validation in which one criterion fails on one carrier."""
    measured = {"check": "CriteriaValidator", "criterion": "f0", "threshold": 0.6, "n": 120}
    findings = [
        Finding.model_validate({**measured, **one})
        for one in (
            {"name": "recall", "verdict": "PASS", "estimate": 0.71, "summary": "It holds.",
             "details": {"margin": 0.11}},
            {"name": "recall", "verdict": "FAIL", "estimate": 0.42, "slice": carrier,
             "summary": f"Too low for {carrier}.", "details": {"margin": -0.18}},
        )
    ]  # fmt: skip
    report = Report(
        step="validate", made_by="CriteriaValidator", findings=tuple(findings),
        about={"model": model.digest}, started_at=model.provenance.trained_at,
    )  # fmt: skip
    return draft_card(model, report)


@pytest.fixture(scope="session")
def plain_bundle(make_model: Any, flights: pd.DataFrame, tmp_path_factory: Any) -> Path:
    """The same model, not compiled."""
    folder: Path = tmp_path_factory.mktemp("bundles") / "plain"
    golden = Dataset.of(flights.head(200), target="late", name="flights")
    Bundle.write(folder, make_model(), golden=golden, compilers=[])
    return folder


@pytest.fixture(scope="session")
def opens() -> Opens:
    """Serve a bundle while a `with` lasts."""

    @contextmanager
    def opening(bundle: Path, *, name: str = "late", **settings: Any) -> Iterator[Running]:
        log = MemoryLog()
        plan = Plan(champion=Arm(bundle=bundle, version=f"{name}:3"))
        with (
            assembled(plan, name=name, sink=log, **settings) as (assembly, _),
            serve_in_thread(assembly.server(lame_duck=0.0)) as server,
        ):
            yield Running(server, assembly, log)

    return opening


@pytest.fixture(scope="session")
def running(opens: Opens, flight_bundle: Path) -> Iterator[Running]:
    """The compiled model on a real port; whoever changes it opens one of its own."""
    with opens(flight_bundle) as found:
        yield found


@pytest.fixture(scope="session")
def running_plain(opens: Opens, plain_bundle: Path) -> Iterator[Running]:
    """The model that did not compile on a real port."""
    with opens(plain_bundle) as found:
        yield found


@pytest.fixture(scope="session")
def programs() -> Path:
    """Where the clients' programs are."""
    if not (_CLIENTS / "python").exists():
        wanted = "the clients of others are not installed: make .venv-clients/.done"
        if os.environ.get("CI"):
            pytest.fail(wanted)
        pytest.skip(wanted)
    return _CLIENTS
