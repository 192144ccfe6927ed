"""Which function answers which path, and who may ask it."""

from __future__ import annotations

import enum
import re
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, final
from urllib.parse import unquote

from mldeploy.serving.http._messages import Request, Response


@final
class Role(enum.StrEnum):
    """What somebody may do; a route without one does not exist."""

    ANYONE = "anyone"
    """Needs no key: whether the server lives, and is ready."""
    PREDICT = "predict"
    LABEL = "label"
    OBSERVE = "observe"
    """See figures, the page and the description of the interface."""


Action: TypeAlias = Callable[..., Response | Awaitable[Response]]
"""Takes a request and, by name, the parts of the path that its pattern names."""

_NAMED: Final = re.compile(r"\{([a-z]+)\}")


@final
@dataclass(frozen=True, kw_only=True)
class Route:
    """One path with one method.

    Attributes
    ----------
    method : str
        In capitals; HEAD is answered where GET is.
    pattern : str
        The path; ``{name}`` stands for one segment of it.
    role : Role
        Who may ask.
    action : callable
        What answers.
    """

    method: str
    pattern: str
    role: Role
    action: Action

    def __post_init__(self) -> None:
        if not isinstance(self.role, Role):
            raise TypeError(f"the route {self.method} {self.pattern} says not who may ask it")


@final
class Router:
    """Find the route of a request.

    Parameters
    ----------
    routes : iterable of Route
        The first that fits is taken.
    """

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._fixed: dict[tuple[str, str], Route] = {}
        self._patterns: list[tuple[re.Pattern[str], Route]] = []
        for route in self.routes:
            if _NAMED.search(route.pattern):
                escaped = re.escape(route.pattern).replace(r"\{", "{").replace(r"\}", "}")
                pattern = re.compile(_NAMED.sub(r"(?P<\1>[^/]+)", escaped))
                self._patterns.append((pattern, route))
            else:
                self._fixed.setdefault((route.method, route.pattern), route)

    def find(self, request: Request) -> tuple[Route, Mapping[str, Any]] | None:
        """Return the route, and the parts of the path that it names; None if there is none."""
        method = "GET" if request.method == "HEAD" else request.method
        route = self._fixed.get((method, request.path))
        if route is not None:
            return route, {}
        for pattern, candidate in self._patterns:
            if candidate.method == method and (found := pattern.fullmatch(request.path)):
                return candidate, {k: unquote(v) for k, v in found.groupdict().items()}
        return None

    def methods(self, path: str) -> tuple[str, ...]:
        """Return the methods that a path answers."""
        found = {r.method for r in self.routes if r.pattern == path}
        found |= {r.method for pattern, r in self._patterns if pattern.fullmatch(path)}
        return tuple(sorted(found | ({"HEAD"} if "GET" in found else set())))
