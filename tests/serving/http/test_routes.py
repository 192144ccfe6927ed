"""Who may ask what, which path answers which method, and what is told of both."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, ClassVar

import pytest

from mldeploy.errors import DeploymentError, InvalidDataError
from mldeploy.serving.http import (
    ApiKey,
    ApiKeys,
    Request,
    Response,
    Role,
    Route,
    require_guard,
)
from mldeploy.serving.http._routing import Router

from .conftest import Answer, Opens, Running
from .test_plain import ROW

PARTS = {
    "{name}": "late", "{model}": "late", "{version}": "3", "{endpoint}": "1", "{deployed}": "2",
}  # fmt: skip


class Guarded:
    """A server with one key for each role, and the keys."""

    keys: ClassVar[dict[Role, tuple[ApiKey, str]]] = {
        role: ApiKey.new(role, [role]) for role in (Role.PREDICT, Role.LABEL, Role.OBSERVE)
    }

    def __init__(self, running: Running) -> None:
        self.running = running
        self.routes = running.assembly.app.router.routes

    def ask(self, route: Route, headers: dict[str, str]) -> Answer:
        path = route.pattern
        for part, value in PARTS.items():
            path = path.replace(part, value)
        body = b"{}" if route.method == "POST" else None
        return self.running.ask(route.method, path, body, headers)


@pytest.fixture(scope="module")
def guarded(opens: Opens, flight_bundle: Path) -> Iterator[Guarded]:
    keys = ApiKeys([key for key, _ in Guarded.keys.values()])
    with opens(flight_bundle, permits=keys, labels=lambda _: None) as running:
        yield Guarded(running)


# --- routes and roles -------------------------------------------------------------------------


def test_a_route_that_says_not_who_may_ask_is_not_built() -> None:
    with pytest.raises(TypeError, match="role"):
        Route(method="GET", pattern="/", action=Response)  # type: ignore[call-arg]
    for role in (None, "anyone", "predict"):
        with pytest.raises(TypeError, match="who may ask"):
            Route(method="GET", pattern="/", role=role, action=Response)  # type: ignore[arg-type]


def test_nobody_asks_without_a_key_but_for_health(guarded: Guarded) -> None:
    answers = {(r.method, r.pattern): guarded.ask(r, {}).status for r in guarded.routes}

    open_to_all = {asked for asked, status in answers.items() if status != 401}
    vertex = "/v1/endpoints/{endpoint}/deployedModels/{deployed}"
    assert open_to_all == {
        ("GET", path)
        for path in (
            "/livez", "/readyz", "/ping", "/health", "/version", "/v2", "/v2/",
            "/v2/health/live", "/v2/health/ready", "/v2/models/{model}/ready",
            "/v2/models/{model}/versions/{version}/ready", vertex, f"{vertex}:predict",
        )
    }  # fmt: skip
    assert len(answers) == len(guarded.routes) > 20


@pytest.mark.parametrize("role", Guarded.keys)
def test_a_key_opens_the_routes_of_its_roles_and_no_others(guarded: Guarded, role: Role) -> None:
    _, key = Guarded.keys[role]
    for route in guarded.routes:
        status = guarded.ask(route, {"Authorization": f"Bearer {key}"}).status
        if route.role in (role, Role.ANYONE):
            assert status not in (401, 403), route
        else:
            assert status == 403, route


def test_a_key_may_come_in_three_ways(guarded: Guarded) -> None:
    _, key = Guarded.keys[Role.PREDICT]
    password = base64.b64encode(f"anybody:{key}".encode()).decode()
    body = json.dumps({"row": ROW})
    for headers in (
        {"Authorization": f"Bearer {key}"},
        {"authorization": f"bearer {key}"},
        {"X-API-Key": key},
        {"Authorization": f"Basic {password}"},
    ):
        assert guarded.running.ask("POST", "/predict", body, headers).status == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer "},
        {"Authorization": "Bearer x"},
        {"Authorization": "Bearer " + Guarded.keys[Role.PREDICT][0].sha256},
        {"Authorization": Guarded.keys[Role.PREDICT][1]},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic " + base64.b64encode(b"no colon").decode()},
        {"Authorization": "Digest username=x"},
        {"X-API-Key": ""},
        {"X-API-Key": Guarded.keys[Role.PREDICT][1].lower()},
        {"X-API-Key": Guarded.keys[Role.PREDICT][1] + "x"},
    ],
)
def test_what_is_no_key_is_refused_and_a_browser_asks_again(
    guarded: Guarded, headers: dict[str, str]
) -> None:
    found = guarded.running.ask("POST", "/predict", b"{}", headers)

    assert found.status == 401
    assert found.headers["www-authenticate"] == 'Basic realm="mldeploy", charset="UTF-8"'
    assert json.loads(found.body)["error"]["code"] == "unauthorized"


def test_refusals_have_the_form_of_their_protocol(guarded: Guarded) -> None:
    triton = guarded.running.ask("POST", "/v2/models/late/infer", b"{}")
    mlflow = guarded.running.ask("POST", "/invocations", b"{}")
    assert isinstance(json.loads(triton.body)["error"], str)
    assert json.loads(mlflow.body).keys() == {"error_code", "message"}


def test_keys_are_read_from_a_file_of_hashes(tmp_path: Path) -> None:
    record, key = ApiKey.new("ana", [Role.OBSERVE])
    path = tmp_path / "keys.json"
    path.write_text(json.dumps([record.model_dump(mode="json")]))
    assert key not in path.read_text()
    assert ApiKeys.read(path).keys == (record,)
    for wrong in ("", "{}", "[]", '[{"name": "x"}]', "[1]"):
        path.write_text(wrong)
        with pytest.raises(InvalidDataError, match="no list of keys"):
            ApiKeys.read(path)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_this_machine_may_be_served_without_keys(host: str) -> None:
    require_guard(host, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.0.4", "example.org", "127.0.0.1."])
def test_others_may_not_be_served_without_keys(host: str) -> None:
    with pytest.raises(DeploymentError, match="--open"):
        require_guard(host, None)
    require_guard(host, ApiKeys([Guarded.keys[Role.PREDICT][0]]))
    require_guard(host, None, open_to_all=True)


# --- paths and methods ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/nowhere", "/predict/", "//predict", "/PREDICT", "/models/late", "/models//predict",
             "/models/a/b/predict", "/%70redict", "/predict%00", "/assets/page.js", "/../predict"],
)  # fmt: skip
def test_a_path_that_is_not_there_is_not_found(running: Running, path: str) -> None:
    found = running.ask("GET", path)
    assert found.status == 404
    assert json.loads(found.body)["error"]["code"] == "not_found"


def test_every_path_refuses_other_methods_and_tells_its_own(running: Running) -> None:
    routes = running.assembly.app.router.routes
    for path in {route.pattern for route in routes}:
        concrete = path
        for part, value in PARTS.items():
            concrete = concrete.replace(part, value)
        own = {route.method for route in routes if route.pattern == path}
        allowed = own | ({"HEAD"} if "GET" in own else set())
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"} - own:
            found = running.ask(method, concrete)
            assert found.status == 405, (method, path)
            assert set(found.headers["allow"].split(", ")) >= allowed


def test_head_tells_what_get_would_without_the_body(running: Running) -> None:
    for path in ("/", "/livez", "/openapi.json", "/v2/models/late", "/ping"):
        full, head = running.ask("GET", path), running.ask("HEAD", path)
        assert (head.status, head.body) == (200, b"")
        assert head.headers["content-type"] == full.headers["content-type"]
        assert head.headers["content-length"] == full.headers["content-length"] == str(
            len(full.body)
        )  # fmt: skip
    assert running.ask("HEAD", "/predict").status == 405


def test_pages_of_other_sites_may_look_and_not_ask(running: Running) -> None:
    """Whoever runs a server on his own machine also visits strangers with the same browser."""
    cross = {"Sec-Fetch-Site": "cross-site"}
    for path in ("/predict", "/labels", "/invocations", "/v2/models/late/infer"):
        assert running.ask("POST", path, b"{}", cross).status == 403
    assert running.ask("GET", "/", None, cross).status == 200
    for site in ("same-origin", "none"):
        body = json.dumps({"row": ROW})
        assert running.ask("POST", "/predict", body, {"Sec-Fetch-Site": site}).status == 200


def test_what_is_told_does_not_repeat_all_that_was_asked(running: Running) -> None:
    for path in (f"/models/{'x' * 9000}/predict", f"/v2/models/late/versions/{'1' * 9000}/infer"):
        found = running.post(path, {"row": ROW})
        assert (found.status, len(found.body) < 400) == (404, True)


def test_a_query_changes_nothing(running: Running) -> None:
    assert running.post("/predict?trace=1", {"row": ROW}).status == 200


def test_a_request_keeps_its_name(running: Running) -> None:
    found = running.post("/predict", {"row": []}, x_request_id="order-17")
    assert found.headers["x-request-id"] == "order-17"
    assert json.loads(found.body)["request_id"] == "order-17"


def test_one_connection_asks_a_hundred_times_good_and_bad(running: Running) -> None:
    connection = HTTPConnection("127.0.0.1", running.port, timeout=30)
    body = json.dumps({"row": ROW})
    statuses = []
    for number in range(100):
        connection.request("POST", "/predict", body if number % 2 else "{", {})
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    connection.close()
    assert statuses == [400, 200] * 50


def test_parts_of_a_path_are_decoded_once() -> None:
    router = Router(
        [Route(method="GET", pattern="/m/{name}/x", role=Role.ANYONE, action=Response)]
    )
    found = router.find(Request(method="GET", path="/m/a%2Fb%2525/x"))
    assert found is not None
    assert found[1] == {"name": "a/b%25"}
    assert router.find(Request(method="GET", path="/m//x")) is None
    assert router.find(Request(method="GET", path="/m/a/b/x")) is None


# --- the description --------------------------------------------------------------------------


def test_the_description_is_valid(running: Running) -> None:
    """By the meta-schema of OpenAPI 3.1; that it lacks no route is tested with its content."""
    from openapi_spec_validator import OpenAPIV31SpecValidator

    document: dict[str, Any] = json.loads(running.ask("GET", "/openapi.json").body)
    assert list(OpenAPIV31SpecValidator(document).iter_errors()) == []
    broken = {**document, "paths": {"no-slash": {}}}
    assert list(OpenAPIV31SpecValidator(broken).iter_errors())
