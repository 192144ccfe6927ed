"""Factories of workers, imported by the workers of `test_workers`."""

from __future__ import annotations

import asyncio
import json
import os
import time
from pathlib import Path

from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._workers import JSON, Work, WorkerContext


def answers(arguments: JSON, context: WorkerContext) -> Work:
    """Answer who answers; `version` comes with a plan."""
    state = {"version": arguments["version"]}
    if context.index == 0 and Path(arguments.get("broken", "/nothing/at/all")).exists():
        os._exit(7)

    async def handler(request: Request) -> Response:
        if request.path == "/die":
            os._exit(9)
        if request.path == "/readyz":
            return Response(status=503 if context.is_draining else 200)
        if request.path == "/work":
            time.sleep(0.001)
        if request.path == "/slow":
            await asyncio.sleep(0.3)
        told = {"pid": os.getpid(), "index": context.index, **state}
        return Response(body=json.dumps(told).encode())

    async def apply(plan: JSON) -> JSON:
        if plan["version"] == "bad":
            raise ValueError("there is no such version")
        await asyncio.sleep(0.01)
        state["version"] = plan["version"]
        context.tell({"now": plan["version"]})
        return {"was_in": os.getpid()}

    def close() -> None:
        if "folder" in arguments:
            (Path(arguments["folder"]) / f"closed-{context.index}").touch()

    return Work(handler=handler, apply=apply, close=close, lame_duck=arguments.get("duck", 0.1))


def fails(arguments: JSON, context: WorkerContext) -> Work:
    """Fail, as a factory does that finds no bundle."""
    raise FileNotFoundError("there is no bundle")
