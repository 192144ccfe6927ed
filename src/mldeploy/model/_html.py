"""A model as a notebook shows it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mldeploy.evidence import Markup, escape, html_fragment, html_table

if TYPE_CHECKING:
    from mldeploy.model._model import Model

_MOST_COLUMNS = 50


def model_html(model: Model) -> str:
    """Return signature, provenance and baselines as tables; every name is escaped."""
    columns = model.signature.inputs.columns
    inputs = [(c.name, c.kind, "may be missing" if c.nullable else "") for c in columns]
    parts = [
        f"<p><b>{escape(model.problem.name)}</b>: {escape(model.problem.statement)}</p>",
        html_table(("", ""), _facts(model)),
        f"<details><summary>{len(columns)} inputs</summary>",
        html_table(("Column", "Kind", ""), inputs[:_MOST_COLUMNS]),
        f"<p>and {len(inputs) - _MOST_COLUMNS} more</p>" if len(inputs) > _MOST_COLUMNS else "",
        "</details>",
    ]
    return html_fragment("".join(parts))


def _facts(model: Model) -> list[tuple[str, Any]]:
    signature, provenance, code = model.signature, model.provenance, model.provenance.code
    answers = ", ".join(map(repr, signature.classes)) or "a number"
    if signature.positive is not None:
        answers += f"; positive is {signature.positive!r}"
    tree = {True: "changed since", False: "clean", None: ""}[code.dirty]
    return [
        ("Predicts", f"{signature.target} ({signature.task}): {answers}"),
        ("Estimator", Markup(f"<code>{escape(provenance.estimator)}</code>")),
        ("Scores", "probabilities" if signature.probabilistic else "no probabilities"),
        ("Trained", f"{provenance.trained_at:%Y-%m-%d %H:%M} UTC by {provenance.trained_by}"),
        ("Took", provenance.duration),
        ("Rows", f"{provenance.n_rows:,} (data {provenance.data[:12]})"),
        ("Trainer", f"{provenance.trainer}, seed {provenance.seed}"),
        ("Code", f"{code.commit[:12]} {tree}" if code.commit else "outside a repository"),
        ("Baselines", ", ".join(model.baselines) or "-"),
        ("Routing", model.routing.certain if model.routing else "not chosen yet"),
    ]
