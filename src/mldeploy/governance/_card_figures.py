"""The pictures of a card: what a validation found, each with the same figures as a table."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, final

from mldeploy.evidence import (
    Curve,
    CurveChart,
    Finding,
    ForestChart,
    ForestRow,
    Report,
    Verdict,
    escape,
    figure,
    figure_with_interval,
    html_table,
)
from mldeploy.governance._card_topics import is_comparison
from mldeploy.validation import (
    PartialDependence,
    age_quality_from,
    latency_chart_from,
    partial_dependences_from,
    reliability_diagram,
    reliability_from,
    risk_coverage_from,
)

Good: TypeAlias = Literal["above", "below", ""]
_MOST_ROWS: Final = 24
_ORDER: Final = {Verdict.FAIL: 0, Verdict.INSUFFICIENT: 1, Verdict.PASS: 2}
_MOST_CURVES: Final = 4
_MOST_NAMES: Final = 4
_VALUE: Final = "ValueValidator"


@final
@dataclass(frozen=True, kw_only=True)
class Figure:
    """One picture, and what it shows as a table."""

    topic: str
    chart: ForestChart | CurveChart
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def to_html(self) -> str:
        """Return the picture, and the table that opens below it."""
        return (
            f"<figure><figcaption><h3>{escape(self.topic)}</h3>{escape(self.chart.title)}"
            "</figcaption>"
            f"{self.chart.to_svg()}<details><summary>The same as a table</summary>"
            f"{html_table(self.headers, self.rows)}</details></figure>"
        )


def figures_of(report: Report) -> Iterator[Figure]:
    """Yield what can be drawn of a report, in the order of the card's topics."""
    found = [f for f in report.findings if f.estimate is not None]
    criteria = [f for f in found if f.criterion is not None and not is_comparison(f)]
    yield from forests("Criteria", criteria, "The criteria, and their bounds")
    rivals = [f for f in found if is_comparison(f) and f.check != _VALUE]
    yield from forests("Baselines", rivals, "By how much it differs from rivals on the same rows")
    if worth := [f for f in found if f.check == _VALUE]:
        yield forest("Value", worth, "What a decision is worth", good="above", named=True)
    gaps = [f for f in found if f.check == "SliceValidator" and f.name.endswith(" gap")]
    yield from _by_name("Slices", gaps, "{name}: by how much slices are worse", good="below")
    yield from _fairness(found)
    if (reliability := reliability_from(report)) is not None:
        yield _of_curves("Calibration", reliability_diagram(reliability))
    errors = [f for f in found if f.check == "CalibrationValidator" and f.interval is not None]
    if errors:
        yield forest("Calibration", errors, "By how much probabilities are off", good="below",
                     named=True)  # fmt: skip
    yield from _of_check(found, "UncertaintyValidator", "coverage", "Uncertainty",
                         "How often sets of answers hold the truth", good="above")  # fmt: skip
    if (risk := risk_coverage_from(report)) is not None:
        yield _of_curves("Autonomy", risk.to_chart())
    if fits := [f for f in found if f.check == "FitValidator" and f.name.endswith(" rival")]:
        yield forest("Fit", fits, "By how much rivals fall short on held-out folds",
                     good="above", named=True)  # fmt: skip
    if (ages := age_quality_from(report)) is not None:
        yield _of_curves("Ageing", ages.chart())
    yield from _robustness(found)
    if odd := [f for f in found if f.check == "BehaviourValidator"]:
        title = "Share of rows and of kinds of odd rows that are not answered as they should be"
        yield forest("Behaviour", odd, title, good="below", named=True)
    yield from _of_check(found, "StabilityValidator", "seeds", "Stability",
                         "Share of answers that two seeds change", good="below")  # fmt: skip
    yield from _of_check(found, "StabilityValidator", "ablation", "Stability",
                         "What each column earns beside the others", good="above")  # fmt: skip
    yield from _of_check(found, "LeakageValidator", "leaking_columns", "Leakage",
                         "How good it is with all other columns dealt out anew",
                         good="below")  # fmt: skip
    if (timed := latency_chart_from(report)) is not None:
        yield _of_curves("Rehearsal", timed)
    yield from _of_check(found, "ExplanationValidator", "importance", "Explanation",
                         "How much worse it is without what a column says")  # fmt: skip
    for curve in partial_dependences_from(report)[:_MOST_CURVES]:
        is_number = not any(isinstance(value, str) for value in curve.values)
        yield _of_curves("Explanation", curve.to_chart()) if is_number else _of_categories(curve)


def forests(topic: str, findings: Iterable[Finding], title: str) -> Iterator[Figure]:
    """Yield a chart for all shares of one direction, and one for each metric beside."""
    groups: dict[tuple[str, Good, str], list[Finding]] = {}
    for finding in findings:
        name = "" if _is_small(finding) else finding.name
        groups.setdefault((finding.unit, _good(finding), name), []).append(finding)
    for (_, good, _), group in groups.items():
        names = list(dict.fromkeys(f.name for f in group))
        told = ", ".join(names[:_MOST_NAMES]) + (", …" if len(names) > _MOST_NAMES else "")
        yield forest(topic, group, f"{title}: {told}", good=good, named=True)


