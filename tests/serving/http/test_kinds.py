"""A model with columns of every kind, asked in every protocol."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mldeploy.data import Dataset
from mldeploy.model import Bundle
from mldeploy.serving._batch import logged_name
from mldeploy.serving.http._arrow import frame_of, stream_of_frame

from .conftest import Opens, Running

ROW = {
    "wind": 12.5, "hour": 8, "carrier": "AA", "score": 4.0, "wet": True, "note": "ok",
    "at": "2013-01-31T17:45:00+02:00", "local": "2013-01-31T17:45:00", "day": "2013-01-31",
    "clock": "17:45:00", "lasts": 90.5, "gust": None,
}  # fmt: skip
DATATYPES = {
    "wind": "FP64", "hour": "INT64", "score": "FP64", "gust": "FP64", "lasts": "FP64",
    "wet": "BOOL",
}  # fmt: skip
VERTEX = "/v1/endpoints/1/deployedModels/2:predict"


@pytest.fixture(scope="module", params=["compiled", "plain"])
def kinds_bundle(
    request: pytest.FixtureRequest, make_model: Any, flights: pd.DataFrame, tmp_path_factory: Any
) -> Path:
    """The flights' model among columns that it does not look at."""
    n = len(flights)
    day = datetime(2013, 1, 1, tzinfo=UTC)
    hours = [day + timedelta(hours=i) for i in range(n)]
    frame = flights.assign(
        wet=np.arange(n) % 2 == 0,
        note=[f"note {i}" for i in range(n)],
        at=pd.DatetimeIndex(hours),
        local=pd.DatetimeIndex(hours).tz_localize(None),
        day=[hour.date() for hour in hours],
        clock=[hour.time() for hour in hours],
        lasts=pd.to_timedelta(np.arange(n), unit="s"),
        gust=np.where(np.arange(n) % 3 == 0, np.nan, 20.0),
    )
    folder: Path = tmp_path_factory.mktemp("bundles") / "late"
    golden = Dataset.of(frame.head(100), target="late", name="flights")
    compilers = None if request.param == "compiled" else []
    Bundle.write(folder, type(make_model)(frame)(), golden=golden, compilers=compilers)
    return folder


@pytest.fixture(scope="module")
def kinds(opens: Opens, kinds_bundle: Path) -> Iterator[Running]:
    """A server of it."""
    with opens(kinds_bundle) as running:
        yield running


def test_the_model_is_what_it_should_be(
    kinds: Running, request: pytest.FixtureRequest, kinds_bundle: Path
) -> None:
    compiled = (kinds_bundle / "compiled.npz").exists()

    assert kinds.assembly.service.default.is_compiled is compiled


def test_the_schema_has_every_kind(kinds: Running) -> None:
    found = {c.name: c.kind for c in kinds.assembly.service.default.signature.inputs.columns}

    assert found == {
        "wind": "number", "hour": "integer", "carrier": "string", "score": "number",
        "wet": "boolean", "note": "string", "at": "datetime", "local": "datetime", "day": "date",
        "clock": "time", "lasts": "duration", "gust": "number",
    }  # fmt: skip


def inputs_of(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "datatype": DATATYPES.get(name, "BYTES"), "shape": [1], "data": [value]}
        for name, value in row.items()
    ]


