"""A real browser, told what to do over its debugging protocol."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websocket import WebSocket, create_connection

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions",
    "--disable-background-networking", "--remote-debugging-port=0", "--window-size=1200,1600",
)  # fmt: skip


class Tab:
    """One page of a browser."""

    def __init__(self, socket: WebSocket) -> None:
        self._socket = socket
        self._number = 0
        self.complaints: list[str] = []
        """What the page's scripts, and its policy, complained about."""
        for domain in ("Page", "Runtime", "Log"):
            self._do(f"{domain}.enable")

    def _do(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        asked = {"id": self._number, "method": method, "params": parameters}
        self._socket.send(json.dumps(asked))
        while True:
            told = json.loads(self._socket.recv())
            if told.get("id") == self._number:
                assert "error" not in told, told
                result: dict[str, Any] = told["result"]
                return result
            self._note(told["method"], told["params"])

    def _note(self, event: str, told: dict[str, Any]) -> None:
        if event == "Runtime.exceptionThrown":
            self.complaints.append(str(told["exceptionDetails"]))
        if event == "Log.entryAdded" and told["entry"]["level"] == "error":
            self.complaints.append(told["entry"]["text"])
        if event == "Page.javascriptDialogOpening":
            self.complaints.append(f"dialog: {told['message']}")
            self._do("Page.handleJavaScriptDialog", accept=True)

    def open(self, place: str, *, url: str | None = None) -> None:
        """Go to a place, perhaps by a URL that bears a password."""
        self._do("Page.navigate", url=url or place)
        there = f"location.href.startsWith({json.dumps(place)})"
        self.wait_for(f"{there} && document.readyState === 'complete'")

    def value(self, script: str) -> Any:
        """Return what a script says; a promise is waited for."""
        told = self._do(
            "Runtime.evaluate", expression=script, returnByValue=True, awaitPromise=True
        )
        assert "exceptionDetails" not in told, told
        return told["result"].get("value")

    def wait_for(self, script: str, *, seconds: float = 20.0) -> None:
        end = time.monotonic() + seconds
        while not self.value(f"Boolean({script})"):
            assert time.monotonic() < end, f"it never came: {script}"
            time.sleep(0.05)

    def type_into(self, selector: str, text: str) -> None:
        """Put the cursor into a field, and type instead of what is there."""
        self.value(f"document.querySelector({json.dumps(selector)}).select()")
        self._do("Input.insertText", text=text)

    def click(self, selector: str) -> None:
        """Click in the middle of an element, wherever it is."""
        place = self.value(
            "(async () => { const frame = () => new Promise(requestAnimationFrame);"
            f"const e = document.querySelector({json.dumps(selector)});"
            "e.scrollIntoView({block: 'center'}); await frame(); await frame();"
            "const r = e.getBoundingClientRect();"
            "return [r.x + r.width / 2, r.y + r.height / 2]; })()"
        )
        for event in ("mousePressed", "mouseReleased"):
            self._do(
                "Input.dispatchMouseEvent",
                type=event, x=place[0], y=place[1], button="left", clickCount=1,
            )  # fmt: skip

    def emulate(self, *, width: int = 1200, height: int = 1600, scheme: str = "light") -> None:
        self._do(
            "Emulation.setDeviceMetricsOverride",
            width=width, height=height, deviceScaleFactor=1, mobile=False,
        )  # fmt: skip
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self._do("Emulation.setEmulatedMedia", features=features)

    def screenshot(self, path: Path) -> None:
        told = self._do("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(told["data"]))


@contextmanager
def chromium(folder: Path) -> Iterator[Tab]:
    """Run a browser with an empty profile in a folder, and yield its page."""
    assert CHROMIUM is not None
    process = subprocess.Popen(
        [CHROMIUM, *_FLAGS, f"--user-data-dir={folder}", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        socket = create_connection(_page_of(folder), timeout=60, suppress_origin=True)
        try:
            yield Tab(socket)
        finally:
            socket.close()
    finally:
        process.terminate()
        process.wait(30)


def _page_of(folder: Path) -> str:
    end = time.monotonic() + 60
    while time.monotonic() < end:
        told = folder / "DevToolsActivePort"
        lines = told.read_text().splitlines() if told.exists() else []
        if len(lines) > 1:
            with urllib.request.urlopen(f"http://127.0.0.1:{lines[0]}/json", timeout=60) as found:
                pages = [one for one in json.load(found) if one["type"] == "page"]
            if pages:
                url: str = pages[0]["webSocketDebuggerUrl"]
                return url
        time.sleep(0.05)
    raise TimeoutError("the browser did not start")
