"""What a process that serves is given, and what it makes of it."""

from __future__ import annotations

import importlib
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias, final

from pydantic import Field

from mldeploy._record import Record
from mldeploy.errors import DeploymentError
from mldeploy.serving.http._bounds import Limits
from mldeploy.serving.http._messages import Handler
from mldeploy.serving.http._refusals import ErrorResponse, plain_error
from mldeploy.serving.http._server import Observer

JSON: TypeAlias = Mapping[str, Any]
"""What JSON can say."""


class WorkerContext(Protocol):
    """What a worker knows of its surroundings."""

    @property
    def index(self) -> int:
        """Its number among the workers, from 0; a worker that returns has its old one."""
        ...

    @property
    def is_draining(self) -> bool:
        """Whether it is about to end."""
        ...

    @property
    def n_connections(self) -> int:
        """Connections that are open."""
        ...

    @property
    def n_waiting(self) -> int:
        """Requests that wait for their answer."""
        ...

    def tell(self, message: JSON) -> None:
        """Tell the supervisor something, from any thread; nobody waits for an answer."""
        ...


@final
@dataclass(frozen=True, kw_only=True)
class Work:
    """What a worker does; its factory returns it.

    Attributes
    ----------
    handler : callable
        Answers requests.
    apply : callable, optional
        Takes a plan, makes it true, and returns what the supervisor is told of it, at once or
        later. A plan says all that should be, since a worker that returns is given the last only.
    close : callable, optional
        Called when the last request is answered: writes what is not yet written.
    limits, error_response, observer, lame_duck, drain_timeout
        As for `Server`.
    """

    handler: Handler
    apply: Callable[[JSON], JSON | Awaitable[JSON | None] | None] | None = None
    close: Callable[[], Awaitable[None] | None] | None = None
    limits: Limits = field(default_factory=Limits)
    error_response: ErrorResponse = plain_error
    observer: Observer | None = None
    lame_duck: float = 1.0
    drain_timeout: float = 20.0


Factory: TypeAlias = Callable[[JSON, WorkerContext], Work]
"""Makes the work of one worker from the arguments of a `WorkerSpec`."""


@final
class WorkerSpec(Record):
    """How a worker is made.

    Attributes
    ----------
    factory : str
        Where to import a `Factory` from, as ``"package.module:function"``.
    arguments : mapping
        What it is given; sent to the worker, and seen in no list of processes.
    """

    factory: str
    arguments: dict[str, Any] = Field(default_factory=dict)

    def imported(self) -> Factory:
        """Import the factory.

        Raises
        ------
        DeploymentError
            If there is no such factory.
        """
        module, _, name = self.factory.partition(":")
        try:
            factory: Factory = getattr(importlib.import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise DeploymentError(
                f"cannot import the factory {self.factory!r}: {error}"
            ) from error
        return factory
