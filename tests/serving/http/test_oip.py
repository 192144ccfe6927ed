"""The Open Inference Protocol, version 2, line by line, over a real port."""

from __future__ import annotations

import gzip
import json
import math
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LinearRegression

from mldeploy.serving import Batcher, MemoryLog, Predictor
from mldeploy.serving.http import Limits, Request, Response, Served, assembly_of, serve_in_thread

from .conftest import Answer, Opens, Running
from .test_plain import COLUMNS

KINDS = {"wind": "FP64", "hour": "INT64", "carrier": "BYTES", "score": "FP64"}
INFER = "/v2/models/late/infer"


def tensor(name: str, values: list[Any] | None = None, **more: Any) -> dict[str, Any]:
    values = list(COLUMNS[name]) if values is None else values
    return {
        "name": name, "shape": [len(values)], "datatype": KINDS[name], "data": values, **more,
    }  # fmt: skip


def inputs(**instead: dict[str, Any]) -> list[dict[str, Any]]:
    return [instead.get(name, tensor(name)) for name in KINDS]


def error_of(answer: Answer) -> str:
    assert answer.headers["content-type"] == "application/json"
    body = json.loads(answer.body)
    assert body.keys() == {"error"}
    assert isinstance(body["error"], str)
    assert body["error"]
    return body["error"]


def outputs_of(answer: Answer) -> dict[str, Any]:
    assert answer.status == 200, answer
    return {one["name"]: one for one in json.loads(answer.body)["outputs"]}


# --- what the server is -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/v2/health/live", {"live": True}),
        ("/v2/health/ready", {"ready": True}),
        ("/v2/models/late/ready", {"name": "late", "ready": True}),
        ("/v2/models/late/versions/3/ready", {"name": "late", "ready": True}),
        ("/v2/models/l%61te/ready", {"name": "late", "ready": True}),
    ],
)
def test_health_is_told(running: Running, path: str, told: dict[str, Any]) -> None:
    found = running.ask("GET", path)
    assert (found.status, json.loads(found.body)) == (200, told)
    assert found.headers["content-type"] == "application/json"


def test_health_is_not_told_to_be_good_while_the_server_ends(
    opens: Opens, flight_bundle: Path
) -> None:
    with opens(flight_bundle) as running:
        running.assembly.service.is_draining = lambda: True
        for path in ("/v2/health/ready", "/v2/models/late/ready"):
            found = running.ask("GET", path)
            assert (found.status, json.loads(found.body)["ready"]) == (503, False)
        assert running.ask("GET", "/v2/health/live").status == 200


@pytest.mark.parametrize("path", ["/v2", "/v2/"])
def test_the_server_says_what_it_is(running: Running, path: str) -> None:
    told = json.loads(running.ask("GET", path).body)
    assert told.keys() == {"name", "version", "extensions"}
    assert told["extensions"] == ["binary_tensor_data"]
    assert isinstance(told["version"], str)


@pytest.mark.parametrize("path", ["/v2/models/late", "/v2/models/late/versions/3"])
def test_the_tensors_of_a_model_are_described(running: Running, path: str) -> None:
    told = json.loads(running.ask("GET", path).body)
    assert (told["name"], told["versions"], told["platform"]) == (
        "late", ["3"], "mldeploy_compiled",
    )  # fmt: skip
    assert told["inputs"] == [
        {"name": name, "datatype": kind, "shape": [-1]} for name, kind in KINDS.items()
    ]
    assert told["outputs"] == [
        {"name": "prediction", "datatype": "BOOL", "shape": [-1]},
        {"name": "score", "datatype": "FP64", "shape": [-1]},
        {"name": "prediction_id", "datatype": "BYTES", "shape": [-1]},
        {"name": "route", "datatype": "BYTES", "shape": [-1]},
    ]


# --- JSON in and out --------------------------------------------------------------------------


