"""Lines of JSON between a supervisor and a worker."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any, Final, Self, final

_LONGEST: Final = 16 * 2**20


@final
class Channel:
    """Send and receive messages over one end of a pair of sockets.

    Parameters
    ----------
    reader, writer : asyncio streams
        The end; made by `open`.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, end: socket.socket) -> Self:
        """Talk over one end of a pair of sockets."""
        return cls(*await asyncio.open_connection(sock=end, limit=_LONGEST))

    def send(self, message: dict[str, Any]) -> None:
        """Send a message; lost if the other end is gone."""
        if not self._writer.is_closing():
            self._writer.write(json.dumps(message).encode() + b"\n")

    async def receive(self) -> dict[str, Any] | None:
        """Return the next message; None if the other end is gone."""
        try:
            line = await self._reader.readline()
        except ConnectionError:
            return None
        if not line.endswith(b"\n"):
            return None
        message: dict[str, Any] = json.loads(line)
        return message

    async def close(self) -> None:
        """Send what was not sent yet, and close this end."""
        self._writer.close()
        try:
            await self._writer.wait_closed()
        except ConnectionError:
            return
