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
from mldeploy.governance._hugging_face import CardFacts
from mldeploy.model import Bundle, Model, Provenance
from mldeploy.problem import Problem
from mldeploy.registry import ModelVersion, Promotion, Registry

_EXPECTED = {
    "CriteriaValidator": "the criteria on held-out rows",
    "BaselineValidator": "a comparison with baselines and the champion",
    "SliceValidator": "a search for slices on which it is worse",
    "FairnessValidator": "a comparison of groups of people",
    "CalibrationValidator": "whether its probabilities can be believed",
    "UncertaintyValidator": "sets of answers that keep a promise",
    "AutonomyValidator": "where the model may decide by itself",
    "RobustnessValidator": "noise, missing values, unseen categories and other units",
    "ExplanationValidator": "which columns matter, and how",
    "StabilityValidator": "other seeds, and columns left out",
    "FitValidator": "over- and underfitting, by rivals",
    "StalenessValidator": "how it ages",
    "LeakageValidator": "leaks in the fitted model",
    "RehearsalValidator": "a rehearsal of serving and going back",
}


_ABOUT = {"What was found": (1, 2), "Known limits": (1, 2)}
"""Which cells of a row say what it is about, where it is not the first."""


@final
class CardSection(Record):
    """One part of a card: a heading, a sentence, and a table."""

    title: str
    text: str = ""
    headers: tuple[str, ...] = ()
    rows: tuple[tuple[str, ...], ...] = ()

    def to_markdown(self) -> str:
        """Return the part as Markdown; names and values cannot break out of it."""
        parts = [f"## {markdown_escape(self.title)}"]
        if self.text:
            parts.append(markdown_escape(self.text))
        if self.rows:
            parts.append(markdown_table([markdown_escape(h) for h in self.headers], self.rows))
        return "\n\n".join(parts)

    def to_html(self) -> str:
        """Return the part as HTML without style; names and values are escaped."""
        table = html_table(self.headers, self.rows) if self.rows else ""
        return f"<h2>{escape(self.title)}</h2><p>{escape(self.text)}</p>{table}"

    def _repr_html_(self) -> str:
        return html_fragment(self.to_html())


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
    facts : CardFacts, optional
        What machines read of it.
    """

    title: str
    verdict: Verdict
    sections: tuple[CardSection, ...]
    facts: CardFacts | None = None

    def to_markdown(self) -> str:
        """Return the card as Markdown; names and values cannot break out of it."""
        parts = [f"# {markdown_escape(self.title)}", f"**Validation: {self.verdict}**"]
        parts += [section.to_markdown() for section in self.sections]
        return "\n\n".join(parts) + "\n"

    def to_hugging_face(self) -> str:
        """Return the card as a README of the Hugging Face Hub: metadata, then the Markdown."""
        head = "" if self.facts is None else f"{self.facts.front_matter()}\n\n"
        return head + self.to_markdown()

    def diff(self, older: ModelCard) -> CardSection:
        """Return what differs from an older card, line by line.

        Parameters
        ----------
        older : ModelCard
            The card that is compared with.

        Returns
        -------
        CardSection
            Section, line, what it was and what it is; without rows if nothing differs.
        """
        was, now = _lines(older), _lines(self)
        rows = [
            (section, line, was.get((section, line), ""), now.get((section, line), ""))
            for section, line in dict.fromkeys([*was, *now])
            if was.get((section, line)) != now.get((section, line))
        ]
        return CardSection(
            title=f"{older.title} → {self.title}",
            text=f"{len(rows)} lines differ." if rows else "Nothing differs.",
            headers=("Section", "Line", "Was", "Is"),
            rows=tuple(rows),
        )

    def to_html(self) -> str:
        """Return the card as a self-contained page that runs no script."""
        return html_page(self.title, self._body())

    def _body(self) -> str:
        parts = [f"<h1>{escape(self.title)}</h1><p>Validation: <b>{self.verdict}</b></p>"]
        parts += [section.to_html() for section in self.sections]
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
        facts=CardFacts.of(bundle.problem, bundle.provenance, evidence),
        sections=(
            _intended_use(bundle.problem),
            _what_must_hold(bundle.problem),
            _how_it_was_made(bundle.provenance, _compiled(bundle.compiled_report)),
            _what_was_found(evidence),
            _what_does_not_hold(evidence),
            _what_was_not_done(evidence),
            _who_signed(registry.sign_offs.approvals(version), evidence),
            _where_it_served(registry.history(version.name), version),
        ),
    )


def draft_card(model: Model, report: Report) -> ModelCard:
    """Return the card that goes into a bundle, before there is a version that anybody signed.

    Parameters
    ----------
    model : Model
        What the bundle will serve.
    report : Report
        Its validation.

    Raises
    ------
    IntegrityError
        If the report is about another model.
    """
    found = report.about.get("model")
    if found != model.digest:
        raise IntegrityError(
            "a report about another model", expected=model.digest, found=str(found)
        )
    signed = "Who approved it, and where it served, is in the registry, not in the bundle."
    return ModelCard(
        title=model.problem.name,
        verdict=report.verdict,
        facts=CardFacts.of(model.problem, model.provenance, report),
        sections=(
            _intended_use(model.problem),
            _what_must_hold(model.problem),
            _how_it_was_made(model.provenance, "See compiled_report.json in the bundle."),
            _what_was_found(report),
            _what_does_not_hold(report),
            _what_was_not_done(report),
            CardSection(title="Who signed", text=signed),
        ),
    )


def _intended_use(problem: Problem) -> CardSection:
    facts = {
        "Decision": problem.decision or "not stated",
        "Owner": problem.owner or "not stated",
        "Task": f"{problem.task}, target {problem.target}",
        "Truth known after": str(problem.label_delay),
        "Autonomy": type(problem.autonomy).__name__,
        "Sensitive columns": ", ".join(problem.sensitive) or "none declared",
    }
    return _facts("What it is for", problem.statement, facts)


def _what_must_hold(problem: Problem) -> CardSection:
    return CardSection(
        title="What must hold",
        headers=("Criterion", "Confidence", "If it does not hold"),
        rows=tuple((str(c), f"{c.confidence:.0%}", str(c.severity)) for c in problem.criteria),
    )


def _how_it_was_made(made: Provenance, compiled: str) -> CardSection:
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
        "Compiled": compiled,
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


def _lines(card: ModelCard) -> dict[tuple[str, str], str]:
    """Return each line of a card by section and by what it is about."""
    found = {("", "Validation"): str(card.verdict)}
    for section in card.sections:
        if section.text:
            found[section.title, ""] = section.text
        about = _ABOUT.get(section.title, (0,))
        for row in section.rows:
            name = " · ".join(row[i] for i in about if row[i])
            while (section.title, name) in found:
                name += " (again)"
            found[section.title, name] = " | ".join(
                cell for i, cell in enumerate(row) if i not in about
            )
    return found


def _facts(title: str, text: str, facts: dict[str, str]) -> CardSection:
    return CardSection(title=title, text=text, headers=("", ""), rows=tuple(facts.items()))
