"""The description of the interface, made from the models' schemas."""

from __future__ import annotations

from functools import cached_property
from importlib import metadata
from typing import Any, Final, final

from mldeploy.data import ColumnSchema
from mldeploy.serving.http._json import encode
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._routing import Role, Route
from mldeploy.serving.http._service import Served, Service

_JSON: Final = "application/json"
_KINDS: Final = {
    "integer": "integer", "number": "number", "boolean": "boolean", "duration": "number",
}  # fmt: skip
_FORMATS: Final = {"datetime": "date-time", "date": "date", "time": "time"}
_ERROR: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message"],
            "properties": {
                "code": {"type": "string"},
                "message": {"type": "string"},
                "fields": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["row", "column", "code", "message"],
                        "properties": {
                            "row": {"type": "integer"},
                            "column": {"type": "string"},
                            "code": {"type": "string"},
                            "message": {"type": "string"},
                        },
                    },
                },
            },
        }
    },
}
_TEXT_ERROR: Final = {
    "type": "object",
    "required": ["error"],
    "properties": {"error": {"type": "string"}},
}
_MLFLOW_ERROR: Final = {
    "type": "object",
    "required": ["error_code", "message"],
    "properties": {"error_code": {"type": "string"}, "message": {"type": "string"}},
}
_REFUSALS: Final = (400, 401, 403, 404, 408, 413, 415, 422, 431, 500, 503, 504)


