"""The description of the interface: complete, true, and made of the schema."""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mldeploy.data import ColumnSchema, Schema
from mldeploy.serving import MemoryLog, Predictor, Traffic
from mldeploy.serving.http import App, Request, Response, Served, Service
from mldeploy.serving.http._openapi_schemas import example_of, row_schema

from .conftest import Opens, Running

CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,"
    "response_schema_conformance,response_headers_conformance,negative_data_rejection,"
    "missing_required_header,unsupported_method"
)


def described(running: Running) -> dict[str, Any]:
    answer = running.ask("GET", "/openapi.json")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    document: dict[str, Any] = json.loads(answer.body)
    assert document["openapi"] == "3.1.0"
    return document


@pytest.mark.slow
@pytest.mark.parametrize("bundle", ["flight_bundle", "plain_bundle"])
def test_schemathesis_finds_nothing(
    request: pytest.FixtureRequest, bundle: str, opens: Opens, programs: Path, tmp_path: Path
) -> None:
    """No 5xx, nothing undocumented, nothing accepted that the schema forbids."""
    folder = request.getfixturevalue(bundle)
    with opens(folder, labels=lambda _: None) as running:
        done = subprocess.run(
            [programs / "schemathesis", "--no-color", "run", f"{running.url}/openapi.json",
             "--checks", CHECKS, "--phases", "examples,coverage,fuzzing", "--max-examples", "8",
             "--generation-deterministic", "--continue-on-failure", "--request-timeout", "20"],
            capture_output=True, text=True, timeout=240, check=False, cwd=tmp_path,
            env={**os.environ, "DO_NOT_TRACK": "1"},
        )  # fmt: skip

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    n_generated, n_passed = re.search(r"(\d+) generated, (\d+) passed", done.stdout).groups()  # type: ignore[union-attr]
    assert n_generated == n_passed
    assert int(n_generated) > 500


def test_every_route_is_described_and_nothing_else(running: Running) -> None:
    routed = {
        (route.method.lower(), _expanded(route.pattern))
        for route in running.assembly.app.router.routes
    }
    told = {
        (method, path)
        for path, operations in described(running)["paths"].items()
        for method in operations
    }

    assert told == routed


def _expanded(pattern: str) -> str:
    return pattern.replace("{model}", "late").replace("{name}", "late")


def test_every_answer_that_needs_a_key_says_so(running: Running) -> None:
    """What anyone may ask has no security; all else may need a key, and tells 401 and 403."""
    document = described(running)
    schemes = set(document["components"]["securitySchemes"])
    for route in running.assembly.app.router.routes:
        operation = document["paths"][_expanded(route.pattern)][route.method.lower()]
        assert ("security" in operation) is (route.role != "anyone"), route.pattern
        wanted = {name for need in operation.get("security", ()) for name in need}
        assert wanted in (set(), schemes)
        assert {"401", "403", "500", "503"} <= operation["responses"].keys()


def test_the_example_is_a_golden_row_and_is_answered(running: Running) -> None:
    content = described(running)["paths"]["/predict"]["post"]["requestBody"]["content"]
    example = content["application/json"]["example"]

    assert running.post("/predict", example).status == 200
    assert example["row"].keys() == {"wind", "hour", "carrier", "score"}


COLUMNS = (
    ColumnSchema(name="n", kind="integer", minimum=0, maximum=9, strict_range=True),
    ColumnSchema(name="m", kind="integer", minimum=0, maximum=9, nullable=True),
    ColumnSchema(name="x", kind="number", minimum=0.5, maximum=2.5),
    ColumnSchema(name="b", kind="boolean"),
    ColumnSchema(name="c", kind="category", categories=("a", "b"), closed=True, nullable=True),
    ColumnSchema(name="o", kind="category", categories=("a", "b")),
    ColumnSchema(name="s", kind="string"),
    ColumnSchema(name="t", kind="datetime", time_unit="us", time_zone="UTC"),
    ColumnSchema(name="l", kind="datetime", time_unit="us"),
    ColumnSchema(name="d", kind="date"),
    ColumnSchema(name="h", kind="time"),
    ColumnSchema(name="p", kind="duration", time_unit="us"),
)


def test_a_row_is_described_by_its_schema() -> None:
    schema = row_schema(Schema(columns=COLUMNS), "any")

    assert schema["additionalProperties"] is False
    assert schema["required"] == [c.name for c in COLUMNS if c.name not in ("m", "c")]
    assert schema["properties"] == {
        "n": {"type": "integer", "minimum": 0, "maximum": 9},
        "m": {
            "type": ["integer", "null"], "format": "int64", "minimum": -(2**63),
            "maximum": 2**63 - 1, "description": "Seen in training: 0 to 9",
        },
        "x": {
            "type": "number", "format": "double", "description": "Seen in training: 0.5 to 2.5",
        },
        "b": {"type": "boolean"},
        "c": {"enum": ["a", "b", None]},
        "o": {"type": "string", "examples": ["a", "b"]},
        "s": {"type": "string"},
        "t": {"type": "string", "format": "date-time"},
        "l": {
            "type": "string",
            "description": "Local time without a zone, such as 2013-01-31T17:45:00",
        },
        "d": {"type": "string", "format": "date"},
        "h": {"type": "string", "format": "time"},
        "p": {"type": "number", "description": "Seconds"},
    }  # fmt: skip


def test_an_example_says_durations_as_clients_do() -> None:
    assert example_of({"p": timedelta(minutes=1.5), "s": "x"}) == {"p": 90.0, "s": "x"}


def test_the_description_follows_the_version(make_model: Callable[..., Any]) -> None:
    log, model = MemoryLog(), make_model()
    traffic = Traffic(Predictor(model, version="late:3", deployment="d", sink=log))
    app = App(Service([Served(name="late", answering=traffic)]))

    def version() -> str:
        answer = app(Request(method="GET", path="/openapi.json"))
        assert isinstance(answer, Response)
        document = json.loads(answer.body)
        place = "/v2/models/late/versions/{version}"
        enum = document["paths"][place]["get"]["parameters"][0]["schema"]["enum"]
        assert [document["info"]["version"]] == [f"late:{number}" for number in enum]
        return str(document["info"]["version"])

    assert version() == "late:3"
    traffic.serve(Predictor(model, version="late:4", deployment="d", sink=log))
    assert version() == "late:4"


def test_paths_that_vertex_names_are_described(
    monkeypatch: pytest.MonkeyPatch, opens: Opens, flight_bundle: Path
) -> None:
    monkeypatch.setenv("AIP_HEALTH_ROUTE", "/is/well")
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "/say:what")
    with opens(flight_bundle) as running:
        paths = described(running)["paths"]

    assert paths["/is/well"].keys() == {"get"}
    assert paths["/say:what"].keys() == {"post"}
    assert "parameters" not in paths["/say:what"]["post"]