def test_tensors_are_answered_by_tensors(running: Running) -> None:
    found = running.post(INFER, {"id": "seventeen", "inputs": inputs()})

    told, plain = json.loads(found.body), running.post("/predict", {"columns": COLUMNS})
    expected = json.loads(plain.body)["answers"]
    assert found.headers["content-type"] == "application/json"
    assert (told["model_name"], told["model_version"], told["id"]) == ("late", "3", "seventeen")
    outputs = outputs_of(found)
    assert list(outputs) == ["prediction", "score", "prediction_id", "route"]
    assert outputs["prediction"]["data"] == expected["prediction"]
    assert outputs["score"]["data"] == pytest.approx(expected["score"])
    described = json.loads(running.ask("GET", "/v2/models/late").body)["outputs"]
    for one in described:
        assert outputs[one["name"]]["datatype"] == one["datatype"]
        assert outputs[one["name"]]["shape"] == [2]
        assert len(outputs[one["name"]]["data"]) == 2


def test_without_an_id_none_is_told(running: Running) -> None:
    assert "id" not in json.loads(running.post(INFER, {"inputs": inputs()}).body)


@pytest.mark.parametrize("path", ["versions/3/infer", "infer"])
def test_a_version_may_be_asked_for(running: Running, path: str) -> None:
    assert running.post(f"/v2/models/late/{path}", {"inputs": inputs()}).status == 200


@pytest.mark.parametrize(
    "instead",
    [
        tensor("wind", [[12.5], [40.0]]),
        tensor("wind", [[12.5], [40.0]], shape=[2, 1]),
        tensor("wind", [12.5, 40.0], shape=[2, 1]),
        tensor("wind", [12.5, 40.0], datatype="FP32"),
        tensor("wind", [12.5, 40]),
        tensor("wind", [12.5, 40.0], parameters={"whatever": [1]}),
        tensor("wind", [12.5, 40.0], parameters=None),
    ],
)
def test_the_same_tensor_may_be_written_in_many_ways(
    running: Running, instead: dict[str, Any]
) -> None:
    asked = {"inputs": inputs(wind=instead), "parameters": {"unknown": 1}}
    expected = outputs_of(running.post(INFER, {"inputs": inputs()}))["score"]["data"]
    assert outputs_of(running.post(INFER, asked))["score"]["data"] == expected


@pytest.mark.parametrize("kind", ["INT8", "UINT8", "INT16", "UINT16", "INT32", "UINT32", "UINT64"])
def test_whole_numbers_of_any_width_are_taken(running: Running, kind: str) -> None:
    asked = {"inputs": inputs(hour=tensor("hour", datatype=kind))}
    assert running.post(INFER, asked).status == 200


def test_outputs_are_those_that_are_asked_for_in_that_order(running: Running) -> None:
    asked = {"inputs": inputs(), "outputs": [{"name": "route"}, {"name": "prediction"}]}
    assert list(outputs_of(running.post(INFER, asked))) == ["route", "prediction"]


@pytest.mark.parametrize("kind", [None, "application/json", "application/json; charset=utf-8"])
def test_json_needs_no_content_type(running: Running, kind: str | None) -> None:
    headers = {} if kind is None else {"Content-Type": kind}
    body = json.dumps({"inputs": inputs()})
    assert running.ask("POST", INFER, body, headers).status == 200


def test_a_compressed_body_is_read(running: Running) -> None:
    body = json.dumps({"inputs": inputs()}).encode()
    for name, packed in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body))):
        assert running.ask("POST", INFER, packed, {"Content-Encoding": name}).status == 200
        refused = running.ask("POST", INFER, body, {"Content-Encoding": name})
        assert (refused.status, bool(error_of(refused))) == (400, True)
    refused = running.ask("POST", INFER, body, {"Content-Encoding": "br"})
    assert (refused.status, bool(error_of(refused))) == (415, True)


# --- what is refused --------------------------------------------------------------------------