@final
class OpenAPI:
    """``/openapi.json``, by OpenAPI 3.1.

    Parameters
    ----------
    service : Service
        What is served.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> tuple[Route, ...]:
        """Return the route."""
        return (
            Route(method="GET", pattern="/openapi.json", role=Role.OBSERVE, action=self.answer),
        )

    def answer(self, _: Request) -> Response:
        """Return the description."""
        return Response(body=self._encoded)

    @cached_property
    def _encoded(self) -> bytes:
        return encode(self.document())

    def document(self) -> dict[str, Any]:
        """Return the description as an object."""
        paths: dict[str, Any] = {
            "/livez": _get("Whether the process lives.", 200),
            "/readyz": _get("Whether requests should be sent here.", 200, 503),
            "/metrics": _get("Figures for Prometheus.", 200, kind="text/plain"),
            "/openapi.json": _get("This description.", 200),
            "/labels": {"post": self._labels()},
            "/invocations": {"post": self._invocations()},
            "/ping": _get("Whether requests should be sent here.", 200, 503, kind="text/plain"),
            "/version": _get("The version of mldeploy.", 200, kind="text/plain"),
            "/v2/health/live": _get("Whether the server lives.", 200, error=_TEXT_ERROR),
            "/v2/health/ready": _get("Whether it takes requests.", 200, 503, error=_TEXT_ERROR),
            "/v2": _get("What the server is.", 200, error=_TEXT_ERROR),
        }
        for model in self._service.models.values():
            place = "/predict" if model is self._service.default else None
            for path in filter(None, (place, f"/models/{model.name}/predict")):
                paths[path] = {"post": self._predict(model, path)}
            paths[f"/v2/models/{model.name}"] = _get("Its tensors.", 200, error=_TEXT_ERROR)
            paths[f"/v2/models/{model.name}/infer"] = {"post": self._infer(model)}
        return {
            "openapi": "3.1.0",
            "info": {
                "title": ", ".join(self._service.models),
                "version": self._service.default.version,
                "description": self._service.default.facts.get("statement", ""),
                "x-mldeploy": metadata.version("mldeploy"),
            },
            "paths": paths,
            "components": {
                "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
            },
        }

    def _predict(self, model: Served, path: str) -> dict[str, Any]:
        row = row_schema(model)
        keys: dict[str, Any] = {"type": "array", "items": {"type": ["string", "integer", "null"]}}
        columns = {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                name: {"type": "array", "items": one} for name, one in row["properties"].items()
            },
            "required": row["required"],
        }
        forms: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
            ("row", row, {"key": {"type": ["string", "integer", "null"]}}),
            ("rows", {"type": "array", "items": row, "minItems": 1}, {"keys": keys}),
            ("columns", columns, {"keys": keys}),
        ]
        body = {
            "oneOf": [
                {
                    "type": "object",
                    "additionalProperties": False,
                    "required": [name],
                    "properties": {name: schema, **more},
                }
                for name, schema, more in forms
            ]
        }
        answer = {"type": "object"}
        operation = _post("Predict.", body, answer, path=path)
        if model.examples:
            content = operation["requestBody"]["content"][_JSON]
            content["example"] = {"row": dict(model.examples[0])}
        return operation

    def _labels(self) -> dict[str, Any]:
        one = {
            "type": "object",
            "additionalProperties": False,
            "required": ["value"],
            "properties": {
                "value": {"type": ["boolean", "number", "string"]},
                "prediction_id": {"type": ["string", "null"]},
                "key": {"type": ["string", "null"]},
                "time": {"type": ["string", "null"], "format": "date-time"},
                "observed_at": {"type": ["string", "null"], "format": "date-time"},
            },
        }
        body = {
            "type": "object",
            "additionalProperties": False,
            "required": ["labels"],
            "properties": {"labels": {"type": "array", "items": one, "minItems": 1}},
        }
        answer = {"type": "object", "properties": {"accepted": {"type": "integer"}}}
        operation = _post("Say what was true.", body, answer, path="/labels")
        operation["responses"]["202"] = operation["responses"].pop("200")
        operation["responses"]["501"] = _response("No labels are kept here.", _ERROR)
        return operation

    def _invocations(self) -> dict[str, Any]:
        row = row_schema(self._service.default)
        body = {
            "type": "object",
            "required": ["dataframe_records"],
            "properties": {"dataframe_records": {"type": "array", "items": row, "minItems": 1}},
        }
        answer = {"type": "object", "required": ["predictions"]}
        operation = _post("Predict, as MLflow asks.", body, answer, path="/invocations")
        operation["responses"]["415"] = {
            "description": "Another type.",
            "content": {"text/plain": {"schema": {"type": "string"}}},
        }
        return operation

    def _infer(self, model: Served) -> dict[str, Any]:
        tensor = {
            "type": "object",
            "required": ["name", "shape", "datatype", "data"],
            "properties": {
                "name": {"enum": list(model.signature.inputs.names)},
                "shape": {"type": "array", "items": {"type": "integer", "minimum": 0}},
                "datatype": {"type": "string"},
                "data": {"type": "array"},
            },
        }
        body = {
            "type": "object",
            "required": ["inputs"],
            "properties": {
                "id": {"type": "string"},
                "inputs": {"type": "array", "items": tensor, "minItems": 1},
            },
        }
        answer = {"type": "object", "required": ["model_name", "outputs"]}
        return _post("Infer, by the Open Inference Protocol.", body, answer, path="/v2/")


def row_schema(model: Served) -> dict[str, Any]:
    """Return the JSON Schema of a row."""
    columns = model.signature.inputs.columns
    return {
        "type": "object",
        "additionalProperties": False,
        "properties": {column.name: _column(column) for column in columns},
        "required": [column.name for column in columns if not column.nullable],
    }


def _column(column: ColumnSchema) -> dict[str, Any]:
    kind = _KINDS.get(column.kind, "string")
    schema: dict[str, Any] = {"type": [kind, "null"] if column.nullable else kind}
    if column.kind in _FORMATS:
        schema["format"] = _FORMATS[column.kind]
    if column.closed and column.categories:
        schema["enum"] = [*column.categories, *([None] if column.nullable else [])]
    elif column.categories:
        schema["examples"] = list(column.categories[:20])
    if column.strict_range and kind in ("integer", "number"):
        schema |= {"minimum": column.minimum} if column.minimum is not None else {}
        schema |= {"maximum": column.maximum} if column.maximum is not None else {}
    return schema


def _error_of(path: str) -> dict[str, Any]:
    if path.startswith("/v2"):
        return _TEXT_ERROR
    return _MLFLOW_ERROR if path == "/invocations" else _ERROR


def _response(what: str, schema: dict[str, Any], kind: str = _JSON) -> dict[str, Any]:
    return {"description": what, "content": {kind: {"schema": schema}}}


def _post(what: str, body: dict[str, Any], answer: dict[str, Any], *, path: str) -> dict[str, Any]:
    responses = {"200": _response("The answer.", answer)}
    for status in _REFUSALS:
        responses[str(status)] = _response("Refused.", _error_of(path))
    return {
        "summary": what,
        "requestBody": {"required": True, "content": {_JSON: {"schema": body}}},
        "responses": responses,
        "security": [{}, {"key": []}],
    }


def _get(
    what: str, *statuses: int, kind: str = _JSON, error: dict[str, Any] = _ERROR
) -> dict[str, Any]:
    schema = {"type": "object"} if kind == _JSON else {"type": "string"}
    responses = {str(status): _response(what, schema, kind) for status in statuses}
    for status in (401, 403, 404, 500, 503):
        responses.setdefault(str(status), _response("Refused.", error))
    return {"get": {"summary": what, "responses": responses, "security": [{}, {"key": []}]}}
