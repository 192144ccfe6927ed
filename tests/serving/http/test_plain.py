"""Our own JSON, against a real server: what goes in, what comes out, what is refused."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Awaitable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from mldeploy.data import ColumnSchema, Schema
from mldeploy.model import Bundle
from mldeploy.serving import Batcher, Label, MemoryLog, Predictor
from mldeploy.serving.http import Limits, Request, Response, Served, assembly_of, serve_in_thread
from mldeploy.serving.http._fast import FastColumns, FastRow

from .conftest import Answer, Opens, Running

ROW = {"wind": 12.5, "hour": 8, "carrier": "AA", "score": 4.0}
ROWS = [ROW, {"wind": 40.0, "hour": 21, "carrier": "B6", "score": 10.5}]
COLUMNS = {name: [row[name] for row in ROWS] for name in ROW}


def row_with(name: str, text: str) -> str:
    """Return a request whose row has a value that is written as given."""
    members = {**{n: json.dumps(v) for n, v in ROW.items()}, name: text}
    return '{"row": {' + ", ".join(f"{json.dumps(n)}: {v}" for n, v in members.items()) + "}}"


def fields_of(answer: Answer) -> list[tuple[int, str, str]]:
    assert answer.status == 422, answer
    error = json.loads(answer.body)["error"]
    assert error["code"] == "invalid_rows"
    return [(f["row"], f["column"], f["code"]) for f in error["fields"]]


# --- what goes in and comes out ---------------------------------------------------------------


def test_a_row_is_answered_as_the_model_itself_does(running: Running, flight_bundle: Path) -> None:
    found = running.post("/predict", {"row": ROW, "key": "UA-17"})

    answer = json.loads(found.body)
    assert (found.status, found.headers["content-type"]) == (200, "application/json")
    assert answer.keys() == {"id", "version", "prediction", "score", "route", "key", "time"}
    assert (answer["version"], answer["key"], answer["route"]) == ("late:3", "UA-17", "advice")
    assert datetime.fromisoformat(answer["time"]).tzinfo is not None
    model = Bundle.open(flight_bundle).load_model()
    frame = pd.DataFrame([ROW]).astype({"carrier": "category"})
    assert answer["prediction"] == bool(model.predict(frame)[0])
    assert answer["score"] == pytest.approx(float(model.score(frame)[0]), abs=1e-12)


def test_what_is_answered_is_logged_under_its_id(running: Running) -> None:
    answer = json.loads(running.post("/predict", {"row": ROW, "key": 17}).body)

    logged = running.log.frame().filter(pl.col("prediction_id") == answer["id"])
    assert logged.height == 1
    assert logged["key"].to_list() == ["17"]
    assert logged["prediction"].to_list() == [answer["prediction"]]


def test_rows_and_columns_are_answered_alike(running: Running) -> None:
    rows = json.loads(running.post("/predict", {"rows": ROWS, "keys": ["a", None]}).body)
    table = json.loads(running.post("/predict", {"columns": COLUMNS, "keys": ["a", None]}).body)

    listed, columns = rows["answers"], table["answers"]
    assert [one["key"] for one in listed] == columns["key"] == ["a", None]
    for name in ("prediction", "score", "route", "version"):
        assert [one[name] for one in listed] == columns[name]
    one = json.loads(running.post("/predict", {"row": ROW}).body)
    assert one["score"] == pytest.approx(listed[0]["score"], abs=1e-12)
    assert len({*columns["id"], *(one["id"] for one in listed)}) == 4


@pytest.mark.parametrize("kind", ["stream", "file"])
def test_an_arrow_table_is_answered_by_an_arrow_table(running: Running, kind: str) -> None:
    table, buffer = pl.DataFrame({**COLUMNS, "key": ["a", "b"]}), io.BytesIO()
    (table.write_ipc if kind == "file" else table.write_ipc_stream)(buffer)
    content_type = f"application/vnd.apache.arrow.{kind}"

    found = running.post("/predict", buffer.getvalue(), content_type=content_type)

    assert (found.status, found.headers["content-type"]) == (200, content_type)
    read = pl.read_ipc if kind == "file" else pl.read_ipc_stream
    answers = read(io.BytesIO(found.body))
    listed = json.loads(running.post("/predict", {"rows": ROWS}).body)["answers"]
    assert answers["key"].to_list() == ["a", "b"]
    assert answers["score"].to_list() == pytest.approx([one["score"] for one in listed])


def test_a_model_is_found_by_its_name(running: Running) -> None:
    assert running.post("/models/late/predict", {"row": ROW}).status == 200
    assert running.post("/models/l%61te/predict", {"row": ROW}).status == 200
    missing = running.post("/models/early/predict", {"row": ROW})
    assert missing.status == 404
    assert json.loads(missing.body)["error"]["code"] == "not_found"


def test_a_request_without_a_content_type_is_json(running: Running) -> None:
    assert running.ask("POST", "/predict", json.dumps({"row": ROW})).status == 200


# --- fields that do not fit -------------------------------------------------------------------


def test_every_field_that_does_not_fit_is_named(running: Running) -> None:
    wrong = [{**ROW, "wind": "strong", "hour": None}, ROW, {**ROW, "gate": 3}]

    found = running.post("/predict", {"rows": wrong})

    assert sorted(fields_of(found)) == [
        (0, "hour", "missing"), (0, "wind", "type"), (2, "gate", "unknown"),
    ]  # fmt: skip


HOSTILE_VALUES = [
    ("hour", "9223372036854775808"),  # 2^63
    ("hour", "-9223372036854775809"),
    ("hour", "3.7"),
    ("hour", "true"),
    ("hour", '"8"'),
    ("hour", "[8]"),
    ("hour", "{}"),
    ("hour", "1e300"),
    ("wind", "false"),
    ("wind", '"12.5"'),
    ("wind", '"NaN"'),
    ("carrier", "7"),
    ("carrier", "true"),
    ("carrier", "[]"),
]


@pytest.mark.parametrize(("name", "text"), HOSTILE_VALUES)
def test_a_value_of_another_type_is_a_field_error(running: Running, name: str, text: str) -> None:
    assert fields_of(running.post("/predict", row_with(name, text))) == [(0, name, "type")]
    column = f'{{"columns": {json.dumps({**COLUMNS, name: ["@", "@"]})}}}'
    table = running.post("/predict", column.replace('"@"', text))
    assert fields_of(table) == [(0, name, "type"), (1, name, "type")]


def test_a_whole_number_may_be_written_as_a_float(running: Running) -> None:
    assert running.post("/predict", row_with("hour", "8.0")).status == 200


def test_an_unseen_category_is_answered(running: Running) -> None:
    """The schema does not close it, and the model was fitted to ignore it."""
    assert running.post("/predict", {"row": {**ROW, "carrier": "ZZ"}}).status == 200


# --- bodies that are no request ---------------------------------------------------------------

REFUSED: list[tuple[str, bytes, int]] = [
    ("nothing", b"", 400),
    ("space", b"  ", 400),
    ("no JSON", b"wind=12", 400),
    ("cut short", b'{"row": {"wind": 12', 400),
    ("two values", b'{"row": {}} {}', 400),
    ("a list", b"[]", 400),
    ("a text", b'"row"', 400),
    ("null", b"null", 400),
    ("no form", b"{}", 400),
    ("two forms", json.dumps({"row": ROW, "rows": ROWS}).encode(), 400),
    ("row is a list", b'{"row": []}', 400),
    ("row is null", b'{"row": null}', 400),
    ("rows is an object", b'{"rows": {}}', 400),
    ("rows of lists", b'{"rows": [[1, 2]]}', 400),
    ("no rows", b'{"rows": []}', 400),
    ("no columns", b'{"columns": {}}', 400),
    ("empty columns", json.dumps({"columns": {n: [] for n in ROW}}).encode(), 400),
    ("columns of values", json.dumps({"columns": ROW}).encode(), 400),
    ("uneven columns", json.dumps({"columns": {**COLUMNS, "hour": [1]}}).encode(), 400),
    ("unknown column", json.dumps({"columns": {**COLUMNS, "gate": [1, 2]}}).encode(), 400),
    ("unknown member", json.dumps({"row": ROW, "rwo": 1}).encode(), 400),
    ("keys with one row", json.dumps({"row": ROW, "keys": ["a"]}).encode(), 400),
    ("key with rows", json.dumps({"rows": ROWS, "key": "a"}).encode(), 400),
    ("too few keys", json.dumps({"rows": ROWS, "keys": ["a"]}).encode(), 400),
    ("keys are a text", json.dumps({"rows": ROWS, "keys": "ab"}).encode(), 400),
    ("key is a list", json.dumps({"row": ROW, "key": ["a"]}).encode(), 400),
    ("key is a boolean", json.dumps({"row": ROW, "key": True}).encode(), 400),
    ("key is a fraction", json.dumps({"row": ROW, "key": 1.5}).encode(), 400),
    ("keys hold an object", json.dumps({"rows": ROWS, "keys": ["a", {}]}).encode(), 400),
    ("NaN", row_with("wind", "NaN").encode(), 400),
    ("Infinity", row_with("wind", "Infinity").encode(), 400),
    ("-Infinity", row_with("wind", "-Infinity").encode(), 400),
    ("member twice", b'{"row": {}, "row": {}}', 400),
    ("column twice", row_with("wind", '1, "wind": 2').encode(), 400),
    ("key twice", row_with("wind", "1").encode()[:-1] + b', "key": 1, "key": 2}', 400),
    ("column twice, escaped", row_with("wind", '1, "w\\u0069nd": 2').encode(), 400),
    ("twice below", row_with("wind", '{"a": 1, "a": 2}').encode(), 400),
    ("100,000 lists deep", b"[" * 100_000, 400),
    ("100,000 lists, closed", b"[" * 100_000 + b"]" * 100_000, 400),
    ("100,000 objects deep", b'{"row":' * 100_000, 400),
    ("deep in a value", row_with("wind", "[" * 100_000 + "]" * 100_000).encode(), 400),
    ("5,000 digits", row_with("hour", "9" * 5_000).encode(), 400),
    ("5,000 digits in a number", row_with("wind", "9" * 5_000).encode(), 400),
    ("not UTF-8", b'{"row": {"carrier": "\xff"}}', 400),
    ("UTF-16", json.dumps({"row": ROW}).encode("utf-16"), 400),
    ("byte order mark", b"\xef\xbb\xbf" + json.dumps({"row": ROW}).encode(), 400),
    ("half a surrogate pair", row_with("carrier", r'"\ud800"').encode(), 400),
    ("halves the wrong way", row_with("carrier", r'"\udc00\ud800"').encode(), 400),
    ("half a pair as a name", row_with("wind", r'1, "\ud800": 2').encode(), 400),
    ("control character", row_with("carrier", '"\n"').encode(), 400),
    ("single quotes", b"{'row': {}}", 400),
    ("comma at the end", row_with("wind", "1,").encode(), 400),
    ("a comment", b"/**/" + json.dumps({"row": ROW}).encode(), 400),
    ("leading zero", row_with("wind", "012").encode(), 400),
    ("hexadecimal", row_with("wind", "0x12").encode(), 400),
    ("plus sign", row_with("wind", "+1").encode(), 400),
]  # fmt: skip


@pytest.mark.parametrize(("body", "status"), [c[1:] for c in REFUSED], ids=[c[0] for c in REFUSED])
def test_a_body_that_is_no_request_is_refused(running: Running, body: bytes, status: int) -> None:
    found = running.post("/predict", body)

    assert found.status == status, found
    error = json.loads(found.body)["error"]
    assert error["code"] == "bad_request"
    assert 0 < len(error["message"]) < 400
    assert running.post("/predict", {"row": ROW}).status == 200


@pytest.mark.parametrize("number", ["1e999", "-1e999", "9" * 390 + ".0"])
def test_a_number_beyond_all_numbers_is_refused(running: Running, number: str) -> None:
    assert running.post("/predict", row_with("wind", number)).status in (400, 422)


@pytest.mark.parametrize("kind", ["text/plain", "text/csv", "application/xml", "json", "*/*"])
def test_another_content_type_is_refused(running: Running, kind: str) -> None:
    assert running.post("/predict", {"row": ROW}, content_type=kind).status == 415


def test_a_charset_changes_nothing(running: Running) -> None:
    kind = "Application/JSON; charset=utf-8"
    assert running.post("/predict", {"row": ROW}, content_type=kind).status == 200


@pytest.mark.parametrize("body", [b"", b"ARROW1", b"\xff" * 64, b"ARROW1\0\0" + b"\0" * 100])
@pytest.mark.parametrize("kind", ["stream", "file"])
def test_a_damaged_arrow_table_is_refused(running: Running, kind: str, body: bytes) -> None:
    found = running.post("/predict", body, content_type=f"application/vnd.apache.arrow.{kind}")
    assert found.status == 400


def test_more_rows_than_allowed_are_refused(opens: Opens, flight_bundle: Path) -> None:
    with opens(flight_bundle, limits=Limits(max_rows=3)) as running:
        many = {name: [value] * 4 for name, value in ROW.items()}
        assert running.post("/predict", {"columns": many}).status == 413
        assert running.post("/predict", {"rows": [ROW] * 4}).status == 413
        assert running.post("/predict", {"rows": [ROW] * 3}).status == 200


# --- the fast way says what the slow one says -------------------------------------------------

PLAIN = st.sampled_from(
    ["1", "1.0", "-0.0", "1e3", "1E-400", "1e400", "9223372036854775807", "9223372036854775808",
     "3.7", "null", "true", "false", '"AA"', '"\u00e9"', '"\x7f"', '"\x01"', '"\t"', r'"\u0041"',
     r'"\ud83d\ude00"', r'"\ud800"', '""', "[]", "[1]", "{}", '{"a":1}', "NaN", "9" * 30, "-1",
     "01", "1.", ".5", "8.0", "9007199254740993", "1e22", '"\u2028"']
)  # fmt: skip
NAMES = st.sampled_from([*ROW, *ROW, "gate", "", "wi\\u006ed"])
MEMBERS = st.lists(st.tuples(NAMES, PLAIN), max_size=6)
GOOD = st.fixed_dictionaries(
    {
        "wind": st.sampled_from(["1.5", "2", "1e3", "null", "-0.0"]),
        "hour": st.sampled_from(["8", "8.0", "null"]),
        "carrier": st.sampled_from(['"AA"', '"\u00e9"', '"ZZ"', '"\x01"']),
        "score": st.sampled_from(["1", "2.5"]),
    }
).map(lambda row: list(row.items()))


def _object(members: list[tuple[str, str]]) -> str:
    return "{" + ",".join(f'"{name}":{text}' for name, text in members) + "}"


LISTS = st.lists(PLAIN, max_size=3).map(lambda values: f"[{','.join(values)}]")
TABLES = st.one_of(
    st.lists(st.tuples(NAMES, LISTS), max_size=5).map(_object),
    st.fixed_dictionaries(dict.fromkeys(ROW, LISTS)).map(lambda t: _object(list(t.items()))),
    st.tuples(st.sampled_from([*ROW]), PLAIN, PLAIN).map(
        lambda it: _object(
            [(n, f"[{it[1]},{it[2]}]" if n == it[0] else json.dumps(COLUMNS[n])) for n in ROW]
        )
    ),
)
REQUESTS = st.lists(
    st.one_of(
        st.tuples(st.just("row"), st.one_of(GOOD, MEMBERS).map(_object)),
        st.tuples(st.just("columns"), TABLES),
        st.tuples(st.sampled_from(["key", "keys", "rows"]), st.one_of(PLAIN, LISTS)),
    ),
    min_size=1,
    max_size=3,
).map(_object)


def _asked(running: Running, body: bytes) -> tuple[int, Any]:
    async def answer() -> Response:
        found = running.assembly.app(Request(method="POST", path="/predict", body=body))
        return await found if isinstance(found, Awaitable) else found

    told = asyncio.run(answer())
    return told.status, _without_names(json.loads(told.body))


def _without_names(body: Any) -> Any:
    if isinstance(body, dict):
        return {n: _without_names(v) for n, v in body.items() if n not in ("id", "time")}
    if isinstance(body, list):
        return [_without_names(value) for value in body]
    return body


@given(body=REQUESTS)
@example(body=_object([("row", _object([("wind", "1"), ("wind", "2")]))]))
@settings(max_examples=400, deadline=None)
def test_both_ways_to_read_a_request_answer_alike(running: Running, body: str) -> None:
    """Values may differ in the last digits: a table is computed by other instructions."""
    status, fast = _asked(running, body.encode())
    with (
        mock.patch.object(FastRow, "read", return_value=None),
        mock.patch.object(FastColumns, "read", return_value=None),
    ):
        expected, slow = _asked(running, body.encode())

    assert (status, fast) == (expected, slow)


ANY_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["row", "rows", "columns", "key", "keys", "explain", *ROW])
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)


@given(value=ANY_JSON)
@example(value={"row": ROW, "explain": 1})
@settings(max_examples=300, deadline=None)
def test_no_json_makes_the_server_fail(running: Running, value: Any) -> None:
    body = json.dumps(value).encode()
    assert _asked(running, body)[0] in (200, 400, 413, 422)


@given(body=st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_no_bytes_make_the_server_fail(running: Running, body: bytes) -> None:
    assert _asked(running, body)[0] == 400


@pytest.mark.parametrize("name", ["a", "\u00e9", 'quo"te', "back\\slash", "line\nend", "\x00", ""])
@pytest.mark.parametrize("form", [FastRow, FastColumns])
def test_a_column_may_have_any_name(form: Any, name: str) -> None:
    """What cannot be read at once is left to the careful way."""
    fast = form(Schema(columns=(ColumnSchema(name=name, kind="number"),)))
    asked = {"row": {name: 1.5}} if form is FastRow else {"columns": {name: [1.5]}}
    body = json.dumps(asked, ensure_ascii=False).encode()

    found = fast.read(body) if fast.is_possible else None

    assert (found is None) == (not name.isprintable() or bool(set('"\\') & set(name)))


# --- models that did not compile, and models that fail ----------------------------------------


def test_a_model_that_did_not_compile_answers_alike(
    running: Running, running_plain: Running
) -> None:
    for asked in ({"row": ROW, "key": "a"}, {"rows": ROWS}, {"columns": COLUMNS}, {"rows": [ROW]}):
        compiled, plain = running.post("/predict", asked), running_plain.post("/predict", asked)
        assert (compiled.status, plain.status) == (200, 200)
        assert _rounded(json.loads(compiled.body)) == _rounded(json.loads(plain.body))
    wrong = {"row": {**ROW, "hour": 3.7}}
    assert fields_of(running_plain.post("/predict", wrong)) == [(0, "hour", "type")]


def _rounded(body: Any) -> Any:
    text = json.dumps(_without_names(body))
    return json.loads(text, parse_float=lambda digits: round(float(digits), 9))


class Secretive(LogisticRegression):  # type: ignore[misc]
    """Fails over every strong wind, and tells everything it knows."""

    def predict_proba(self, X: Any) -> Any:
        if np.asarray(X)[:, -3].max() > 50:
            raise RuntimeError("secret: /srv/models/late.pkl, row of Mrs Smith")
        return super().predict_proba(X)

    def predict(self, X: Any) -> Any:
        return self.classes_[np.argmax(self.predict_proba(X), axis=1)]


@pytest.fixture
def failing(make_model: Any) -> Iterator[Running]:
    log = MemoryLog()
    predictor = Predictor(make_model(Secretive()), version="late:4", deployment="late", sink=log)
    batcher = Batcher(predictor)
    served = Served(name="late", answering=predictor, batcher=batcher)
    assembly = assembly_of([served], sink=log)
    with serve_in_thread(assembly.server(lame_duck=0.0)) as server:
        yield Running(server, assembly, log)
    batcher.close()


STORM = {**ROW, "wind": 100_000.0}


@pytest.mark.parametrize("asked", [{"row": STORM}, {"rows": [ROW, STORM]}])
def test_what_a_failing_model_says_is_not_told(failing: Running, asked: Any) -> None:
    found = failing.post("/predict", asked)

    assert found.status == 500
    error = json.loads(found.body)["error"]
    assert error["code"] == "internal_error"
    for word in (b"secret", b"srv", b"Smith", b"Traceback", b"RuntimeError", b"100000"):
        assert word not in found.body
    assert "secret" in failing.log.frame()["error"].drop_nulls()[0]
    assert failing.post("/predict", {"row": ROW}).status == 200


# --- labels -----------------------------------------------------------------------------------

LABEL = {"value": True, "prediction_id": "01"}
AT = "2013-01-31T17:45:00Z"


@pytest.fixture(scope="module")
def labelled(opens: Opens, flight_bundle: Path) -> Iterator[tuple[Running, list[Label]]]:
    """A server that keeps labels, and those that it took."""
    taken: list[Label] = []
    with opens(flight_bundle, labels=taken.extend) as running:
        yield running, taken


def test_labels_are_handed_on(labelled: tuple[Running, list[Label]]) -> None:
    running, taken = labelled
    taken.clear()
    found = running.post(
        "/labels",
        {"labels": [LABEL, {"value": 1.5, "key": "UA-17", "time": AT, "observed_at": AT}]},
    )

    assert (found.status, json.loads(found.body)) == (202, {"accepted": 2})
    assert [(one.value, one.prediction_id, one.key) for one in taken] == [
        (True, "01", None), (1.5, None, "UA-17"),
    ]  # fmt: skip
    assert taken[1].time == taken[1].observed_at == datetime.fromisoformat(AT)


WRONG_LABELS: list[tuple[dict[str, Any], tuple[str, str]]] = [
    ({"prediction_id": "01"}, ("value", "missing")),
    ({"value": None, "prediction_id": "01"}, ("value", "missing")),
    ({"value": [1], "prediction_id": "01"}, ("value", "type")),
    ({"value": True}, ("prediction_id", "missing")),
    ({**LABEL, "key": "a", "time": AT}, ("prediction_id", "missing")),
    ({"value": True, "key": "a"}, ("time", "missing")),
    ({"value": True, "prediction_id": 1}, ("prediction_id", "type")),
    ({"value": True, "key": "a", "time": "yesterday"}, ("time", "type")),
    ({"value": True, "key": "a", "time": "2013-01-31T17:45:00"}, ("time", "type")),
    ({**LABEL, "observed_at": 5}, ("observed_at", "type")),
    ({**LABEL, "lable": 5}, ("lable", "unknown")),
]


@pytest.mark.parametrize(("label", "wrong"), WRONG_LABELS)
def test_a_wrong_label_is_refused_and_none_is_kept(
    labelled: tuple[Running, list[Label]], label: dict[str, Any], wrong: tuple[str, str]
) -> None:
    running, taken = labelled
    taken.clear()
    found = running.post("/labels", {"labels": [LABEL, label]})

    assert (1, *wrong) in fields_of(found)
    assert taken == []


@pytest.mark.parametrize("asked", [{}, {"labels": {}}, {"labels": [1]}, {"labels": []}, []])
def test_what_is_no_list_of_labels_is_refused(
    labelled: tuple[Running, list[Label]], asked: object
) -> None:
    assert labelled[0].post("/labels", asked).status == 400


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded"])
def test_labels_say_that_they_are_json(
    labelled: tuple[Running, list[Label]], kind: str | None
) -> None:
    """A page of another site can make a browser send these, and only these, without asking."""
    headers = {} if kind is None else {"Content-Type": kind}
    body = json.dumps({"labels": [LABEL]})
    assert labelled[0].ask("POST", "/labels", body, headers).status == 415


def test_a_server_that_keeps_no_labels_says_so(running: Running) -> None:
    assert running.post("/labels", {"labels": [LABEL]}).status == 501
