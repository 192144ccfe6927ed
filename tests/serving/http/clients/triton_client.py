"""Ask by NVIDIA's client: `python triton_client.py URL < columns.json` prints what it was told."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException, triton_to_np_dtype

MODEL = "late"


def inputs_of(
    columns: dict[str, list[Any]], kinds: dict[str, str], *, binary: bool
) -> list[triton.InferInput]:
    inputs = []
    for name, values in columns.items():
        array = np.array(values, dtype=triton_to_np_dtype(kinds[name]))
        tensor = triton.InferInput(name, list(array.shape), kinds[name])
        tensor.set_data_from_numpy(array, binary_data=binary)
        inputs.append(tensor)
    return inputs


def told_by(result: triton.InferResult) -> dict[str, Any]:
    names = [output["name"] for output in result.get_response()["outputs"]]
    return {name: _plain(result.as_numpy(name)) for name in names}


def _plain(array: Any) -> list[Any]:
    return [v.decode() if isinstance(v, bytes) else v for v in array.tolist()]


def refusal_of(ask: Any) -> dict[str, Any]:
    try:
        ask()
    except InferenceServerException as error:
        return {"status": error.status(), "message": error.message()}
    raise AssertionError("it was not refused")


def main() -> None:
    client = triton.InferenceServerClient(sys.argv[1].removeprefix("http://"))
    columns = json.load(sys.stdin)
    about = client.get_model_metadata(MODEL)
    kinds = {tensor["name"]: tensor["datatype"] for tensor in about["inputs"]}
    version = about["versions"][0]
    told: dict[str, Any] = {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model_ready": client.is_model_ready(MODEL),
        "version_ready": client.is_model_ready(MODEL, version),
        "stranger_ready": client.is_model_ready("stranger"),
        "extensions": client.get_server_metadata()["extensions"],
        "kinds": kinds,
        "answers": {},
    }
    for binary in (False, True):
        inputs = inputs_of(columns, kinds, binary=binary)
        for compression in (None, "gzip", "deflate"):
            outputs = [
                triton.InferRequestedOutput(name, binary_data=binary)
                for name in ("score", "prediction")
            ]
            result = client.infer(
                MODEL, inputs, outputs=outputs, request_id="r-7", model_version=version,
                request_compression_algorithm=compression,
            )  # fmt: skip
            assert result.get_response()["id"] == "r-7"
            told["answers"][f"binary={binary}, {compression}"] = told_by(result)
        told["answers"][f"binary={binary}, all outputs"] = told_by(client.infer(MODEL, inputs))
    inputs = inputs_of(columns, kinds, binary=True)
    short = inputs_of({name: values[:1] for name, values in columns.items()}, kinds, binary=True)
    told["refusals"] = [
        refusal_of(lambda: client.infer("stranger", inputs)),
        refusal_of(lambda: client.infer(MODEL, inputs, model_version="99")),
        refusal_of(lambda: client.infer(MODEL, inputs[:1])),
        refusal_of(lambda: client.infer(MODEL, [*inputs[1:], short[0]])),
        refusal_of(lambda: client.get_model_metadata("stranger")),
    ]
    told["after"] = told_by(client.infer(MODEL, inputs))
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
