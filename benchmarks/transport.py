"""The HTTP transport alone: a constant answer, beside raw ASGI on uvicorn and a bare protocol.

Each server runs alone, one process each, asked by ``wrk`` (Debian's package `wrk`) with one small
POST at a time. Read the ratios, and the processor time of a request, which tells what one idle
core would reach: machines are shared. The bare protocol parses with httptools and checks nothing;
it is the bound of what Python can do::

    python benchmarks/transport.py --seconds 4
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mldeploy.evidence import text_table

CONNECTIONS = (1, 8, 64)
BODY = '{"row":{"carrier":"UA","origin":"EWR","distance":1400,"temp":39.02,"hour":5}}'

SERVERS = {
    "mldeploy": """
from mldeploy.serving.http import Response, Server, run
answer = Response(body=b'{"prediction":1,"score":0.5}')
server = Server(lambda request: answer)
run(lambda: server.serve_forever(port=PORT))
""",
    "mldeploy, a new head each time": """
from mldeploy.serving.http import Response, Server, run
answer = Response(body=b'{"prediction":1,"score":0.5}')
server = Server(lambda request: answer)
server.heads = type("Nothing", (dict,), {"__setitem__": lambda *_: None})()
run(lambda: server.serve_forever(port=PORT))
""",
    "mldeploy as ASGI on uvicorn": """
import uvicorn
from mldeploy.serving.http import Response
from mldeploy.serving.http._asgi import asgi_app
answer = Response(body=b'{"prediction":1,"score":0.5}')
uvicorn.run(asgi_app(lambda request: answer), port=PORT, log_level="error", access_log=False)
""",
    "raw ASGI on uvicorn": """
import uvicorn
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    while (await receive()).get("more_body"):
        pass
    headers = [(b"content-type", b"application/json"), (b"content-length", b"28")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b'{"prediction":1,"score":0.5}'})
uvicorn.run(app, port=PORT, log_level="error", access_log=False, lifespan="off")
""",
    "bare protocol": """
import asyncio, httptools, uvloop
class Bare(asyncio.Protocol):
    def __init__(self):
        self.parser = httptools.HttpRequestParser(self)
    def connection_made(self, transport):
        self.transport = transport
    def data_received(self, data):
        self.parser.feed_data(data)
    def on_message_complete(self):
        self.transport.write(
            b'HTTP/1.1 200 OK\\r\\ncontent-length: 28\\r\\n\\r\\n{"prediction":1,"score":0.5}'
        )
async def main():
    server = await asyncio.get_running_loop().create_server(Bare, "127.0.0.1", PORT)
    await server.serve_forever()
uvloop.run(main())
""",
}

POST = f"""
wrk.method = "POST"
wrk.body = '{BODY}'
wrk.headers["Content-Type"] = "application/json"
"""


@dataclass(frozen=True)
class Measured:
    """What one server did at one number of connections."""

    per_second: float
    micros: float
    p99: str


def free_port() -> int:
    """Return a port that is free now."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@contextmanager
def served(code: str) -> Iterator[tuple[int, int]]:
    """Run a server; yield its port and process id."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", code.replace("PORT", str(port))]) as process:
        try:
            for _ in range(500):
                with socket.socket() as sock:
                    if sock.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.02)
            else:
                raise SystemExit("the server does not start")
            yield port, process.pid
        finally:
            process.kill()


def processor_seconds(pid: int) -> float:
    """Return the processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(port: int, pid: int, n_connections: int, seconds: float, script: Path) -> Measured:
    """Ask for a while."""
    before = processor_seconds(pid)
    told = subprocess.run(
        [
            *("wrk", "-t1", f"-c{n_connections}", f"-d{seconds:g}s", "--latency"),
            *("-s", str(script), f"http://127.0.0.1:{port}/predict"),
        ],
        capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    used = processor_seconds(pid) - before
    if "Non-2xx" in told or "Socket errors" in told:
        raise SystemExit(told)
    n_requests = int(re.findall(r"(\d+) requests in", told)[0])
    return Measured(
        per_second=float(re.findall(r"Requests/sec:\s+([\d.]+)", told)[0]),
        micros=used / n_requests * 1e6,
        p99=re.findall(r"^\s+99%\s+(\S+)$", told, re.MULTILINE)[0],
    )


def main() -> None:
    """Measure each server in turn, several times, and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=3)
    settings = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed: apt install wrk")
    measured: dict[tuple[str, int], list[Measured]] = {}
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "post.lua"
        script.write_text(POST)
        for _ in range(settings.rounds):
            for name, code in SERVERS.items():
                with served(code) as (port, pid):
                    for n in CONNECTIONS:
                        one = measure(port, pid, n, settings.seconds, script)
                        measured.setdefault((name, n), []).append(one)
    rows = []
    for (name, n), found in measured.items():
        micros = statistics.median(one.micros for one in found)
        rows.append(
            (
                name, str(n), f"{statistics.median(one.per_second for one in found):,.0f}",
                f"{micros:.1f}", f"{1e6 / micros:,.0f}", found[-1].p99,
            )
        )  # fmt: skip
    head = ("server", "connections", "requests/s", "µs of processor", "one idle core/s", "p99")
    print(text_table(head, rows))
    print(f"load of the machine: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")


if __name__ == "__main__":
    main()