def forest(
    topic: str, findings: Sequence[Finding], title: str, *, good: Good = "", named: bool = False
) -> Figure:
    """Return a chart of findings of one unit; of many those that are told first."""
    shown = _most_telling(findings)
    rows = [
        ForestRow(
            name=_name(f, named=named),
            value=f.estimate if f.estimate is not None else float("nan"),
            low=None if f.interval is None else f.interval.low,
            high=None if f.interval is None else f.interval.high,
            threshold=f.threshold,
            verdict="" if f.threshold is None else str(f.verdict),
        )
        for f in shown
    ]
    is_cut = len(shown) < len(findings)
    more = f" ({len(shown)} of {len(findings)}, the worst)" if is_cut else ""
    chart = ForestChart(title=f"{title}{more}", rows=rows, unit=findings[0].unit, good=good)
    return Figure(
        topic=topic,
        chart=chart,
        headers=("What", "Estimate", "Bound", "n", "Verdict"),
        rows=tuple(
            (
                _name(f, named=named),
                figure_with_interval(f.estimate, f.interval, f.unit),
                figure(f.threshold, f.unit),
                "-" if f.n is None else f"{f.n:,}",
                str(f.verdict),
            )
            for f in shown
        ),
    )


def _most_telling(findings: Sequence[Finding]) -> Sequence[Finding]:
    """Return the findings that fit into a chart, in their order: those that fail go first."""
    if len(findings) <= _MOST_ROWS:
        return findings
    ranked = sorted(range(len(findings)), key=lambda i: _ORDER[findings[i].verdict])
    return [findings[i] for i in sorted(ranked[:_MOST_ROWS])]


def _name(finding: Finding, *, named: bool) -> str:
    subject = finding.subject
    if named:
        return f"{finding.name} · {subject}" if subject else finding.name
    return subject or "all rows"


def _is_small(finding: Finding) -> bool:
    """Tell whether all figures lie in [-1, 1], so that they share a scale with other shares."""
    interval = finding.interval
    ends = () if interval is None else (interval.low, interval.high)
    known = (finding.estimate, finding.threshold, *ends)
    return not finding.unit and all(-1 <= v <= 1 for v in known if v is not None)


def _good(finding: Finding) -> Good:
    """Return on which side of its bound a criterion holds, as its margin says."""
    margin, bound = finding.details.get("margin"), finding.threshold
    if not isinstance(margin, float) or bound is None or finding.estimate is None:
        return ""
    way = margin * (finding.estimate - bound)
    return "above" if way > 0 else "below" if way < 0 else ""


def _by_name(
    topic: str, findings: Sequence[Finding], title: str, *, good: Good = ""
) -> Iterator[Figure]:
    names = dict.fromkeys(f.name for f in findings)
    for name in names:
        group = [f for f in findings if f.name == name]
        yield forest(topic, group, title.format(name=name), good=good)


def _of_check(
    found: Sequence[Finding], check: str, name: str, topic: str, title: str, *, good: Good = ""
) -> Iterator[Figure]:
    chosen = [f for f in found if f.check == check and f.name == name]
    if chosen:
        yield forest(topic, chosen, title, good=good)


def _fairness(found: Sequence[Finding]) -> Iterator[Figure]:
    chosen = [
        f for f in found
        if f.check == "FairnessValidator" and f.interval is not None and f.threshold is not None
    ]  # fmt: skip
    if chosen:
        title = "The smaller rate over the larger, by definition and group"
        yield forest("Fairness", chosen, title, good="above", named=True)


def _robustness(found: Sequence[Finding]) -> Iterator[Figure]:
    chosen = [f for f in found if f.check == "RobustnessValidator"]
    if chosen:
        title = "Share of changed rows that are answered wrongly"
        yield forest("Robustness", chosen, title, good="below", named=True)


def _of_curves(topic: str, chart: CurveChart) -> Figure:
    """Return a chart of curves; its table has a row for each point of any curve."""
    points = [dict(zip(curve.x, _told(curve), strict=True)) for curve in chart.curves]
    values = sorted({x for known in points for x in known})
    return Figure(
        topic=topic,
        chart=chart,
        headers=(chart.x_name, *(curve.name for curve in chart.curves)),
        rows=tuple((figure(x), *(known.get(x, "-") for known in points)) for x in values),
    )


def _told(curve: Curve) -> Iterator[str]:
    """Yield the points of a curve in words, with the band where it has one."""
    has_band = bool(curve.low) and bool(curve.high)
    for i, y in enumerate(curve.y):
        yield figure(y) + (
            f" [{figure(curve.low[i])}, {figure(curve.high[i])}]" if has_band else ""
        )


def _of_categories(curve: PartialDependence) -> Figure:
    """Return mean answers by category, each with the range of most rows' answers."""
    title = f"{curve.answer} by {curve.column}: mean, and between which 80 % of rows lie"
    points = list(zip(curve.values, curve.mean, curve.low, curve.high, strict=True))
    return Figure(
        topic="Explanation",
        chart=ForestChart(
            title=title,
            rows=[ForestRow(name=str(v), value=m, low=lo, high=hi) for v, m, lo, hi in points],
        ),
        headers=(curve.column, "Mean", "From", "To"),
        rows=tuple((str(v), figure(m), figure(lo), figure(hi)) for v, m, lo, hi in points),
    )
