"""What every protocol shares: who waits for whom, faults, explanations, mutated requests."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from copy import deepcopy
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.base import BaseEstimator, ClassifierMixin

from mldeploy.errors import DeploymentError
from mldeploy.serving import Batcher, MemoryLog, Predictor
from mldeploy.serving.http import (
    About,
    App,
    Request,
    Response,
    Role,
    Route,
    Served,
    Service,
    assembly_of,
    serve_in_thread,
)

from .conftest import Answer, Opens, Running

ROW = {"wind": 12.5, "hour": 8, "carrier": "AA", "score": 4.0}
COLUMNS = {name: [value, value] for name, value in ROW.items()}
KINDS = {"wind": "FP64", "hour": "INT64", "carrier": "BYTES", "score": "FP64"}
TENSORS = [
    {"name": name, "datatype": kind, "shape": [2], "data": COLUMNS[name]}
    for name, kind in KINDS.items()
]
LISTED = [list(ROW.values())] * 2
VERTEX = "/v1/endpoints/1/deployedModels/2:predict"
REQUESTS: dict[str, tuple[str, Any]] = {
    "row": ("/predict", {"row": ROW, "key": "a"}),
    "rows": ("/predict", {"rows": [ROW, ROW], "keys": ["a", None]}),
    "columns": ("/models/late/predict", {"columns": COLUMNS, "keys": [1, 2]}),
    "tensors": ("/v2/models/late/infer", {"id": "r", "inputs": TENSORS}),
    "records": ("/invocations", {"dataframe_records": [ROW, ROW]}),
    "one record": ("/invocations", {"dataframe_records": [ROW]}),
    "split": ("/invocations", {"dataframe_split": {"columns": list(ROW), "data": LISTED}}),
    "inputs": ("/invocations", {"inputs": COLUMNS, "params": {}}),
    "instances": (VERTEX, {"instances": [ROW, ROW], "parameters": {}}),
    "one instance": (VERTEX, {"instances": LISTED[:1]}),
    "labels": ("/labels", {"labels": [
        {"prediction_id": "0" * 32, "value": True},
        {"key": "a", "time": "2013-01-31T17:45:00Z", "value": 1.5,
         "observed_at": "2013-02-01T00:00:00Z"},
    ]}),
}  # fmt: skip


# --- who waits for whom -----------------------------------------------------------------------


class Gate(ClassifierMixin, BaseEstimator):
    """Answers when it is opened."""

    opened = threading.Event()
    entered = threading.Semaphore(0)

    def fit(self, X: Any, y: Any) -> Gate:
        self.classes_ = np.unique(y)
        return self

    def predict_proba(self, X: Any) -> Any:
        Gate.entered.release()
        assert Gate.opened.wait(30)
        return np.full((X.shape[0], 2), 0.5)

    def predict(self, X: Any) -> Any:
        return np.full(X.shape[0], self.classes_[1])


@pytest.fixture
def gated(make_model: Callable[..., Any]) -> Iterator[Running]:
    """A server whose model answers when `Gate` is opened."""
    log = MemoryLog()
    predictor = Predictor(make_model(Gate()), version="late:1", deployment="d", sink=log)
    batcher = Batcher(predictor)
    served = Served(
        name="late", answering=predictor, batcher=batcher,
        about=lambda: About(why_not_compiled="a gate"),
    )  # fmt: skip
    assembly = assembly_of([served], sink=log)
    Gate.opened.clear()
    Gate.entered = threading.Semaphore(0)
    try:
        with serve_in_thread(assembly.server(lame_duck=0.0)) as server:
            yield Running(server, assembly, log)
    finally:
        Gate.opened.set()
        batcher.close()


def arrow_of(frame: pl.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.write_ipc_stream(buffer)
    return buffer.getvalue()


FORMS = [form for form in REQUESTS if form != "labels"]


@pytest.mark.parametrize("forms", [FORMS[:5], FORMS[5:]])
def test_while_a_slow_model_thinks_others_are_answered(gated: Running, forms: list[str]) -> None:
    """In every form that rows come in; the model answers when health was told, not before."""
    with ThreadPoolExecutor(len(forms) + 1) as pool:
        waiting = [pool.submit(gated.post, *REQUESTS[form]) for form in forms]
        body = arrow_of(pl.DataFrame(COLUMNS))
        kind = "application/vnd.apache.arrow.stream"
        waiting.append(pool.submit(gated.post, "/predict", body, content_type=kind))
        assert Gate.entered.acquire(timeout=10)

        for path in ("/livez", "/readyz", "/ping", "/v2/health/ready", "/metrics"):
            assert gated.ask("GET", path).status == 200
        assert not any(one.done() for one in waiting)
        Gate.opened.set()
        assert [one.result().status for one in waiting] == [200] * len(waiting)


def test_single_rows_that_wait_are_answered_together(gated: Running) -> None:
    """The model is asked twice for seven rows: for the first, and for all that came meanwhile."""
    forms = ("row", "one record", "one instance")
    with ThreadPoolExecutor(7) as pool:
        waiting = [pool.submit(gated.post, *REQUESTS["row"])]
        assert Gate.entered.acquire(timeout=10)
        batcher = gated.assembly.service.default.batcher
        assert batcher is not None
        waiting += [pool.submit(gated.post, *REQUESTS[forms[i % 3]]) for i in range(6)]
        clock = threading.Event()
        while batcher.n_waiting < 6:
            assert not any(one.done() for one in waiting)
            clock.wait(0.01)
        Gate.opened.set()
        assert [one.result().status for one in waiting] == [200] * 7

    assert Gate.entered.acquire(timeout=10)
    assert not Gate.entered.acquire(blocking=False)


def test_a_large_body_is_read_beside_the_event_loop(running: Running) -> None:
    threads = []

    def action(request: Request) -> Response:
        threads.append(threading.current_thread())
        return Response(body=str(len(request.body)).encode())

    route = Route(method="POST", pattern="/thread", role=Role.PREDICT, action=action)
    app = App(running.assembly.service, extra=[route])
    with serve_in_thread(app) as server:
        other = Running(server, running.assembly, running.log)
        for n_bytes in (1, 128 * 1024, 128 * 1024 + 1):
            assert other.post("/thread", b"x" * n_bytes).body == str(n_bytes).encode()

    small, medium, large = (thread.name for thread in threads)
    assert small == medium == "mldeploy-http"
    assert large != small


# --- faults -----------------------------------------------------------------------------------

SECRET = "the row was {'iban': 'DE00'} in /home/ana/model.py"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (RuntimeError(SECRET), 500),
        (pl.exceptions.PanicException(SECRET), 500),
        (RecursionError(SECRET), 500),
        (MemoryError(SECRET), 500),
        (DeploymentError(SECRET), 503),
    ],
)
@pytest.mark.parametrize("is_large", [False, True])
@pytest.mark.filterwarnings("ignore")
def test_a_fault_is_told_without_what_was_in_it(
    running: Running, error: BaseException, status: int, is_large: bool
) -> None:
    def action(request: Request) -> Response:
        raise error

    route = Route(method="POST", pattern="/fails", role=Role.PREDICT, action=action)
    app = App(running.assembly.service, extra=[route])
    with serve_in_thread(app, error_response=app.error_response) as server:
        other = Running(server, running.assembly, running.log)
        answer = other.post("/fails", b"x" * (200_000 if is_large else 1))
        after = other.ask("GET", "/livez")

    assert answer.status == status
    assert after.status == 200
    for part in ("DE00", "ana", "model.py", "Traceback", "Error"):
        assert part not in answer.body.decode()
    assert ("retry-after" in answer.headers) is (status == 503)


def test_an_error_bears_the_name_of_its_request(running: Running) -> None:
    answer = running.post("/predict", {"row": {}}, x_request_id="order-17")

    assert answer.headers["x-request-id"] == "order-17"
    assert json.loads(answer.body)["request_id"] == "order-17"


# --- explanations -----------------------------------------------------------------------------


@pytest.mark.parametrize("bundle", ["flight_bundle", "plain_bundle"])
def test_an_answer_is_explained_on_request(
    request: pytest.FixtureRequest, opens: Opens, bundle: str
) -> None:
    """Contributions sum to the answer less the average, and the answer is the score."""
    with opens(request.getfixturevalue(bundle)) as running:
        answer = running.post("/predict", {"row": ROW, "key": "a", "explain": True})
        plain = running.post("/predict", {"row": ROW, "explain": False})

    told = json.loads(answer.body)
    explanation = told.pop("explanation")
    assert told.keys() == json.loads(plain.body).keys()
    assert told["score"] == pytest.approx(json.loads(plain.body)["score"], abs=1e-12)
    assert explanation["answer"] == pytest.approx(told["score"], abs=1e-12)
    parts = {one["column"]: one["amount"] for one in explanation["contributions"]}
    assert parts.keys() == ROW.keys()
    total = explanation["answer"] - explanation["base"]
    assert sum(parts.values()) == pytest.approx(total, abs=1e-9)


def test_what_cannot_be_explained_is_refused(running: Running) -> None:
    for asked in ({"row": {**ROW, "hour": 7.5}, "explain": True}, {"row": ROW, "explain": 1},
                  {"rows": [ROW], "explain": True}):  # fmt: skip
        assert running.post("/predict", asked).status in (400, 422)


# --- mutated requests -------------------------------------------------------------------------

LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
    | st.sampled_from([2**63, -(2**63) - 1, 10**400, 1e308, "\ud800", "", "NaN", {}, []])
)  # fmt: skip
VALUES = st.recursive(
    LEAVES, lambda one: st.lists(one, max_size=3) | st.dictionaries(st.text(max_size=5), one)
)


def places_in(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every part of a value."""
    yield place
    if isinstance(value, dict | list):
        for name, child in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places_in(child, (*place, name))


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    """A request with a part replaced, removed, renamed or doubled."""
    path, asked = draw(st.sampled_from(list(REQUESTS.values())))
    asked = deepcopy(asked)
    for _ in range(draw(st.integers(1, 2))):
        places = [place for place in places_in(asked) if place]
        if not places:
            break
        *above, name = draw(st.sampled_from(places))
        parent = asked
        for step in above:
            parent = parent[step]
        how = draw(st.sampled_from(["replace", "remove", "double"]))
        if how == "replace":
            parent[name] = draw(VALUES)
        elif how == "remove":
            del parent[name]
        elif isinstance(parent, list):
            parent.append(parent[name])
        else:
            parent[draw(st.text(max_size=5))] = parent[name]
    return path, json.dumps(asked).encode()


