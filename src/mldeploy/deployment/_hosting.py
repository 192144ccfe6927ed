"""Which way of hosting a bundle fits its criteria, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Annotated, Final, final

import numpy as np
import pydantic

from mldeploy._record import Record, utc_now
from mldeploy.evidence import (
    Finding,
    Report,
    Severity,
    Verdict,
    escape,
    figure,
    html_fragment,
    html_page,
    html_table,
    text_table,
)
from mldeploy.problem import Criterion, Judge, MetricKind, Problem, ScoredRows, Task

_COLOURS: Final = ("#0969da", "#1a7f37", "#8250df", "#bc4c00", "#57606a", "#cf222e")
_HOUR: Final = 3600.0


@final
class Hosting(Record):
    """One way of hosting a model, measured.

    Attributes
    ----------
    name : str
        Such as ``"compiled, in process"`` or ``"HTTP, 64 connections"``.
    rows_per_s : float
        Rows answered in a second.
    latency_s : tuple of float
        Seconds that single answers took, in the order given; empty in bulk.
    memory_mb : float
        Resident memory of the process that answered, in MB.
    start_s : float
        Seconds from the start of the process to its first answer.
    """

    name: str
    rows_per_s: Annotated[float, pydantic.Field(ge=0)]
    latency_s: tuple[float, ...] = ()
    memory_mb: float
    start_s: float

    def latency(self, share: float) -> float | None:
        """Return the latency that a share of the answers keeps, in seconds."""
        return float(np.quantile(self.latency_s, share)) if self.latency_s else None

    def cost_per_million(self, price_per_hour: float) -> float:
        """Return the price of a million answers on a machine that is always busy."""
        return price_per_hour / (self.rows_per_s * _HOUR) * 1e6


@final
class HostingComparison(Record):
    """Ways of hosting one bundle, measured side by side, and what fits.

    Attributes
    ----------
    version : str
        What was measured.
    ways : tuple of Hosting
        What was measured, in one run on one machine.
    prices : mapping of str to float
        Price of an hour of each machine by its name; the measurements are this machine's.
    report : Report
        The criteria on latency and resources, judged for each way.
    """

    version: str
    ways: tuple[Hosting, ...]
    prices: dict[str, float] = pydantic.Field(default_factory=dict)
    report: Report

    @classmethod
    def of(
        cls,
        ways: Sequence[Hosting],
        *,
        problem: Problem,
        version: str,
        prices: Mapping[str, float] | None = None,
    ) -> HostingComparison:
        """Judge measured ways of hosting by a problem's criteria.

        Parameters
        ----------
        ways : sequence of Hosting
            At least one.
        problem : Problem
            Whose criteria on latency (``latency_p99``) and resources (``memory``, ``start_time``,
            ``cost_per_million``) are judged.
        version : str
            What was measured.
        prices : mapping of str to float, optional
            Price of an hour of each machine.
        """
        prices = dict(prices or {})
        findings = [
            finding.model_copy(update={"details": {**finding.details, "hosting": way.name}})
            for way in ways
            for finding in _judged(way, problem, prices)
        ]
        report = Report(
            step="bench", made_by=cls.__name__, findings=tuple(findings), started_at=utc_now()
        )
        return cls(version=version, ways=tuple(ways), prices=prices, report=report)

    @property
    def fitting(self) -> tuple[str, ...]:
        """Names of the ways that fail no criterion."""
        failing = {f.details["hosting"] for f in self.report.findings if f.verdict is Verdict.FAIL}
        return tuple(way.name for way in self.ways if way.name not in failing)

    def to_text(self) -> str:
        """Return the table, and what fits, as plain text."""
        table = text_table(self._head(), [self._row(way) for way in self.ways])
        return f"{self.version}\n{table}\n{self._says()}\n"

    def to_html(self) -> str:
        """Return a page with the table and the distributions of latency."""
        return html_page(f"Hosting {self.version}", self._body())

    def _says(self) -> str:
        failing = [f for f in self.report.findings if f.verdict is Verdict.FAIL]
        told = [f"{f.details['hosting']}: {f.summary}" for f in failing]
        fits = f"Fits every criterion: {', '.join(self.fitting) or 'nothing'}."
        return "\n".join([*told, fits])

    def _head(self) -> tuple[str, ...]:
        costs = [f"a million on {name}" for name in self.prices]
        return ("Hosting", "rows/s", "p50", "p95", "p99", "memory", "start", *costs, "verdict")

    def _row(self, way: Hosting) -> tuple[str, ...]:
        shares = [way.latency(share) for share in (0.5, 0.95, 0.99)]
        costs = [f"{way.cost_per_million(price):.4f}" for price in self.prices.values()]
        return (
            way.name,
            f"{way.rows_per_s:,.0f}",
            *("-" if value is None else figure(value, "s") for value in shares),
            f"{way.memory_mb:,.0f} MB",
            figure(way.start_s, "s"),
            *costs,
            self._verdict(way),
        )

    def _verdict(self, way: Hosting) -> str:
        mine = [f.verdict for f in self.report.findings if f.details["hosting"] == way.name]
        for verdict in (Verdict.FAIL, Verdict.INSUFFICIENT):
            if verdict in mine:
                return str(verdict)
        return str(Verdict.PASS) if mine else "-"

    def _body(self) -> str:
        says = "".join(f"<p>{escape(line)}</p>" for line in self._says().splitlines())
        table = html_table(self._head(), [self._row(way) for way in self.ways])
        timed = [way for way in self.ways if way.latency_s]
        chart = latency_svg(timed) if timed else ""
        return f"<h1>Hosting {escape(self.version)}</h1>{table}{says}{chart}"

    def _repr_html_(self) -> str:
        return html_fragment(self._body())


def latency_svg(ways: Sequence[Hosting]) -> str:
    """Return the share of answers within each time, one line a way, as an `<svg>` element."""
    width, height, left, bottom, right = 900, 300, 60, 40, 20
    smallest = max(min(min(way.latency_s) for way in ways), 1e-7)
    largest = max(max(way.latency_s) for way in ways)
    low, high = np.floor(np.log10(smallest)), np.ceil(np.log10(largest * 1.001))

    def x(seconds: float) -> float:
        share = (np.log10(max(seconds, smallest)) - low) / max(high - low, 1)
        return float(left + share * (width - left - right))

    def y(share: float) -> float:
        return 10 + (1 - share) * (height - bottom - 10)

    parts = [
        f'<line x1="{x(10**e):.0f}" x2="{x(10**e):.0f}" y1="10" y2="{height - bottom}" '
        f'stroke="#d8dee4"/><text x="{x(10**e):.0f}" y="{height - bottom + 16}" '
        f'text-anchor="middle" font-size="12" fill="currentColor">{figure(10**e, "s")}</text>'
        for e in np.arange(low, high + 1)
    ]
    parts += [
        f'<text x="{left - 8}" y="{y(share) + 4:.0f}" text-anchor="end" font-size="12" '
        f'fill="currentColor">{share:.0%}</text>'
        for share in (0, 0.5, 0.99)
    ]
    shares = np.linspace(0, 1, 101)
    for colour, way in zip(_COLOURS * len(ways), ways, strict=False):
        quantiles = np.quantile(way.latency_s, shares)
        points = " ".join(f"{x(q):.1f},{y(s):.1f}" for q, s in zip(quantiles, shares, strict=True))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>'
        )
    legend = "".join(
        f'<span style="color:{colour}">&#9632;</span> {escape(way.name)} &nbsp; '
        for colour, way in zip(_COLOURS * len(ways), ways, strict=False)
    )
    told = "Share of answers within each time, for " + ", ".join(way.name for way in ways)
    return (
        f'<h2>Share of answers within each time</h2><svg viewBox="0 0 {width} {height}" '
        f'role="img" aria-label="{escape(told)}">{"".join(parts)}</svg><p>{legend}</p>'
    )


def _judged(way: Hosting, problem: Problem, prices: Mapping[str, float]) -> Iterator[Finding]:
    judge = Judge(check="HostingComparison")
    for criterion in problem.criteria:
        name = criterion.metric.name
        if criterion.metric.kind is MetricKind.LATENCY:
            if way.latency_s and not criterion.used_columns:
                yield from judge.judge(criterion, _timed(way, problem.task))
        elif name == "memory":
            yield _limit(criterion, way.memory_mb)
        elif name == "start_time":
            yield _limit(criterion, way.start_s)
        elif name == "cost_per_million" and prices:
            cheapest = min(prices.values())
            yield _limit(criterion, way.cost_per_million(cheapest))


def _timed(way: Hosting, task: Task) -> ScoredRows:
    nothing = np.zeros(len(way.latency_s))
    return ScoredRows(task=task, y_true=nothing, y_pred=nothing, latency=np.array(way.latency_s))


def _limit(criterion: Criterion, value: float) -> Finding:
    limit = criterion.at_most
    holds = limit is None or value <= limit
    unit = criterion.metric.unit
    return Finding(
        check="HostingComparison",
        name=criterion.metric.name,
        verdict=Verdict.PASS if holds else Verdict.FAIL,
        severity=Severity(criterion.severity),
        summary=f"{criterion.metric.name} is {figure(value, unit)}; {criterion} was asked for.",
        action="" if holds else "Host it another way, or make the model smaller.",
        estimate=value,
        threshold=limit,
        unit=unit,
        criterion=criterion.digest,
    )
