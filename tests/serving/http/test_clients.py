"""Clients that others wrote, against a real server on a real port.

They run in an environment of their own, ``.venv-clients``, since they want other versions than
we do; `clients/requirements.txt` says which.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from .conftest import Running

CLIENTS = Path(__file__).with_name("clients")
COLUMNS = {
    "wind": [12.5, 40.0, 0.25],
    "hour": [8, 21, 5],
    "carrier": ["AA", "B6", "Ünïted"],
    "score": [4.0, 10.5, 2.5],
}


def told_by(programs: Path, script: str, *arguments: str) -> Any:
    """Return what a client was told, as its script prints it."""
    done = subprocess.run(
        [programs / "python", "-W", "ignore", CLIENTS / script, *arguments],
        input=json.dumps(COLUMNS), capture_output=True, text=True, timeout=120, check=False,
        env={**os.environ, "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def expected(running: Running) -> dict[str, Any]:
    """What our own form of the request is told."""
    answers = json.loads(running.post("/predict", {"columns": COLUMNS}).body)["answers"]
    assert len(set(answers["score"])) == 3
    return {"prediction": answers["prediction"], "score": answers["score"]}


def test_triton_client(running: Running, programs: Path, expected: dict[str, Any]) -> None:
    told = told_by(programs, "triton_client.py", running.url)

    assert [told[what] for what in ("live", "ready", "model_ready", "version_ready")] == [True] * 4
    assert told["stranger_ready"] is False
    assert told["extensions"] == ["binary_tensor_data"]
    assert told["kinds"] == {"wind": "FP64", "hour": "INT64", "carrier": "BYTES", "score": "FP64"}
    assert len(told["answers"]) == 8
    for form, answer in told["answers"].items():
        assert {name: answer[name] for name in expected} == expected, form
        wanted = {"prediction", "score"}
        assert answer.keys() == (wanted | {"prediction_id", "route"} if "all" in form else wanted)
    assert [refusal["status"] for refusal in told["refusals"]] == [
        "404",
        "404",
        *["400"] * 2,
        "404",
    ]
    assert told["refusals"][0]["message"] == "there is no model 'stranger' here; there are late"
    assert {name: told["after"][name] for name in expected} == expected


@pytest.mark.slow
def test_kserve_client(running: Running, programs: Path, expected: dict[str, Any]) -> None:
    told = told_by(programs, "kserve_client.py", running.url)

    assert [told[what] for what in ("live", "ready", "model_ready")] == [True] * 3
    assert told["answers"] == dict.fromkeys(("binary=False", "binary=True"), expected)
    stranger, short, empty = told["refusals"]
    assert stranger.startswith("404 there is no model 'stranger' here; there are late")
    assert "a value is required" in short
    assert "'400 Bad Request'" in short
    assert '"inputs" is no list of tensors' in empty


@pytest.mark.slow
def test_mlflow_client(running: Running, programs: Path, expected: dict[str, Any]) -> None:
    told = told_by(programs, "mlflow_client.py", running.url)

    assert told["answers"] == dict.fromkeys(told["answers"], expected["prediction"])
    assert len(told["answers"]) == 9
    lacking, wrong = told["refusals"]
    assert "error code 400" in lacking
    assert "lacks the column wind" in lacking
    assert "error code 400" in wrong
    assert "'noon' (str) is not a whole number" in wrong


@pytest.mark.slow
def test_sagemaker_sdk(running: Running, programs: Path, expected: dict[str, Any]) -> None:
    told = told_by(programs, "sagemaker_client.py", running.url)

    assert told["ping"] == 200
    for form in ("csv", "csv of a frame", "csv with a header", "json"):
        assert told[form] == {"predictions": expected["prediction"]}, form
    assert told["csv and back"] == [[str(label)] for label in expected["prediction"]]
    assert told["lines"]["status"] == 415
    assert told["short"]["status"] == 400
    assert "3 values for 4 columns" in told["short"]["body"]


def test_vertex_sdk(running: Running, programs: Path, expected: dict[str, Any]) -> None:
    route = "/v1/endpoints/12/deployedModels/34:predict"
    told = told_by(programs, "vertex_client.py", running.url, route)

    assert told["health"] == 200
    for form in ("objects", "lists"):
        assert told[form]["status"] == 200
        predictions = told[form]["body"]["predictions"]
        assert {name: [one[name] for one in predictions] for name in expected} == expected, form
    assert told["one is bad"]["status"] == 400
    assert "row 1, 'hour'" in told["one is bad"]["body"]["error"]
    assert (told["none"]["status"], told["none"]["body"].keys()) == (400, {"error"})
