"""Errors in the form that each protocol wants, and which status they have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, final

import msgspec

from mldeploy.errors import (
    FieldError,
    InvalidDataError,
    InvalidRowsError,
    MLDeployError,
    NotFoundError,
    PredictionFailedError,
    PredictionLogError,
)
from mldeploy.serving.http._messages import Response

_MLFLOW: Final = ("/invocations", "/ping", "/version", "/health")
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
    status: int, reason: str, path: str, *, fields: Sequence[FieldError] = ()
) -> Response:
    """Return an error in the form of the protocol that a path belongs to."""
    body: dict[str, Any]
    if path == "/v2" or path.startswith(("/v2/", "/v1/")):
        body = {"error": reason}
    elif path.startswith(_MLFLOW):
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
    extra = ((b"retry-after", b"1"),) if status in (429, 503) else ()
    return Response(status=status, body=_encode(body), headers=extra)


def response_to(error: Exception, path: str) -> Response | None:
    """Return what a client is told about an error; None if it is nobody's business."""
    if isinstance(error, BadRequest):
        return error_response(error.status, error.reason, path, fields=error.fields)
    if isinstance(error, InvalidRowsError):
        own = not path.startswith(("/v2", "/v1", "/invocations"))
        return error_response(422 if own else 400, str(error), path, fields=error.errors)
    for kind, status, told in _TOLD:
        if isinstance(error, kind):
            return error_response(status, told or str(error), path)
    return None


_TOLD: Final[tuple[tuple[type[MLDeployError], int, str], ...]] = (
    (InvalidDataError, 400, ""),
    (NotFoundError, 404, ""),
    (PredictionFailedError, 500, "the model failed; the prediction log tells why"),
    (PredictionLogError, 503, "the prediction could not be written down; try again"),
    (MLDeployError, 500, "the server failed; its log tells why"),
)
