"""Unforeseen behaviour: ask the model what its schema allows and nobody has asked yet."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, final

import numpy as np
import numpy.typing as npt
import polars as pl
from typing_extensions import override

from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.model import Model
from mldeploy.problem import Problem
from mldeploy.validation._base import Validator
from mldeploy.validation._fuzz_cases import Case, cases_of

Array: TypeAlias = npt.NDArray[Any]
_TOLERANCE: Final = 1e-6
_LEAST_SECONDS: Final = 0.05
_RULES: Final = {
    "raises": "is answered by an exception",
    "not_finite": "is answered by NaN or infinity",
    "out_of_range": "is answered by what cannot be, or lies far from all labels",
    "slow": "takes much longer than ordinary rows",
}
_ACTIONS: Final = {
    "raises": "Handle it in the pipeline, or let the schema refuse it (strict_range, closed).",
    "not_finite": "Clip or impute before the estimator, or let the schema refuse it.",
    "out_of_range": "Clip the answers, or use an estimator that does not extrapolate.",
    "slow": "Bound the length of what is sent, or use a step that does not depend on it.",
}


@final
@dataclass(frozen=True, kw_only=True)
class BehaviourValidator(Validator):
    """Ask what the schema accepts and no row has held, and look at the answers.

    Ordinary rows are taken, and one column at a time is set to an extreme of its range or of
    its type, to a missing value, to text that was never seen; then all columns at once. Only
    what the schema accepts is asked, since a server refuses the rest. An answer must come
    without an exception, be finite, be a known class or a probability (in a regression: lie
    within `reach` ranges of the labels), and take no longer than usual. Beside that, equal rows
    must get equal answers, whatever stands around them, and not all rows the same one.

    Attributes
    ----------
    n_rows : int
        Ordinary rows that are changed.
    reach : float
        In a regression, how many ranges of the labels an answer may lie beyond them.
    slower : float
        How many times as long as ordinary rows is too long.
    severity : Severity
        What follows when it does not hold.

    Examples
    --------
    >>> BehaviourValidator(n_rows=50).reach
    1.0
    """

    n_rows: int = 100
    reach: float = 1.0
    slower: float = 20.0
    severity: Severity = Severity.WARNING

    def __post_init__(self) -> None:
        if self.n_rows < 2 or self.reach < 0 or self.slower <= 1:
            raise ValueError(
                f"{self.n_rows=}, {self.reach=}, {self.slower=}: take two rows or more, a reach "
                "of 0 or more, and call slower what takes longer"
            )

    @override
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        spread = np.unique(np.linspace(0, len(dataset) - 1, self.n_rows).astype(np.int64))
        schema = model.signature.inputs.select(model.signature.features)
        rows = schema.enforce(dataset.take(spread).polars().select(schema.names))
        try:
            plain, usual = _asked(model, rows)
        except Exception as error:  # noqa: BLE001 - whatever a user's estimator raises is the finding
            yield self._finding("ordinary_rows", 1, 1, f"Ordinary rows are refused: {error!r}.")
            return
        yield from self._ordinary(model, rows, plain)
        tried = _Tried(bounds=_bounds(model, dataset, self.reach))
        for case in cases_of(schema, rows):
            tried.ask(model, case, longest=max(usual * self.slower, _LEAST_SECONDS))
        for rule in _RULES:
            yield self._rule(rule, tried)

    def _ordinary(self, model: Model, rows: pl.DataFrame, plain: _Answers) -> Iterator[Finding]:
        order = np.random.default_rng(0).permutation(rows.height)
        shuffled, _ = _asked(model, rows[order])
        moved = int(np.sum(~plain.take(order).equal(shuffled)))
        yield self._finding(
            "order",
            moved,
            rows.height,
            f"{moved} of {rows.height} ordinary rows are answered otherwise when the order of "
            "the rows changes.",
            action="Find the step that looks at other rows than the one it answers.",
        )
        constant = int(plain.n_distinct == 1 and rows.n_unique() > 1)
        yield self._finding(
            "constant",
            constant,
            1,
            f"{plain.n_distinct} different answers are given to {rows.n_unique()} different rows.",
            action="A model that always says the same has learnt nothing from its columns.",
        )

    def _rule(self, rule: str, tried: _Tried) -> Finding:
        failed = tried.failed[rule]
        examples = "; ".join(failed[:5])
        return self._finding(
            rule,
            len(failed),
            tried.n,
            f"{len(failed)} of {tried.n} kinds of odd rows that the schema accepts: what was "
            f"asked {_RULES[rule]}{': ' if failed else ''}{examples}.",
            action=_ACTIONS[rule],
        )

    def _finding(self, name: str, bad: int, n: int, told: str, *, action: str = "") -> Finding:
        verdict = Verdict.PASS if not bad else Verdict.FAIL
        return Finding(
            check=type(self).__name__,
            name=name,
            verdict=verdict if n else Verdict.INSUFFICIENT,
            severity=self.severity,
            summary=told,
            action=action if bad else "",
            estimate=bad / n if n else None,
            n=n,
            threshold=0.0,
        )


@dataclass(frozen=True, kw_only=True)
class _Answers:
    """What a model said: decisions, and scores where it gives any."""

    said: Array
    scores: Array | None

    def take(self, rows: Array) -> _Answers:
        scores = None if self.scores is None else self.scores[rows]
        return _Answers(said=self.said[rows], scores=scores)

    def equal(self, other: _Answers) -> npt.NDArray[np.bool_]:
        """Tell for each row whether the answers agree."""
        if self.said.dtype.kind == "f":
            same = np.isclose(self.said, other.said, rtol=_TOLERANCE, equal_nan=True)
        else:
            same = self.said == other.said
        if self.scores is not None and other.scores is not None:
            close = np.isclose(self.scores, other.scores, atol=_TOLERANCE, equal_nan=True)
            same = same & close.reshape(len(same), -1).all(axis=1)
        return np.asarray(same, bool)

    @property
    def n_distinct(self) -> int:
        told = self.said if self.scores is None else self.scores.reshape(len(self.said), -1)[:, 0]
        return len(set(told.tolist()))


@dataclass(frozen=True, kw_only=True)
class _Tried:
    """What came of the odd rows, by rule."""

    bounds: tuple[float, float]
    names: list[str] = field(default_factory=list)
    failed: dict[str, list[str]] = field(default_factory=lambda: {rule: [] for rule in _RULES})

    @property
    def n(self) -> int:
        return len(self.names)

    def ask(self, model: Model, case: Case, *, longest: float) -> None:
        """Ask, and note what is not as it should be."""
        name = f"{case.name} in {case.column or 'every column that can'}"
        self.names.append(name)
        try:
            with np.errstate(all="ignore"):
                answers, took = _asked(model, case.frame)
        except Exception as error:  # noqa: BLE001 - whatever a user's estimator raises is the finding
            self.failed["raises"].append(f"{name} ({type(error).__name__})")
            return
        if not _finite(answers):
            self.failed["not_finite"].append(name)
        elif not self._sensible(model, answers):
            self.failed["out_of_range"].append(name)
        if took > longest:
            self.failed["slow"].append(f"{name} ({took:.2g} s)")

    def _sensible(self, model: Model, answers: _Answers) -> bool:
        signature = model.signature
        if not signature.task.is_classification:
            low, high = self.bounds
            return bool(((answers.said >= low) & (answers.said <= high)).all())
        if not set(answers.said.tolist()) <= set(signature.classes):
            return False
        if answers.scores is None or not signature.probabilistic:
            return True
        inside = (answers.scores >= -_TOLERANCE) & (answers.scores <= 1 + _TOLERANCE)
        sums = answers.scores.sum(axis=1) if answers.scores.ndim == 2 else np.ones(1)
        return bool(inside.all() and np.allclose(sums, 1, atol=1e-4))


def _asked(model: Model, rows: pl.DataFrame) -> tuple[_Answers, float]:
    begin = time.perf_counter()
    answers = _Answers(said=model.predict(rows), scores=model.score(rows))
    return answers, time.perf_counter() - begin


def _finite(answers: _Answers) -> bool:
    told = [answers.said] if answers.said.dtype.kind == "f" else []
    told += [] if answers.scores is None else [answers.scores]
    return all(bool(np.isfinite(values).all()) for values in told)


def _bounds(model: Model, dataset: Dataset, reach: float) -> tuple[float, float]:
    """Return between which numbers an answer may lie, in a regression."""
    if model.signature.task.is_classification:
        return 0.0, 1.0
    y = dataset.y().astype(float)
    low, high = float(np.min(y)), float(np.max(y))
    width = (high - low or abs(high) or 1.0) * reach
    return low - width, high + width
