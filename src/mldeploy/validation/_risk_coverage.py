"""How often a model is wrong where it decides alone, over how much it decides alone."""

from __future__ import annotations

from typing import Final, final

import numpy as np

from mldeploy._record import Record
from mldeploy.evidence import Curve, CurveChart
from mldeploy.problem import ScoredRows, confidence_of
from mldeploy.stats import wilson

_MOST_POINTS: Final = 25


@final
class RiskCoverage(Record):
    """The share of wrong answers among the most confident ones, over how many those are.

    Attributes
    ----------
    coverage : tuple of float
        Shares of rows that are answered alone, the most confident ones first; ascending.
    error : tuple of float
        Share of wrong answers among them.
    low, high : tuple of float
        Interval of each, by itself and as if rows were independent; empty where rows come in
        units, which it would flatter.
    max_error : float, optional
        The promise.
    chosen : float, optional
        The coverage of the routing that keeps it.
    """

    coverage: tuple[float, ...]
    error: tuple[float, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    max_error: float | None = None
    chosen: float | None = None

    def to_chart(self) -> CurveChart:
        """Return the curve, beside the promise and the coverage that keeps it."""
        curves = [Curve(name="wrong", x=self.coverage, y=self.error, low=self.low, high=self.high)]
        if self.max_error is not None:
            ends = (self.coverage[0], self.coverage[-1])
            curves.append(Curve(name="promise", x=ends, y=(self.max_error,) * 2))
        if self.chosen is not None:
            most = max((*self.error, *self.high, self.max_error or 0.0))
            curves.append(Curve(name="decides alone", x=(self.chosen,) * 2, y=(0.0, most)))
        return CurveChart(
            title="Risk over coverage: how often it is wrong where it decides alone",
            curves=curves,
            x_name="share of rows decided alone, the surest first",
            y_name="share that is wrong",
        )

    def _repr_html_(self) -> str:
        return self.to_chart().to_html()


def risk_coverage(rows: ScoredRows) -> RiskCoverage | None:
    """Return the curve of some rows; None where there are no scores, or no rows.

    Examples
    --------
    >>> import numpy as np
    >>> from mldeploy.problem import Task
    >>> rows = ScoredRows(task=Task.BINARY, y_true=np.array([1, 0, 0, 1]),
    ...                   y_pred=np.array([1, 0, 1, 1]), y_score=np.array([0.9, 0.2, 0.6, 0.7]))
    >>> curve = risk_coverage(rows)
    >>> curve.coverage, curve.error
    ((0.25, 0.5, 0.75, 1.0), (0.0, 0.0, 0.0, 0.25))
    """
    if rows.y_score is None or not rows.task.is_classification or len(rows) == 0:
        return None
    confidence = confidence_of(rows.y_score)
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum((rows.y_true != rows.y_pred)[order])
    sorted_confidence = confidence[order]
    # Equally confident rows are decided alone together or not at all.
    last = np.flatnonzero(np.append(sorted_confidence[1:] < sorted_confidence[:-1], True))
    wanted = np.arange(1, _MOST_POINTS + 1) / _MOST_POINTS * len(rows) - 1
    ends = last[np.unique(np.minimum(np.searchsorted(last, wanted), len(last) - 1))]
    shares = [wilson(int(wrong[end]), int(end) + 1) for end in ends]
    alone = rows.unit is None
    return RiskCoverage(
        coverage=tuple(((ends + 1) / len(rows)).tolist()),
        error=tuple(share.value for share in shares),
        low=tuple(share.interval.low for share in shares) if alone else (),
        high=tuple(share.interval.high for share in shares) if alone else (),
    )
