"""Prediction sets and intervals: made on one half of the rows, judged on the other."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt
from typing_extensions import override

from mldeploy.data import Dataset
from mldeploy.errors import InvalidProblemError, NotMeasurableError
from mldeploy.evidence import Finding, Report, Severity, Verdict, figure
from mldeploy.model import Model
from mldeploy.problem import Conformal, Problem, ScoredRows, Task
from mldeploy.stats import Estimate, bootstrap_ratio, rows_needed, wilson
from mldeploy.validation._halves import first_half
from mldeploy.validation._looks import LookingValidator
from mldeploy.validation._slice_cuts import cuts_of

Mask: TypeAlias = npt.NDArray[np.bool_]
_NAME = "prediction_sets"
_FEWEST = 30


@final
@dataclass(frozen=True, kw_only=True)
class UncertaintyValidator(LookingValidator):
    """Make prediction sets, or intervals, that hold the truth as often as promised.

    They are learnt on one half of the rows. On the other it is counted how often they hold the
    truth: over all rows, in each class, and in each group of the sensitive columns. What was
    judged travels in the report, `conformal_from` reads it, and the bundle takes it along, so
    that a server says with an answer which others cannot be ruled out.

    Attributes
    ----------
    confidence : float
        Share of new rows whose set or interval shall hold the truth.
    margin : float
        How far below that the share may lie.
    columns : tuple of str, optional
        Whose groups are looked at; by default the problem's sensitive columns.
    n_bins, max_levels : int
        As for `FairnessValidator`.
    severity : Severity
        Of what does not hold.
    random_state : int
        Seed of the draw of one row from each unit.
    n_looks : int
        As of `CriteriaValidator`.

    Notes
    -----
    Intervals of all shares hold together with 95 %: Wilson's, or the bootstrap's over units. The
    promise is kept on average over halves; on a half of n rows the share varies by about
    :math:`\\sqrt{c (1 - c) / n}`, which is what `margin` is for.

    Examples
    --------
    >>> UncertaintyValidator(confidence=0.95).margin
    0.05
    """

    confidence: float = 0.9
    margin: float = 0.05
    columns: Sequence[str] | None = None
    n_bins: int = 4
    max_levels: int = 20
    severity: Severity = Severity.WARNING
    random_state: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "severity", Severity(self.severity))
        if not 0.5 <= self.confidence < 1 or not 0 < self.margin < self.confidence:
            raise ValueError(
                f"{self.confidence=}, {self.margin=}: promise at least a half, with a margin "
                "above 0 and below it"
            )
        if self.n_bins < 2 or self.max_levels < 2:
            raise ValueError(f"{self.n_bins=}, {self.max_levels=}: cut a column in two or more")

    @override
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        if problem.task.is_classification and not model.signature.probabilistic:
            yield self._none("The model gives no probabilities, so there are no sets to speak of.")
            return
        rows = model.scored_rows(dataset)
        half = first_half(dataset)
        try:
            conformal = Conformal.calibrate(
                rows.take(half),
                confidence=self.confidence,
                positive=model.signature.positive,
                random_state=self.random_state,
            )
        except NotMeasurableError as error:
            yield self._none(f"There are no sets or intervals to speak of: {error}.")
            return
        yield self._made(conformal, rows)
        yield from self._covered(conformal, rows, ~half, self._groups(dataset, problem, rows))

    def _groups(
        self, dataset: Dataset, problem: Problem, rows: ScoredRows
    ) -> dict[str | None, Mask]:
        columns = tuple(problem.sensitive if self.columns is None else self.columns)
        if missing := [name for name in columns if name not in dataset.columns]:
            raise InvalidProblemError(
                f"the data does not have {', '.join(map(repr, missing))}, whose groups shall be "
                "covered; name columns that it has"
            )
        groups: dict[str | None, Mask] = {None: np.ones(len(rows), bool)}
        if problem.task.is_classification:
            for label in np.unique(rows.y_true).tolist():
                named = _named(label, problem) if problem.task is Task.BINARY else label
                groups[f"{problem.target}={named}"] = rows.y_true == label
        for cut in cuts_of(dataset, columns, n_bins=self.n_bins, max_levels=self.max_levels):
            for code, name in enumerate(cut.names[:-1]):
                if (inside := cut.codes == code).any():
                    groups[name] = inside
        return groups

    def _covered(
        self,
        conformal: Conformal,
        rows: ScoredRows,
        judged: Mask,
        groups: dict[str | None, Mask],
    ) -> Iterator[Finding]:
        confidence = self._level(0.95, len(groups))
        for name, inside in groups.items():
            counted = judged if rows.weight is None else judged & (rows.weight > 0)
            part = rows.take(inside & counted)
            if part.n_units < _FEWEST:
                yield self._too_few(name, part.n_units)
                continue
            yield self._share(conformal, part, name, _share_of(conformal, part, confidence))

    def _share(
        self, conformal: Conformal, rows: ScoredRows, name: str | None, share: Estimate
    ) -> Finding:
        bound = self.confidence - self.margin
        verdict = Verdict.INSUFFICIENT
        if share.interval.low >= bound:
            verdict = Verdict.PASS
        elif share.interval.high < bound:
            verdict = Verdict.FAIL
        total = None
        if verdict is Verdict.INSUFFICIENT:
            total = rows_needed(share, threshold=bound, n=len(rows))
        more = None if total is None else 2 * max(total - len(rows), 1)
        where = f" for {name}" if name else ""
        return Finding(
            check=type(self).__name__,
            name="coverage",
            verdict=verdict,
            severity=self.severity,
            summary=(
                f"{_what(conformal)} hold the truth in {share.value:.1%} of rows{where}; "
                f"{self.confidence:.0%} is promised."
            ),
            action=_action(verdict, more, name),
            estimate=share.value,
            interval=share.interval,
            n=share.n,
            threshold=bound,
            slice=name,
            rows_needed=more,
            details={"method": share.method, "mean_size": float(conformal.sizes(rows).mean())},
        )

    def _made(self, conformal: Conformal, rows: ScoredRows) -> Finding:
        sizes = conformal.sizes(rows)
        typical = (
            f"{sizes.mean():.2f} labels on average, a single one for {(sizes == 1).mean():.0%} of "
            "rows"
            if conformal.labels
            else f"{figure(float(np.median(sizes)))} wide in the middle row"
        )
        return Finding(
            check=type(self).__name__,
            name=_NAME,
            verdict=Verdict.PASS,
            severity=Severity.INFO,
            summary=f"{_what(conformal)} that hold {self.confidence:.0%} are {typical}.",
            estimate=float(sizes.mean()),
            n=conformal.n,
            details={"conformal": conformal.to_json()},
        )

    def _none(self, why: str) -> Finding:
        return Finding(
            check=type(self).__name__,
            name="coverage",
            verdict=Verdict.INSUFFICIENT,
            severity=Severity.INFO,
            summary=why,
            action="Use an estimator with predict_proba, or validate on more rows.",
        )

    def _too_few(self, name: str | None, n: int) -> Finding:
        return Finding(
            check=type(self).__name__,
            name="coverage",
            verdict=Verdict.INSUFFICIENT,
            severity=self.severity,
            summary=f"Only {n} rows or units{f' of {name}' if name else ''} were left to count.",
            action=f"Validate on {2 * _FEWEST} or more.",
            n=n,
            threshold=self.confidence - self.margin,
            slice=name,
            rows_needed=2 * (_FEWEST - n),
        )


def conformal_from(report: Report) -> Conformal | None:
    """Return what an `UncertaintyValidator` made; None if none took part, or it made nothing."""
    found = report.select(name=_NAME)
    if not found:
        return None
    return Conformal.model_validate_json(str(found[-1].details["conformal"]))


def _share_of(conformal: Conformal, rows: ScoredRows, confidence: float) -> Estimate:
    held = conformal.holds(rows).astype(float)
    if rows.weight is None and rows.unit is None:
        return wilson(float(held.sum()), len(held), confidence=confidence)
    weight: Any = np.ones(len(held)) if rows.weight is None else rows.weight
    return bootstrap_ratio(
        held * weight,
        weight,
        units=rows.unit,
        n_resamples=1000,
        confidence=confidence,
        rng=np.random.default_rng(0),
    )


def _named(label: object, problem: Problem) -> object:
    if label == 1:
        return problem.positive
    return f"not {problem.positive}"


def _what(conformal: Conformal) -> str:
    return "Sets" if conformal.labels else "Intervals"


def _action(verdict: Verdict, more: int | None, name: str | None) -> str:
    if verdict is Verdict.FAIL:
        return (
            "Its errors are larger there: give the model what tells these rows apart, or promise "
            "less."
            if name
            else "The rows are not alike: calibrate on rows of the time and place it serves."
        )
    where = f" of {name}" if name else ""
    return f"About {more:,} more rows{where} would settle it." if more else ""