REFUSED: list[tuple[str, Any]] = [
    ("no inputs", {}),
    ("inputs null", {"inputs": None}),
    ("inputs empty", {"inputs": []}),
    ("inputs object", {"inputs": {}}),
    ("input list", {"inputs": [[]]}),
    ("input missing", {"inputs": inputs()[:2]}),
    ("input unknown", {"inputs": [*inputs(), {**tensor("wind"), "name": "gate"}]}),
    ("input twice", {"inputs": [*inputs(), tensor("wind")]}),
    ("input without name", {"inputs": inputs(wind={**tensor("wind"), "name": None})}),
    ("id number", {"inputs": inputs(), "id": 17}),
    ("parameters list", {"inputs": inputs(), "parameters": []}),
    ("parameters of a tensor", {"inputs": inputs(wind=tensor("wind", parameters="x"))}),
    ("parameters of an output", {"inputs": inputs(),
                                 "outputs": [{"name": "score", "parameters": 0}]}),
    ("outputs object", {"inputs": inputs(), "outputs": {"name": "score"}}),
    ("output unknown", {"inputs": inputs(), "outputs": [{"name": "shap"}]}),
    ("output text", {"inputs": inputs(), "outputs": ["score"]}),
    ("shape missing", {"inputs": inputs(wind=tensor("wind", shape=None))}),
    ("shape empty", {"inputs": inputs(wind=tensor("wind", shape=[]))}),
    ("shape text", {"inputs": inputs(wind=tensor("wind", shape="2"))}),
    ("shape fraction", {"inputs": inputs(wind=tensor("wind", shape=[2.0]))}),
    ("shape boolean", {"inputs": inputs(wind=tensor("wind", shape=[True]))}),
    ("shape negative", {"inputs": inputs(wind=tensor("wind", shape=[-1]))}),
    ("shape 2^62", {"inputs": inputs(wind=tensor("wind", shape=[2**62]))}),
    ("shape 2^62 x 4", {"inputs": inputs(wind=tensor("wind", shape=[2**62, 4]))}),
    ("shape 2^64", {"inputs": inputs(wind=tensor("wind", shape=[2**64]))}),
    ("shape 0 x 2^62", {"inputs": inputs(wind=tensor("wind", shape=[0, 2**62]))}),
    ("shape too small", {"inputs": inputs(wind=tensor("wind", shape=[1]))}),
    ("shape matrix", {"inputs": inputs(wind=tensor("wind", [1, 2, 3, 4], shape=[2, 2]))}),
    ("shape of 1000 ones", {"inputs": inputs(wind=tensor("wind", shape=[1] * 1000))}),
    ("lengths differ", {"inputs": inputs(wind=tensor("wind", [1.0]))}),
    ("no rows", {"inputs": [tensor(name, []) for name in KINDS]}),
    ("data missing", {"inputs": inputs(wind=tensor("wind", data=None))}),
    ("data number", {"inputs": inputs(wind=tensor("wind", data=1))}),
    ("data text", {"inputs": inputs(wind=tensor("wind", data="12"))}),
    ("data object", {"inputs": inputs(wind=tensor("wind", data={"0": 1}))}),
    ("data deep", {"inputs": inputs(wind=tensor("wind", [json.loads("[" * 90 + "]" * 90), 1]))}),
    ("datatype missing", {"inputs": inputs(wind=tensor("wind", datatype=None))}),
    ("datatype list", {"inputs": inputs(wind=tensor("wind", datatype=["FP64"]))}),
    ("datatype BF16", {"inputs": inputs(wind=tensor("wind", datatype="BF16"))}),
    ("datatype lower", {"inputs": inputs(wind=tensor("wind", datatype="fp64"))}),
    ("datatype of text", {"inputs": inputs(wind=tensor("wind", datatype="BYTES"))}),
    ("text for a number", {"inputs": inputs(wind=tensor("wind", ["12", 1.0]))}),
    ("boolean for a number", {"inputs": inputs(wind=tensor("wind", [True, 1.0]))}),
    ("fraction in INT64", {"inputs": inputs(hour=tensor("hour", [8.5, 1]))}),
    ("fraction in FP64 for a whole number",
     {"inputs": inputs(hour=tensor("hour", [8.5, 1], datatype="FP64"))}),
    ("2^63 in INT64", {"inputs": inputs(hour=tensor("hour", [2**63, 1]))}),
    ("2^63 in UINT64", {"inputs": inputs(hour=tensor("hour", [2**63, 1], datatype="UINT64"))}),
    ("-1 in UINT8", {"inputs": inputs(hour=tensor("hour", [-1, 1], datatype="UINT8"))}),
    ("256 in UINT8", {"inputs": inputs(hour=tensor("hour", [256, 1], datatype="UINT8"))}),
    ("number in BYTES", {"inputs": inputs(carrier=tensor("carrier", [1, "AA"]))}),
    ("missing value", {"inputs": inputs(hour=tensor("hour", [None, 1]))}),
    ("binary size without bytes",
     {"inputs": inputs(wind={**tensor("wind"), "parameters": {"binary_data_size": 16}})}),
    ("a list", []),
    ("NaN", '{"inputs": [{"name": "wind", "shape": [1], "datatype": "FP64", "data": [NaN]}]}'),
    ("nothing", b""),
    ("no JSON", b"\x93NUMPY"),
]  # fmt: skip


