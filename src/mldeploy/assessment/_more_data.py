"""Would more rows make a better model?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
from tqdm import tqdm

from mldeploy.assessment._neighbours import Learner
from mldeploy.assessment._outcome import Rows, matrix_of, outcome_of, some_rows
from mldeploy.assessment._say import skipped
from mldeploy.assessment._share import codes_of
from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Problem
from mldeploy.stats import MoreDataDecision, fit_learning_curve

_SIZES, _REPEATS = 6, 6
_LARGEST, _SMALLEST = 5_000, 60
_LARGEST_PART = 0.95
_MAX_COLUMNS = 200
_FARTHEST = 10
"""How many times the largest size measured a curve may be trusted to go on."""


def more_data(
    check: str, labelled: Dataset, problem: Problem, *, gain: float, rng: np.random.Generator
) -> Iterator[Finding]:
    """Yield whether twice the rows would gain what was declared worth it.

    A small boosted model is fitted at six sizes, six times each: on rows of two thirds, and
    scored on the others, no unit in both, drawn anew each time. A power law extrapolates, up to
    ten times the largest size that was fitted: farther away it cannot tell.
    """
    if len(labelled.features) > _MAX_COLUMNS or not labelled.features:
        yield skipped(check, "more_data", f"{len(labelled.features):,} features are too many")
        return
    rows = some_rows(labelled, 3 * _LARGEST // 2, rng)
    splits = [_split(rows, rng) for _ in range(_REPEATS)]
    n_train = min(train.size for train, _ in splits)
    if n_train < 4 * _SMALLEST:
        yield skipped(check, "more_data", f"{len(rows):,} labelled rows show no curve")
        return
    X, outcome = matrix_of(rows.polars().select(rows.features)), outcome_of(rows, problem)
    sizes = np.unique(np.geomspace(_SMALLEST, n_train * _LARGEST_PART, _SIZES).astype(int))
    learner, errors = Learner(task=problem.task), []
    for size in tqdm(sizes, desc="learning curve", delay=1, leave=False):
        errors.append([learner.score(X, outcome, train[:size], test) for train, test in splits])
    measured = [e for e in errors if None not in e]
    if len(measured) < 4:
        yield skipped(check, "more_data", "small samples have one outcome only")
        return
    losses = np.clip(1 - np.array(measured, dtype=float), 0, None)
    kept = sizes[[None not in e for e in errors]]
    fit = fit_learning_curve(kept, losses, rng=rng)
    now = max(len(labelled), int(kept[-1]))
    decision = fit.decide(2 * now, gain=gain, n_now=now)
    if decision.n_more > _FARTHEST * int(kept[-1]):
        decision = replace(decision, answer="cannot tell")
    yield _said(check, decision, outcome.score_name, float(losses[-1].mean()), int(kept[-1]))


def _split(rows: Dataset, rng: np.random.Generator) -> tuple[Rows, Rows]:
    """Divide rows at random, no unit in both: two thirds, in random order, and the others."""
    unit = rows.roles.unit
    codes = np.arange(len(rows)) if unit is None else codes_of(rows.polars()[unit])
    taught = (rng.permutation(int(codes.max()) + 1) % 3 > 0)[codes]
    return rng.permutation(np.flatnonzero(taught)), np.flatnonzero(~taught)


def _said(
    check: str, decision: MoreDataDecision, score: str, loss: float, largest: int
) -> Finding:
    yes = decision.answer == "yes"
    verdict = {
        "yes": Verdict.FAIL,
        "no": Verdict.PASS,
        "cannot tell": Verdict.INSUFFICIENT,
    }[decision.answer]
    return Finding(
        check=check,
        name="more_data",
        verdict=verdict,
        severity=Severity.WARNING if yes else Severity.INFO,
        summary=f"Are twice the rows worth it ({decision.n_more:,} instead of "
        f"{decision.n_now:,})? {decision.answer.capitalize()}: the {score} of a small model "
        f"would gain {decision.gain.estimate:.4f} (95 %: {decision.gain.low:.4f} to "
        f"{decision.gain.high:.4f}), going by a curve up to {largest:,} rows; worth it from "
        f"{decision.declared_gain:g} on.",
        action="Collect or label more before tuning models." if yes else "",
        estimate=decision.gain.estimate,
        n=decision.n_now,
        threshold=decision.declared_gain,
        details={"loss_now": loss, "answer": decision.answer},
    )
