"""Ask by KServe's client: `python kserve_client.py URL < columns.json` prints what it was told."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

MODEL = "late"
KINDS = {"f": "FP64", "i": "INT64", "U": "BYTES"}


def request_of(columns: dict[str, list[Any]], *, binary: bool) -> InferRequest:
    inputs = []
    for name, values in columns.items():
        array = np.array(values)
        kind = KINDS[array.dtype.kind]
        tensor = InferInput(name, list(array.shape), kind)
        given = array.astype(object) if kind == "BYTES" else array
        tensor.set_data_from_numpy(given, binary_data=binary)
        inputs.append(tensor)
    outputs = [RequestedOutput(n, {"binary_data": binary}) for n in ("score", "prediction")]
    return InferRequest(
        model_name=MODEL, infer_inputs=inputs, request_id="r-7", request_outputs=outputs
    )


async def refusal_of(asked: Any) -> str:
    try:
        await asked
    except httpx.HTTPStatusError as error:
        return f"{error.response.status_code} {error}"
    raise AssertionError("it was not refused")


async def told_at(url: str, columns: dict[str, list[Any]]) -> dict[str, Any]:
    client = InferenceRESTClient(RESTConfig(protocol="v2", timeout=30))
    told: dict[str, Any] = {
        "live": await client.is_server_live(url),
        "ready": await client.is_server_ready(url),
        "model_ready": await client.is_model_ready(url, MODEL),
        "answers": {},
    }
    for binary in (False, True):
        answer = await client.infer(url, request_of(columns, binary=binary), model_name=MODEL)
        assert answer.id == "r-7"
        assert answer.model_name == MODEL
        told["answers"][f"binary={binary}"] = {
            output.name: output.as_numpy().tolist() for output in answer.outputs
        }
    good = request_of(columns, binary=True)
    short = request_of({"wind": columns["wind"]}, binary=False)
    told["refusals"] = [
        await refusal_of(client.infer(url, good, model_name="stranger")),
        await refusal_of(client.infer(url, short, model_name=MODEL)),
        await refusal_of(client.infer(url, {"inputs": []}, model_name=MODEL)),
    ]
    return told


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asyncio.run(told_at(sys.argv[1], json.load(sys.stdin)))))
