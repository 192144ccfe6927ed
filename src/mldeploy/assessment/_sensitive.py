"""Do the data hold personal data, or features that stand for a sensitive column?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import polars as pl
from typing_extensions import override

from mldeploy.assessment._base import DataAssessor
from mldeploy.assessment._leak_columns import Search
from mldeploy.assessment._neighbours import Learner, out_of_fold
from mldeploy.assessment._outcome import Outcome, halves, matrix_of, numbers_of, some_rows
from mldeploy.assessment._pii import Personal, personal_data
from mldeploy.assessment._say import holds, skipped
from mldeploy.assessment._share import codes_of
from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Problem, Task

_FEW, _COLUMNS, _CLASSES = 200, 200, 20


@final
@dataclass(frozen=True, kw_only=True)
class SensitiveAssessor(DataAssessor):
    """Look for personal data, and for what stands for a sensitive column.

    It warns of columns that look like personal data (`personal_data`: e-mail addresses, bank
    accounts and cards with right check digits, telephone and social security numbers, names of
    columns; values are counted, never shown), of a sensitive column that is a feature
    (`sensitive_feature`), of a feature that tells a sensitive column alone or in a pair
    (`proxy`), and of features that tell it together (`told_together`): leaving the column out
    then does not keep a model from deciding by it.

    Attributes
    ----------
    max_score : float, default=0.8
        Largest AUC (two groups), gain in accuracy over the largest group (more groups) or R²
        (a number) at which a sensitive column may be told, in (0.5, 1).
    n_rows : int, default=5000
        Most rows, drawn at random, that proxies are looked for in; at least 200.
    random_state : int, default=0
        Seed of rows, halves and folds.
    """

    max_score: float = 0.8
    n_rows: int = 5_000
    random_state: int = 0

    def __post_init__(self) -> None:
        if not 0.5 < self.max_score < 1:
            raise ValueError(f"{self.max_score=} lies not between 0.5 and 1")
        if self.n_rows < _FEW:
            raise ValueError(f"{self.n_rows=} must be {_FEW} or more")

    @override
    def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        check = type(self).__name__
        found = [*personal_data(dataset.polars())]
        for one in found:
            yield _personal(check, one, used=one.column in dataset.features)
        if not found:
            summary = f"None of {len(dataset.columns):,} columns looks like personal data."
            yield holds(check, "personal_data", summary, n=len(dataset))
        if not dataset.roles.sensitive:
            yield skipped(check, "proxy", "no column is declared sensitive")
        for name in dataset.roles.sensitive:
            if name in dataset.features:
                yield _used(check, name)
            yield from self._proxies(check, dataset, name)

    def _proxies(self, check: str, dataset: Dataset, name: str) -> Iterator[Finding]:
        rng = np.random.default_rng(self.random_state)
        features = [c for c in dataset.features if c not in dataset.roles.sensitive]
        known = ~np.asarray(dataset.polars()[name].is_null().to_numpy(), dtype=bool)
        if known.sum() < _FEW or not 0 < len(features) <= _COLUMNS:
            why = f"{int(known.sum()):,} rows have {name!r}, {len(features):,} features"
            yield skipped(check, "proxy", why)
            return
        rows = some_rows(dataset.take(known), self.n_rows, rng)
        outcome = _groups(rows.polars()[name])
        first, second = halves(rows, rng)
        if not (outcome.take(first).varies and outcome.take(second).varies):
            yield skipped(check, "proxy", f"{name!r} is the same in nearly all rows")
            return
        search = Search(
            table=rows.polars(), outcome=outcome, first=first, second=second, units=rows.units(),
            max_score=self.max_score, confidence=0.98,
        )  # fmt: skip
        alone = search.alone(features, self.n_rows)
        for told in alone:
            yield _proxy(check, told.columns, name, outcome, told.estimate.value, self.max_score)
        X = matrix_of(rows.polars().select(features))
        guess = out_of_fold(Learner(task=outcome.task), X, outcome, units=rows.units(), rng=rng)
        if guess is None:
            yield skipped(check, "told_together", "a fold has one group only")
        else:
            together = outcome.estimate(guess, units=rows.units(), confidence=0.98)
            told_all = together.interval.low > self.max_score
            yield Finding(
                check=check,
                name="told_together",
                verdict=Verdict.FAIL if told_all else Verdict.PASS,
                severity=Severity.WARNING if told_all else Severity.INFO,
                summary=f"All features together tell {name!r} with an {outcome.score_name} of "
                f"{together.value:.3f} on unseen rows.",
                action=f"Leaving out {name!r} does not hide it: judge fairness by it, with it as "
                "a slice of a criterion."
                if told_all
                else "",
                estimate=together.value,
                interval=together.interval,
                threshold=self.max_score,
                n=together.n,
                column=name,
            )


def _groups(column: pl.Series) -> Outcome:
    """Return a sensitive column as what is to be told: two groups, several, or a number."""
    if column.dtype.is_numeric() and column.n_unique() > _CLASSES:
        numbers = numbers_of(column)
        numbers[~np.isfinite(numbers)] = np.nanmedian(numbers)
        return Outcome(task=Task.REGRESSION, values=numbers)
    codes = codes_of(column.cast(pl.String))
    n_classes = int(codes.max()) + 1
    task = Task.BINARY if n_classes <= 2 else Task.MULTICLASS
    return Outcome(task=task, values=codes.astype(np.float64), n_classes=max(n_classes, 2))


def _personal(check: str, found: Personal, *, used: bool) -> Finding:
    seen = (
        f"{found.n_matching:,} of {found.n_looked_at:,} distinct values look like {found.kind}."
        if found.n_looked_at
        else f"It looks like {found.kind}."
    )
    return Finding(
        check=check,
        name="personal_data",
        verdict=Verdict.FAIL,
        severity=Severity.WARNING,
        summary=seen,
        action=("Drop it from the features, and " if used else "If it is not needed, ")
        + "keep it out of the store and of logs; hash it if rows must be joined by it.",
        estimate=found.n_matching / found.n_looked_at if found.n_looked_at else None,
        n=found.n_looked_at or None,
        column=found.column,
        details={"kind": found.kind},
    )


def _used(check: str, name: str) -> Finding:
    return Finding(
        check=check,
        name="sensitive_feature",
        verdict=Verdict.FAIL,
        severity=Severity.WARNING,
        summary="It is declared sensitive, and the model is given it.",
        action="Drop it from the features, unless the law or the purpose asks for it.",
        column=name,
    )


def _proxy(
    check: str, columns: tuple[str, ...], name: str, outcome: Outcome, score: float, limit: float
) -> Finding:
    return Finding(
        check=check,
        name="proxy",
        verdict=Verdict.FAIL,
        severity=Severity.WARNING,
        summary=f"It tells {name!r} alone ({outcome.score_name} {score:.3f} on unseen rows).",
        action=f"Drop it if it serves only by telling {name!r}; judge fairness by {name!r}.",
        estimate=score,
        threshold=limit,
        n=outcome.values.size,
        column=columns[0],
        details={"tells": name},
    )
