"""The page at ``/``: try one row, watch the service, read the card."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Sequence
from functools import cached_property
from importlib import resources
from typing import Any, Final, final

from mldeploy.evidence import escape
from mldeploy.serving.http._json import encode
from mldeploy.serving.http._markdown import html_of_markdown
from mldeploy.serving.http._messages import Request, Response
from mldeploy.serving.http._metrics import Metrics
from mldeploy.serving.http._routing import Role, Route
from mldeploy.serving.http._service import Served, Service

_HTML: Final = b"text/html; charset=utf-8"
Drift = Callable[[], Sequence[dict[str, Any]]]
"""Returns the fields of a `DriftFigure` for each column."""


@final
class Page:
    """``/`` and ``/live.json``.

    The page is one file: it loads nothing from elsewhere, and its policy lets the browser run no
    other script than its own. Names and values are data to it, never markup.

    Parameters
    ----------
    service : Service
        What is served; the page is about the first model.
    metrics : Metrics
        What is drawn.
    drift : callable, optional
        What is told of drift.
    """

    def __init__(self, service: Service, metrics: Metrics, *, drift: Drift | None = None) -> None:
        self._service = service
        self._metrics = metrics
        self._drift = drift
        self._made: tuple[object, bytes] | None = None

    def routes(self) -> tuple[Route, ...]:
        """Return the routes."""
        return (
            Route(method="GET", pattern="/", role=Role.OBSERVE, action=self.answer),
            Route(method="GET", pattern="/live.json", role=Role.OBSERVE, action=self.live),
        )

    def live(self, _: Request) -> Response:
        """Return the figures that are drawn."""
        drift = [] if self._drift is None else list(self._drift())
        version = self._service.default.version
        told = {**self._metrics.summary(), "version": version, "drift": drift}
        return Response(body=encode(told))

    def answer(self, _: Request) -> Response:
        """Return the page."""
        return Response(
            body=self._page(),
            content_type=_HTML,
            headers=(
                (b"content-security-policy", self._policy),
                (b"x-content-type-options", b"nosniff"),
                (b"referrer-policy", b"no-referrer"),
            ),
        )

    @cached_property
    def _script(self) -> str:
        return _asset("page.js") + _asset("live.js")

    @cached_property
    def _style(self) -> str:
        return _asset("page.css")

    @cached_property
    def _policy(self) -> bytes:
        script, style = _hash(self._script), _hash(self._style)
        return (
            f"default-src 'none'; script-src '{script}'; style-src '{style}'; connect-src 'self'; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        ).encode()

    def _page(self) -> bytes:
        """Return the page, made anew where another version answers."""
        model = self._service.default
        about = (model.version, model.signature, model.is_compiled)
        if self._made is None or self._made[0] != about:
            self._made = (about, self._written(model))
        return self._made[1]

    def _written(self, model: Served) -> bytes:
        data = json.dumps(_data(model), ensure_ascii=False, default=str).replace("<", "\\u003c")
        title = escape(model.name)
        return (
            f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
            '<meta name="viewport" content="width=device-width,initial-scale=1">'
            f"<style>{self._style}</style></head><body>{_header(model)}<main>"
            f"{_form(model)}{_charts(model)}{_promised(model)}{_card(model)}</main>"
            f'<script type="application/json" id="data">{data}</script>'
            f"<script>{self._script}</script></body></html>"
        ).encode()


def _header(model: Served) -> str:
    kind = "good" if model.is_compiled else "bad"
    how = "compiled" if model.is_compiled else f"not compiled: {model.about().why_not_compiled}"
    return (
        f"<header><h1>{escape(model.name)}</h1>"
        f'<p class="lead">{escape(model.about().facts.get("statement", ""))}</p>'
        f'<p class="chips"><span class="chip {kind}">{escape(f"{model.version}, {how}")}</span>'
        f'<span class="chip">{escape(model.signature.task)} model of '
        f"{escape(model.signature.target)}</span>"
        f'<span id="state" role="status"></span></p></header>'
    )


def _form(model: Served) -> str:
    asks = (
        '<span><input type="checkbox" id="explain" checked> '
        '<label for="explain">say why, which takes longer</label></span>'
    )
    return (
        '<section class="wide"><h2>Try one row</h2><form id="try"><div id="fields"></div>'
        '<div id="answer" aria-live="polite"><p class="note">The answer appears here; it is '
        "logged like any other.</p></div>"
        '<div class="act"><button type="submit">Predict</button>'
        f"{asks if model.explain is not None else ''}</div></form></section>"
    )


def _charts(model: Served) -> str:
    return (
        '<section><h2>Requests</h2><div id="rate"></div></section>'
        '<section><h2>Latency</h2><div id="latency"></div></section>'
        f'<section class="four"><h2>Drift of {escape(model.version)}</h2>'
        '<table id="drift"></table><p class="note">Share of the last hour&#x27;s rows that moved '
        "to other bins since the training; of the model&#x27;s answers, since the hours before. "
        "The mark is what chance alone exceeds on one day in a hundred at most, if rows are "
        "independent.</p></section>"
    )


def _promised(model: Served) -> str:
    criteria = "".join(f"<li>{escape(c)}</li>" for c in model.about().facts.get("criteria", ()))
    return (
        f'<section class="two"><h2>What is promised</h2><ul>{criteria}</ul>'
        f'<p class="note">Owner: {escape(model.about().facts.get("owner") or "-")}</p></section>'
    )


def _card(model: Served) -> str:
    card = (
        html_of_markdown(model.about().card)
        if model.about().card
        else "<p>This bundle carries no card.</p>"
    )
    return (
        f'<section class="wide"><h2>Model card</h2><div class="card" tabindex="0">{card}</div>'
        "</section>"
    )


def _data(model: Served) -> dict[str, Any]:
    signature = model.signature
    return {
        "columns": [
            {
                "name": c.name, "kind": c.kind, "nullable": c.nullable, "closed": c.closed,
                "categories": list(c.categories or ())[:500],
                "minimum": c.minimum, "maximum": c.maximum,
            }
            for c in signature.inputs.columns
        ],
        "example": dict(next(iter(model.about().examples), {})),
        "classes": list(signature.classes),
        "positive": signature.positive,
        "probabilistic": signature.probabilistic,
        "target": signature.target,
        "version": model.version,
    }  # fmt: skip


def _asset(name: str) -> str:
    folder = resources.files("mldeploy.serving.http") / "assets"
    return (folder / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
