"""The findings of one step, and what they come to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, final

import pydantic

from mldeploy._record import Record
from mldeploy.evidence._authority import Waiver
from mldeploy.evidence._finding import HEADERS, Finding
from mldeploy.evidence._html import escape, html_fragment, html_table, verdict_tag
from mldeploy.evidence._text import markdown_escape, markdown_table, one_line, text_table
from mldeploy.evidence._verdict import Severity, Verdict

if TYPE_CHECKING:
    import pandas as pd


@final
class Report(Record):
    """The findings of one step, and what they come to.

    Attributes
    ----------
    step : str
        ``"assess"``, ``"validate"``, ``"monitor"`` or ``"rollout"``.
    made_by : str
        The class that made it.
    findings : tuple of Finding
        In the order in which they were made.
    about : dict of str to str
        Digests of what was judged, by name: ``problem``, ``data``, ``model``, ``code``, …
    started_at : datetime
        When the step began, with a zone.
    duration : timedelta
        How long it took.
    waivers : tuple of Waiver
        The waivers that were in force.

    Notes
    -----
    Only findings of severity *blocker* decide `verdict`. One FAIL that nobody waived fails the
    step; otherwise one INSUFFICIENT leaves it open; a report without any blocker is
    INSUFFICIENT, since nothing was shown.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> finding = Finding(check="Demo", name="rows", verdict="FAIL", summary="Too few rows.")
    >>> report = Report(step="assess", made_by="Demo", findings=(finding,),
    ...                 started_at=datetime(2030, 1, 1, tzinfo=UTC))
    >>> str(report.verdict), len(report.alarms)
    ('FAIL', 1)
    """

    step: str
    made_by: str
    findings: tuple[Finding, ...]
    about: dict[str, str] = pydantic.Field(default_factory=dict)
    started_at: pydantic.AwareDatetime
    duration: timedelta = timedelta(0)
    waivers: tuple[Waiver, ...] = ()

    @property
    def verdict(self) -> Verdict:
        """What the blocking findings come to, waived ones left out."""
        return Verdict.combine(
            Verdict.PASS if f.waived_by else f.verdict
            for f in self.findings
            if f.severity is Severity.BLOCKER
        )

    @property
    def passed(self) -> bool:
        """Whether `verdict` is PASS."""
        return self.verdict is Verdict.PASS

    @property
    def alarms(self) -> tuple[Finding, ...]:
        """The findings about which somebody should be told."""
        return tuple(f for f in self.findings if f.alarms)

    def __len__(self) -> int:
        return len(self.findings)

    def select(
        self,
        *,
        name: str | None = None,
        check: str | None = None,
        column: str | None = None,
        slice: str | None = None,  # noqa: A002 - the field's word
        verdict: Verdict | None = None,
    ) -> tuple[Finding, ...]:
        """Return the findings with the given name, check, column, slice and verdict."""
        wanted = {
            "name": name,
            "check": check,
            "column": column,
            "slice": slice,
            "verdict": verdict,
        }
        given = {k: v for k, v in wanted.items() if v is not None}
        return tuple(f for f in self.findings if all(getattr(f, k) == v for k, v in given.items()))

    def waive(self, waivers: Iterable[Waiver], *, at: datetime) -> Report:
        """Return this report with the findings marked that valid waivers cover.

        Parameters
        ----------
        waivers : iterable of Waiver
            Those that have ended by `at` are left out.
        at : datetime
            The time of the decision, with a zone.
        """
        valid = tuple(w for w in waivers if w.is_valid(at))

        def marked(finding: Finding) -> Finding:
            if finding.verdict is Verdict.PASS:
                return finding
            by = next((w.by for w in valid if w.covers(finding)), finding.waived_by)
            return finding.model_copy(update={"waived_by": by})

        return self.model_copy(
            update={"findings": tuple(map(marked, self.findings)), "waivers": self.waivers + valid}
        )

    @classmethod
    def merge(cls, reports: Sequence[Report], *, made_by: str) -> Report:
        """Return one report with the findings of several of the same step.

        Raises
        ------
        ValueError
            If there are none, if their steps differ, or if they judge different things.
        """
        if not reports:
            raise ValueError("there is no report to merge; run at least one check")
        if len({r.step for r in reports}) > 1:
            raise ValueError(f"reports of different steps: {sorted({r.step for r in reports})}")
        about: dict[str, str] = {}
        for report in reports:
            for key, digest in report.about.items():
                if about.setdefault(key, digest) != digest:
                    raise ValueError(f"the reports judge different things: two digests of {key!r}")
        return cls(
            step=reports[0].step,
            made_by=made_by,
            findings=tuple(f for r in reports for f in r.findings),
            about=about,
            started_at=min(r.started_at for r in reports),
            duration=sum((r.duration for r in reports), timedelta(0)),
            waivers=tuple(dict.fromkeys(w for r in reports for w in r.waivers)),
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each finding, as a pandas DataFrame."""
        import pandas as pd  # noqa: PLC0415 - heavy, and only wanted here

        return pd.DataFrame(self._rows(), columns=list(_COLUMNS))

    def to_text(self) -> str:
        """Return a table for the terminal, the verdict first."""
        rows = [f.cells() for f in self.findings]
        return "\n".join(
            [self._headline(), text_table(HEADERS, rows)] if rows else [self._headline()]
        )

    def to_markdown(self) -> str:
        """Return a Markdown table; names and values cannot break out of their cells."""
        table = markdown_table(HEADERS, [f.cells() for f in self.findings])
        return f"**{markdown_escape(self._headline())}**\n\n{table}\n"

    def to_html(self) -> str:
        """Return an HTML table without style; names and values are escaped."""
        made = f"{len(self)} findings by {self.made_by}, {self.started_at:%Y-%m-%d %H:%M %Z}"
        return (
            f"<p><b>{escape(self.step)}</b> {verdict_tag(self.verdict)} "
            f'<span class="quiet">{escape(made)}</span></p>'
            + html_table(HEADERS, [f.html_cells() for f in self.findings])
        )

    def _headline(self) -> str:
        return one_line(f"{self.step}: {self.verdict} ({len(self)} findings by {self.made_by})")

    def _rows(self) -> Iterator[dict[str, object]]:
        for f in self.findings:
            row: dict[str, object] = {c: getattr(f, c, None) for c in _COLUMNS}
            row["verdict"], row["severity"] = str(f.verdict), str(f.severity)
            row["low"] = f.interval.low if f.interval else None
            row["high"] = f.interval.high if f.interval else None
            yield row

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return html_fragment(self.to_html())


_COLUMNS = (
    *("verdict", "severity", "check", "name", "column", "slice", "estimate", "low", "high"),
    *("threshold", "unit", "n", "rows_needed", "summary", "action", "waived_by"),
)
