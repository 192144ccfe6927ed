"""What MLflow's scoring server and SageMaker's containers answer, over a real port."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import Answer, Opens, Running
from .test_plain import COLUMNS, ROW, ROWS, STORM, failing  # noqa: F401 (a fixture)

NAMES = list(ROW)
VALUES = [list(row.values()) for row in ROWS]
HEADER = ",".join(NAMES)
LINES = ["12.5,8,AA,4.0", "40.0,21,B6,10.5"]


def predictions(answer: Answer) -> list[Any]:
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "application/json"
    body = json.loads(answer.body)
    assert body.keys() == {"predictions"}
    found: list[Any] = body["predictions"]
    return found


def message(answer: Answer, *, status: int = 400) -> str:
    assert answer.status == status, answer
    assert answer.headers["content-type"] == "application/json"
    body = json.loads(answer.body)
    assert body.keys() == {"error_code", "message"}
    assert body["error_code"] == ("BAD_REQUEST" if status < 500 else "INTERNAL_ERROR")
    told: str = body["message"]
    return told


def test_the_server_lives(running: Running, opens: Opens, flight_bundle: Path) -> None:
    assert [running.ask("GET", path).status for path in ("/ping", "/health")] == [200, 200]
    with opens(flight_bundle) as ending:
        ending.assembly.service.is_draining = lambda: True
        assert [ending.ask("GET", path).status for path in ("/ping", "/health")] == [503, 503]


def test_the_version_is_bare_text(running: Running) -> None:
    from packaging.version import Version

    found = running.ask("GET", "/version")
    assert found.headers["content-type"].startswith("text/plain")
    assert Version(found.body.decode()).release


FORMS: list[tuple[str, dict[str, Any]]] = [
    ("split", {"dataframe_split": {"columns": NAMES, "data": VALUES}}),
    ("split with index", {"dataframe_split": {"index": [7, 9], "columns": NAMES, "data": VALUES}}),
    ("split, other order",
     {"dataframe_split": {"columns": NAMES[::-1], "data": [v[::-1] for v in VALUES]}}),
    ("split, extra column",
     {"dataframe_split": {"columns": [*NAMES, "gate"], "data": [[*v, 1] for v in VALUES]}}),
    ("records", {"dataframe_records": ROWS}),
    ("records, other order", {"dataframe_records": [dict(reversed(r.items())) for r in ROWS]}),
    ("records, extra column", {"dataframe_records": [{**r, "gate": "B"} for r in ROWS]}),
    ("instances of objects", {"instances": ROWS}),
    ("instances of lists", {"instances": VALUES}),
    ("inputs by column", {"inputs": COLUMNS}),
    ("inputs by column, extra", {"inputs": {**COLUMNS, "gate": [1, 2]}}),
    ("inputs of objects", {"inputs": ROWS}),
    ("inputs of lists", {"inputs": VALUES}),
    ("with parameters", {"instances": ROWS, "params": {"a": 1}, "whatever": None}),
]  # fmt: skip


@pytest.mark.parametrize("asked", [form[1] for form in FORMS], ids=[form[0] for form in FORMS])
def test_every_form_means_the_same(running: Running, asked: dict[str, Any]) -> None:
    plain = running.post("/predict", {"rows": ROWS})
    expected = [one["prediction"] for one in json.loads(plain.body)["answers"]]

    assert predictions(running.post("/invocations", asked)) == expected


def test_inputs_of_single_values_are_one_row(running: Running) -> None:
    assert len(predictions(running.post("/invocations", {"inputs": ROW}))) == 1


def test_whole_numbers_are_taken_for_numbers(running: Running) -> None:
    rows = [{**ROW, "wind": 12, "score": 4}]
    assert len(predictions(running.post("/invocations", {"dataframe_records": rows}))) == 1


REFUSED: list[tuple[str, Any, str]] = [
    ("no form", {}, "exactly one of"),
    ("two forms", {"instances": ROWS, "inputs": ROWS}, "exactly one of"),
    ("a list", ROWS, "object"),
    ("a number", 7, "object"),
    ("nothing", b"", "JSON"),
    ("a member twice", '{"instances": [], "instances": []}', "twice"),
    ("no rows", {"instances": []}, "at least one"),
    ("no columns", {"inputs": {}}, "lacks"),
    ("missing column", {"dataframe_records": [{"wind": 1.0, "hour": 1}]}, "carrier"),
    ("missing column in split", {"dataframe_split": {"columns": ["wind"], "data": [[1]]}}, "hour"),
    ("missing column in inputs", {"inputs": {"wind": [1.0]}}, "hour"),
    ("second row lacks", {"instances": [ROW, {}]}, "row 1"),
    ("list too short", {"instances": [[1.0, 2]]}, "in this order"),
    ("records of lists", {"dataframe_records": VALUES}, "row 0"),
    ("records is an object", {"dataframe_records": ROW}, "list"),
    ("split is a list", {"dataframe_split": VALUES}, "columns and data"),
    ("split, names twice",
     {"dataframe_split": {"columns": ["wind"] * 4, "data": VALUES}}, "distinct"),
    ("split, names are numbers",
     {"dataframe_split": {"columns": [0, 1, 2, 3], "data": VALUES}}, "distinct"),
    ("split, row too short", {"dataframe_split": {"columns": NAMES, "data": [[1]]}}, "row 0"),
    ("uneven columns", {"inputs": {**COLUMNS, "wind": [1.0]}}, "length"),
    ("text for a number", {"instances": [{**ROW, "wind": "12"}]}, "wind"),
    ("fraction", {"instances": [{**ROW, "hour": 8.5}]}, "hour"),
    ("boolean", {"instances": [{**ROW, "hour": True}]}, "hour"),
    ("2^63", {"inputs": {**COLUMNS, "hour": [2**63, 1]}}, "hour"),
    ("missing value", {"instances": [{**ROW, "hour": None}]}, "hour"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("asked", "told"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED]
)
def test_what_does_not_fit_is_refused_in_words(running: Running, asked: Any, told: str) -> None:
    assert told in message(running.post("/invocations", asked))


def test_what_a_failing_model_says_is_not_told(failing: Running) -> None:  # noqa: F811
    told = message(failing.post("/invocations", {"instances": [ROW, STORM]}), status=500)
    assert "secret" not in told


# --- CSV --------------------------------------------------------------------------------------


def csv(*lines: str, end: str = "\n") -> str:
    return "".join(f"{line}{end}" for line in lines)


@pytest.mark.parametrize(
    "body",
    [
        csv(HEADER, *LINES),
        csv(*LINES),
        csv(HEADER, *LINES, end="\r\n"),
        csv(*LINES)[:-1],
        "\ufeff" + csv(HEADER, *LINES),
        csv(*LINES, ""),
        csv("carrier,score,hour,wind,gate", "AA,4.0,8,12.5,x", "B6,10.5,21,40.0,"),
        csv(
            f'"{HEADER.replace(",", chr(34) + "," + chr(34))}"', '"12.5","8","AA","4.0"', LINES[1]
        ),
        csv("12.5,8.0,AA,4", "4e1,21,B6,10.5"),
    ],
)
@pytest.mark.parametrize("kind", ["text/csv", "text/csv; charset=utf-8", "Text/CSV;charset=UTF-8"])
def test_csv_is_read_with_a_header_and_without(running: Running, body: str, kind: str) -> None:
    expected = predictions(running.post("/invocations", {"instances": ROWS}))
    assert predictions(running.post("/invocations", body, content_type=kind)) == expected


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("", "at least one"),
        ("\n\n", "at least one"),
        (csv(HEADER), "at least one"),
        (csv("wind,hour", "1,2"), "lacks"),
        (csv("wind,hour,score,carrrier", "1,2,3,AA"), "lacks"),
        (csv(HEADER + ",wind", LINES[0] + ",1"), "twice"),
        (csv(HEADER, LINES[0] + ",1"), "row 0"),
        (csv(LINES[0], "1,2"), "row 1"),
        (csv("strong,8,AA,4"), "wind"),
        (csv(HEADER, "12.5,8.5,AA,4"), "hour"),
        (csv(HEADER, "12.5,,AA,4"), "hour"),
        (csv(HEADER, "12.5,1_0,AA,4"), "hour"),
        (csv(HEADER, "inf,8,AA,4"), "wind"),
        (csv(HEADER, "0x10,8,AA,4"), "wind"),
        (csv(HEADER, "12.5,9223372036854775808,AA,4"), "hour"),
        (csv(HEADER, f"12.5,{'9' * 5000},AA,4"), "hour"),
        (csv(HEADER, '12.5,8,"AA'), "CSV"),
        (csv(HEADER, '12.5,8,"A"A,4'), "CSV"),
        (b"\xff\xfe" + csv(HEADER, *LINES).encode("utf-16-le"), "CSV"),
    ],
)  # fmt: skip
def test_csv_that_does_not_fit_is_refused_in_words(
    running: Running, body: str | bytes, told: str
) -> None:
    found = running.post("/invocations", body, content_type="text/csv")
    assert told in message(found)


def test_answers_come_as_csv_if_asked_for(running: Running) -> None:
    expected = predictions(running.post("/invocations", {"instances": ROWS}))
    for accepted in ("text/csv", "text/csv; charset=utf-8"):
        found = running.post("/invocations", csv(*LINES), content_type="text/csv", accept=accepted)
        assert found.status == 200
        assert found.headers["content-type"].startswith("text/csv")
        assert found.body.decode().splitlines() == [str(one) for one in expected]
    found = running.post("/invocations", csv(*LINES), content_type="text/csv", accept="*/*")
    assert predictions(found) == expected


# --- content types ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain", "application/x-npy", "application/jsonlines", "text/csv; charset=latin-1",
        "application/json; charset=utf-16", "application/json; profile=x", "json", "",
    ],
)  # fmt: skip
def test_another_content_type_is_refused_in_plain_text(running: Running, kind: str) -> None:
    found = running.ask("POST", "/invocations", csv(*LINES), {"Content-Type": kind})

    assert found.status == 415
    assert found.headers["content-type"].startswith("text/plain")
    assert b"text/csv" in found.body


def test_no_content_type_is_refused(running: Running) -> None:
    assert running.ask("POST", "/invocations", csv(*LINES)).status == 415


def test_headers_of_sagemaker_are_ignored(running: Running) -> None:
    headers = {
        "Content-Type": "text/csv",
        "X-Amzn-SageMaker-Custom-Attributes": "trace=1",
        "X-Amzn-SageMaker-Target-Model": "other.tar.gz",
        "X-Amzn-Trace-Id": "Root=1-5759e988",
    }
    assert running.ask("POST", "/invocations", csv(*LINES), headers).status == 200


def test_errors_elsewhere_keep_the_form(running: Running) -> None:
    found = running.ask("GET", "/invocations")
    assert found.headers["allow"] == "POST"
    message(found, status=405)