@pytest.mark.parametrize("asked", [case[1] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_what_is_malformed_is_refused(running: Running, asked: Any) -> None:
    found = running.post(INFER, asked)

    assert found.status == 400, found
    assert error_of(found)
    assert running.post(INFER, {"inputs": inputs()}).status == 200


def test_nothing_is_predicted_before_the_whole_request_is_known_to_be_good(
    running: Running,
) -> None:
    before = len(running.log.frame())
    asked = {"inputs": inputs(), "parameters": []}
    assert running.post(INFER, asked).status == 400
    assert len(running.log.frame()) == before


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v2/models/early", 404),
        ("GET", "/v2/models/Late", 404),
        ("GET", "/v2/models/early/ready", 404),
        ("GET", "/v2/models/late/versions/4", 404),
        ("GET", "/v2/models/late/versions/4/ready", 404),
        ("POST", "/v2/models/early/infer", 404),
        ("POST", "/v2/models/late/versions/4/infer", 404),
        ("GET", "/v2/nowhere", 404),
        ("GET", "/v2/models/late/config", 404),
        ("GET", "/v2/models/%2e%2e%2fetc%2fpasswd", 404),
        ("GET", "/v2/models/%ff", 404),
        ("GET", INFER, 405),
        ("PUT", INFER, 405),
        ("DELETE", "/v2/models/late", 405),
        ("POST", "/v2", 405),
        ("POST", "/v2/health/live", 405),
    ],
)
def test_errors_have_the_form_of_the_protocol(
    running: Running, method: str, path: str, status: int
) -> None:
    found = running.ask(method, path, b"{}" if method == "POST" else None)

    assert (found.status, bool(error_of(found))) == (status, True)
    assert ("allow" in found.headers) == (status == 405)


def test_errors_of_the_transport_have_the_form_too(opens: Opens, flight_bundle: Path) -> None:
    with opens(flight_bundle, limits=Limits(max_body=1000, max_rows=1)) as running:
        large = running.post(INFER, {"inputs": inputs(), "id": "x" * 1000})
        many = running.post(INFER, {"inputs": inputs()})
        assert (large.status, many.status) == (413, 413)
        assert error_of(large)
        assert error_of(many)


@pytest.mark.parametrize("kind", ["text/csv", "text/plain", "application/x-npy"])
def test_another_content_type_is_refused(running: Running, kind: str) -> None:
    found = running.post(INFER, {"inputs": inputs()}, content_type=kind)
    assert (found.status, bool(error_of(found))) == (415, True)


# --- binary tensors ---------------------------------------------------------------------------

FORMATS = {"FP64": "<d", "FP32": "<f", "FP16": "<e", "INT64": "<q", "UINT64": "<Q", "INT8": "<b"}


def bytes_of(datatype: str, values: list[Any]) -> bytes:
    if datatype == "BYTES":
        texts = [value.encode() for value in values]
        return b"".join(struct.pack("<I", len(text)) + text for text in texts)
    return b"".join(struct.pack(FORMATS[datatype], value) for value in values)


def ask_binary(
    running: Running, asked: dict[str, Any], tail: bytes, length: str | None = None
) -> Answer:
    head = json.dumps(asked).encode()
    headers = {
        "Content-Type": "application/octet-stream",
        "Inference-Header-Content-Length": str(len(head)) if length is None else length,
    }
    return running.ask("POST", INFER, head + tail, headers)


def binary(name: str, data: bytes, **more: Any) -> dict[str, Any]:
    found = tensor(name, **{"parameters": {"binary_data_size": len(data)}, **more})
    del found["data"]
    return found


