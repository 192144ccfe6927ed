"""The Open Inference Protocol, version 2, with its binary extension."""

from __future__ import annotations

from collections.abc import Awaitable, Collection
from importlib import metadata
from typing import Any, Final, final

import numpy as np

from mldeploy.model import Signature
from mldeploy.serving._answers import Answers
from mldeploy.serving.http._errors import BadRequest
from mldeploy.serving.http._json import an_object, encode
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._oip_tensors import (
    Output,
    binary_of,
    input_columns,
    outputs_of,
    tensor_type,
)
from mldeploy.serving.http._routing import Role, Route
from mldeploy.serving.http._service import Served, Service
from mldeploy.serving.http._tables import (
    few_enough,
    quick_frame,
    respond,
    rows_of_columns,
)

_LENGTH: Final = b"inference-header-content-length"
_MODEL: Final = "/v2/models/{model}"
_VERSION: Final = "/v2/models/{model}/versions/{version}"


@final
class InferenceProtocol:
    """Everything below ``/v2``.

    Parameters
    ----------
    service : Service
        What is served.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> tuple[Route, ...]:
        """Return the routes."""
        anyone: dict[str, Any] = {"method": "GET", "role": Role.ANYONE}
        found = [
            Route(pattern="/v2/health/live", action=self.live, **anyone),
            Route(pattern="/v2/health/ready", action=self.ready, **anyone),
            Route(pattern="/v2", action=self.server, **anyone),
            Route(pattern="/v2/", action=self.server, **anyone),
        ]
        for place in (_VERSION, _MODEL):
            found += [
                Route(pattern=f"{place}/ready", action=self.model_ready, **anyone),
                Route(method="GET", pattern=place, role=Role.PREDICT, action=self.metadata),
                Route(
                    method="POST", pattern=f"{place}/infer", role=Role.PREDICT, action=self.infer
                ),
            ]
        return tuple(found)

    def live(self, _: Request) -> Response:
        """Tell that the server lives."""
        return Response(body=b'{"live":true}')

    def ready(self, _: Request) -> Response:
        """Tell whether it takes requests."""
        ready = not self._service.is_draining()
        return Response(status=200 if ready else 503, body=encode({"ready": ready}))

    def server(self, _: Request) -> Response:
        """Return what the server is."""
        body = {
            "name": "mldeploy",
            "version": metadata.version("mldeploy"),
            "extensions": ["binary_tensor_data"],
        }
        return Response(body=encode(body))

    def model_ready(self, _: Request, model: str, version: str | None = None) -> Response:
        """Tell whether a model takes requests."""
        found = self._service.model(model, version)
        ready = not self._service.is_draining()
        body = {"name": found.name, "ready": ready}
        return Response(status=200 if ready else 503, body=encode(body))

    def metadata(self, _: Request, model: str, version: str | None = None) -> Response:
        """Return the tensors of a model."""
        found = self._service.model(model, version)
        signature = found.signature
        body = {
            "name": found.name,
            "versions": [found.version_number],
            "platform": "mldeploy_compiled" if found.is_compiled else "sklearn_skops",
            "inputs": [
                {"name": column.name, "datatype": tensor_type(column.kind), "shape": [-1]}
                for column in signature.inputs.columns
            ],
            "outputs": _described(signature),
        }
        return Response(body=encode(body))

    def infer(
        self, request: Request, model: str, version: str | None = None
    ) -> Response | Awaitable[Response]:
        """Answer tensors."""
        found = self._service.model(model, version)
        head, tail = _parts(request)
        asked = an_object(head)
        identifier = asked.get("id")
        if identifier is not None and not isinstance(identifier, str):
            raise BadRequest(400, '"id" is no text')
        outputs = _chosen(
            asked.get("outputs"),
            _names(found.signature),
            all_binary=_parameters(asked, "the request").get("binary_data_output") is True,
        )
        columns = input_columns(asked.get("inputs"), tail, found.signature.inputs)
        n_rows = len(next(iter(columns.values())))
        few_enough(n_rows, self._service)
        schema = found.signature.inputs
        table: Any = quick_frame(columns, schema)
        if table is None:
            table = rows_of_columns(columns, schema, "inputs")

        def write(answers: Answers) -> Response:
            return _written(found, answers, outputs, identifier)

        return respond(found, table, write)


def _parts(request: Request) -> tuple[bytes, bytes]:
    """Return the JSON of a request, and the tensors that follow it."""
    kind = request.headers.get(b"content-type", b"application/json")
    kind = kind.partition(b";")[0].strip().lower()
    if kind not in (b"application/json", b"application/octet-stream", b""):
        raise BadRequest(415, "send application/json, or application/octet-stream with tensors")
    length = request.headers.get(_LENGTH)
    if length is None:
        if kind == b"application/octet-stream":
            raise BadRequest(400, "binary data need the header Inference-Header-Content-Length")
        return request.body, b""
    if not length.isdigit() or len(length) > 18:
        raise BadRequest(400, "Inference-Header-Content-Length is no number")
    size = int(length)
    if size == 0:
        raise BadRequest(400, "a request without JSON is not supported; send names and shapes")
    if size > len(request.body):
        raise BadRequest(400, "Inference-Header-Content-Length goes beyond the body")
    return request.body[:size], request.body[size:]


def _written(
    model: Served, answers: Answers, chosen: list[tuple[str, bool]], identifier: str | None
) -> Response:
    outputs = outputs_of(answers, model.signature)
    tensors, tail = [], []
    for name, is_binary in chosen:
        output = outputs[name]
        tensor: dict[str, Any] = {
            "name": name,
            "datatype": output.datatype,
            "shape": list(output.shape),
        }
        if is_binary:
            tail.append(binary_of(output))
            tensor["parameters"] = {"binary_data_size": len(tail[-1])}
        else:
            tensor["data"] = _finite(output)
        tensors.append(tensor)
    body: dict[str, Any] = {
        "model_name": model.name,
        "model_version": answers.versions[0].rpartition(":")[2],
        "outputs": tensors,
    }
    if identifier is not None:
        body["id"] = identifier
    head = encode(body)
    if not tail:
        return Response(body=head)
    return Response(
        body=b"".join((head, *tail)),
        content_type=b"application/octet-stream",
        headers=((_LENGTH, str(len(head)).encode()),),
    )


def _finite(output: Output) -> list[Any]:
    if output.datatype == "FP64" and not np.isfinite(output.values).all():
        raise BadRequest(
            500, "the answer is not finite, which JSON cannot say; ask for binary data"
        )
    values: list[Any] = output.values.ravel().tolist()
    return values


def _chosen(
    wanted: object, outputs: Collection[str], *, all_binary: bool
) -> list[tuple[str, bool]]:
    if wanted is None or wanted == []:
        return [(name, all_binary) for name in outputs]
    if not isinstance(wanted, list):
        raise BadRequest(400, '"outputs" is no list of outputs')
    chosen = []
    for one in wanted:
        name = one.get("name") if isinstance(one, dict) else None
        if not isinstance(name, str) or name not in outputs:
            raise BadRequest(
                400, f"there is no output {str(name)[:80]!r}; see {', '.join(outputs)}"
            )
        parameters = _parameters(one, f"the output {name!r}")
        chosen.append((name, parameters.get("binary_data", all_binary) is True))
    return chosen


def _parameters(of: dict[str, Any], what: str) -> dict[str, Any]:
    parameters = of.get("parameters")
    if not isinstance(parameters, dict | None):
        raise BadRequest(400, f'"parameters" of {what} is no object')
    return parameters or {}


def _names(signature: Signature) -> list[str]:
    return [output["name"] for output in _described(signature)]


def _described(signature: Signature) -> list[dict[str, Any]]:
    label = signature.classes[0] if signature.classes else 0.0
    kinds = {bool: "BOOL", int: "INT64", str: "BYTES", float: "FP64"}
    described: list[dict[str, Any]] = [
        {"name": "prediction", "datatype": kinds[type(label)], "shape": [-1]}
    ]
    if signature.probabilistic:
        many = signature.positive is None
        shape = [-1, len(signature.classes)] if many else [-1]
        described.append({"name": "score", "datatype": "FP64", "shape": shape})
    described += [
        {"name": name, "datatype": "BYTES", "shape": [-1]} for name in ("prediction_id", "route")
    ]
    return described
