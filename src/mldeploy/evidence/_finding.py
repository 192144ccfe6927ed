"""One measured statement."""

from __future__ import annotations

from typing import final

import pydantic

from mldeploy._record import Record
from mldeploy.evidence._format import count, figure, figure_with_interval
from mldeploy.evidence._html import Markup, escape, html_fragment, html_table, verdict_tag
from mldeploy.evidence._verdict import Severity, Verdict
from mldeploy.stats import Interval

HEADERS = ("Verdict", "Check", "Subject", "Estimate", "Bound", "n", "More rows", "In words")

Scalar = str | float | int | bool | None


@final
class Finding(Record):
    """One measured statement: what was looked at, what was found, and what to do.

    Attributes
    ----------
    check : str
        The part that made the statement, e.g. ``"CriteriaValidator"``.
    name : str
        What was measured: a metric or rule, e.g. ``"roc_auc"`` or ``"missing_share"``.
    verdict : Verdict
        Whether it holds.
    severity : Severity
        What follows if it does not hold.
    summary : str
        One sentence for people.
    action : str
        What to do about it; empty when there is nothing to do.
    estimate : float, optional
        The measured value, in `unit`.
    interval : Interval, optional
        The uncertainty of `estimate`, in `unit`; the verdict was made on it.
    n : int, optional
        Independent units behind `estimate`.
    threshold : float, optional
        The bound that `interval` was held against, in `unit`.
    unit : str
        Unit of the figures above; empty for shares and scores.
    column : str, optional
        The column that the statement is about.
    slice : str, optional
        The rows that the statement is about; all rows when None.
    rows_needed : int, optional
        About how many more rows would settle an INSUFFICIENT verdict.
    criterion : str, optional
        Digest of the criterion that was judged.
    waived_by : str, optional
        Who took responsibility for a verdict that is not PASS.
    details : dict of str to scalar
        Further figures, by name.

    Examples
    --------
    >>> finding = Finding(check="Demo", name="accuracy", verdict="PASS", summary="It holds.")
    >>> str(finding.verdict), str(finding.severity)
    ('PASS', 'blocker')
    """

    check: str
    name: str
    verdict: Verdict
    summary: str
    severity: Severity = Severity.BLOCKER
    action: str = ""
    estimate: float | None = None
    interval: Interval | None = None
    n: int | None = pydantic.Field(default=None, ge=0)
    threshold: float | None = None
    unit: str = ""
    column: str | None = None
    slice: str | None = None
    rows_needed: int | None = pydantic.Field(default=None, ge=0)
    criterion: str | None = None
    waived_by: str | None = None
    details: dict[str, Scalar] = pydantic.Field(default_factory=dict)

    @property
    def alarms(self) -> bool:
        """Whether somebody should be told: it failed, matters, and nobody has waived it."""
        return (
            self.verdict is Verdict.FAIL
            and self.severity is not Severity.INFO
            and self.waived_by is None
        )

    @property
    def subject(self) -> str:
        """The column and slice that the statement is about, for tables."""
        return " · ".join(part for part in (self.column, self.slice) if part)

    def cells(self) -> tuple[str, ...]:
        """Return what each column of a report's table says of this finding."""
        verdict = str(self.verdict)
        if self.waived_by:
            verdict += f" (waived by {self.waived_by})"
        elif self.verdict is not Verdict.PASS and self.severity is not Severity.BLOCKER:
            verdict += f" ({self.severity})"
        return (
            verdict,
            self.name,
            self.subject,
            figure_with_interval(self.estimate, self.interval, self.unit),
            figure(self.threshold, self.unit),
            count(self.n),
            count(self.rows_needed),
            f"{self.summary} {self.action}".strip(),
        )

    def html_cells(self) -> tuple[str, ...]:
        """Return `cells` for an HTML table, the verdict as a coloured word."""
        verdict, *rest = self.cells()
        note = verdict.removeprefix(str(self.verdict))
        tag = f'{verdict_tag(self.verdict)} <span class="quiet">{escape(note)}</span>'
        return (Markup(tag), *rest)

    def _repr_html_(self) -> str:
        return html_fragment(html_table(HEADERS, [self.html_cells()]))
