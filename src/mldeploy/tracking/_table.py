"""Runs side by side: as a table, and as a page with searches and learning curves."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, final

import pandas as pd

from mldeploy.evidence import (
    Curve,
    CurveChart,
    ParallelChart,
    escape,
    figure,
    html_fragment,
    html_page,
    html_table,
    text_table,
)

from ._comparison import RunComparison, settings_in_words
from ._records import RunRecord
from ._trials import FOLDS

_MOST_ROWS: Final = 200
_MOST_AXES: Final = 8
_HEADERS = ("Run", "Name", "Status", "Started", "Took", "Metrics", "Parameters")


@final
@dataclass(frozen=True, kw_only=True)
class RunTable:
    """Runs side by side; shown in notebooks, as a page, in a terminal, and as a DataFrame.

    Attributes
    ----------
    runs : tuple of RunRecord
        In the order they began.
    comparisons : tuple of RunComparison
        One for each search among them, the latest first.
    curves : dict of str to tuple of Curve
        For each metric that was logged by step, one curve for each of the latest runs.
    """

    runs: tuple[RunRecord, ...]
    comparisons: tuple[RunComparison, ...] = ()
    curves: dict[str, tuple[Curve, ...]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.runs)

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each run, by id, as `Runs.to_frame` does."""
        return frame_of(self.runs)

    def to_text(self) -> str:
        """Return a table for the terminal, and what came of each search."""
        lines = [text_table(_HEADERS, self._rows())]
        return "\n".join([*lines, *(c.summary for c in self.comparisons)])

    def to_html(self) -> str:
        """Return a self-contained page that runs no script; names and values are escaped."""
        return html_page("Runs", f"<h1>Runs</h1>{self._body()}")

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return html_fragment(self._body())

    def _body(self) -> str:
        parts = [_search(comparison) for comparison in self.comparisons]
        for metric, curves in self.curves.items():
            chart = CurveChart(title=f"{metric} by step", curves=curves, x_name="step")
            parts.append(chart.to_html())
        hidden = len(self._shown()) - _MOST_ROWS
        more = f'<p class="quiet">{hidden:,} earlier runs</p>' if hidden > 0 else ""
        table = f'<div class="scrolls">{html_table(_HEADERS, self._rows())}</div>'
        parts.append(f"<h2>{len(self):,} runs</h2>{table}{more}")
        return "".join(parts)

    def _shown(self) -> list[RunRecord]:
        """Return the runs that are no trials of a search that is shown already."""
        told = {r.id for c in self.comparisons for r in c.runs}
        told |= {i for c in self.comparisons for i in c.left_out}
        return [run for run in self.runs if run.id not in told]

    def _rows(self) -> list[tuple[str, ...]]:
        rows: list[tuple[str, ...]] = []
        for run in reversed(self._shown()[-_MOST_ROWS:]):
            parameters = {k: v for k, v in run.parameters.items() if k != FOLDS}
            rows.append(
                (
                    run.id[:8],
                    run.name,
                    run.status.value,
                    f"{run.started_at:%Y-%m-%d %H:%M}",
                    "" if run.duration is None else figure(run.duration.total_seconds(), "s"),
                    ", ".join(f"{k} {figure(v)}" for k, v in run.metrics.items()),
                    settings_in_words(parameters),
                )
            )
        return rows


def _search(comparison: RunComparison) -> str:
    varied = _varied([run.parameters for run in comparison.runs])
    chart = ParallelChart(
        title=f"{comparison.runs[0].name}: {comparison.metric} by setting",
        settings=varied,
        scores=[run.mean for run in comparison.runs],
        score_name=comparison.metric,
        greater_is_better=comparison.greater_is_better,
    )
    name = escape(comparison.runs[0].name)
    drawn = chart.to_html() if varied else ""
    return f'<h2>{name}</h2>{drawn}<div class="scrolls">{comparison.to_html()}</div>'


def _varied(parameters: Sequence[Mapping[str, object]]) -> dict[str, list[object]]:
    """Return the settings that differ between trials."""
    names = dict.fromkeys(name for setting in parameters for name in setting)
    columns = {name: [setting.get(name) for setting in parameters] for name in names}
    varied = {n: values for n, values in columns.items() if len({str(v) for v in values}) > 1}
    return dict(list(varied.items())[:_MOST_AXES])


def frame_of(records: Sequence[RunRecord]) -> pd.DataFrame:
    """Return one row for each run, by id."""
    facts = ["name", "status", "started_at", "ended_at", "duration", "parent"]
    columns: dict[str, list[object]] = {
        fact: [getattr(record, fact) for record in records] for fact in facts
    }
    columns["status"] = [record.status.value for record in records]
    for key in sorted({key for record in records for key in record.parameters}):
        columns[f"params.{key}"] = [record.parameters.get(key) for record in records]
    for key in sorted({key for record in records for key in record.metrics}):
        columns[f"metrics.{key}"] = [record.metrics.get(key, math.nan) for record in records]
    frame = pd.DataFrame(columns, index=pd.Index([r.id for r in records], name="id", dtype=object))
    for time in ("started_at", "ended_at"):
        frame[time] = pd.to_datetime(frame[time], utc=True)
    frame["duration"] = pd.to_timedelta(frame["duration"])
    return frame
