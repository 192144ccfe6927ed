"""What is said of fairness."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Protocol

from mldeploy.evidence import Finding, Severity, Verdict, figure
from mldeploy.problem import Task
from mldeploy.stats import Interval
from mldeploy.validation._fairness_pairs import Divided, Paired
from mldeploy.validation._fairness_terms import Fairness

_CHECK = "FairnessValidator"
_ORDER = {Verdict.FAIL: 0, Verdict.INSUFFICIENT: 1, Verdict.PASS: 2}


class Asked(Protocol):
    """What a validator was asked for."""

    @property
    def min_ratio(self) -> float: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def min_rows(self) -> int: ...
    @property
    def max_named(self) -> int: ...


def found(
    asked: Asked, definition: Fairness, cut: Divided, pairs: Sequence[Paired]
) -> Iterator[Finding]:
    """Yield a finding for each group but the largest; of many, for the worst that FAIL."""
    by_group: dict[str, list[Paired]] = {}
    for pair in pairs:
        by_group.setdefault(pair.name, []).append(pair)
    worst = [min(group, key=_badness) for group in by_group.values()]
    if cut.n_columns == 1:
        yield from (_of_group(asked, definition, pair) for pair in worst)
        return
    failing = sorted((p for p in worst if p.verdict is Verdict.FAIL), key=_badness)
    named = failing[: asked.max_named]
    yield from (_of_group(asked, definition, pair) for pair in named)
    if others := [pair for pair in worst if pair not in named]:
        yield _of_others(asked, definition, cut, others)


def _badness(pair: Paired) -> tuple[int, float, float]:
    unknown = math.isnan(pair.value)
    return _ORDER[pair.verdict], pair.adjusted, math.inf if unknown else pair.value


def _of_group(asked: Asked, definition: Fairness, pair: Paired) -> Finding:
    one, other, holds = pair.ratio.one, pair.ratio.other, pair.verdict
    more = pair.more_rows() if holds is Verdict.INSUFFICIENT else None
    return Finding(
        check=_CHECK,
        name=str(definition),
        verdict=holds,
        severity=asked.severity,
        summary=(
            f"{pair.rate} is {figure(one.rate)} for {pair.name} and {figure(other.rate)} for "
            f"{pair.larger}: {_OUTCOME[holds]}."
        ),
        action=_action(pair, more),
        estimate=None if math.isnan(pair.value) else pair.value,
        interval=Interval(low=pair.low, high=pair.high, confidence=pair.confidence),
        n=one.n_rows,
        threshold=asked.min_ratio,
        slice=pair.name,
        rows_needed=more,
        details={
            "rate": pair.rate,
            "in_group": None if math.isnan(one.rate) else one.rate,
            "compared_with": pair.larger,
            "in_compared": None if math.isnan(other.rate) else other.rate,
            "difference": _finite(one.rate - other.rate),
            "n_compared": other.n_rows,
            "p_value": pair.adjusted,
            "method": "score ratio, Holm" if one.log_error is None else "log ratio, Holm",
        },
    )


def _of_others(
    asked: Asked, definition: Fairness, cut: Divided, pairs: Sequence[Paired]
) -> Finding:
    verdict = Verdict.combine(pair.verdict for pair in pairs)
    of_it = [pair for pair in pairs if pair.verdict is verdict]
    worst = min(of_it, key=_badness)
    told = verdict is not Verdict.INSUFFICIENT
    more = [] if told else [n for p in of_it if (n := p.more_rows()) is not None]
    return Finding(
        check=_CHECK,
        name=str(definition),
        verdict=verdict,
        severity=asked.severity,
        summary=(
            f"Of {len(pairs)} more groups by {cut.name}, {len(of_it)} are {_OUTCOME[verdict]}; "
            f"{worst.rate} for {worst.name} differs most clearly."
        ),
        action=f"About {max(more):,} more rows of some groups would settle it." if more else "",
        estimate=None if math.isnan(worst.value) else worst.value,
        interval=Interval(low=worst.low, high=worst.high, confidence=worst.confidence),
        n=worst.ratio.one.n_rows,
        threshold=asked.min_ratio,
        slice=cut.name,
        rows_needed=max(more) if more else None,
        details={"n_groups": len(pairs), "n_of_verdict": len(of_it), "group": worst.name},
    )


_OUTCOME = {
    Verdict.FAIL: "further apart than allowed, and than chance explains",
    Verdict.PASS: "alike",
    Verdict.INSUFFICIENT: "of too few rows to tell",
}


def _action(pair: Paired, more: int | None) -> str:
    if pair.verdict is Verdict.FAIL:
        return (
            "Find out what sets them apart: too few rows to learn from, labels that are wrong "
            "there, columns that mean something else; and whether this definition is the one."
        )
    return f"About {more:,} more rows of {pair.name} would settle it." if more else ""


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def cannot_tell(asked: Asked, cut: Divided) -> Finding:
    """Return what is said of groups that are too small to look at."""
    smallest = min(cut.small.values())
    shown = ", ".join(f"{name} ({n})" for name, n in list(cut.small.items())[:10])
    more = f" and {len(cut.small) - 10} more" if len(cut.small) > 10 else ""
    return Finding(
        check=_CHECK,
        name="group_size",
        verdict=Verdict.INSUFFICIENT,
        severity=asked.severity if cut.n_columns == 1 else Severity.INFO,
        summary=f"Too few rows to say anything of {shown}{more}.",
        action=f"Validate on {asked.min_rows} rows or more of each.",
        estimate=float(smallest),
        n=sum(cut.small.values()),
        threshold=float(asked.min_rows),
        slice=cut.name,
        rows_needed=asked.min_rows - smallest,
        details={"n_groups": len(cut.small)},
    )


def no_groups(check: str, severity: Severity, *, asked: bool) -> Finding:
    """Return what is said when there is nobody to be compared."""
    return Finding(
        check=check,
        name="sensitive_groups",
        verdict=Verdict.INSUFFICIENT,
        severity=severity if asked else Severity.INFO,
        summary=(
            "Every row has the same value in the sensitive columns, so there is nobody to be "
            "compared with."
            if asked
            else "The problem names no sensitive column, so fairness was not looked at."
        ),
        action="" if asked else "Name sensitive=[...] in the problem; they need not be features.",
    )


def undefined(check: str, definition: Fairness, task: Task) -> Finding:
    """Return what is said of a definition that has no meaning in a task."""
    return Finding(
        check=check,
        name=str(definition),
        verdict=Verdict.PASS,
        severity=Severity.INFO,
        summary=f"{definition} has no meaning in a {task} task; error_rate_parity has.",
    )
