"""What decisions are worth, when nobody knows exactly what each is worth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from typing_extensions import override

from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity, Verdict, figure
from mldeploy.model import Model
from mldeploy.problem import Problem, ScoredRows, Task
from mldeploy.stats import Interval, worth_after_looks
from mldeploy.validation._looks import LookingValidator
from mldeploy.validation._rivals import rivals_of

Array: TypeAlias = npt.NDArray[Any]
_CELLS = ("true_positive", "false_positive", "true_negative", "false_negative")
_DRAWS = 20_000


@final
@dataclass(frozen=True)
class Guess:
    """A figure that nobody knows exactly: the least, the most likely, and the most it may be.

    Attributes
    ----------
    low, likely, high : float
        In ascending order.

    Examples
    --------
    >>> Guess(80.0, 100.0, 150.0).likely
    100.0
    """

    low: float
    likely: float
    high: float

    def __post_init__(self) -> None:
        if not self.low <= self.likely <= self.high:
            raise ValueError(f"{self} does not ascend")

    @classmethod
    def of(cls, value: float | Guess) -> Guess:
        """Return a guess as it is, and a figure as one that is sure."""
        return value if isinstance(value, Guess) else cls(value, value, value)

    def draw(self, rng: np.random.Generator, size: int) -> Array:
        """Draw from the triangular distribution."""
        if self.low == self.high:
            return np.full(size, self.likely)
        return rng.triangular(self.low, self.likely, self.high, size)


@final
@dataclass(frozen=True, kw_only=True)
class ValueValidator(LookingValidator):
    """Tell what a decision between two classes is worth, though its worth is only guessed.

    Each of the four outcomes has a value, sure or guessed. The interval takes in what is
    uncertain of the guesses and of the rows together, and the finding says which matters most:
    whether to ask somebody, or to collect more rows. What people know by a criterion, see
    `mldeploy.problem.cost_of_errors`.

    Attributes
    ----------
    true_positive, false_positive, true_negative, false_negative : float or Guess
        What one such decision is worth, in `unit`; less than 0 for a loss.
    at_least : float
        What a decision must be worth on average; 0 is what doing nothing is worth.
    unit : str
        Such as ``"EUR"``.
    confidence : float
        Two-sided confidence of the interval.
    n_looks : int
        As of `CriteriaValidator`.
    severity : Severity
        Of what does not hold.
    random_state : int
        Seed of the draws.

    Notes
    -----
    Guesses are triangular and independent. The shares of the four outcomes are normal, with
    their covariance over units.

    Examples
    --------
    >>> ValueValidator(true_positive=Guess(80, 100, 150), false_positive=-20.0).at_least
    0.0
    """

    true_positive: float | Guess = 0.0
    false_positive: float | Guess = 0.0
    true_negative: float | Guess = 0.0
    false_negative: float | Guess = 0.0
    at_least: float = 0.0
    unit: str = ""
    confidence: float = 0.95
    severity: Severity = Severity.WARNING
    random_state: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "severity", Severity(self.severity))
        for cell in _CELLS:
            object.__setattr__(self, cell, Guess.of(getattr(self, cell)))
        if not 0.5 < self.confidence < 1:
            raise ValueError(f"{self.confidence=}: a confidence lies in (0.5, 1)")
        guesses = list(self._guesses().values())
        if all(g == guesses[0] for g in guesses) and guesses[0].low == guesses[0].high:
            raise ValueError("all outcomes are worth the same, so no model could be better")

    def _guesses(self) -> dict[str, Guess]:
        return {cell: Guess.of(getattr(self, cell)) for cell in _CELLS}

    @override
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        if problem.task is not Task.BINARY:
            yield self._open(f"a {problem.task} task has other outcomes than these four")
            return
        rows = model.scored_rows(dataset)
        if rows.n_units < 5 or (rows.weight is not None and not (rows.weight > 0).any()):
            yield self._open(f"{rows.n_units} rows or units are too few", rows.n_units)
            return
        yield self._worth("value", _cells(rows), rows, "A decision is worth")
        rivals = rivals_of(model, dataset, champion=champion)
        for kind in rivals:
            gains = {name: _cells(rows) - _cells(theirs) for name, theirs in rivals[kind].items()}
            if gains:
                likely = np.array([guess.likely for guess in self._guesses().values()])
                name = min(gains, key=lambda n: float((gains[n] @ likely).mean()))
                told = f"Beside the {kind} ({name}) a decision is worth"
                yield self._worth(f"value vs {kind}", gains[name], rows, told)

    def _worth(self, name: str, cells: Array, rows: ScoredRows, told: str) -> Finding:
        rng = np.random.default_rng(self.random_state)
        mean, covariance = _shares(cells, rows)
        covariance = covariance / worth_after_looks(self.n_looks, self.confidence)
        guesses = self._guesses()
        likely = np.array([guess.likely for guess in guesses.values()])
        values = np.column_stack([guess.draw(rng, _DRAWS) for guess in guesses.values()])
        shares = rng.multivariate_normal(mean, covariance, _DRAWS, check_valid="ignore")
        worth, value = (values * shares).sum(axis=1), float(likely @ mean)
        tail = (1 - self.confidence) / 2
        low, high = (float(q) for q in np.quantile(worth, [tail, 1 - tail]))
        least = self.at_least if name == "value" else 0.0
        verdict = Verdict.INSUFFICIENT
        if low >= least:
            verdict = Verdict.PASS
        elif high < least:
            verdict = Verdict.FAIL
        parts = {cell: float(np.var(values[:, i]) * mean[i] ** 2) for i, cell in enumerate(_CELLS)}
        parts["the rows"] = float(likely @ covariance @ likely)
        most = max(parts, key=lambda part: parts[part])
        return Finding(
            check=type(self).__name__,
            name=name,
            verdict=verdict,
            severity=self.severity,
            summary=f"{told} {figure(value, self.unit)} on average; most of what is uncertain "
            f"comes from {most if most == 'the rows' else 'the guess of ' + most}.",
            action=_action(verdict, most),
            estimate=value,
            interval=Interval(
                low=min(low, value), high=max(high, value), confidence=self.confidence
            ),
            n=rows.n_units,
            threshold=least,
            unit=self.unit,
            details={f"variance of {part}": variance for part, variance in parts.items()},
        )

    def _open(self, why: str, n: int | None = None) -> Finding:
        return Finding(
            check=type(self).__name__,
            name="value",
            verdict=Verdict.INSUFFICIENT,
            severity=Severity.INFO if n is None else self.severity,
            summary=f"It cannot be told what decisions are worth: {why}.",
            action="State a cost matrix as a metric." if n is None else "Validate on more rows.",
            n=n,
        )


def _cells(rows: ScoredRows) -> Array:
    """Return which of the four outcomes each row is."""
    y, p = rows.y_true == 1, rows.y_pred == 1
    return np.column_stack([y & p, ~y & p, ~y & ~p, y & ~p]).astype(float)


def _shares(cells: Array, rows: ScoredRows) -> tuple[Array, Array]:
    """Return the mean of each column and the covariance of the means, over units."""
    weight = np.ones(len(cells)) if rows.weight is None else np.asarray(rows.weight, float)
    mean = weight @ cells / weight.sum()
    residual = (cells - mean) * weight[:, None] / weight.sum()
    if rows.unit is not None:
        codes = pd.factorize(rows.unit, use_na_sentinel=False)[0]
        residual = np.column_stack([np.bincount(codes, column) for column in residual.T])
    m = len(residual)
    covariance: Array = residual.T @ residual * m / max(m - 1, 1)
    return mean, covariance


def _action(verdict: Verdict, most: str) -> str:
    if verdict is Verdict.FAIL:
        return "Do without the model, or move its threshold to where it pays."
    if verdict is Verdict.PASS:
        return ""
    return "Validate on more rows." if most == "the rows" else f"Find out what a {most} is worth."
