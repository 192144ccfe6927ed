"""Findings that every assessor makes."""

from __future__ import annotations

from mldeploy.evidence import Finding, Severity, Verdict


def skipped(check: str, name: str, why: str) -> Finding:
    """Say for the record that a check was not made, and why."""
    return Finding(
        check=check,
        name=name,
        verdict=Verdict.INSUFFICIENT,
        severity=Severity.INFO,
        summary=f"Not checked: {why}.",
    )


def holds(check: str, name: str, summary: str, *, n: int | None = None) -> Finding:
    """Say that a check which blocks when it fails was made, and holds."""
    return Finding(check=check, name=name, verdict=Verdict.PASS, summary=summary, n=n)


def some(names: list[str], limit: int = 5) -> str:
    """Name the first few of many."""
    shown = ", ".join(map(repr, names[:limit]))
    return shown + (f" and {len(names) - limit:,} more" if len(names) > limit else "")