def binary_request(**instead: tuple[str, list[Any]]) -> tuple[dict[str, Any], bytes]:
    tensors, tail = [], b""
    for name, kind in KINDS.items():
        datatype, values = instead.get(name, (kind, COLUMNS[name]))
        data = bytes_of(datatype, values)
        tensors.append(binary(name, data, datatype=datatype))
        tail += data
    return {"inputs": tensors}, tail


def test_binary_tensors_mean_what_json_means(running: Running) -> None:
    expected = outputs_of(running.post(INFER, {"inputs": inputs()}))["score"]["data"]
    assert outputs_of(ask_binary(running, *binary_request()))["score"]["data"] == expected
    for kind in ("FP32", "FP16"):  # 12.5 and 40 are exact in both
        asked = binary_request(wind=(kind, COLUMNS["wind"]))
        assert outputs_of(ask_binary(running, *asked))["score"]["data"] == expected
    asked = binary_request(hour=("INT8", COLUMNS["hour"]))
    assert outputs_of(ask_binary(running, *asked))["score"]["data"] == expected


def test_binary_and_json_tensors_may_be_mixed(running: Running) -> None:
    data = bytes_of("FP64", COLUMNS["score"])
    asked = {"inputs": inputs(score=binary("score", data))}
    expected = outputs_of(running.post(INFER, {"inputs": inputs()}))["score"]["data"]
    assert outputs_of(ask_binary(running, asked, data))["score"]["data"] == expected


def read_binary(answer: Answer) -> dict[str, Any]:
    """Return the outputs of a binary answer, decoded by the letter of the extension."""
    assert answer.status == 200, answer
    assert answer.headers["content-type"] == "application/octet-stream"
    assert int(answer.headers["content-length"]) == len(answer.body)
    size = int(answer.headers["inference-header-content-length"])
    told, tail, found = json.loads(answer.body[:size]), answer.body[size:], {}
    for one in told["outputs"]:
        if "data" in one:
            assert "parameters" not in one
            found[one["name"]] = one["data"]
            continue
        n_bytes = one["parameters"]["binary_data_size"]
        data, tail = tail[:n_bytes], tail[n_bytes:]
        found[one["name"]] = decoded(data, one["datatype"], math.prod(one["shape"]))
    assert tail == b""
    return found


def decoded(data: bytes, datatype: str, count: int) -> list[Any]:
    if datatype == "BYTES":
        texts = []
        while data:
            (length,) = struct.unpack("<I", data[:4])
            texts.append(data[4 : 4 + length].decode())
            data = data[4 + length :]
        assert len(texts) == count
        return texts
    form = {"BOOL": "?", "FP64": "d", "INT64": "q"}[datatype]
    return list(struct.unpack(f"<{count}{form}", data))


@pytest.mark.parametrize(
    ("more", "n_binary"),
    [
        ({"parameters": {"binary_data_output": True}}, 4),
        ({"outputs": [{"name": "score", "parameters": {"binary_data": True}},
                      {"name": "prediction"}]}, 1),
        ({"outputs": [{"name": "prediction"}, {"name": "score"}],
          "parameters": {"binary_data_output": True}}, 2),
        ({"outputs": [{"name": "prediction", "parameters": {"binary_data": False}},
                      {"name": "score"}], "parameters": {"binary_data_output": True}}, 1),
    ],
)  # fmt: skip
def test_outputs_are_binary_where_asked_for(
    running: Running, more: dict[str, Any], n_binary: int
) -> None:
    expected = outputs_of(running.post(INFER, {"inputs": inputs()}))

    found = running.post(INFER, {"inputs": inputs(), **more})

    told = read_binary(found)
    assert told["prediction"] == expected["prediction"]["data"]
    assert told["score"] == expected["score"]["data"]
    assert list(told) == [one["name"] for one in more.get("outputs", expected.values())]
    assert found.body.count(b"binary_data_size") == n_binary


GOOD, TAIL = binary_request()
SIZE = len(json.dumps(GOOD).encode())


