"""Do probabilities mean what they say? By Cox's line and by bins, with a reliability diagram."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from typing_extensions import override

from mldeploy.data import Dataset
from mldeploy.evidence import Curve, CurveChart, Finding, Report, Severity, Verdict, figure
from mldeploy.model import Model
from mldeploy.problem import Problem
from mldeploy.stats import (
    Estimate,
    ReliabilityCurve,
    null_ece,
    reliability_curve,
    rows_needed,
    worth_after_looks,
)
from mldeploy.validation._calibration_fit import CoxLine, Promised, binned_error, cox_line
from mldeploy.validation._looks import LookingValidator

_NAME = "calibration_error"
_FEWEST = 20


@final
@dataclass(frozen=True, kw_only=True)
class CalibrationValidator(LookingValidator):
    """Tell whether probabilities are what they say, within a margin and beyond chance.

    Twice: by Cox's line through the log odds, which has the most power against probabilities
    that are too high, too low or too extreme; and by bins, which see any shape. Each is an error
    in the probability with its interval: it FAILs when the whole interval lies above `max_error`
    and, for the line, the deviation is beyond chance. Of several classes, the probability of
    the one that is answered is judged.

    Attributes
    ----------
    max_error : float
        How far off probabilities may be, on average.
    confidence : float
        Two-sided confidence of each interval.
    n_bins : int
        Bins of equal size; fewer where a bin would hold less than 20 rows.
    severity : Severity
        Of what does not hold.
    random_state : int
        Seed of the draws of lines.
    n_looks : int
        As of `CriteriaValidator`.

    Notes
    -----
    The usual calibration error of perfect probabilities is not 0: by "ECE at most 0.05" 61 % of
    perfect models of 300 rows are condemned. It is told beside the value that chance gives it,
    and never judged.

    Examples
    --------
    >>> CalibrationValidator(max_error=0.02).n_bins
    10
    """

    max_error: float = 0.05
    confidence: float = 0.95
    n_bins: int = 10
    severity: Severity = Severity.WARNING
    random_state: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "severity", Severity(self.severity))
        if not 0 < self.max_error < 1 or not 0.5 < self.confidence < 1:
            raise ValueError(
                f"{self.max_error=}, {self.confidence=}: an error lies in (0, 1), a confidence "
                "in (0.5, 1)"
            )
        if self.n_bins < 2:
            raise ValueError(f"{self.n_bins=}: a diagram has two bins or more")

    @override
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        if not (problem.task.is_classification and model.signature.probabilistic):
            yield self._unknown("the model gives no probabilities", Severity.INFO)
            return
        rows = Promised.of(model.scored_rows(dataset))
        if not np.isfinite(rows.p).all() or ((rows.p < 0) | (rows.p > 1)).any():
            yield self._no_probabilities(rows)
            return
        if len(rows) < _FEWEST:
            yield self._unknown(f"{len(rows)} rows are too few", self.severity, len(rows))
            return
        n_bins = min(self.n_bins, len(rows) // _FEWEST)
        curve = reliability_curve(rows.y, rows.p, n_bins=n_bins) if n_bins else None
        try:
            line = cox_line(rows)
        except ValueError as error:
            yield self._unknown(str(error), self.severity)
        else:
            yield self._by_line(rows, line, curve)
        if n_bins >= 2:
            yield self._by_bins(rows, n_bins)

    def _by_line(self, rows: Promised, line: CoxLine, curve: ReliabilityCurve | None) -> Finding:
        rng = np.random.default_rng(self.random_state)
        worth = worth_after_looks(self.n_looks, self.confidence)
        error = line.error(rows, confidence=self.confidence, worth=worth, rng=rng)
        p_value = line.after_looks(self.n_looks)
        beyond_chance = p_value <= 1 - self.confidence
        verdict = self._verdict(error, may_fail=beyond_chance)
        shape = "too extreme" if line.slope < 1 else "too timid"
        return self._judged(
            _NAME,
            error,
            verdict,
            f"Probabilities are off by {figure(error.value)} on average"
            + (f"; they are {shape} (slope {line.slope:.2f})." if beyond_chance else "."),
            {
                "intercept": line.intercept,
                "slope": line.slope,
                "p_value": p_value,
                "method": error.method,
                "reliability": None if curve is None else curve.to_json(),
            },
        )

    def _by_bins(self, rows: Promised, n_bins: int) -> Finding:
        error = binned_error(rows, n_bins=n_bins, confidence=self._level(self.confidence))
        plain = float(
            sum(
                len(b) * abs(rows.y[b].mean() - rows.p[b].mean())
                for b in np.array_split(np.argsort(rows.p, kind="stable"), n_bins)
            )
            / len(rows)
        )
        chance = null_ece(rows.p, n_bins=n_bins)
        return self._judged(
            "expected_calibration_error",
            error,
            self._verdict(error, may_fail=True),
            f"In {n_bins} bins they are off by {figure(error.value)}, chance taken out; the usual "
            f"error is {figure(plain)}, where perfect probabilities show {figure(chance)}.",
            {"ece": plain, "null_ece": chance, "n_bins": n_bins, "method": error.method},
        )

    def _verdict(self, error: Estimate, *, may_fail: bool) -> Verdict:
        if error.interval.high <= self.max_error:
            return Verdict.PASS
        fails = may_fail and error.interval.low > self.max_error
        return Verdict.FAIL if fails else Verdict.INSUFFICIENT

    def _judged(
        self,
        name: str,
        error: Estimate,
        verdict: Verdict,
        summary: str,
        details: dict[str, str | float | int | bool | None],
    ) -> Finding:
        more = None
        if verdict is Verdict.INSUFFICIENT:
            total = rows_needed(error, threshold=self.max_error, n=max(error.n, 1))
            more = None if total is None else max(total - error.n, 1)
        return Finding(
            check=type(self).__name__,
            name=name,
            verdict=verdict,
            severity=self.severity,
            summary=summary,
            action=_action(verdict, more),
            estimate=error.value,
            interval=error.interval,
            n=error.n,
            threshold=self.max_error,
            rows_needed=more,
            details=details,
        )

    def _no_probabilities(self, rows: Promised) -> Finding:
        strange = int((~np.isfinite(rows.p) | (rows.p < 0) | (rows.p > 1)).sum())
        return Finding(
            check=type(self).__name__,
            name=_NAME,
            verdict=Verdict.FAIL,
            summary=f"{strange:,} of {len(rows):,} scores are no probabilities.",
            action="Mend predict_proba: it must return numbers from 0 to 1 for every row.",
            estimate=strange / len(rows),
            n=len(rows),
        )

    def _unknown(self, why: str, severity: Severity, n: int | None = None) -> Finding:
        return Finding(
            check=type(self).__name__,
            name=_NAME,
            verdict=Verdict.INSUFFICIENT,
            severity=severity,
            summary=f"It cannot be told whether probabilities are what they say: {why}.",
            action="Validate on rows of both outcomes." if severity is not Severity.INFO else "",
            n=n,
            rows_needed=None if n is None else _FEWEST - n,
        )


def _action(verdict: Verdict, more: int | None) -> str:
    if verdict is Verdict.FAIL:
        return "Calibrate it, with CalibratedTrainer, on rows that it was not fitted on."
    return f"About {more:,} more rows would settle it." if more else ""


def reliability_from(report: Report) -> ReliabilityCurve | None:
    """Return the reliability curve that a `CalibrationValidator` found; None if there is none."""
    for finding in report.select(name=_NAME):
        if (kept := finding.details.get("reliability")) is not None:
            return ReliabilityCurve.model_validate_json(str(kept))
    return None


def reliability_diagram(curve: ReliabilityCurve) -> CurveChart:
    """Return the chart of observed over promised shares, beside the diagonal of perfect ones.

    Examples
    --------
    >>> from mldeploy.stats import reliability_curve
    >>> curve = reliability_curve([0, 1, 1, 1], [0.1, 0.3, 0.8, 0.8], n_bins=2)
    >>> reliability_diagram(curve).description
    'observed: from 0.5 at 0.2 to 1 at 0.8; perfect: from 0.2 at 0.2 to 0.8 at 0.8'
    """
    x = [b.predicted for b in curve.bins]
    observed = Curve(
        name="observed",
        x=x,
        y=[b.observed.value for b in curve.bins],
        low=[b.observed.interval.low for b in curve.bins],
        high=[b.observed.interval.high for b in curve.bins],
    )
    return CurveChart(
        title="Reliability: how often it came, over how probable it was said to be",
        curves=[observed, Curve(name="perfect", x=x, y=x)],
        x_name="promised",
        y_name="observed",
    )
