"""Runs on the same folds, ranked, with those that cannot be told apart from the best."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, final

import pydantic
import sqlalchemy as sa

from mldeploy._record import Record
from mldeploy.errors import NotFoundError
from mldeploy.evidence import (
    escape,
    figure,
    figure_with_interval,
    html_fragment,
    html_table,
    text_table,
)
from mldeploy.stats import Comparison, rank_by_folds
from mldeploy.store import tables

from ._records import RunRecord
from ._trials import FOLDS, Folds

if TYPE_CHECKING:
    import pandas as pd

_MOST_ROWS = 30
_HEADERS = ("Rank", "Run", "Mean", "Behind the best by", "p", "Best?", "With")


@final
class RankedRun(Record):
    """One run's place, and how far it is behind the best.

    Attributes
    ----------
    id, name : str
        The run.
    parameters : dict
        What it was tried with.
    mean : float
        Mean score over the folds.
    behind : Comparison or None
        Distance from the best, corrected for all pairs of runs; None for the best itself.
    is_tied : bool
        Whether it cannot be told apart from the best.
    """

    id: str
    name: str
    parameters: dict[str, pydantic.JsonValue]
    mean: float
    behind: Comparison | None
    is_tied: bool


@final
class RunComparison(Record):
    """Runs on the same folds, the best first.

    Attributes
    ----------
    metric : str
        What they were scored by.
    greater_is_better : bool
        Its direction.
    confidence : float
        Chance that none of several equal runs is told apart from the best.
    method : str
        How they were compared.
    folds : Folds
        On what.
    runs : tuple of RankedRun
        Those that could be compared.
    left_out : dict of str to str
        By id, why a run could not.
    """

    metric: str
    greater_is_better: bool
    confidence: float
    method: str
    folds: Folds
    runs: tuple[RankedRun, ...]
    left_out: dict[str, str] = pydantic.Field(default_factory=dict)

    @property
    def tied(self) -> tuple[RankedRun, ...]:
        """The best, and those that cannot be told apart from it."""
        return tuple(run for run in self.runs if run.is_tied)

    @property
    def summary(self) -> str:
        """What came of it, in a sentence."""
        n, best = len(self.tied) - 1, self.runs[0]
        others = {0: "no other run can", 1: "one other run cannot"}.get(n, f"{n} others cannot")
        verb = "compare with it" if n == 0 else "be told apart from it"
        return (
            f"Of {len(self.runs):,} runs the best has a mean {self.metric} of "
            f"{figure(best.mean)}; {others} {verb} on {self.folds.n_folds} folds."
        )

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each run, the best first, as a pandas DataFrame."""
        import pandas as pd  # noqa: PLC0415 - heavy, and only wanted here

        rows = [
            {
                "id": run.id,
                "name": run.name,
                "mean": run.mean,
                "behind": 0.0 if run.behind is None else run.behind.difference,
                "low": 0.0 if run.behind is None else run.behind.interval.low,
                "high": 0.0 if run.behind is None else run.behind.interval.high,
                "p_value": math.nan if run.behind is None else run.behind.p_value,
                "is_tied": run.is_tied,
                **{f"params.{name}": value for name, value in run.parameters.items()},
            }
            for run in self.runs
        ]
        return pd.DataFrame(rows)

    def to_text(self) -> str:
        """Return the summary and a table for the terminal."""
        return "\n".join([self.summary, text_table(_HEADERS, self._rows()), self._small_print()])

    def to_html(self) -> str:
        """Return the summary and a table without style; names and values are escaped."""
        return (
            f"<p><b>{escape(self.summary)}</b></p>{html_table(_HEADERS, self._rows())}"
            f'<p class="quiet">{escape(self._small_print())}</p>'
        )

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return html_fragment(self.to_html())

    def _rows(self) -> list[tuple[str, ...]]:
        return [
            (
                str(rank),
                run.id[:8],
                figure(run.mean),
                "-"
                if run.behind is None
                else figure_with_interval(run.behind.difference, run.behind.interval),
                "-" if run.behind is None else f"{run.behind.p_value:.2g}",
                "cannot tell" if run.is_tied and run.behind else ("best" if run.is_tied else "no"),
                settings_in_words(run.parameters),
            )
            for rank, run in enumerate(self.runs[:_MOST_ROWS], 1)
        ]

    def _small_print(self) -> str:
        told = (
            f"{self.method}; intervals and p-values hold for all pairs together at "
            f"{self.confidence:.0%}; {self.folds.n_folds} folds of {self.folds.n_train:,.0f} rows "
            f"to learn from and {self.folds.n_test:,.0f} to be scored on."
        )
        reasons = Counter(self.left_out.values())
        left = [f"{n:,} left out: {reason}." for reason, n in sorted(reasons.items())]
        hidden = len(self.runs) - _MOST_ROWS
        left += [f"{hidden:,} worse ones are not shown."] if hidden > 0 else []
        return " ".join([told, *left])


