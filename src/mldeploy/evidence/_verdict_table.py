"""What a report says of each criterion: one table for each, a row for each part of the rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

from mldeploy.evidence._finding import Finding
from mldeploy.evidence._format import count, figure, figure_with_interval
from mldeploy.evidence._html import Markup, escape, html_fragment, html_table, verdict_tag
from mldeploy.evidence._report import Report
from mldeploy.evidence._text import one_line, text_table
from mldeploy.evidence._verdict import Verdict

if TYPE_CHECKING:
    import pandas as pd

_HEADERS: Final = ("Slice", "Verdict", "Estimate", "Bound", "Margin", "n", "More rows")
_COLUMNS: Final = (
    *("criterion", "name", "slice", "verdict", "waived_by", "estimate", "low", "high"),
    *("confidence", "n", "threshold", "margin", "unit", "rows_needed"),
)


@final
@dataclass(frozen=True, kw_only=True)
class VerdictTable:
    """What a report says of each criterion, and nothing else.

    The *margin* is by how much the estimate is on the good side of the bound: positive where it
    is better than was asked. The verdict is made on the interval, never on the margin.

    Attributes
    ----------
    findings : tuple of Finding
        Those that judge a criterion, in the order of the report.
    verdict : Verdict
        What the report comes to, findings without a criterion included.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> finding = Finding(check="Demo", name="recall", verdict="PASS", summary="It holds.",
    ...                   estimate=0.8, threshold=0.7, n=100, criterion="f00",
    ...                   details={"margin": 0.1})
    >>> report = Report(step="validate", made_by="Demo", findings=(finding,),
    ...                 started_at=datetime(2030, 1, 1, tzinfo=UTC))
    >>> print(VerdictTable.of(report))
    PASS
    <BLANKLINE>
    recall
    Slice  Verdict  Estimate  Bound  Margin  n    More rows
           PASS     0.8       0.7    0.1     100  -
    """

    findings: tuple[Finding, ...]
    verdict: Verdict

    @classmethod
    def of(cls, report: Report) -> VerdictTable:
        """Return what a report says of each criterion.

        Parameters
        ----------
        report : Report
            Of a validation, or of any step that judges criteria.
        """
        judged = tuple(f for f in report.findings if f.criterion is not None)
        return cls(findings=judged, verdict=report.verdict)

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each criterion and slice, as a pandas DataFrame."""
        import pandas as pd  # noqa: PLC0415 - heavy, and only wanted here

        return pd.DataFrame(self._rows(), columns=list(_COLUMNS))

    def to_text(self) -> str:
        """Return the verdict, and a table for each criterion, for the terminal."""
        parts = [str(self.verdict)]
        for name, findings in self._by_criterion():
            table = text_table(_HEADERS, [_cells(f) for f in findings])
            parts.append(f"{one_line(name)}\n{table}")
        return "\n\n".join(parts)

    def to_html(self) -> str:
        """Return the verdict, and a table for each criterion; names and values are escaped."""
        parts = [f"<p>{verdict_tag(self.verdict)}</p>"]
        for name, findings in self._by_criterion():
            parts.append(
                f"<h3>{escape(name)}</h3>{html_table(_HEADERS, map(_html_cells, findings))}"
            )
        return "".join(parts)

    def _by_criterion(self) -> Iterator[tuple[str, list[Finding]]]:
        """Yield the findings of each criterion; a bound and a rival are told apart by name."""
        groups: dict[tuple[str | None, str], list[Finding]] = {}
        for finding in self.findings:
            groups.setdefault((finding.criterion, finding.name), []).append(finding)
        for (_, name), findings in groups.items():
            yield name, findings

    def _rows(self) -> Iterator[dict[str, object]]:
        for f in self.findings:
            row: dict[str, object] = {c: getattr(f, c, None) for c in _COLUMNS}
            row["verdict"], row["margin"] = str(f.verdict), f.details.get("margin")
            if f.interval is not None:
                row["low"], row["high"] = f.interval.low, f.interval.high
                row["confidence"] = f.interval.confidence
            yield row

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return html_fragment(self.to_html())


def _cells(finding: Finding) -> tuple[str, ...]:
    verdict = str(finding.verdict)
    margin = finding.details.get("margin")
    return (
        finding.subject,
        f"{verdict} (waived by {finding.waived_by})" if finding.waived_by else verdict,
        figure_with_interval(finding.estimate, finding.interval, finding.unit),
        figure(finding.threshold, finding.unit),
        figure(margin, finding.unit) if isinstance(margin, float) else "-",
        count(finding.n),
        count(finding.rows_needed),
    )


def _html_cells(finding: Finding) -> tuple[str, ...]:
    subject, verdict, *rest = _cells(finding)
    note = escape(verdict.removeprefix(str(finding.verdict)))
    return (subject, Markup(verdict_tag(finding.verdict) + note), *rest)
