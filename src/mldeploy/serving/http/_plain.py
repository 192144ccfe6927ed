"""Our own, plain JSON: rows and columns in, answers and labels out."""

from __future__ import annotations

import io
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final, final

import msgspec
import polars as pl

from mldeploy.serving._answers import Answered, Answers
from mldeploy.serving._label import Label
from mldeploy.serving.http._errors import BadRequest
from mldeploy.serving.http._fast import FastRow
from mldeploy.serving.http._json import an_object, encode
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._routing import Role, Route
from mldeploy.serving.http._service import Served, Service
from mldeploy.serving.http._tables import (
    answered,
    few_enough,
    plain_scores,
    quick_frame,
    rows_of,
    rows_of_columns,
)

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ARROW: Final = (b"application/vnd.apache.arrow.stream", b"application/vnd.apache.arrow.file")
_MOST_LABELS: Final = 10_000


class _One(msgspec.Struct):
    id: str
    version: str
    prediction: Any
    score: Any
    route: str
    key: str | None
    time: datetime


@final
class PlainProtocol:
    """``/predict`` and ``/labels``.

    Parameters
    ----------
    service : Service
        What is served.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._fast: dict[str, FastRow] = {}

    def routes(self) -> tuple[Route, ...]:
        """Return the routes."""
        predict: dict[str, Any] = {"method": "POST", "role": Role.PREDICT, "action": self.predict}
        return (
            Route(pattern="/predict", **predict),
            Route(pattern="/models/{name}/predict", **predict),
            Route(method="POST", pattern="/labels", role=Role.LABEL, action=self.labels),
        )

    def predict(self, request: Request, name: str | None = None) -> Response | Awaitable[Response]:
        """Answer a row, rows, or columns."""
        model = self._service.model(name)
        if (kind := _media_type(request)) != b"application/json":
            return self._arrow(model, request, kind)
        schema = model.signature.inputs
        fast = self._fast.get(model.name)
        if fast is None or fast.schema is not schema:
            fast = self._fast[model.name] = FastRow(schema)
        if fast.is_possible and (model.batcher is None or model.is_compiled):
            found = fast.read(request.body)
            if found is not None:
                values, key = found
                return _answer(model.answering.predict_values(values, key=key, order=schema.names))
        return self._at_length(model, an_object(request.body))

    def _at_length(self, model: Served, asked: dict[str, Any]) -> Response | Awaitable[Response]:
        forms = [form for form in ("row", "rows", "columns") if form in asked]
        if len(forms) != 1:
            raise BadRequest(400, 'send an object with one of "row", "rows" and "columns"')
        form = forms[0]
        if unknown := sorted(set(asked) - {form, "key", "keys"}):
            raise BadRequest(400, f"there is no member {unknown[0][:80]!r}")
        if form == "row":
            return self._one(model, asked)
        if "key" in asked:
            raise BadRequest(400, 'with more than one row, send a list "keys"')
        keys = asked.get("keys")
        if keys is not None and not isinstance(keys, list):
            raise BadRequest(400, '"keys" is no list')
        if form == "rows":
            rows = rows_of(asked["rows"], '"rows"')
            few_enough(len(rows), self._service)
            return _listed(answered(model, rows, keys=keys))
        columns, schema = asked["columns"], model.signature.inputs
        table: Any = quick_frame(columns, schema) if isinstance(columns, dict) else None
        if table is None:
            table = rows_of_columns(columns, schema, '"columns"')
        few_enough(len(table), self._service)
        return _by_columns(answered(model, table, keys=keys))

    def _one(self, model: Served, asked: dict[str, Any]) -> Response | Awaitable[Response]:
        if "keys" in asked:
            raise BadRequest(400, 'with one row, send its "key"')
        row, key = asked["row"], asked.get("key")
        if not isinstance(row, dict):
            raise BadRequest(400, '"row" is no object')
        if model.batcher is not None and not model.is_compiled:
            return _promised(model.batcher.predict(row, key=key))
        names = model.signature.inputs.names
        if row.keys() <= set(names):
            values = [row.get(name) for name in names]
            return _answer(model.answering.predict_values(values, key=key, order=names))
        return _answer(answered(model, [row]).answered(0))

    def _arrow(self, model: Served, request: Request, kind: bytes) -> Response:
        if kind not in _ARROW:
            raise BadRequest(415, "send application/json, or an Arrow stream or file")
        is_file = kind == _ARROW[1]
        read: Callable[..., pl.DataFrame] = pl.read_ipc if is_file else pl.read_ipc_stream
        try:
            table = read(io.BytesIO(request.body))
        except Exception as error:
            raise BadRequest(400, "the body is no Arrow table, or is damaged") from error
        few_enough(table.height, self._service)
        keys = table["key"].to_list() if "key" in table.columns else None
        answers = answered(model, table, keys=keys).to_frame()
        buffer = io.BytesIO()
        (answers.write_ipc if is_file else answers.write_ipc_stream)(buffer)
        return Response(body=buffer.getvalue(), content_type=kind)

    def labels(self, request: Request) -> Response:
        """Take what was true of predictions."""
        if self._service.labels is None:
            raise BadRequest(501, "this server keeps no labels; start it with a store")
        asked = an_object(request.body)
        if set(asked) != {"labels"}:
            raise BadRequest(400, 'send an object with a list "labels"')
        found = rows_of(asked["labels"], '"labels"')
        if not 0 < len(found) <= _MOST_LABELS:
            raise BadRequest(413 if found else 400, f"send 1 to {_MOST_LABELS:,} labels")
        labels = [_label(number, one) for number, one in enumerate(found)]
        self._service.labels(labels)
        return Response(status=202, body=encode({"accepted": len(labels)}))


def _label(number: int, given: Mapping[str, Any]) -> Label:
    known = {"value", "prediction_id", "key", "time", "observed_at"}
    if unknown := sorted(set(given) - known):
        raise BadRequest(400, f"label {number} has an unknown member {unknown[0][:80]!r}")
    value = given.get("value")
    if not isinstance(value, bool | int | float | str):
        raise BadRequest(400, f"label {number} has no value that is a boolean, number or text")
    for name in ("prediction_id", "key"):
        if not isinstance(given.get(name), str | None):
            raise BadRequest(400, f"{name} of label {number} is no text")
    by_id, by_key = given.get("prediction_id") is not None, given.get("key") is not None
    if by_id == by_key or (by_key and given.get("time") is None):
        raise BadRequest(400, f"label {number} needs a prediction_id, or a key with a time")
    return Label(
        value=value,
        prediction_id=given.get("prediction_id"),
        key=given.get("key"),
        time=_moment(number, "time", given.get("time")),
        observed_at=_moment(number, "observed_at", given.get("observed_at")),
    )


def _moment(number: int, name: str, text: object) -> datetime | None:
    if text is None:
        return None
    with suppress(ValueError):
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        if moment is not None and moment.tzinfo is not None:
            return moment
    raise BadRequest(400, f"{name} of label {number} is no time such as 2013-01-31T17:45:00Z")


def _media_type(request: Request) -> bytes:
    given = request.headers.get(b"content-type", b"application/json")
    return given.partition(b";")[0].strip().lower()


def _answer(one: Answered) -> Response:
    return Response(body=encode(_body(one)))


def _body(one: Answered) -> _One:
    time = _EPOCH + timedelta(microseconds=one.time)
    return _One(one.id, one.version, one.prediction, one.score, one.route, one.key, time)


async def _promised(answer: Awaitable[Answered]) -> Response:
    return _answer(await answer)


def _listed(answers: Answers) -> Response:
    bodies = [_body(answers.answered(row)) for row in range(len(answers))]
    return Response(body=encode({"answers": bodies}))


def _by_columns(answers: Answers) -> Response:
    columns = {
        "id": list(answers.ids),
        "version": list(answers.versions),
        "prediction": answers.predictions.tolist(),
        "score": plain_scores(answers),
        "route": answers.routes.tolist(),
        "key": None if answers.keys is None else list(answers.keys),
    }
    return Response(body=encode({"answers": columns}))
