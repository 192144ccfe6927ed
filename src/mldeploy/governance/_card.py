"""The model card: what the record says of one version, and what it does not."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import final

from mldeploy._record import Record
from mldeploy.errors import IntegrityError
from mldeploy.evidence import (
    Approval,
    Report,
    Severity,
    Verdict,
    Waiver,
    escape,
    html_fragment,
    html_page,
    html_table,
    markdown_escape,
    markdown_table,
)
from mldeploy.model import Bundle
from mldeploy.registry import ModelVersion, Promotion, Registry

_EXPECTED = {
    "CriteriaValidator": "the criteria on held-out rows",
    "BaselineValidator": "a comparison with baselines and the champion",
    "SliceValidator": "a search for slices on which it is worse",
    "FitValidator": "over- and underfitting, by rivals",
    "AutonomyValidator": "where the model may decide by itself",
}


@final
class CardSection(Record):
    """One part of a card: a heading, a sentence, and a table."""

    title: str
    text: str = ""
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()


@final
class ModelCard(Record):
    """What the record says of one version; made from the record alone, never by hand.

    Attributes
    ----------
    title : str
        Name and number of the version.
    verdict : Verdict
        What its validation comes to, waivers counted.
    sections : tuple of CardSection
        What it is for, what was found, what was not done, who signed.
    """

    title: str
    verdict: Verdict
    sections: tuple[CardSection, ...]

    def to_markdown(self) -> str:
        """Return the card as Markdown; names and values cannot break out of it."""
        parts = [f"# {markdown_escape(self.title)}", f"**Validation: {self.verdict}**"]
        for section in self.sections:
            parts.append(f"## {markdown_escape(section.title)}")
            if section.text:
                parts.append(markdown_escape(section.text))
            if section.rows:
                headers = [markdown_escape(header) for header in section.headers]
                parts.append(markdown_table(headers, section.rows))
        return "\n\n".join(parts) + "\n"

    def to_html(self) -> str:
        """Return the card as a self-contained page that runs no script."""
        return html_page(self.title, self._body())

    def _body(self) -> str:
        parts = [f"<h1>{escape(self.title)}</h1><p>Validation: <b>{self.verdict}</b></p>"]
        for section in self.sections:
            parts.append(f"<h2>{escape(section.title)}</h2><p>{escape(section.text)}</p>")
            if section.rows:
                parts.append(html_table(section.headers, section.rows))
        return "".join(parts)

    def _repr_html_(self) -> str:
        return html_fragment(self._body())


def model_card(
    registry: Registry, version: ModelVersion, bundle: Bundle, *, at: datetime
) -> ModelCard:
    """Return the card of a version, from its bundle and the registry's record.

    Parameters
    ----------
    registry : Registry
        Holds reports, approvals, waivers and promotions.
    version : ModelVersion
        Of which.
    bundle : Bundle
        Its bundle; see `Registry.open_bundle`.
    at : datetime
        Waivers that have ended by then do not count.

    Raises
    ------
    IntegrityError
        If the bundle is another version's, or the record was edited.
    """
    evidence = registry.evidence(version, at=at)
    for what, expected, found in (
        ("model", version.model, bundle.model_digest),
        ("problem", version.problem, bundle.problem.digest),
    ):
        if found != expected:
            wrong = f"the bundle at {bundle.directory} (its {what} is not that of {version.label})"
            raise IntegrityError(wrong, expected=expected, found=found)
    return ModelCard(
        title=version.label,
        verdict=evidence.verdict,
        sections=(
            _intended_use(bundle),
            _what_must_hold(bundle),
            _how_it_was_made(bundle),
            _what_was_found(evidence),
            _what_does_not_hold(evidence),
            _what_was_not_done(evidence),
            _who_signed(registry.sign_offs.approvals(version), evidence),
            _where_it_served(registry.history(version.name), version),
        ),
    )


def _intended_use(bundle: Bundle) -> CardSection:
    problem = bundle.problem
    facts = {
        "Decision": problem.decision or "not stated",
        "Owner": problem.owner or "not stated",
        "Task": f"{problem.task}, target {problem.target}",
        "Truth known after": str(problem.label_delay),
        "Autonomy": type(problem.autonomy).__name__,
        "Sensitive columns": ", ".join(problem.sensitive) or "none declared",
    }
    return _facts("What it is for", problem.statement, facts)


def _what_must_hold(bundle: Bundle) -> CardSection:
    return CardSection(
        title="What must hold",
        headers=("Criterion", "Confidence", "If it does not hold"),
        rows=tuple(
            (str(c), f"{c.confidence:.0%}", str(c.severity)) for c in bundle.problem.criteria
        ),
    )


def _how_it_was_made(bundle: Bundle) -> CardSection:
    made = bundle.provenance
    code = made.code.commit or "not in version control"
    facts = {
        "Estimator": made.estimator,
        "Trained": f"{made.trained_at:%Y-%m-%d %H:%M %Z} by {made.trained_by}",
        "Rows": f"{made.n_rows:,}",
        "Features": ", ".join(made.features),
        "Data": made.data,
        "Code": f"{code}{' with uncommitted changes' if made.code.dirty else ''}",
        "Seed": "none" if made.seed is None else str(made.seed),
        "Python": f"{made.python} on {made.platform}",
        "Compiled": _compiled(bundle.compiled_report),
    }
    return _facts("How it was made", "", facts)


def _compiled(report: Report | None) -> str:
    if report is None:
        return "Not tried; the original serves."
    told = " ".join(f.summary for f in report.select(name="serves"))
    proofs = [
        f
        for f in report.select(name="largest_difference")
        if f.severity is Severity.BLOCKER and f.estimate is not None
    ]
    if not proofs:
        return told
    largest = max(f.estimate or 0.0 for f in proofs)
    n_rows = sum(f.n or 0 for f in proofs)
    return f"{told} On {n_rows:,} rows the largest difference of a score is {largest:.2g}."


def _what_was_found(evidence: Report) -> CardSection:
    return CardSection(
        title="What was found",
        text=f"By {evidence.made_by} on {evidence.started_at:%Y-%m-%d}.",
        headers=("Verdict", "Check", "Subject", "Estimate", "Bound", "n", "More rows", "In words"),
        rows=tuple(f.cells() for f in evidence.findings),
    )


def _what_does_not_hold(evidence: Report) -> CardSection:
    rows = tuple(
        (str(f.verdict), f.name, f.subject, f.waived_by or "", f.summary)
        for f in evidence.findings
        if f.verdict is not Verdict.PASS and f.severity is not Severity.INFO
    )
    return CardSection(
        title="Known limits",
        text="" if rows else "No finding speaks against it.",
        headers=("Verdict", "Check", "Subject", "Waived by", "In words"),
        rows=rows,
    )


def _what_was_not_done(evidence: Report) -> CardSection:
    done = {f.check for f in evidence.findings}
    missing = [what for check, what in _EXPECTED.items() if check not in done]
    text = (
        f"Not part of this validation: {'; '.join(missing)}." if missing else "Nothing left out."
    )
    return CardSection(title="What was not done", text=text)


def _who_signed(approvals: Sequence[Approval], evidence: Report) -> CardSection:
    rows = []
    for a in approvals:
        rows.append(("approved", a.by, f"{a.at:%Y-%m-%d}", a.reason))
        if a.self_approval_waiver is not None:
            rows.append(_waived("the second person", a.self_approval_waiver))
    for w in evidence.waivers:
        rows.append(_waived(" · ".join(filter(None, (w.check, w.name, w.slice))), w))
    return CardSection(
        title="Who signed",
        text="" if rows else "Nobody yet.",
        headers=("What", "Who", "When", "Why"),
        rows=tuple(rows),
    )


def _waived(what: str, waiver: Waiver) -> tuple[str, str, str, str]:
    return f"waived {what} until {waiver.until:%Y-%m-%d}", waiver.by, "", waiver.reason


def _where_it_served(moves: Sequence[Promotion], version: ModelVersion) -> CardSection:
    rows = tuple(
        (f"{m.at:%Y-%m-%d %H:%M}", str(m), m.by)
        for m in moves
        if version.number in {m.number, m.previous}
    )
    return CardSection(
        title="Where it served",
        text="" if rows else "It has not served.",
        headers=("When", "What", "Who"),
        rows=rows,
    )


def _facts(title: str, text: str, facts: dict[str, str]) -> CardSection:
    return CardSection(title=title, text=text, headers=("", ""), rows=tuple(facts.items()))
