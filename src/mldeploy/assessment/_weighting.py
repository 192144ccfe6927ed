"""Weights that make rows stand for a population, and what they change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.assessment._neighbours import Learner, out_of_fold
from mldeploy.assessment._outcome import Floats, Outcome, matrix_of, outcome_of
from mldeploy.assessment._say import skipped, some
from mldeploy.data import Dataset
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Problem, Task
from mldeploy.stats import Raked, kish_n, rake, roc_auc, weighted_mean

_ROWS, _COLUMNS = 6_000, 200
_RESAMPLES = 200

Margins = Mapping[str, Mapping[Any, float]]


def raking_weights(dataset: Dataset, margins: Margins) -> Raked:
    """Return weights under which columns have the shares that a population has.

    Parameters
    ----------
    dataset : Dataset
        Rows to weight; declared weights are where the raking begins.
    margins : mapping of column to mapping of value to share
        The population's shares of the values of each column; scaled to a sum of 1. Rows with
        another value, or none, keep the share that they have.

    Returns
    -------
    Raked
        One weight for each row, in their order; store them in a column, and declare it as the
        problem's weight.

    Raises
    ------
    InvalidDataError
        If a column is not there, or no row has a value that the population has.

    Examples
    --------
    >>> data = Dataset.of(pl.DataFrame({"sex": ["m", "m", "m", "f"]}))
    >>> raking_weights(data, {"sex": {"m": 0.5, "f": 0.5}}).weights.round(3).tolist()
    [0.667, 0.667, 0.667, 2.0]
    """
    if not margins:
        raise InvalidDataError("no margin is given; name a column and its shares")
    codes, targets = [], []
    for column, shares in margins.items():
        if column not in dataset.columns:
            raise InvalidDataError(
                f"a margin names {column!r}, which the data do not have; they have "
                f"{some(list(dataset.columns), 20)}"
            )
        number = {str(level): i for i, level in enumerate(shares)}
        names = dataset.polars()[column].cast(pl.String).to_list()
        code = np.array([number.get(name, -1) for name in names], dtype=np.int64)
        if absent := [k for k, i in number.items() if shares_of(shares)[i] and i not in code]:
            raise InvalidDataError(f"no row has the {column!r} {some(absent)}; collect some")
        codes.append(code)
        targets.append(shares_of(shares))
    return rake(codes, targets, weights=dataset.weights())


def shares_of(shares: Mapping[Any, float]) -> list[float]:
    """Return the shares in their order."""
    return [float(share) for share in shares.values()]


def cost_of_weights(check: str, weights: Floats, least: float) -> Finding:
    """Say how many equally weighted rows weighted ones are worth."""
    n, worth = weights.size, kish_n(weights)
    few = worth < least * n
    return Finding(
        check=check,
        name="effective_rows",
        verdict=Verdict.FAIL if few else Verdict.PASS,
        severity=Severity.WARNING if few else Severity.INFO,
        summary=f"By their weights {n:,} rows are worth {worth:,.0f}; the largest weight is "
        f"{weights.max() / weights.mean():.3g} times the mean.",
        action="Collect rows of the parts that weigh most, or trim the largest weights."
        if few
        else "",
        estimate=worth,
        threshold=least * n,
        n=n,
        details={"share": worth / n},
    )


def with_and_without(
    check: str,
    dataset: Dataset,
    problem: Problem,
    weights: Floats,
    *,
    material: float,
    rng: np.random.Generator,
) -> Iterator[Finding]:
    """Yield the mean label, and the score of a small model, with weights and without."""
    known = ~np.asarray(dataset.polars()[problem.target].is_null().to_numpy(), dtype=bool)
    if known.sum() < 100:
        yield skipped(check, "with_weights", f"{int(known.sum()):,} rows have a label")
        return
    labelled, w = dataset.take(known), weights[known]
    if not w.any():
        yield skipped(check, "with_weights", "no row with a label has weight")
        return
    outcome = outcome_of(labelled, problem)
    if problem.task is not Task.MULTICLASS:
        yield _label_mean(check, problem, outcome, w, material)
    if len(dataset.features) > _COLUMNS or not dataset.features:
        yield skipped(check, "score with weights", f"{len(dataset.features):,} features")
        return
    rows = np.sort(rng.permutation(len(labelled))[:_ROWS])
    yield from _score(check, labelled.take(rows), problem, w[rows], material, rng)


def _label_mean(
    check: str, problem: Problem, outcome: Outcome, weights: Floats, material: float
) -> Finding:
    plain, weighted = float(outcome.values.mean()), weighted_mean(outcome.values, weights)
    scale = 1.0 if problem.task is Task.BINARY else float(outcome.values.std()) or 1.0
    gap = (weighted.estimate - plain) / scale
    matters = abs(gap) - 2 * weighted.standard_error / scale > material
    what = f"share of {problem.positive!r}" if problem.task is Task.BINARY else "mean"
    return Finding(
        check=check,
        name="label with weights",
        verdict=Verdict.FAIL if matters else Verdict.PASS,
        severity=Severity.WARNING if matters else Severity.INFO,
        summary=f"The {what} of the label is {weighted.estimate:.4g} with weights and "
        f"{plain:.4g} without.",
        action="Declare the weights in the problem, so that models are judged by them."
        if matters
        else "",
        estimate=weighted.estimate,
        threshold=plain,
        n=outcome.values.size,
        column=problem.target,
        details={"without": plain, "standard_error": weighted.standard_error},
    )


def _score(
    check: str,
    rows: Dataset,
    problem: Problem,
    weights: Floats,
    material: float,
    rng: np.random.Generator,
) -> Iterator[Finding]:
    outcome, X = outcome_of(rows, problem), matrix_of(rows.polars().select(rows.features))
    guess = out_of_fold(Learner(task=problem.task), X, outcome, units=rows.units(), rng=rng)
    if guess is None or not outcome.varies or not weights.any():
        yield skipped(check, "score with weights", "small samples have one outcome only")
        return
    with_, without = (_weighted(outcome, guess, w) for w in (weights, np.ones_like(weights)))
    gaps = []
    for _ in range(_RESAMPLES):
        drawn = rng.integers(0, weights.size, weights.size)
        part, w = outcome.take(drawn), weights[drawn]
        if part.varies and _both_weigh(part, w):
            ones = np.ones_like(w)
            gaps.append(_weighted(part, guess[drawn], w) - _weighted(part, guess[drawn], ones))
    low, high = np.quantile(gaps, [0.025, 0.975]) if gaps else (-1.0, 1.0)
    matters = low > material or high < -material
    yield Finding(
        check=check,
        name="score with weights",
        verdict=Verdict.FAIL if matters else Verdict.PASS,
        severity=Severity.WARNING if matters else Severity.INFO,
        summary=f"The {outcome.score_name} of a small model on unseen rows is {with_:.3f} with "
        f"weights and {without:.3f} without (95 % of the difference: {low:+.3f} to {high:+.3f}).",
        action="Declare the weights in the problem, so that models are judged by them."
        if matters
        else "",
        estimate=with_,
        threshold=without,
        n=weights.size,
        details={"without": without, "low": float(low), "high": float(high)},
    )


def _both_weigh(outcome: Outcome, weights: Floats) -> bool:
    """Whether rows of more than one outcome have weight."""
    return np.unique(outcome.values[weights > 0]).size > 1


def _weighted(outcome: Outcome, guess: Floats, weights: Floats) -> float:
    """Return `Outcome.score` with weights."""
    y: npt.NDArray[np.float64] = outcome.values
    if outcome.task is Task.BINARY:
        return roc_auc(y, guess[:, 0], weights)
    if outcome.task is Task.REGRESSION:
        spread = float(weights @ (y - np.average(y, weights=weights)) ** 2)
        return 1 - float(weights @ (y - guess[:, 0]) ** 2) / max(spread, 1e-300)
    right = float(np.average(guess.argmax(axis=1) == y, weights=weights))
    prior = float(np.bincount(y.astype(np.int64), weights=weights).max() / weights.sum())
    return (right - prior) / max(1 - prior, 1e-300)
