"""Are the labels right? A list of those to look at first, and how many chance would put on it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats as scipy_stats
from typing_extensions import override

from mldeploy.assessment._base import DataAssessor
from mldeploy.assessment._neighbours import Learner, out_of_fold
from mldeploy.assessment._outcome import Floats, matrix_of, outcome_of
from mldeploy.assessment._say import skipped, some
from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Problem, Task
from mldeploy.stats import Suspects, flags_by_chance, holm, suspect_labels, wilson

_FEW, _FEW_OF_A_CLASS, _COLUMNS = 200, 20, 200
_UNIT_ROWS, _UNIT_EXCESS = 30, 0.2
_SUREST = 0.1


@final
@dataclass(frozen=True, kw_only=True)
class LabelQualityAssessor(DataAssessor):
    """List the labels that a model contradicts which has not seen them; delete none.

    Confident learning on out-of-fold probabilities flags labels (`suspect_labels`). Where
    classes overlap, right labels are flagged as well; so it says how many would be if every
    label were right and chance decided the rest, and warns only of clearly more than that, or of
    a unit whose labels are contradicted far more often than others' (`labels_of_unit`). Errors
    that are spread evenly look like chance to a model that learnt from them: as many flags as
    by chance do not prove the labels right, so look at the first of the list. What share of the
    surest tenth of the rows has another label is an upper limit of such errors
    (`even_label_errors`).

    Attributes
    ----------
    n_rows : int, default=10000
        Most rows, drawn at random, that are looked at; at least 200.
    shown : int, default=20
        How many rows of the list the finding names; `suspect_rows` returns all.
    material : float, default=0.05
        Share of flags beyond those by chance that is worth a warning, in (0, 1).
    random_state : int, default=0
        Seed of rows, folds and draws.
    """

    n_rows: int = 10_000
    shown: int = 20
    material: float = 0.05
    random_state: int = 0

    def __post_init__(self) -> None:
        if self.n_rows < _FEW or self.shown < 1 or not 0 < self.material < 1:
            raise ValueError(
                f"{self.n_rows=} must be {_FEW} or more, {self.shown=} at least 1, "
                f"{self.material=} in (0, 1)"
            )

    @override
    def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        check, rng = type(self).__name__, np.random.default_rng(self.random_state)
        looked = _look(dataset, problem, n_rows=self.n_rows, rng=rng)
        if isinstance(looked, str):
            yield skipped(check, "suspect_labels", looked)
            return
        rows, labels, guess = looked
        found = suspect_labels(labels, guess)
        yield self._listed(check, problem, rows, found, labels, guess, rng)
        yield _surest(check, problem, labels, guess)
        units = dataset.units()
        if units is None:
            yield skipped(check, "labels_of_unit", "there is no unit")
        else:
            yield from _by_unit(check, problem, units[rows], found)

    def _listed(
        self,
        check: str,
        problem: Problem,
        rows: npt.NDArray[np.int64],
        found: Suspects,
        labels: npt.NDArray[np.int64],
        guess: Floats,
        rng: np.random.Generator,
    ) -> Finding:
        chance = flags_by_chance(labels, guess, rng=rng)
        share = float(found.flagged.mean())
        many = share > chance.highest + self.material
        first = ", ".join(map(str, rows[found.order[: self.shown]].tolist()))
        return Finding(
            check=check,
            name="suspect_labels",
            verdict=Verdict.FAIL if many else Verdict.PASS,
            severity=Severity.WARNING if many else Severity.INFO,
            summary=f"{len(found.order):,} of {len(rows):,} labels ({share:.1%}) are contradicted "
            f"by a model that has not seen them; {chance.mean:.1%} would be if all were right and "
            "chance decided as often as it thinks.",
            action="Look at the first of the list (details, suspect_rows), and correct those "
            "that are wrong; delete none because of the list."
            if len(found.order)
            else "",
            estimate=share,
            threshold=chance.highest + self.material,
            n=len(rows),
            column=problem.target,
            details={
                "count": len(found.order), "by_chance": chance.mean,
                "temperature": chance.temperature, "rows": first,
            },
        )  # fmt: skip


def suspect_rows(
    dataset: Dataset, problem: Problem, *, n_rows: int = 10_000, random_state: int = 0
) -> pl.DataFrame:
    """Return the labels that a model contradicts which has not seen them, the surest first.

    Parameters
    ----------
    dataset : Dataset
        Rows with labels of classes.
    problem : Problem
        Names the target and the task.
    n_rows : int, default=10000
        Most rows, drawn at random, that are looked at.
    random_state : int, default=0
        Seed; with the one of the assessor, the list is that of its finding.

    Returns
    -------
    polars.DataFrame
        ``row`` (position in the dataset), ``label``, ``probability`` of it, and ``margin`` to
        the likeliest other class, from -1 on. Empty if nothing could be looked at.

    Examples
    --------
    >>> from mldeploy.problem import Criterion
    >>> problem = Problem(name="p", statement="What is y?", target="y", positive=True,
    ...                   criteria=[Criterion("accuracy", at_least=0.7)])
    >>> table = pl.DataFrame({"x": range(400), "y": [i >= 200 for i in range(400)]})
    >>> wrong = table.with_columns(y=pl.col("y") ^ (pl.col("x") == 7))
    >>> suspect_rows(Dataset.of(wrong, target="y"), problem)["row"].to_list()[:3].count(7)
    1
    """
    rng = np.random.default_rng(random_state)
    looked = _look(dataset, problem, n_rows=n_rows, rng=rng)
    if isinstance(looked, str):
        rows, labels, guess = np.empty(0, np.int64), np.empty(0, np.int64), np.empty((0, 1))
        order, margin = rows, np.empty(0)
    else:
        rows, labels, guess = looked
        found = suspect_labels(labels, guess)
        order, margin = found.order, found.margin
    own = guess[np.arange(len(labels)), labels][order]
    return pl.DataFrame({"row": rows[order], "probability": own, "margin": margin[order]}).select(
        "row",
        label=dataset.polars()[problem.target].gather(rows[order]),
        probability="probability",
        margin="margin",
    )


def _look(
    dataset: Dataset, problem: Problem, *, n_rows: int, rng: np.random.Generator
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats] | str:
    """Return rows, their labels and out-of-fold probabilities; or why there are none."""
    if problem.task is Task.REGRESSION:
        return "the target is a number, not a class"
    if not dataset.features or len(dataset.features) > _COLUMNS:
        return f"{len(dataset.features):,} features; 1 to {_COLUMNS} are looked at"
    known = np.flatnonzero(~dataset.polars()[problem.target].is_null().to_numpy())
    rows = np.sort(rng.permutation(known)[:n_rows])
    if rows.size < _FEW:
        return f"{rows.size} rows have a label; {_FEW} are needed"
    part = dataset.take(rows)
    outcome, X = outcome_of(part, problem), matrix_of(part.polars().select(part.features))
    labels = outcome.values.astype(np.int64)
    if np.bincount(labels, minlength=outcome.n_classes).min() < _FEW_OF_A_CLASS:
        return f"a class has fewer than {_FEW_OF_A_CLASS} rows"
    guess = out_of_fold(Learner(task=problem.task), X, outcome, units=part.units(), rng=rng)
    if guess is None:
        return "all rows belong to one unit"
    if problem.task is Task.BINARY:
        guess = np.column_stack([1 - guess[:, 0], guess[:, 0]])
    return rows, labels, guess / guess.sum(axis=1, keepdims=True)


def _surest(check: str, problem: Problem, labels: npt.NDArray[np.int64], guess: Floats) -> Finding:
    n = max(int(_SUREST * labels.size), 1)
    surest = np.argsort(-guess.max(axis=1), kind="stable")[:n]
    wrong = int((guess.argmax(axis=1) != labels)[surest].sum())
    share = wilson(wrong, n)
    return Finding(
        check=check,
        name="even_label_errors",
        verdict=Verdict.PASS,
        severity=Severity.INFO,
        summary=f"{wrong:,} of the {n:,} labels of which the model is surest are others: if "
        f"errors are spread evenly, at most about {share.interval.high:.1%} of all are wrong.",
        estimate=share.value,
        interval=share.interval,
        n=n,
        column=problem.target,
    )


def _by_unit(
    check: str, problem: Problem, units: npt.NDArray[Any], found: Suspects
) -> Iterator[Finding]:
    names, codes = np.unique(units.astype(str), return_inverse=True)
    n, flagged = np.bincount(codes), np.bincount(codes, weights=found.flagged)
    share = float(found.flagged.mean())
    asked = np.flatnonzero(n >= _UNIT_ROWS)
    if asked.size < 2:
        yield skipped(check, "labels_of_unit", f"fewer than two units have {_UNIT_ROWS} rows")
        return
    tails = [float(scipy_stats.binom.sf(flagged[u] - 1, n[u], share)) for u in asked]
    odd = [
        u
        for u, p in zip(asked, holm(tails), strict=True)
        if p <= 0.001 and flagged[u] / n[u] > share + _UNIT_EXCESS
    ]
    worst = max(odd, key=lambda u: flagged[u] / n[u], default=None)
    yield Finding(
        check=check,
        name="labels_of_unit",
        verdict=Verdict.PASS if worst is None else Verdict.FAIL,
        severity=Severity.INFO if worst is None else Severity.WARNING,
        summary=f"No unit's labels are contradicted far more often than {share:.1%}."
        if worst is None
        else f"The labels of {len(odd)} of {asked.size:,} units are contradicted far more often "
        f"than the others' {share:.1%}: {some([str(names[u]) for u in odd])}, at worst "
        f"{flagged[worst] / n[worst]:.1%}.",
        action="" if worst is None else "Ask who labels them, and how.",
        estimate=None if worst is None else float(flagged[worst] / n[worst]),
        threshold=share + _UNIT_EXCESS,
        n=int(asked.size),
        column=problem.target,
        slice=None if worst is None else str(names[worst]),
    )
