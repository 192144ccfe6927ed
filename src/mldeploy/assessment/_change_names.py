"""The rules that a column breaks, put into one name for each cause."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import final

import numpy as np

from mldeploy.assessment._change_rules import Bins, respelt, risen, without
from mldeploy.assessment._say import some
from mldeploy.data import ColumnProfile
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.stats import (
    Cause,
    Explanation,
    bin_counts,
    explain_change,
    quantile_edges,
    total_variation,
)

_IMMATERIAL = 0.03
"""Share of rows in other bins that does not matter."""
_MOST = 0.2
"""Share of absurd values from which on they are no outliers: the column changed."""
_NAMES = {
    Cause.UNITS: "units_changed",
    Cause.SHIFT: "shifted",
    Cause.SPREAD: "spread_changed",
    Cause.OTHER: "distribution_changed",
}
_ACTIONS = {
    "nulls_jumped": "Ask what changed at its source; a model that never saw so many guesses.",
    "case_changed": "Write them as they were: a model takes each spelling for another value.",
    "new_values": "See whether they are mistakes; a model has learnt nothing of them.",
    "units_changed": "Convert it back, and have the source say its unit.",
    "shifted": "See whether the world moved, or its sensor did.",
    "spread_changed": "See whether it is rounded, scaled, clipped or noisier than before.",
    "stuck_values": "See whether its sensor still measures; leave these rows out.",
    "outliers": "Mend or leave out these rows, and state the range in the schema.",
    "distribution_changed": "Look at its source, and whether the metrics hold.",
}


@final
@dataclass(frozen=True, kw_only=True)
class Breach:
    """A rule that a column breaks: the effect, its limit, and the adjusted p-value."""

    rule: str
    column: str
    effect: float
    limit: float
    p_value: float
    n: int


def named_changes(
    check: str,
    reference: ColumnProfile,
    current: ColumnProfile,
    breaches: Mapping[str, Breach],
) -> Iterator[Finding]:
    """Yield what happened to a column: missing values apart, and one cause for the others."""
    if (nulls := breaches.get("nulls")) is not None:
        words = (
            f"{current.missing_share:.1%} of its values are missing, "
            f"{reference.missing_share:.1%} were."
        )
        yield _finding(check, "nulls_jumped", nulls, words)
    if current.is_text:
        yield from _texts(check, reference, current, breaches)
    else:
        yield from _numbers(check, reference, current, breaches)


def _texts(
    check: str,
    reference: ColumnProfile,
    current: ColumnProfile,
    breaches: Mapping[str, Breach],
) -> Iterator[Finding]:
    case, unseen = breaches.get("written_otherwise"), breaches.get("unseen")
    if case is not None:
        found = respelt(reference, current)
        words = (
            f"{case.effect:.1%} of its texts are new but for case or spaces: {some([*found], 3)}."
        )
        yield _finding(check, "case_changed", case, words)
    if unseen is not None:
        known = {*reference.texts, *respelt(reference, current)}
        fresh = [t for t in current.top(len(current.texts)) if t not in known]
        words = (
            f"{unseen.effect:.1%} of its values were never there: {some([*map(str, fresh)], 3)}."
        )
        yield _finding(check, "new_values", unseen, words)
    moved = breaches.get("moved")
    if moved is not None and case is None and unseen is None:
        yield _finding(check, "distribution_changed", moved, _most_moved(reference, current))


def _most_moved(reference: ColumnProfile, current: ColumnProfile) -> str:
    bins = Bins.of(reference)
    before, now = bins.counts(reference), bins.counts(current)
    change = now / max(now.sum(), 1) - before / max(before.sum(), 1)
    at = int(abs(change).argmax())
    names = [*map(repr, bins.levels or ()), "all other values"]
    return (
        f"The share of {names[at]} went from {before[at] / before.sum():.1%} to "
        f"{now[at] / now.sum():.1%}."
    )


def _numbers(
    check: str,
    reference: ColumnProfile,
    current: ColumnProfile,
    breaches: Mapping[str, Breach],
) -> Iterator[Finding]:
    stuck, absurd, moved = (breaches.get(r) for r in ("stuck", "absurd", "moved"))
    breach = moved or (absurd if absurd is not None and absurd.effect > _MOST else None)
    found = None if breach is None else explain_change(reference.table, current.table)
    if breach is not None and found is not None and found.cause is Cause.UNITS:
        yield _explained(check, breach, found)
    elif stuck is not None and _else_as_before(reference, current):
        value = risen(reference, current)
        words = f"{stuck.effect:.1%} more of its values than before are {value:.6g}."
        yield _finding(check, "stuck_values", stuck, words, value=value)
    elif breach is not None and found is not None and found.cause is not Cause.OTHER:
        yield _explained(check, breach, found)
    elif absurd is not None:
        yield _finding(check, "outliers", absurd, _far_out(reference, current))
    elif moved is not None:
        words = f"{moved.effect:.1%} of its values moved to other tenths of the reference."
        yield _finding(check, "distribution_changed", moved, words)


def _else_as_before(reference: ColumnProfile, current: ColumnProfile) -> bool:
    """Whether the values but the one that has become frequent are as they were."""
    value = risen(reference, current)
    before, now = without(reference, value), without(current, value)
    if not now.n or not before.n:
        return True
    edges = quantile_edges(before)
    distance = total_variation(bin_counts(before, edges), bin_counts(now, edges))
    return distance <= _IMMATERIAL + 2 * float(np.sqrt(len(edges) / now.n))


def _far_out(reference: ColumnProfile, current: ColumnProfile) -> str:
    low, high = float(reference.table.values[0]), float(reference.table.values[-1])
    lowest, highest = float(current.table.values[0]), float(current.table.values[-1])
    far = highest if highest - high >= low - lowest else lowest
    return f"It holds {far:.6g}; the reference lies between {low:.6g} and {high:.6g}."


def _explained(check: str, breach: Breach, found: Explanation) -> Finding:
    words = f"{found.words[0].upper()}{found.words[1:]} ({breach.effect:.0%} of the rows moved)."
    finding = _finding(check, _NAMES[found.cause], breach, words)
    details = finding.details | {
        "how": found.words, "factor": found.factor, "offset": found.offset, "left": found.left,
    }  # fmt: skip
    return finding.model_copy(update={"details": details})


def _finding(
    check: str, name: str, breach: Breach, words: str, value: float | None = None
) -> Finding:
    return Finding(
        check=check,
        name=name,
        verdict=Verdict.FAIL,
        severity=Severity.WARNING,
        summary=words,
        action=_ACTIONS[name],
        estimate=breach.effect,
        threshold=breach.limit,
        n=breach.n,
        column=breach.column,
        details={"p_value": breach.p_value}
        | ({} if value is None or not np.isfinite(value) else {"value": value}),
    )
