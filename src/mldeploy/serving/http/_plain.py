"""Our own, plain JSON: rows and columns in, answers out; or Arrow tables."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from math import isfinite
from typing import Any, Final, final

import msgspec
import numpy as np

from mldeploy.errors import NotFoundError
from mldeploy.serving._answers import Answered, Answers
from mldeploy.serving.http._arrow import file_of_frame, frame_of, stream_of_frame
from mldeploy.serving.http._errors import BadRequest
from mldeploy.serving.http._fast import FastColumns, FastRow
from mldeploy.serving.http._json import an_object, encode
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._routing import Role, Route
from mldeploy.serving.http._service import Served, Service
from mldeploy.serving.http._tables import (
    few_enough,
    finite,
    not_finite,
    plain_scores,
    quick_frame,
    respond,
    rows_of,
    rows_of_columns,
)

_JSON: Final = b"application/json"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ARROW: Final = (b"application/vnd.apache.arrow.stream", b"application/vnd.apache.arrow.file")


class _One(msgspec.Struct):
    id: str
    version: str
    prediction: Any
    score: Any
    route: str
    key: str | None
    time: str


@final
class PlainProtocol:
    """``/predict``.

    Parameters
    ----------
    service : Service
        What is served.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._fast: dict[str, FastRow] = {}
        self._columns: dict[str, FastColumns] = {}

    def routes(self) -> tuple[Route, ...]:
        """Return the routes."""
        predict: dict[str, Any] = {"method": "POST", "role": Role.PREDICT, "action": self.predict}
        return (
            Route(pattern="/predict", **predict),
            Route(pattern="/models/{name}/predict", **predict),
        )

    def predict(self, request: Request, name: str | None = None) -> Response | Awaitable[Response]:
        """Answer a row, rows, or columns."""
        model = self._service.model(name)
        if (kind := _media_type(request)) != _JSON:
            return self._arrow(model, request, kind)
        schema = model.signature.inputs
        if (fast := self._fast.get(model.name)) is None or fast.schema is not schema:
            fast = self._fast[model.name] = FastRow(schema)
            self._columns[model.name] = FastColumns(schema)
        if fast.is_possible and (model.batcher is None or model.is_compiled):
            found = fast.read(request.body)
            if found is not None:
                values, key = found
                return _answer(model.answering.predict_values(values, key=key, order=fast.order))
        table = self._columns[model.name].read(request.body)
        if table is not None:
            few_enough(table[0].height, self._service)
            return respond(model, table[0], _by_columns, keys=table[1])
        return self._at_length(model, an_object(request.body))

    def _at_length(self, model: Served, asked: dict[str, Any]) -> Response | Awaitable[Response]:
        forms = [form for form in ("row", "rows", "columns") if form in asked]
        if len(forms) != 1:
            raise BadRequest(400, 'send an object with one of "row", "rows" and "columns"')
        form = forms[0]
        members = ("key", "explain", "uncertainty") if form == "row" else ("keys",)
        if unknown := sorted(set(asked) - {form, *members}):
            told = f"there is no member {unknown[0][:80]!r} beside {form!r}; see {members[0]!r}"
            raise BadRequest(400, told)
        if form == "row":
            return self._one(model, asked)
        keys = asked.get("keys")
        if keys is not None and not isinstance(keys, list):
            raise BadRequest(400, '"keys" is no list')
        if form == "rows":
            rows = rows_of(asked["rows"], '"rows"')
            few_enough(len(rows), self._service)
            return respond(model, rows, _listed, keys=keys)
        columns, schema = asked["columns"], model.signature.inputs
        table: Any = quick_frame(columns, schema) if isinstance(columns, dict) else None
        if table is None:
            table = rows_of_columns(columns, schema, '"columns"')
        few_enough(len(table), self._service)
        return respond(model, table, _by_columns, keys=keys)

    def _one(self, model: Served, asked: dict[str, Any]) -> Response | Awaitable[Response]:
        row, key = asked["row"], asked.get("key")
        if not isinstance(row, dict):
            raise BadRequest(400, '"row" is no object')
        explain, doubt = (_flag(asked, name) for name in ("explain", "uncertainty"))
        if explain or doubt:
            return _at_leisure(model, row, key, explain=explain, doubt=doubt)
        if model.batcher is not None and not model.is_compiled:
            return _promised(model.batcher.predict(row, key=key))
        names = model.signature.inputs.names
        if row.keys() <= set(names):
            values = [row.get(name) for name in names]
            return _answer(model.answering.predict_values(values, key=key, order=names))
        return respond(model, [row], lambda answers: _answer(answers.answered(0)), keys=[key])

    def _arrow(
        self, model: Served, request: Request, kind: bytes
    ) -> Response | Awaitable[Response]:
        if kind not in _ARROW:
            raise BadRequest(415, "send application/json, or an Arrow stream or file")
        is_file, limits = kind == _ARROW[1], self._service.limits
        table = frame_of(
            request.body, is_file=is_file, max_bytes=limits.max_body, max_rows=limits.max_rows
        )
        few_enough(table.height, self._service)
        keys = None
        if "key" in table.columns and "key" not in model.signature.inputs.names:
            keys = table["key"].to_list()
        write = file_of_frame if is_file else stream_of_frame

        def as_arrow(answers: Answers) -> Response:
            return Response(body=write(answers.to_frame()), content_type=kind)

        return respond(model, table, as_arrow, keys=keys)


