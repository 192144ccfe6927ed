"""What MLflow's scoring server and SageMaker's containers answer."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Awaitable, Mapping, Sequence
from importlib import metadata
from typing import Any, Final, final

from mldeploy.data import ColumnSchema, Schema
from mldeploy.serving._answers import Answers
from mldeploy.serving.http._errors import BadRequest
from mldeploy.serving.http._json import an_object, encode
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._routing import Role, Route
from mldeploy.serving.http._service import Service
from mldeploy.serving.http._tables import few_enough, finite, respond, rows_of_columns

_FORMS: Final = ("dataframe_split", "dataframe_records", "instances", "inputs")
_WHOLE: Final = re.compile("[+-]?[0-9]{1,400}")
_NUMBER: Final = re.compile("[+-]?([0-9]+[.]?[0-9]*|[.][0-9]+)([eE][+-]?[0-9]+)?")


@final
class MLflowProtocol:
    """``/invocations``, ``/ping``, ``/health`` and ``/version``.

    Parameters
    ----------
    service : Service
        What is served; the first model answers.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> tuple[Route, ...]:
        """Return the routes."""
        anyone: dict[str, Any] = {"method": "GET", "role": Role.ANYONE}
        return (
            Route(pattern="/ping", action=self.ping, **anyone),
            Route(pattern="/health", action=self.ping, **anyone),
            Route(pattern="/version", action=self.version, **anyone),
            Route(
                method="POST", pattern="/invocations", role=Role.PREDICT, action=self.invocations
            ),
        )

    def ping(self, _: Request) -> Response:
        """Tell whether requests should be sent here."""
        status = 503 if self._service.is_draining() else 200
        return Response(status=status, body=b"\n", content_type=b"text/plain; charset=utf-8")

    def version(self, _: Request) -> Response:
        """Return the version of this library, which MLflow's clients compare."""
        text = metadata.version("mldeploy").encode()
        return Response(body=text, content_type=b"text/plain; charset=utf-8")

    def invocations(self, request: Request) -> Response | Awaitable[Response]:
        """Answer a table in any of the forms of MLflow and SageMaker."""
        model = self._service.default
        schema = model.signature.inputs
        kind = _content_type(request)
        if kind == "text/csv":
            rows = rows_of_csv(request.body, schema)
        elif kind == "application/json":
            rows = rows_of_json(an_object(request.body), schema)
        else:
            return Response(
                status=415,
                body=b"send application/json or text/csv, in UTF-8",
                content_type=b"text/plain; charset=utf-8",
            )
        few_enough(len(rows), self._service)
        accepted = request.headers.get(b"accept", b"").partition(b";")[0].strip().lower()
        return respond(model, rows, _as_csv if accepted == b"text/csv" else _as_json)


def _content_type(request: Request) -> str:
    given = request.headers.get(b"content-type", b"").decode("latin-1").lower()
    kind, *parameters = [part.strip() for part in given.split(";")]
    if any(parameter not in ("charset=utf-8", "") for parameter in parameters):
        return "unsupported"
    return kind


def rows_of_json(asked: Mapping[str, Any], schema: Schema) -> list[dict[str, Any]]:
    """Return the rows that one of MLflow's four forms holds."""
    forms = [form for form in _FORMS if form in asked]
    if len(forms) != 1:
        raise BadRequest(400, f"send an object with exactly one of {', '.join(_FORMS)}")
    form = forms[0]
    content = asked[form]
    if form == "dataframe_split":
        return _of_split(content, schema)
    if form == "inputs" and isinstance(content, dict):
        columns = {n: v if isinstance(v, list) else [v] for n, v in content.items()}
        _require(schema, columns)
        known = {n: v for n, v in columns.items() if n in schema.names}
        return rows_of_columns(known, schema, "inputs")
    if not isinstance(content, list):
        raise BadRequest(400, f"{form} is no list of rows")
    return rows_of_list(content, schema, form)


def rows_of_list(content: Sequence[Any], schema: Schema, form: str) -> list[dict[str, Any]]:
    """Return rows that are objects, or lists in the order of the columns."""
    rows: list[dict[str, Any]] = []
    for number, row in enumerate(content):
        if isinstance(row, dict):
            _require(schema, row, f"row {number} of {form}")
            rows.append({name: row[name] for name in schema.names if name in row})
        elif isinstance(row, list) and form != "dataframe_records":
            rows.append(_in_order(row, schema, f"row {number} of {form}"))
        else:
            raise BadRequest(400, f"row {number} of {form} is no object and no list")
    return rows


