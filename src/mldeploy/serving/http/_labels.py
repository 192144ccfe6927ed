"""``/labels``: what was true of predictions, told later."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, final

from mldeploy.errors import DeploymentError, FieldError
from mldeploy.serving._label import Label
from mldeploy.serving.http._errors import BadRequest
from mldeploy.serving.http._json import an_object, encode
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._routing import Role, Route
from mldeploy.serving.http._service import Service
from mldeploy.serving.http._tables import rows_of

MOST_LABELS: Final = 10_000
_MEMBERS: Final = ("value", "prediction_id", "key", "time", "observed_at")


@final
class LabelProtocol:
    """``/labels``.

    Parameters
    ----------
    service : Service
        What takes them.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> tuple[Route, ...]:
        """Return the route."""
        return (Route(method="POST", pattern="/labels", role=Role.LABEL, action=self.take),)

    def take(self, request: Request) -> Response:
        """Take all labels of a request, or none of them."""
        if self._service.labels is None:
            raise BadRequest(501, "this server keeps no labels; start it with a store")
        kind = request.headers.get(b"content-type", b"").partition(b";")[0]
        if kind.strip().lower() != b"application/json":
            raise BadRequest(415, "send application/json, and say so")
        asked = an_object(request.body)
        if set(asked) != {"labels"}:
            raise BadRequest(400, 'send an object with a list "labels"')
        found = rows_of(asked["labels"], '"labels"')
        if not 0 < len(found) <= MOST_LABELS:
            raise BadRequest(413 if found else 400, f"send 1 to {MOST_LABELS:,} labels")
        errors = [error for row, one in enumerate(found) for error in _wrong(row, one)]
        if errors:
            refused = len({error.row for error in errors})
            raise BadRequest(
                422, f"{refused} of {len(found)} labels are refused, and none is kept",
                fields=errors,
            )  # fmt: skip
        labels = [_label(one) for one in found]
        try:
            self._service.labels(labels)
        except DeploymentError as error:
            raise BadRequest(501, str(error)) from error
        return Response(status=202, body=encode({"accepted": len(labels)}))


def _wrong(row: int, given: Mapping[str, Any]) -> Iterator[FieldError]:
    """Yield what is wrong with one label."""

    def wrong(name: str, code: str, message: str) -> FieldError:
        return FieldError(row=row, column=name[:80], code=code, message=message)

    for name in given:
        if name not in _MEMBERS:
            yield wrong(name, "unknown", f"a label has {', '.join(_MEMBERS)}; leave it out")
    value = given.get("value")
    if value is None:
        yield wrong("value", "missing", "say what was true: a boolean, a number or a text")
    elif not isinstance(value, bool | int | float | str) or value in _INFINITE:
        yield wrong("value", "type", "it is no boolean, finite number or text")
    for name in ("prediction_id", "key"):
        if not isinstance(given.get(name), str | None):
            yield wrong(name, "type", "it is no text")
    for name in ("time", "observed_at"):
        if given.get(name) is not None and _moment(given[name]) is None:
            yield wrong(name, "type", "it is no time such as 2013-01-31T17:45:00Z")
    by_id, by_key = given.get("prediction_id") is not None, given.get("key") is not None
    if by_id == by_key:
        yield wrong("prediction_id", "missing", "send a prediction_id, or a key with a time")
    elif by_key and given.get("time") is None:
        yield wrong("time", "missing", "a key needs the time of the prediction beside it")


def _label(given: Mapping[str, Any]) -> Label:
    return Label(
        value=given["value"],
        prediction_id=given.get("prediction_id"),
        key=given.get("key"),
        time=_moment(given.get("time")),
        observed_at=_moment(given.get("observed_at")),
    )


def _moment(text: object) -> datetime | None:
    with suppress(ValueError):
        moment = datetime.fromisoformat(text) if isinstance(text, str) else None
        if moment is not None and moment.tzinfo is not None:
            return moment
    return None


_INFINITE: Final = (float("inf"), float("-inf"))