@pytest.mark.parametrize(
    ("asked", "tail", "length"),
    [
        (GOOD, TAIL[:-1], None),
        (GOOD, TAIL + b"\0", None),
        (GOOD, b"", None),
        (GOOD, TAIL, "0"),
        (GOOD, TAIL, "x"),
        (GOOD, TAIL, "-1"),
        (GOOD, TAIL, "+1"),
        (GOOD, TAIL, "1e3"),
        (GOOD, TAIL, "9" * 30),
        (GOOD, TAIL, str(SIZE + len(TAIL) + 1)),
        (GOOD, TAIL, str(SIZE - 1)),
        (GOOD, TAIL, str(SIZE + 1)),
        ({"inputs": inputs(wind=binary("wind", b"\0" * 16, shape=[3]))}, b"\0" * 16, None),
        ({"inputs": inputs(wind=binary("wind", b"\0" * 16, shape=[2**62]))}, b"\0" * 16, None),
        ({"inputs": inputs(wind=binary("wind", b"", parameters={"binary_data_size": True}))},
         b"\0", None),
        ({"inputs": inputs(wind=binary("wind", b"", parameters={"binary_data_size": -1}))},
         b"", None),
        ({"inputs": inputs(wind=binary("wind", b"", parameters={"binary_data_size": "16"}))},
         b"\0" * 16, None),
        ({"inputs": inputs(wind=tensor("wind", parameters={"binary_data_size": 16}))},
         b"\0" * 16, None),
        ({"inputs": inputs(carrier=binary("carrier", b"\xff\xff\xff\xffAA"))},
         b"\xff\xff\xff\xffAA", None),
        ({"inputs": inputs(carrier=binary("carrier", b"\1\0\0\0\xff\1\0\0\0A"))},
         b"\1\0\0\0\xff\1\0\0\0A", None),
        ({"inputs": inputs(carrier=binary("carrier", b"\1\0\0\0A"))}, b"\1\0\0\0A", None),
        (*binary_request(wind=("FP64", [math.nan, 1.0])), None),
        (*binary_request(wind=("FP64", [math.inf, 1.0])), None),
        (*binary_request(hour=("UINT64", [2**63, 1])), None),
        (*binary_request(hour=("FP64", [8.5, 1.0])), None),
    ],
)  # fmt: skip
def test_binary_tensors_that_do_not_fit_are_refused(
    running: Running, asked: dict[str, Any], tail: bytes, length: str | None
) -> None:
    found = ask_binary(running, asked, tail, length)

    assert found.status == 400, found
    assert error_of(found)
    assert ask_binary(running, GOOD, TAIL).status == 200


WHOLE = json.dumps(GOOD).encode() + TAIL


@given(
    place=st.integers(0, len(WHOLE)),
    cut=st.integers(0, 9),
    put=st.binary(max_size=9),
    length=st.integers(0, len(WHOLE) + 2) | st.just(SIZE),
)
@settings(max_examples=400, deadline=None)
def test_no_change_of_the_bytes_makes_the_server_fail(
    running: Running, place: int, cut: int, put: bytes, length: int
) -> None:
    body = WHOLE[:place] + put + WHOLE[place + cut :]
    headers = {
        b"content-type": b"application/octet-stream",
        b"inference-header-content-length": str(length).encode(),
    }
    request = Request(method="POST", path=INFER, headers=headers, body=body)
    told = running.assembly.app(request)
    assert isinstance(told, Response)
    assert told.status in (200, 400)


def test_binary_data_without_the_header_are_not_read_as_json(running: Running) -> None:
    body = json.dumps({"inputs": inputs()})
    found = running.post(INFER, body, content_type="application/octet-stream")
    assert (found.status, "Inference-Header-Content-Length" in error_of(found)) == (400, True)


# --- other models -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def weather(make_model: Any) -> Iterator[Running]:
    """Three classes that are texts, by a model that did not compile."""
    target = np.resize(np.array(["calm", "rain é", "snow"]), len(make_model.frame))
    log = MemoryLog()
    predictor = Predictor(
        make_model(target=target), version="weather:1", deployment="weather", sink=log
    )
    batcher = Batcher(predictor)
    served = Served(name="weather", answering=predictor, batcher=batcher)
    assembly = assembly_of([served], sink=log)
    with serve_in_thread(assembly.server(lame_duck=0.0)) as server:
        yield Running(server, assembly, log)
    batcher.close()


