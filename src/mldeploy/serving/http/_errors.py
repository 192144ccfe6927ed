"""Errors in the form that each protocol wants, and which status they have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, final

import msgspec

from mldeploy.errors import (
    DeploymentError,
    FieldError,
    InvalidDataError,
    InvalidRowsError,
    MLDeployError,
    NotFoundError,
    PredictionFailedError,
    PredictionLogError,
)
from mldeploy.serving.http._messages import Response

_MLFLOW: Final = frozenset({"/invocations", "/ping", "/version", "/health"})
_CODES: Final = {
    400: "bad_request", 401: "unauthorized", 403: "forbidden", 404: "not_found",
    405: "method_not_allowed", 406: "not_acceptable", 408: "timeout", 413: "too_large",
    415: "unsupported_media_type", 417: "expectation_failed", 422: "invalid_rows",
    429: "too_many_requests", 431: "too_large", 500: "internal_error", 501: "not_implemented",
    503: "unavailable", 504: "timeout", 505: "version_not_supported",
}  # fmt: skip
_MOST_FIELDS: Final = 100
_encode: Final = msgspec.json.Encoder().encode


@final
class BadRequest(Exception):  # noqa: N818 (an answer, not a fault of ours)
    """What was asked cannot be answered: with which status, and why."""

    def __init__(self, status: int, reason: str, *, fields: Sequence[FieldError] = ()) -> None:
        super().__init__(reason)
        self.status, self.reason, self.fields = status, reason, tuple(fields)


def error_response(
    status: int,
    reason: str,
    path: str,
    *,
    fields: Sequence[FieldError] = (),
    request_id: str = "",
) -> Response:
    """Return an error in the form of the protocol that a path belongs to."""
    body: dict[str, Any]
    if path == "/v2" or path.startswith(("/v2/", "/v1/")):
        body = {"error": reason}
    elif path in _MLFLOW:
        code = "INTERNAL_ERROR" if status >= 500 else "BAD_REQUEST"
        body = {"error_code": code, "message": reason}
    else:
        error: dict[str, Any] = {"code": _CODES.get(status, "error"), "message": reason}
        if fields:
            error["fields"] = [
                {"row": f.row, "column": f.column, "code": f.code, "message": f.message}
                for f in fields[:_MOST_FIELDS]
            ]
        body = {"error": error}
        if request_id:
            body["request_id"] = request_id
    extra = ((b"retry-after", b"1"),) if status in (429, 503) else ()
    return Response(status=status, body=_encode(body), headers=extra)


def response_to(error: BaseException, path: str, request_id: str = "") -> Response | None:
    """Return what a client is told about an error; None if it is nobody's business."""
    fields: Sequence[FieldError] = ()
    if isinstance(error, BadRequest):
        status, told, fields = error.status, error.reason, error.fields
    elif isinstance(error, InvalidRowsError):
        status = 400 if path.startswith(("/v2/", "/v1/", "/invocations")) else 422
        told, fields = str(error), error.errors
    else:
        found = [(status, told) for kind, status, told in _TOLD if isinstance(error, kind)]
        if not found:
            return None
        status, told = found[0][0], found[0][1] or str(error)
    return error_response(status, told, path, fields=fields, request_id=request_id)


_TOLD: Final[tuple[tuple[type[MLDeployError], int, str], ...]] = (
    (InvalidDataError, 400, ""),
    (NotFoundError, 404, ""),
    (PredictionFailedError, 500, "the model failed; the prediction log tells why"),
    (DeploymentError, 503, "the server is about to end, or not ready; try again"),
    (PredictionLogError, 503, "the prediction could not be written down; try again"),
    (MLDeployError, 500, "the server failed; its log tells why"),
)
