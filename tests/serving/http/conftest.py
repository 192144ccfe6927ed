"""What talks to servers byte by byte."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import pytest


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
            assert name not in headers
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