def _media_type(request: Request) -> bytes:
    given = request.headers.get(b"content-type", _JSON)
    return given if given == _JSON else given.partition(b";")[0].strip().lower()


def _answer(one: Answered) -> Response:
    _refuse_infinite(one)
    return Response(body=encode(_body(one)))


def _refuse_infinite(one: Answered) -> None:
    if type(one.prediction) is float and not isfinite(one.prediction):
        raise not_finite()


def _body(one: Answered) -> _One:
    identifier, version, prediction, score, route, key, time = one
    return _One(identifier, version, prediction, score, route, key, _time(time))


def _time(microseconds: int) -> str:
    seconds, rest = divmod(microseconds, 1_000_000)
    return f"{_to_the_second(seconds)}.{rest:06d}Z"


@lru_cache(maxsize=64)
def _to_the_second(seconds: int) -> str:
    return (_EPOCH + timedelta(seconds=seconds)).isoformat()[:19]


async def _promised(answer: Awaitable[Answered]) -> Response:
    return _answer(await answer)


def _flag(asked: Mapping[str, Any], name: str) -> bool:
    value = asked.get(name, False)
    if not isinstance(value, bool):
        raise BadRequest(400, f'"{name}" is neither true nor false')
    return value


def _doubt(model: Served, one: Answered) -> dict[str, Any]:
    """Return what cannot be ruled out beside an answer."""
    try:
        told = model.answering.uncertain(one.answer())
    except NotFoundError as error:
        raise BadRequest(400, str(error)) from error
    if told.prediction_set is not None:
        return {"prediction_set": list(told.prediction_set)}
    return {"interval": None if told.interval is None else list(told.interval)}


async def _at_leisure(
    model: Served, row: Mapping[str, Any], key: Any, *, explain: bool, doubt: bool
) -> Response:
    """Answer a row, and say what each column contributed, and what cannot be ruled out."""
    if explain and model.explain is None:
        raise BadRequest(400, "this model explains nothing; its bundle has no golden rows")
    loop = asyncio.get_running_loop()
    if model.batcher is not None and not model.is_compiled:
        one = await model.batcher.predict(row, key=key)
    else:
        work = partial(model.answering.predict_frame, [row], keys=[key])
        one = (await loop.run_in_executor(None, work)).answered(0)
    _refuse_infinite(one)
    body = msgspec.structs.asdict(_body(one))
    if doubt:
        body |= _doubt(model, one)
    if explain and model.explain is not None:
        explanation = await loop.run_in_executor(None, model.explain, row)
        body["explanation"] = explanation.model_dump(mode="json")
    return Response(body=encode(body))


def _listed(answers: Answers) -> Response:
    finite(answers)
    fields = zip(
        *(answers.ids, answers.versions, answers.predictions.tolist(), plain_scores(answers)),
        *(answers.routes.tolist(), answers.keys or [None] * len(answers)),
        answers.times.astype("datetime64[us]").astype(np.int64).tolist(),
        strict=True,
    )
    bodies = [_One(i, v, p, s, r, k, _time(t)) for i, v, p, s, r, k, t in fields]
    return Response(body=encode({"answers": bodies}))


def _by_columns(answers: Answers) -> Response:
    finite(answers)
    columns = {
        "id": list(answers.ids),
        "version": list(answers.versions),
        "prediction": answers.predictions.tolist(),
        "score": plain_scores(answers),
        "route": answers.routes.tolist(),
        "key": None if answers.keys is None else list(answers.keys),
    }
    return Response(body=encode({"answers": columns}))