def _of_split(content: object, schema: Schema) -> list[dict[str, Any]]:
    columns = content.get("columns") if isinstance(content, dict) else None
    data = content.get("data") if isinstance(content, dict) else None
    if not isinstance(columns, list) or not isinstance(data, list):
        raise BadRequest(400, "dataframe_split is no object with columns and data")
    if not all(isinstance(name, str) for name in columns) or len(set(columns)) < len(columns):
        raise BadRequest(400, "the columns of dataframe_split are no distinct names")
    _require(schema, columns)
    rows = []
    for number, values in enumerate(data):
        if not isinstance(values, list) or len(values) != len(columns):
            raise BadRequest(400, f"row {number} of dataframe_split does not fit its columns")
        row = dict(zip(columns, values, strict=True))
        rows.append({name: row[name] for name in schema.names if name in row})
    return rows


def _require(schema: Schema, given: Any, where: str = "the table") -> None:
    missing = [c.name for c in schema.columns if c.name not in given and not c.nullable]
    if missing:
        raise BadRequest(400, f"{where} lacks the column {', '.join(missing[:20])}")


def _in_order(row: Sequence[Any], schema: Schema, where: str) -> dict[str, Any]:
    if len(row) != len(schema.names):
        raise BadRequest(
            400, f"{where} has {len(row)} values for {len(schema.names)} columns; send objects, "
            f"or lists in this order: {', '.join(schema.names)}"
        )  # fmt: skip
    return dict(zip(schema.names, row, strict=True))


def rows_of_csv(body: bytes, schema: Schema) -> list[dict[str, Any]]:
    """Return the rows of a CSV with a header, as MLflow sends it, or without, as SageMaker.

    The first line is a header if it names every column that a row needs; else it is a row if it
    could be one; else it is a header that lacks a column.
    """
    try:
        text = io.StringIO(body.decode("utf-8-sig"), newline="")
        lines = [line for line in csv.reader(text, strict=True) if line]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadRequest(400, f"the body is no CSV in UTF-8: {error}") from None
    if not lines:
        raise BadRequest(400, "there is no row to predict; send at least one")
    names, rows = schema.names, lines
    if _is_header(lines[0], schema):
        names, rows = tuple(lines[0]), lines[1:]
        if len(set(names)) < len(names):
            raise BadRequest(400, "the header names a column twice")
        _require(schema, names, "the header")
    columns = [{c.name: c for c in schema.columns}.get(name) for name in names]
    return [_row(number, line, columns) for number, line in enumerate(rows)]


def _is_header(line: Sequence[str], schema: Schema) -> bool:
    if {column.name for column in schema.columns if not column.nullable} <= set(line):
        return bool(set(schema.names) & set(line))
    try:
        _row(0, line, schema.columns)
    except BadRequest:
        return bool(set(schema.names) & set(line))
    return False


def _row(
    number: int, line: Sequence[str], columns: Sequence[ColumnSchema | None]
) -> dict[str, Any]:
    if len(line) != len(columns):
        raise BadRequest(
            400, f"row {number} has {len(line)} values for {len(columns)} columns"
        )  # fmt: skip
    cells = zip(columns, line, strict=True)
    return {c.name: _cell(c, text, number) for c, text in cells if c is not None}


def _cell(column: ColumnSchema, text: str, number: int) -> Any:
    if text == "":
        return None
    if column.kind == "boolean" and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if column.kind in ("number", "duration", "integer"):
        if _WHOLE.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text):
            return float(text)
        if text.lower() == "nan":
            return None
    elif column.kind != "boolean":
        return text
    raise BadRequest(400, f"row {number}, {column.name!r}: {text[:40]!r} is no {column.kind}")


def _as_json(answers: Answers) -> Response:
    return Response(body=encode({"predictions": finite(answers).predictions.tolist()}))


def _as_csv(answers: Answers) -> Response:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerows([value] for value in answers.predictions.tolist())
    return Response(body=buffer.getvalue().encode(), content_type=b"text/csv; charset=utf-8")