@settings(max_examples=300)
@given(mutated())
def test_no_mutated_request_makes_the_server_fail(
    running: Running, asked: tuple[str, bytes]
) -> None:
    path, body = asked
    check_mutated(running, path, body)


@settings(max_examples=100)
@given(mutated())
def test_no_mutated_request_makes_a_slow_model_fail(
    running_plain: Running, asked: tuple[str, bytes]
) -> None:
    path, body = asked
    check_mutated(running_plain, path, body)


def check_mutated(running: Running, path: str, body: bytes) -> None:
    answer = running.post(path, body)

    assert answer.status in (200, 400, 413, 422, 501), answer
    assert (answer.status == 501) <= (path == "/labels")
    assert_form(path, answer)


def assert_form(path: str, answer: Answer) -> None:
    told = json.loads(answer.body)
    if answer.status != 200 and path.startswith(("/v1", "/v2")):
        assert told.keys() == {"error"}
        assert isinstance(told["error"], str)
    elif answer.status != 200 and path == "/invocations":
        assert told.keys() == {"error_code", "message"}
    elif answer.status != 200:
        assert told.keys() == {"error", "request_id"}
        assert {"code", "message"} <= told["error"].keys()


# --- what is loaded ---------------------------------------------------------------------------

LEAN = """
import asyncio, io, json, sys
from pathlib import Path
from mldeploy.serving import Arm, MemoryLog, Plan
from mldeploy.serving.http import Request, Response, assembled

def ask(app, path, body, kind=b"application/json"):
    request = Request(method="POST", path=path, headers={b"content-type": kind}, body=body)
    answer = app(request)
    answer = answer if isinstance(answer, Response) else asyncio.run(answer)
    assert answer.status == 200, answer

plan = Plan(champion=Arm(bundle=Path(sys.argv[1]), version="late:3"))
with assembled(plan, name="late", sink=MemoryLog()) as (assembly, _):
    for path, body in json.load(sys.stdin):
        ask(assembly.app, path, json.dumps(body).encode())
    import polars as pl
    buffer = io.BytesIO()
    pl.DataFrame(json.loads(sys.argv[2])).write_ipc_stream(buffer)
    ask(assembly.app, "/predict", buffer.getvalue(), b"application/vnd.apache.arrow.stream")
    ask(assembly.app, "/invocations", b"12.5,8,AA,4.0", b"text/csv")
heavy = {"pandas", "sklearn", "scipy", "pyarrow"} & sys.modules.keys()
assert not heavy, heavy
"""


