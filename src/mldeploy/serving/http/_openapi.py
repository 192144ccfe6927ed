"""The description of the interface, made from the models' schemas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from typing import Any, Final, final
from urllib.parse import quote

from mldeploy.serving.http._json import encode
from mldeploy.serving.http._labels import MOST_LABELS
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._openapi_schemas import (
    KEY,
    MLFLOW_ERROR,
    OUR_ERROR,
    TEXT,
    TEXT_ERROR,
    JsonSchema,
    a_list,
    an_object,
    answer_schema,
    answers_at_leisure,
    answers_schema,
    columns_schema,
    example_of,
    explanation_schema,
    input_tensor,
    listed_row_schema,
    one_of,
    open_object,
    open_row_schema,
    output_tensor,
    row_schema,
)
from mldeploy.serving.http._routing import Role, Route
from mldeploy.serving.http._service import Served, Service

_JSON: Final = "application/json"
_TEXT: Final = "text/plain"
_CSV: Final = "text/csv"
_ARROW: Final = ("application/vnd.apache.arrow.stream", "application/vnd.apache.arrow.file")
_OCTETS: Final = "application/octet-stream"
_VERTEX: Final = "/v1/endpoints/{endpoint}/deployedModels/{deployed}"

_REFUSALS: Final = {
    400: "It is malformed.",
    401: "It needs a key, or has one that is not known.",
    403: "The key does not open this.",
    404: "There is no such model or version.",
    405: "The path answers other methods.",
    408: "It took too long to arrive.",
    413: "It is too large, or has too many rows.",
    415: "It is of a type, or encoded in a way, that is not understood.",
    431: "Its headers are too large.",
    500: "The model or the server failed.",
    503: "The server has more to do than it can, or is about to end; see Retry-After.",
    504: "The answer took too long.",
}
_OF_READING: Final = (400, 401, 403, 404, 405, 408, 413, 415, 431, 500, 503)
_FLAG: Final[JsonSchema] = {"type": "boolean"}
_BYTES: Final[JsonSchema] = {"type": "string", "format": "binary"}
_Path = tuple[str, str, dict[str, Any]]


@final
class OpenAPI:
    """``/openapi.json``, by OpenAPI 3.1.

    Parameters
    ----------
    service : Service
        What is served.
    own_routes : sequence of (method, path, path), optional
        What this server alone answers, such as what Vertex names, and which path it is like.
    """

    def __init__(
        self, service: Service, *, own_routes: Sequence[tuple[str, str, str]] = ()
    ) -> None:
        self._service = service
        self._own = tuple(own_routes)
        self._made: tuple[object, bytes] | None = None

    def routes(self) -> tuple[Route, ...]:
        """Return the route."""
        return (
            Route(method="GET", pattern="/openapi.json", role=Role.OBSERVE, action=self.answer),
        )

    def answer(self, _: Request) -> Response:
        """Return the description."""
        about = [(model.version, model.signature) for model in self._service.models.values()]
        if self._made is None or self._made[0] != about:
            self._made = (about, encode(self.document()))
        return Response(body=self._made[1])

    def document(self) -> dict[str, Any]:
        """Return the description as an object."""
        default = self._service.default
        paths: dict[str, Any] = {}
        for method, path, operation in self._operations():
            paths.setdefault(path, {})[method] = operation
        for method, path, like in self._own:
            operation = {k: v for k, v in paths[like][method].items() if k != "parameters"}
            paths.setdefault(path, {})[method] = operation
        return {
            "openapi": "3.1.0",
            "info": {
                "title": ", ".join(self._service.models),
                "version": default.version,
                "description": default.about().facts.get("statement", ""),
                "x-mldeploy": metadata.version("mldeploy"),
            },
            "paths": paths,
            "components": {
                "schemas": dict(self._components()),
                "securitySchemes": {
                    "bearer": {"type": "http", "scheme": "bearer"},
                    "header": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
                },
            },
        }

    def _components(self) -> Iterator[tuple[str, JsonSchema]]:
        yield from (("Error", OUR_ERROR), ("TextError", TEXT_ERROR), ("MlflowError", MLFLOW_ERROR))
        yield "Explanation", explanation_schema()
        yield "OutputTensor", output_tensor()
        default = self._service.default
        yield "OpenRow", open_row_schema(default.signature.inputs, default.name)
        yield "ListedRow", listed_row_schema(default.signature.inputs, default.name)
        for number, model in enumerate(self._service.models.values()):
            schema = model.signature.inputs
            yield f"Row{number}", row_schema(schema, model.name)
            yield f"Columns{number}", columns_schema(schema, model.name)
            yield f"Answer{number}", answer_schema(model.signature)
            yield f"Answers{number}", answers_schema(model.signature)
            yield f"InputTensor{number}", input_tensor(model.signature, model.name)

    def _operations(self) -> Iterator[_Path]:
        yield from _of_health()
        yield from _of_observing()
        yield "post", "/labels", _labels()
        yield "post", "/invocations", _invocations()
        yield from _of_vertex()
        for number, model in enumerate(self._service.models.values()):
            name = quote(model.name, safe="")
            predict = _predict(number, model)
            if model is self._service.default:
                yield "post", "/predict", predict
            yield "post", f"/models/{name}/predict", predict
            version = _in_path("version") | {"schema": {"enum": [model.version_number]}}
            for place, parameters in (("", []), ("/versions/{version}", [version])):
                path = f"/v2/models/{name}{place}"
                yield "get", path, _with(parameters, _tensors(model))
                yield "get", f"{path}/ready", _with(parameters, _model_ready(model))
                yield "post", f"{path}/infer", _with(parameters, _infer(number, model))


def _ref(name: str) -> JsonSchema:
    return {"$ref": f"#/components/schemas/{name}"}


def _in_path(name: str) -> dict[str, Any]:
    return {"name": name, "in": "path", "required": True, "schema": TEXT}


def _with(parameters: list[dict[str, Any]], operation: dict[str, Any]) -> dict[str, Any]:
    return operation | {"parameters": parameters} if parameters else operation


def _response(what: str, **kinds: JsonSchema) -> dict[str, Any]:
    return {"description": what, "content": {kind: {"schema": s} for kind, s in kinds.items()}}


def _operation(
    what: str,
    answers: Mapping[int, dict[str, Any]],
    *,
    error: str = "Error",
    body: Mapping[str, JsonSchema] | None = None,
    is_open: bool = False,
) -> dict[str, Any]:
    responses = {str(status): answer for status, answer in answers.items()}
    for status in (*_OF_READING, *((504,) if body else ())):
        refused = _response(_REFUSALS[status], **{_JSON: _ref(error)})
        responses.setdefault(str(status), refused)
    operation: dict[str, Any] = {"summary": what, "responses": responses}
    if not is_open:
        operation["security"] = [{}, {"bearer": []}, {"header": []}]
    if body:
        content = {kind: {"schema": schema} for kind, schema in body.items()}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


# --- health, and what is seen -----------------------------------------------------------------


def _of_health() -> Iterator[_Path]:
    ready, live = an_object({"ready": _FLAG}), an_object({"live": _FLAG})
    whole = open_object({"ready": _FLAG, "mldeploy": TEXT, "models": {"type": "object"}})
    takes = "Whether requests should be sent here."
    for path, what, schema, error in (
        ("/livez", "Whether the process lives.", live, "Error"),
        ("/readyz", takes, whole, "Error"),
        ("/v2/health/live", "Whether the server lives.", live, "TextError"),
        ("/v2/health/ready", takes, ready, "TextError"),
    ):
        yes, no = _response("Yes.", **{_JSON: schema}), _response("Not now.", **{_JSON: schema})
        answers = {200: yes} if schema is live else {200: yes, 503: no}
        yield "get", path, _operation(what, answers, error=error, is_open=True)
    for path in ("/ping", "/health"):
        plain = {status: _response(takes, **{_TEXT: TEXT}) for status in (200, 503)}
        yield "get", path, _operation(takes, plain, error="MlflowError", is_open=True)
    version = {200: _response("It.", **{_TEXT: TEXT})}
    told = "The version of mldeploy."
    yield "get", "/version", _operation(told, version, error="MlflowError", is_open=True)
    server = an_object({"name": TEXT, "version": TEXT, "extensions": a_list(TEXT)})
    for path in ("/v2", "/v2/"):
        about = {200: _response("It.", **{_JSON: server})}
        yield "get", path, _operation("What it is.", about, error="TextError", is_open=True)


def _of_observing() -> Iterator[_Path]:
    for path, what, kind, schema in (
        ("/metrics", "Figures for Prometheus.", _TEXT, TEXT),
        ("/openapi.json", "This description.", _JSON, open_object({"openapi": TEXT})),
        ("/", "A page to try the model and watch it.", "text/html", TEXT),
        ("/live.json", "What the page draws.", _JSON, {"type": "object"}),
    ):
        yield "get", path, _operation(what, {200: _response(what, **{kind: schema})})


# --- our own ----------------------------------------------------------------------------------


def _predict(number: int, model: Served) -> dict[str, Any]:
    row, columns = _ref(f"Row{number}"), _ref(f"Columns{number}")
    keys = a_list(KEY) | {"type": ["array", "null"], "description": "One for each row."}
    explain = {} if model.explain is None else {"explain": _FLAG}
    asked = one_of(
        row=an_object({"row": row}, key=KEY, uncertainty=_FLAG, **explain),
        rows=an_object({"rows": a_list(row, minItems=1)}, keys=keys),
        columns=an_object({"columns": columns}, keys=keys),
    )
    one = _ref(f"Answer{number}")
    told = {
        "oneOf": [
            one,
            an_object({"answers": a_list(one)}),
            an_object({"answers": _ref(f"Answers{number}")}),
            *answers_at_leisure(model.signature, _ref("Explanation")),
        ]
    }
    answers = {
        200: _response("The answers.", **{_JSON: told}, **dict.fromkeys(_ARROW, _BYTES)),
        422: _response("Values are refused; each is named.", **{_JSON: _ref("Error")}),
    }
    body = {_JSON: asked, **dict.fromkeys(_ARROW, _BYTES)}
    operation = _operation(f"Predict with {model.name}.", answers, body=body)
    if examples := model.about().examples:
        content = operation["requestBody"]["content"][_JSON]
        content["example"] = {"row": example_of(examples[0])}
    return operation


def _labels() -> dict[str, Any]:
    moment = {"type": ["string", "null"], "format": "date-time"}
    value: JsonSchema = {"type": ["boolean", "number", "string"]}
    one = one_of(
        prediction=an_object({"prediction_id": TEXT, "value": value}, observed_at=moment),
        key=an_object({"key": TEXT, "time": moment | {"type": "string"}, "value": value},
                      observed_at=moment),
    )  # fmt: skip
    answers = {
        202: _response("They are kept.", **{_JSON: an_object({"accepted": {"type": "integer"}})}),
        422: _response("Labels are refused; each is named.", **{_JSON: _ref("Error")}),
        501: _response("No labels are kept here.", **{_JSON: _ref("Error")}),
    }
    listed = a_list(one, minItems=1, maxItems=MOST_LABELS)
    body = {_JSON: an_object({"labels": listed})}
    return _operation("Say what was true of predictions.", answers, body=body)


# --- other protocols --------------------------------------------------------------------------


def _invocations() -> dict[str, Any]:
    rows, lists = a_list(_ref("OpenRow"), minItems=1), a_list(_ref("ListedRow"), minItems=1)
    split = open_object({"columns": a_list(TEXT), "data": a_list({"type": "array"}, minItems=1)})
    asked = {
        "anyOf": [
            open_object({"dataframe_records": rows}),
            open_object({"dataframe_split": split}),
            open_object({"instances": {"anyOf": [rows, lists]}}),
            open_object({"inputs": {"anyOf": [rows, lists, {"type": "object"}]}}),
        ]
    }
    told = an_object({"predictions": {"type": "array"}})
    answers = {
        200: _response("One prediction for each row.", **{_JSON: told, _CSV: TEXT}),
        415: _response(
            _REFUSALS[415], **{_TEXT: TEXT, _JSON: _ref("MlflowError")}
        ),
    }  # fmt: skip
    body = {_JSON: asked, _CSV: TEXT}
    return _operation(
        "Predict, as MLflow and SageMaker ask.", answers, body=body, error="MlflowError"
    )


def _of_vertex() -> Iterator[_Path]:
    parameters = [_in_path("endpoint"), _in_path("deployed")]
    status = an_object({"ready": _FLAG})
    health = _operation(
        "Whether Vertex AI should send requests here.",
        {200: _response("Yes.", **{_JSON: status}), 503: _response("No.", **{_JSON: status})},
        error="TextError",
        is_open=True,
    )
    yield "get", _VERTEX, _with(parameters, health)
    yield "get", f"{_VERTEX}:predict", _with(parameters, health)
    instance = {"anyOf": [_ref("OpenRow"), _ref("ListedRow")]}
    told = an_object({"predictions": a_list({"type": "object"})})
    predict = _operation(
        "Predict, as Vertex AI asks.",
        {200: _response("One prediction for each instance.", **{_JSON: told})},
        error="TextError",
        body={_JSON: open_object({"instances": a_list(instance, minItems=1)})},
    )
    yield "post", f"{_VERTEX}:predict", _with(parameters, predict)


def _tensors(model: Served) -> dict[str, Any]:
    shape = a_list({"type": "integer", "minimum": -1})
    tensors = a_list(an_object({"name": TEXT, "datatype": TEXT, "shape": shape}))
    about = an_object(
        {"name": {"const": model.name}, "versions": a_list(TEXT), "platform": TEXT,
         "inputs": tensors, "outputs": tensors}
    )  # fmt: skip
    return _operation(
        f"The tensors of {model.name}.", {200: _response("They.", **{_JSON: about})},
        error="TextError",
    )  # fmt: skip


def _model_ready(model: Served) -> dict[str, Any]:
    status = an_object({"name": {"const": model.name}, "ready": _FLAG})
    answers = {200: _response("Yes.", **{_JSON: status}), 503: _response("No.", **{_JSON: status})}
    what = f"Whether {model.name} takes requests."
    return _operation(what, answers, error="TextError", is_open=True)


def _infer(number: int, model: Served) -> dict[str, Any]:
    wanted = open_object({"name": TEXT}, parameters={"type": "object"})
    asked = open_object(
        {"inputs": a_list(_ref(f"InputTensor{number}"), minItems=1)},
        id=TEXT,
        outputs=a_list(wanted),
        parameters={"type": "object"},
    )
    told = an_object(
        {"model_name": {"const": model.name}, "model_version": TEXT,
         "outputs": a_list(_ref("OutputTensor"))},
        id=TEXT,
    )  # fmt: skip
    return _operation(
        f"Infer with {model.name}, by the Open Inference Protocol.",
        {200: _response("The outputs.", **{_JSON: told, _OCTETS: _BYTES})},
        error="TextError",
        body={_JSON: asked, _OCTETS: _BYTES},
    )