def in_every_form(row: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    columns = {name: [value] for name, value in row.items()}
    return {
        "row": ("/predict", {"row": row}),
        "rows": ("/predict", {"rows": [row]}),
        "columns": ("/predict", {"columns": columns}),
        "tensors": ("/v2/models/late/infer", {"inputs": inputs_of(row)}),
        "records": ("/invocations", {"dataframe_records": [row]}),
        "inputs": ("/invocations", {"inputs": columns}),
        "instances": (VERTEX, {"instances": [list(row.values())]}),
    }


def last_logged(running: Running) -> dict[str, Any]:
    """Return the features of the last prediction."""
    found = running.log.frame()[-1].to_dicts()[0]
    return {name: found[logged_name(name)] for name in ROW}


@pytest.mark.parametrize("form", list(in_every_form(ROW)))
def test_every_form_reads_every_kind(kinds: Running, form: str) -> None:
    """What was read is in the log; of times with a zone, the instant."""
    answer = kinds.post(*in_every_form(ROW)[form])

    assert answer.status == 200, answer
    found = last_logged(kinds)
    assert found["at"] == datetime(2013, 1, 31, 15, 45, tzinfo=UTC)
    assert found["local"] == datetime(2013, 1, 31, 17, 45)
    assert found["day"] == date(2013, 1, 31)
    assert found["clock"] == time(17, 45)
    assert found["lasts"] == timedelta(seconds=90.5)
    assert (found["wet"], found["note"], found["hour"], found["gust"]) == (True, "ok", 8, None)


def test_csv_with_every_kind(kinds: Running) -> None:
    times = "2013-01-31T17:45:00+02:00,2013-01-31T17:45:00,2013-01-31,17:45:00,90.5"
    line = f"12.5,8,AA,4.0,true,ok,{times},"
    schema = kinds.assembly.service.default.signature.inputs
    cells = dict(zip(ROW, line.split(","), strict=True))
    ordered = ",".join(cells[name] for name in schema.names)

    assert kinds.post("/invocations", ordered, content_type="text/csv").status == 200
    header = ",".join(ROW)
    assert kinds.post("/invocations", f"{header}\n{line}", content_type="text/csv").status == 200


def test_arrow_with_every_kind(kinds: Running, kinds_bundle: Path) -> None:
    golden = Bundle.open(kinds_bundle).golden_rows()

    answer = kinds.post(
        "/predict", stream_of_frame(golden), content_type="application/vnd.apache.arrow.stream"
    )

    assert answer.status == 200, answer
    told = frame_of(answer.body, is_file=False, max_bytes=10**7, max_rows=1000)
    assert told.height == golden.height
    assert told.columns == [
        "prediction_id",
        "key",
        "time",
        "prediction",
        "score",
        "route",
        "version",
    ]


def test_an_example_of_every_kind_is_answered(kinds: Running) -> None:
    document = json.loads(kinds.ask("GET", "/openapi.json").body)
    content = document["paths"]["/predict"]["post"]["requestBody"]["content"]

    assert kinds.post("/predict", content["application/json"]["example"]).status == 200


EDGES = [
    "0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59.999999-23:59", "0001-01-01T00:00:00",
    "9999-12-31T23:59:59.999999999", "2013-W05", "20130131", "24:00:00", "23:59:59.999999+01:00",
    "0000-01-01", "9999-12-31", "0001-01-01", "-0001-01-01", "2013-01-31T17:45:60Z",
    1e14, -1e14, 86399999999999.9, 9.3e12, -9.3e12, 1e9, 1e300, -1e300, 1e-9, 5e-324,
    -(2**63), 2**63 - 1, 2**53 + 1, True, False, None, "", "\x00", "İ", "'; DROP TABLE",
]  # fmt: skip


@settings(max_examples=200)
@given(
    st.sampled_from(list(ROW)), st.sampled_from(EDGES) | st.datetimes().map(datetime.isoformat),
    st.sampled_from(list(in_every_form(ROW))),
)  # fmt: skip
def test_no_edge_of_a_kind_makes_the_server_fail(
    kinds: Running, name: str, value: Any, form: str
) -> None:
    path, asked = in_every_form({**ROW, name: value})[form]

    answer = kinds.post(path, asked)

    assert answer.status in (200, 400, 422), (answer, asked)
    assert answer.status != 200 or kinds.log.frame()[-1].height == 1


@pytest.mark.parametrize(
    "value", [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59), datetime(1600, 1, 1)]
)
@pytest.mark.parametrize("name", ["at", "local", "day"])
def test_no_edge_of_time_in_arrow_makes_the_server_fail(
    kinds: Running, kinds_bundle: Path, name: str, value: datetime
) -> None:
    golden = Bundle.open(kinds_bundle).golden_rows().head(2)
    edge = pl.Series([value] * 2).dt.replace_time_zone("UTC" if name == "at" else None)
    table = golden.with_columns(edge.cast(golden[name].dtype, strict=False).alias(name))

    body, kind = stream_of_frame(table), "application/vnd.apache.arrow.stream"

    assert kinds.post("/predict", body, content_type=kind).status in (200, 400, 422)


@pytest.mark.parametrize("ticks", [-(2**63) + 1, 2**63 - 1, -(2**62), 2**40])
@pytest.mark.parametrize("name", ["at", "local", "lasts"])
def test_no_count_of_ticks_makes_the_server_fail(
    kinds: Running, kinds_bundle: Path, name: str, ticks: int
) -> None:
    """Arrow can say times that Python cannot."""
    golden = Bundle.open(kinds_bundle).golden_rows().head(2)
    edge = pl.Series([ticks] * 2).cast(golden[name].dtype)
    table = golden.with_columns(edge.alias(name))

    body, kind = stream_of_frame(table), "application/vnd.apache.arrow.stream"

    assert kinds.post("/predict", body, content_type=kind).status in (200, 400, 422)