def test_no_form_of_request_loads_pandas_or_scikit_learn(flight_bundle: Any) -> None:
    asked = [request for form, request in REQUESTS.items() if form != "labels"]

    done = subprocess.run(
        [sys.executable, "-c", LEAN, str(flight_bundle), json.dumps(COLUMNS)],
        input=json.dumps(asked), capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stderr


def test_several_models_are_served_side_by_side(make_model: Callable[..., Any]) -> None:
    """Each by its name, whatever is in it; the first where none is named."""
    log = MemoryLog()
    names, quoted = ("late", "a model/of ours"), "a%20model%2Fof%20ours"
    models = [
        Served(name=name, answering=Predictor(
            make_model(), version=f"{name}:{number}", deployment=name, sink=log))
        for number, name in enumerate(names)
    ]  # fmt: skip
    assembly = assembly_of(models, sink=log)
    with serve_in_thread(assembly.server(lame_duck=0.0)) as server:
        running = Running(server, assembly, log)
        versions = [
            json.loads(running.post(path, {"row": ROW}).body)["version"]
            for path in (
                "/predict",
                "/models/late/predict",
                "/models/a%20model%2Fof%20ours/predict",
            )
        ]
        about = json.loads(running.ask("GET", f"/v2/models/{quoted}").body)
        ready = json.loads(running.ask("GET", "/readyz").body)
        stranger = running.post("/models/stranger/predict", {"row": ROW})

    assert versions == ["late:0", "late:0", "a model/of ours:1"]
    assert (about["name"], about["versions"]) == ("a model/of ours", ["1"])
    assert ready["models"].keys() == set(names)
    assert stranger.status == 404


def test_an_app_needs_no_server(flight_bundle: Any, make_model: Callable[..., Any]) -> None:
    log = MemoryLog()
    predictor = Predictor(make_model(), version="late:1", deployment="d", sink=log)
    app = App(Service([Served(name="late", answering=predictor)]))

    assert isinstance(app(Request(method="GET", path="/livez")), Response)


@pytest.mark.parametrize("n_rows", [31, 32, 200])
@pytest.mark.parametrize("strange", [{}, {"hour": 8.0}, {"score": 4}, {"carrier": "new"}])
def test_many_rows_mean_what_each_of_them_means(
    running: Running, n_rows: int, strange: dict[str, Any]
) -> None:
    """Many rows are turned into columns; values and odd ways to write them stay the same."""
    rows = [{**ROW, "wind": float(i)} for i in range(n_rows)]
    rows[7] = {**rows[7], **strange}

    many = json.loads(running.post("/predict", {"rows": rows}).body)["answers"]
    split = {"columns": list(ROW)[::-1], "data": [list(row.values())[::-1] for row in rows]}
    told = json.loads(running.post("/invocations", {"dataframe_split": split}).body)

    each = [json.loads(running.post("/predict", {"row": row}).body) for row in rows]
    assert [one["score"] for one in many] == pytest.approx(
        [one["score"] for one in each], abs=1e-12
    )
    assert told["predictions"] == [one["prediction"] for one in each]


@pytest.mark.parametrize("strange", [{"hour": 8.5}, {"wind": None}, {"carrier": 7}, {"more": 1}])
def test_one_bad_row_of_many_is_named(running: Running, strange: dict[str, Any]) -> None:
    rows = [ROW] * 100
    rows[42] = {**ROW, **strange}

    answer = running.post("/predict", {"rows": rows})

    fields = json.loads(answer.body)["error"]["fields"]
    assert answer.status == 422
    assert [(field["row"], field["column"]) for field in fields] == [(42, *strange)]