def test_scores_of_many_classes_are_a_matrix(weather: Running) -> None:
    path = "/v2/models/weather"
    told = json.loads(weather.ask("GET", path).body)
    assert told["outputs"][:2] == [
        {"name": "prediction", "datatype": "BYTES", "shape": [-1]},
        {"name": "score", "datatype": "FP64", "shape": [-1, 3]},
    ]
    assert told["platform"] == "sklearn_skops"

    asked = {"inputs": inputs()}
    as_json = outputs_of(weather.post(f"{path}/infer", asked))
    as_bytes = read_binary(
        weather.post(f"{path}/infer", {**asked, "parameters": {"binary_data_output": True}})
    )

    scores = np.reshape(as_json["score"]["data"], (2, 3))
    assert as_json["score"]["shape"] == [2, 3]
    assert scores.sum(axis=1) == pytest.approx([1.0, 1.0])
    labels = [("calm", "rain é", "snow")[i] for i in scores.argmax(axis=1)]
    assert as_json["prediction"]["data"] == as_bytes["prediction"] == labels
    assert as_bytes["score"] == pytest.approx(scores.ravel().tolist())


def test_a_single_row_of_a_model_that_did_not_compile_is_answered(weather: Running) -> None:
    one = [tensor(name, COLUMNS[name][:1]) for name in KINDS]
    found = weather.post("/v2/models/weather/infer", {"inputs": one})
    outputs = outputs_of(found)
    assert outputs["score"]["shape"] == [1, 3]
    assert [one["shape"][0] for one in outputs.values()] == [1, 1, 1, 1]


class Unsure(LinearRegression):  # type: ignore[misc]
    """A regression that has no number for a strong wind."""

    def predict(self, X: Any) -> Any:
        answers = super().predict(X)
        return np.where(np.asarray(X)[:, -3] > 3, np.nan, answers)


@pytest.fixture(scope="module")
def unsure(make_model: Any) -> Iterator[Running]:
    log = MemoryLog()
    model = make_model(Unsure(), target=make_model.frame["wind"] / 2)
    predictor = Predictor(model, version="delay:1", deployment="delay", sink=log)
    batcher = Batcher(predictor)
    served = Served(name="delay", answering=predictor, batcher=batcher)
    assembly = assembly_of([served], sink=log)
    with serve_in_thread(assembly.server(lame_duck=0.0)) as server:
        yield Running(server, assembly, log)
    batcher.close()


def test_what_is_no_number_is_never_written_as_json(unsure: Running) -> None:
    path = "/v2/models/delay/infer"
    told = json.loads(unsure.ask("GET", "/v2/models/delay").body)["outputs"]
    assert told[0] == {"name": "prediction", "datatype": "FP64", "shape": [-1]}
    calm = outputs_of(unsure.post(path, {"inputs": inputs(wind=tensor("wind", [1.0, 2.0]))}))
    assert calm["prediction"]["datatype"] == "FP64"

    storm = {"inputs": inputs(wind=tensor("wind", [1.0, 10_000.0]))}
    refused = unsure.post(path, storm)

    assert (refused.status, bool(error_of(refused))) == (500, True)
    asked = {**storm, "outputs": [{"name": "prediction", "parameters": {"binary_data": True}}]}
    answer = unsure.post(path, asked)
    size = int(answer.headers["inference-header-content-length"])
    first, second = struct.unpack("<2d", answer.body[size:])
    assert (math.isfinite(first), math.isnan(second)) == (True, True)


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/predict", "row"), ("/predict", "rows"), ("/predict", "columns"),
        ("/invocations", "instances"), ("/v1/endpoints/1/deployedModels/2:predict", "instances"),
    ],
)  # fmt: skip
def test_null_does_not_pass_for_an_answer(unsure: Running, path: str, form: str) -> None:
    row = {name: column[0] for name, column in COLUMNS.items()} | {"wind": 10_000.0}
    columns = {name: [value] for name, value in row.items()}
    asked = {"row": row, "columns": columns}.get(form, [row])

    found = unsure.post(path, {form: asked})

    assert found.status == 500
    assert b"not finite" in found.body
