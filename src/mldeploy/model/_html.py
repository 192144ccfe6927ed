"""A model as a notebook shows it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mldeploy.evidence import Markup, escape, html_fragment, html_table
from mldeploy.model._provenance import Provenance
from mldeploy.model._signature import Signature
from mldeploy.problem import Problem, Routing

_MOST_COLUMNS = 50


def model_html(
    problem: Problem,
    signature: Signature,
    provenance: Provenance,
    *,
    baselines: Iterable[str],
    routing: Routing | None,
) -> str:
    """Return signature, provenance and baselines as tables; every name is escaped."""
    columns = signature.inputs.columns
    inputs = [(c.name, c.kind, "may be missing" if c.nullable else "") for c in columns]
    parts = [
        f"<p><b>{escape(problem.name)}</b>: {escape(problem.statement)}</p>",
        html_table(
            ("", ""),
            [
                *_facts(signature, provenance),
                ("Baselines", ", ".join(baselines) or "-"),
                ("Routing", routing.certain if routing else "not chosen yet"),
            ],
        ),
        f"<details><summary>{len(columns)} inputs</summary>",
        html_table(("Column", "Kind", ""), inputs[:_MOST_COLUMNS]),
        f"<p>and {len(inputs) - _MOST_COLUMNS} more</p>" if len(inputs) > _MOST_COLUMNS else "",
        "</details>",
    ]
    return html_fragment("".join(parts))


def _facts(signature: Signature, provenance: Provenance) -> list[tuple[str, Any]]:
    code = provenance.code
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
    ]
