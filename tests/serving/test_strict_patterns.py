"""A pattern that people agreed on is held against every request, on the short way too."""

from __future__ import annotations

import polars as pl
import pytest

from mldeploy.data import Schema
from mldeploy.serving._reader import Doubt, RowReader
from mldeploy.serving.http._openapi_schemas import row_schema

LOOSE = Schema.infer(pl.DataFrame({"tail": ["N1"], "hour": [5]})).edit("tail", pattern="N[0-9]+")
STRICT = LOOSE.edit("tail", strict_pattern=True)


def test_rows_of_another_pattern_are_refused_only_where_it_is_strict() -> None:
    row = {"tail": "X1", "hour": 5}

    assert RowReader(LOOSE).values(row) == ("X1", 5)
    assert LOOSE.parse_rows([row])[1] == ()
    with pytest.raises(Doubt):
        RowReader(STRICT).values(row)
    assert [(e.column, e.code) for e in STRICT.parse_rows([row])[1]] == [("tail", "pattern")]


def test_requests_are_told_the_pattern() -> None:
    assert row_schema(STRICT, "Row")["properties"]["tail"]["pattern"] == "^(?:N[0-9]+)$"
    assert "pattern" not in row_schema(LOOSE, "Row")["properties"]["tail"]
