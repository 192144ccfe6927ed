"""How many rows must be judged by, for a criterion's interval to be able to decide?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import special

from mldeploy.assessment._outcome import Outcome, outcome_of
from mldeploy.data import Dataset
from mldeploy.problem import Criterion, MetricKind, Problem
from mldeploy.stats import holm_confidence, n_for_auc, n_for_mean, n_for_proportion

_ALL_ROWS = ("accuracy", "error_rate", "positive_rate")
_POSITIVES = ("recall", "f1", "precision")
_ERRORS = ("mean_absolute_error", "mean_squared_error", "bias")


@final
@dataclass(frozen=True, kw_only=True)
class Need:
    """Rows of a part that a criterion needs, and the rows that there are, both to judge by."""

    criterion: Criterion
    part: str | None
    needed: int
    at_hand: int
    expected: float
    counted: str
    """What is counted: rows, units, or rows of the positive class times their rarity."""
    assumed: str


def needs_of(
    criterion: Criterion, labelled: Dataset, problem: Problem, *, margin: float, share: float
) -> Iterator[Need]:
    """Yield what each part of a criterion needs; nothing for metrics without a known spread.

    Parameters
    ----------
    criterion : Criterion
        With a bound on quality.
    labelled : Dataset
        Rows with labels.
    problem : Problem
        Names the target.
    margin : float
        How far beyond the bound the model is expected: as it is for shares, else as a share of
        the bound.
    share : float
        Share of the rows that will be judged by, in (0, 1].
    """
    bound = criterion.at_least if criterion.at_least is not None else criterion.at_most
    if bound is None or criterion.metric.kind not in {MetricKind.QUALITY, MetricKind.BUSINESS}:
        return
    outcome, units = outcome_of(labelled, problem), labelled.units()
    parts = [*_parts(criterion, labelled)]
    confidence = holm_confidence(max(len(parts), 1), criterion.confidence)
    for name, rows in parts:
        inside = Outcome(
            task=outcome.task, values=outcome.values[rows], n_classes=outcome.n_classes
        )
        found = _rows_needed(criterion, bound, inside, margin, confidence)
        if found is None:
            continue
        needed, expected, assumed = found
        at_hand = int(rows.sum()) if units is None else _n_distinct(units[rows])
        yield Need(
            criterion=criterion,
            part=name,
            needed=needed,
            at_hand=int(at_hand * share),
            expected=expected,
            counted="rows" if units is None else "units",
            assumed=assumed,
        )


def _parts(criterion: Criterion, data: Dataset) -> Iterator[tuple[str | None, npt.NDArray[Any]]]:
    columns = {c: data.column(c) for c in criterion.used_columns}
    asked = np.ones(len(data), dtype=bool)
    if criterion.where is not None:
        asked &= criterion.where.mask(columns)
    if not criterion.slices:
        yield None, asked
        return
    for cut in criterion.slices:
        for name, rows in cut.parts(columns):
            if (rows & asked).any():
                yield name, np.asarray(rows & asked, dtype=bool)


def _rows_needed(
    criterion: Criterion, bound: float, outcome: Outcome, margin: float, confidence: float
) -> tuple[int, float, str] | None:
    """Return the rows needed, the value expected, and what was assumed."""
    name, better = criterion.metric.name, 1.0 if criterion.metric.higher_is_better else -1.0
    positive = float(outcome.values.mean()) if outcome.values.size else 0.0
    if name in _ERRORS:
        return _rows_for_errors(name, bound, outcome, margin, confidence)
    if not criterion.metric.is_share or not 0 < bound < 1:
        return None
    expected = _beyond(bound, better * margin)
    words = f"a model at {expected:.3g}"
    if name in _ALL_ROWS:
        return n_for_proportion(expected, bound=bound, confidence=confidence), expected, words
    if not 0 < positive < 1 or name not in {"roc_auc", "specificity", *_POSITIVES}:
        return None
    if name == "roc_auc":
        rows = n_for_auc(expected, bound=bound, prevalence=positive, confidence=confidence)
        return rows, expected, words
    rare = 1 - positive if name == "specificity" else positive
    rows = n_for_proportion(expected, bound=bound, confidence=confidence)
    kind = "negative" if name == "specificity" else "positive"
    return int(np.ceil(rows / rare)), expected, f"{words}, {rare:.1%} {kind} rows"


def _rows_for_errors(
    name: str, bound: float, outcome: Outcome, margin: float, confidence: float
) -> tuple[int, float, str] | None:
    y = outcome.values
    if y.size < 2 or bound == 0:
        return None
    spread = {
        "mean_absolute_error": float(np.abs(y - np.median(y)).std()),
        "mean_squared_error": float(((y - y.mean()) ** 2).std()),
        "bias": float(y.std()),
    }[name]
    half = abs(bound) * margin
    rows = n_for_mean(spread, half_width=half, confidence=confidence)
    return rows, bound - half, "errors that vary as those of a constant guess, a safe upper limit"


def _beyond(bound: float, margin: float) -> float:
    """Return a share beyond a bound; near 0 and 1 as far as on the logit scale at one half."""
    step = 4 * margin
    moved = float(special.expit(special.logit(bound) + step))
    return bound + margin if 0.02 < bound + margin < 0.98 else moved


def _n_distinct(units: npt.NDArray[Any]) -> int:
    return int(pl.Series(units).n_unique()) if units.size else 0
