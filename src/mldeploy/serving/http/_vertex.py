"""What Vertex AI's custom containers answer."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Mapping
from typing import Any, Final, final

from mldeploy.serving._answers import Answers
from mldeploy.serving.http._errors import BadRequest
from mldeploy.serving.http._json import an_object, encode
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._mlflow import rows_of_list
from mldeploy.serving.http._routing import Role, Route
from mldeploy.serving.http._service import Service
from mldeploy.serving.http._tables import few_enough, finite, plain_scores, respond

_DEFAULT: Final = "/v1/endpoints/{endpoint}/deployedModels/{deployed}"
_AS_VERTEX: Final = "/v1/"


@final
class VertexProtocol:
    """The routes that Vertex names in the environment, or its defaults.

    Parameters
    ----------
    service : Service
        What is served; the first model answers.
    environment : mapping, optional
        Where ``AIP_HEALTH_ROUTE`` and ``AIP_PREDICT_ROUTE`` are looked up.
    """

    def __init__(self, service: Service, *, environment: Mapping[str, str] | None = None) -> None:
        self._service = service
        given = os.environ if environment is None else environment
        self._health, self._predict = given.get("AIP_HEALTH_ROUTE"), given.get("AIP_PREDICT_ROUTE")
        self._own = {self._health, self._predict}

    def routes(self) -> tuple[Route, ...]:
        """Return the routes; those of the environment come first."""
        found = [
            Route(
                method="POST", pattern=_DEFAULT + ":predict", role=Role.PREDICT,
                action=self.predict,
            ),
            Route(
                method="GET", pattern=_DEFAULT + ":predict", role=Role.ANYONE, action=self.health
            ),
            Route(method="GET", pattern=_DEFAULT, role=Role.ANYONE, action=self.health),
        ]  # fmt: skip
        own = []
        if self._predict:
            own.append(
                Route(method="POST", pattern=self._predict, role=Role.PREDICT, action=self.predict)
            )
        if self._health:
            own.append(
                Route(method="GET", pattern=self._health, role=Role.ANYONE, action=self.health)
            )
        return (*own, *found)

    @property
    def own_routes(self) -> list[tuple[str, str, str]]:
        """Method and path that the environment names, and the path that it stands for."""
        found = [("post", self._predict, f"{_DEFAULT}:predict"), ("get", self._health, _DEFAULT)]
        return [(method, path, like) for method, path, like in found if path]

    def health(self, _: Request, **__: str) -> Response:
        """Tell whether requests should be sent here."""
        ready = not self._service.is_draining()
        return Response(status=200 if ready else 503, body=encode({"ready": ready}))

    def predict(self, request: Request, **__: str) -> Response | Awaitable[Response]:
        """Answer instances: as many predictions, in the same order."""
        kind = request.headers.get(b"content-type", b"application/json")
        if kind.partition(b";")[0].strip().lower() != b"application/json":
            raise BadRequest(415, "send application/json")
        asked = an_object(request.body)
        instances: Any = asked.get("instances")
        if not isinstance(instances, list):
            raise BadRequest(400, 'send an object with a list "instances"')
        model = self._service.default
        few_enough(len(instances), self._service)
        rows = rows_of_list(instances, model.signature.inputs, "instances")
        return respond(model, rows, _predictions)

    def form_of(self, path: str) -> str:
        """Return a path whose errors have the form that errors of this path should have."""
        return _AS_VERTEX if path in self._own else path


def _predictions(answers: Answers) -> Response:
    predictions = [
        {"prediction": prediction, "score": score, "route": route, "id": identifier}
        for prediction, score, route, identifier in zip(
            finite(answers).predictions.tolist(),
            plain_scores(answers),
            answers.routes.tolist(),
            answers.ids,
            strict=True,
        )
    ]
    return Response(body=encode({"predictions": predictions}))
