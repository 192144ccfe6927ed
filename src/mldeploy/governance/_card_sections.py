"""The parts of a card, each read from the record."""

from __future__ import annotations

from collections.abc import Sequence

from mldeploy.evidence import Approval, Report, Severity, Verdict, Waiver
from mldeploy.governance._card_section import CardSection
from mldeploy.governance._card_topics import Outcome, outcomes
from mldeploy.model import Provenance
from mldeploy.problem import Problem
from mldeploy.registry import ModelVersion, Promotion

NOT_DONE = "not done"


def intended_use(problem: Problem) -> CardSection:
    facts = {
        "Decision": problem.decision or "not stated",
        "Owner": problem.owner or "not stated",
        "Task": f"{problem.task}, target {problem.target}",
        "Truth known after": str(problem.label_delay),
        "Autonomy": type(problem.autonomy).__name__,
        "Sensitive columns": ", ".join(problem.sensitive) or "none declared",
    }
    return _facts("What it is for", problem.statement, facts)


def what_must_hold(problem: Problem) -> CardSection:
    return CardSection(
        title="What must hold",
        headers=("Metric", "Criterion", "Confidence", "If it does not hold"),
        rows=tuple(
            (c.metric.name, str(c), f"{c.confidence:.0%}", str(c.severity))
            for c in problem.criteria
        ),
    )


def how_it_was_made(made: Provenance, compiled: str) -> CardSection:
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


def compiled_in_words(report: Report | None) -> str:
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


def at_a_glance(evidence: Report) -> CardSection:
    """Return what came of each question that a thorough validation answers."""
    rows = tuple(
        (
            o.title,
            _verdict(o),
            str(len(o.findings)),
            o.in_words,
        )
        for o in outcomes(evidence)
    )
    n = sum(row[1] != NOT_DONE for row in rows)
    return CardSection(
        title="At a glance",
        text=f"{n} of {len(rows)} questions were asked.",
        headers=("Question", "Verdict", "Findings", "In words"),
        rows=rows,
    )


def _verdict(outcome: Outcome) -> str:
    waived = f" (waived by {', '.join(outcome.waived_by)})" if outcome.waived_by else ""
    return NOT_DONE if outcome.verdict is None else f"{outcome.verdict}{waived}"


def what_was_found(evidence: Report) -> CardSection:
    return CardSection(
        title="What was found",
        text=f"By {evidence.made_by} on {evidence.started_at:%Y-%m-%d}.",
        headers=("Verdict", "Check", "Subject", "Estimate", "Bound", "n", "More rows", "In words"),
        rows=tuple(f.cells() for f in evidence.findings),
    )


def what_does_not_hold(evidence: Report) -> CardSection:
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


def what_was_not_done(evidence: Report) -> CardSection:
    """Return what nobody asked, and what was asked without an answer."""
    found = list(outcomes(evidence))
    missing = [o.asks for o in found if o.verdict is None]
    text = (
        f"Not part of this validation: {'; '.join(missing)}." if missing else "Nothing left out."
    )
    unanswered = tuple((o.title, o.in_words) for o in found if o.is_open)
    if unanswered:
        text += " Asked, without an answer:"
    return CardSection(
        title="What was not done", text=text, headers=("Question", "Why"), rows=unanswered
    )


def who_signed(approvals: Sequence[Approval], evidence: Report) -> CardSection:
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


def where_it_served(moves: Sequence[Promotion], version: ModelVersion) -> CardSection:
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