def settings_in_words(parameters: Mapping[str, object]) -> str:
    """Write settings with at most four digits of a number; a DataFrame has them all."""
    told = {n: figure(v) if isinstance(v, float) else v for n, v in parameters.items()}
    return ", ".join(f"{name}={value}" for name, value in told.items())


def compared(
    connection: sa.Connection,
    records: Sequence[RunRecord],
    metric: str,
    *,
    greater_is_better: bool | None,
    confidence: float,
) -> RunComparison:
    """Compare runs by their scores on the folds that most of them share.

    The direction of the metric is what was recorded with the folds, unless it is given.
    """
    scores = _scores(connection, [r.id for r in records], metric)
    folds = {
        r.id: Folds.model_validate(r.parameters[FOLDS]) for r in records if FOLDS in r.parameters
    }
    usable = [r for r in records if r.id in folds and scores.get(r.id)]
    if not usable:
        raise NotFoundError(
            f"no run among {len(records)} has a {metric!r} for each fold; record trials with "
            "folds, or train with a search"
        )
    shared = Counter(folds[r.id].rows for r in usable).most_common(1)[0][0]
    left_out, kept = {}, []
    for record in records:
        reason = _reason(record, scores.get(record.id), folds.get(record.id), shared)
        if reason:
            left_out[record.id] = reason
        else:
            kept.append(record)
    if not kept:
        raise NotFoundError(f"every run failed, or lacks {metric!r} on some fold")
    on = folds[kept[0].id]
    if greater_is_better is None:
        greater_is_better = metric not in on.lower_is_better
    sign = 1.0 if greater_is_better else -1.0
    ranks = rank_by_folds(
        [[sign * s for s in scores[r.id]] for r in kept],
        n_train=on.n_train,
        n_test=on.n_test,
        confidence=confidence,
    )
    return RunComparison(
        metric=metric,
        greater_is_better=greater_is_better,
        confidence=confidence,
        method="corrected resampled t-test (Nadeau and Bengio) against the best, Bonferroni over "
        "all pairs, since the best was found by looking",
        folds=on,
        runs=tuple(
            RankedRun(
                id=kept[r.index].id,
                name=kept[r.index].name,
                parameters={k: v for k, v in kept[r.index].parameters.items() if k != FOLDS},
                mean=sign * r.mean,
                behind=r.behind,
                is_tied=r.is_tied,
            )
            for r in ranks
        ),
        left_out=left_out,
    )


def _reason(
    record: RunRecord, scores: list[float] | None, folds: Folds | None, shared: str
) -> str | None:
    if not scores or folds is None:
        return "no score for each fold"
    if folds.rows != shared:
        return "other folds"
    if len(scores) != folds.n_folds or not all(map(math.isfinite, scores)):
        return "a fold without a score"
    return None if record.ended_at is not None else "still running"


def _scores(connection: sa.Connection, ids: Sequence[str], metric: str) -> dict[str, list[float]]:
    """Return for each run its score on each fold, in the order of the folds."""
    table = tables.run_metrics
    query = sa.select(table.c.run, table.c.step, table.c.value).where(
        table.c.key == metric, table.c.step.is_not(None)
    )
    wanted, found = set(ids), defaultdict[str, dict[int, float]](dict)
    for run, step, value in connection.execute(query.order_by(table.c.id)):
        if run in wanted:
            found[run][step] = math.nan if value is None else value
    return {run: [by_step[s] for s in sorted(by_step)] for run, by_step in found.items()}
