"""What Vertex AI's custom containers answer, over a real port."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mldeploy.serving.http import ApiKey, ApiKeys, Role

from .conftest import Answer, Opens, Running
from .test_plain import ROW, ROWS

DEFAULT = "/v1/endpoints/4711/deployedModels/0815"


@pytest.fixture(scope="module")
def vertex(opens: Opens, flight_bundle: Path) -> Iterator[Running]:
    """A server whose environment names the routes, as Vertex does."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIP_HEALTH_ROUTE", "/is/well")
        environment.setenv("AIP_PREDICT_ROUTE", "/do:predict")
        with opens(flight_bundle) as running:
            yield running


def error_of(answer: Answer) -> str:
    assert answer.headers["content-type"] == "application/json"
    body = json.loads(answer.body)
    assert body.keys() == {"error"}
    told: str = body["error"]
    assert isinstance(told, str)
    return told


@pytest.mark.parametrize("path", ["/do:predict", f"{DEFAULT}:predict"])
def test_there_is_one_prediction_for_each_instance_in_order(vertex: Running, path: str) -> None:
    many = [ROWS[0], ROWS[1], list(ROWS[0].values()), ROWS[1], ROWS[1]]

    found = vertex.post(path, {"instances": many, "parameters": {"confidence": 0.5}})

    assert (found.status, found.headers["content-type"]) == (200, "application/json")
    body = json.loads(found.body)
    assert body.keys() == {"predictions"}
    plain = vertex.post("/predict", {"rows": [ROWS[i] for i in (0, 1, 0, 1, 1)]})
    expected = json.loads(plain.body)["answers"]
    for name in ("prediction", "score", "route"):
        assert [one[name] for one in body["predictions"]] == [one[name] for one in expected]
    assert len({one["id"] for one in body["predictions"]}) == 5


@pytest.mark.parametrize("path", ["/is/well", DEFAULT, f"{DEFAULT}:predict"])
def test_health_is_told_by_its_status(vertex: Running, path: str) -> None:
    assert vertex.ask("GET", path).status == 200
    ready = vertex.assembly.service.is_draining
    vertex.assembly.service.is_draining = lambda: True
    try:
        assert vertex.ask("GET", path).status == 503
    finally:
        vertex.assembly.service.is_draining = ready


def test_one_path_may_be_both_routes(opens: Opens, flight_bundle: Path) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIP_HEALTH_ROUTE", "/x")
        environment.setenv("AIP_PREDICT_ROUTE", "/x")
        with opens(flight_bundle) as running:
            assert running.ask("GET", "/x").status == 200
            assert running.post("/x", {"instances": ROWS}).status == 200


def test_routes_that_we_have_ourselves_are_taken_over(opens: Opens, flight_bundle: Path) -> None:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIP_HEALTH_ROUTE", "/health")
        environment.setenv("AIP_PREDICT_ROUTE", "/predict")
        with opens(flight_bundle) as running:
            assert json.loads(running.ask("GET", "/health").body) == {"ready": True}
            assert "predictions" in json.loads(running.post("/predict", {"instances": ROWS}).body)
            assert error_of(running.post("/predict", {"row": ROW}))


REFUSED: list[tuple[Any, int, str]] = [
    ({}, 400, "instances"),
    ({"instances": ROW}, 400, "instances"),
    ({"instances": []}, 400, "at least one"),
    ({"instances": [ROW, 17]}, 400, "row 1"),
    ({"instances": [ROW, [1.0]]}, 400, "row 1"),
    ({"instances": [ROW, {}]}, 400, "row 1"),
    ({"instances": [ROW, {**ROW, "hour": 8.5}]}, 400, "hour"),
    (ROWS, 400, "object"),
    (b"", 400, "JSON"),
]


@pytest.mark.parametrize(("asked", "status", "told"), REFUSED)
@pytest.mark.parametrize("path", ["/do:predict", f"{DEFAULT}:predict"])
def test_one_bad_instance_fails_the_request(
    vertex: Running, path: str, asked: Any, status: int, told: str
) -> None:
    found = vertex.post(path, asked)
    assert found.status == status
    assert told in error_of(found)


@pytest.mark.parametrize("path", ["/do:predict", f"{DEFAULT}:predict"])
def test_errors_around_it_have_the_same_form(vertex: Running, path: str) -> None:
    assert error_of(vertex.post(path, {"instances": ROWS}, content_type="text/csv"))
    refused = vertex.ask("PUT", path)
    assert (refused.status, bool(error_of(refused))) == (405, True)


def test_who_may_not_ask_is_told_so_in_the_same_form(opens: Opens, flight_bundle: Path) -> None:
    key, secret = ApiKey.new("google", [Role.PREDICT])
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("AIP_PREDICT_ROUTE", "/do:predict")
        with opens(flight_bundle, permits=ApiKeys([key])) as running:
            refused = running.post("/do:predict", {"instances": ROWS})
            assert (refused.status, bool(error_of(refused))) == (401, True)
            bearer = f"Bearer {secret}"
            taken = running.post("/do:predict", {"instances": ROWS}, authorization=bearer)
            assert taken.status == 200


def test_without_the_variables_the_defaults_answer(running: Running) -> None:
    assert running.post(f"{DEFAULT}:predict", {"instances": ROWS}).status == 200
    assert running.ask("GET", DEFAULT).status == 200
    missing = running.ask("GET", "/v1/models")
    assert (missing.status, bool(error_of(missing))) == (404, True)
