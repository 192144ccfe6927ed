"""Whatever is thrown at it: a typed error, or an interval that is honest; never a warning.

Warnings are errors in these tests, and so is any invalid floating-point operation.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import pytest

from mldeploy._record import Record
from mldeploy.errors import InvalidDataError
from mldeploy.stats import (
    Comparison,
    Estimate,
    bootstrap_auc,
    bootstrap_ratio,
    brier,
    cbpe,
    conformal_p_values,
    conformal_quantile,
    corrected_resampled_t,
    cox_calibration,
    debiased_ece,
    delong,
    delong_difference,
    domain_classifier,
    holm,
    hommel,
    label_shift,
    mean_interval,
    null_ece,
    paired_bootstrap_ratio,
    paired_proportions,
    quantile_interval,
    recalibrate,
    reliability_curve,
    risk_p_value,
    roc_auc,
    rows_needed,
    safe_threshold,
    true_discoveries,
    weighted_mean,
    wilson,
)


class Case(NamedTuple):
    """Labels, probabilities, units and weights of some rows."""

    y: np.ndarray
    p: np.ndarray
    units: np.ndarray
    weight: np.ndarray


def case(y: object, p: object, *, units: object = None, weight: object = None) -> Case:
    labels, scores = np.asarray(y, dtype=float), np.asarray(p, dtype=float)
    return Case(
        y=labels,
        p=scores,
        units=np.arange(labels.size) if units is None else np.asarray(units),
        weight=np.ones(labels.size) if weight is None else np.asarray(weight, dtype=float),
    )


HALF = np.arange(60) % 2
CASES = {
    "no rows": case([], []),
    "one row": case([1], [0.5]),
    "two rows": case([0, 1], [0.2, 0.8]),
    "one class, positive": case(np.ones(60), np.linspace(0, 1, 60)),
    "one class, negative": case(np.zeros(60), np.linspace(0, 1, 60)),
    "one positive": case(np.arange(60) == 3, np.linspace(0.1, 0.9, 60)),
    "perfect": case(HALF, HALF),
    "perfectly wrong": case(HALF, 1 - HALF),
    "separated": case(HALF, 0.1 + 0.8 * HALF),
    "constant": case(HALF, np.full(60, 0.5)),
    "constant zero": case(HALF, np.zeros(60)),
    "constant one": case(HALF, np.ones(60)),
    "ties everywhere": case(HALF, np.arange(60) // 30 * 0.5 + 0.2),
    "NaN scores": case(HALF, np.where(HALF == 1, np.nan, 0.5)),
    "infinite scores": case(HALF, np.where(HALF == 1, np.inf, -np.inf)),
    "one unit": case(HALF, np.linspace(0.1, 0.9, 60), units=np.zeros(60)),
    "two units": case(HALF, np.linspace(0.1, 0.9, 60), units=HALF),
    "zero weights": case(HALF, np.linspace(0.1, 0.9, 60), weight=np.zeros(60)),
    "negative weights": case(HALF, np.linspace(0.1, 0.9, 60), weight=-np.ones(60)),
    "tiny probabilities": case(HALF, np.full(60, 1e-300)),
    "huge scores": case(HALF, np.linspace(-1, 1, 60) * 1e308),
}


def rng() -> np.random.Generator:
    return np.random.default_rng(0)


CALLS: dict[str, Callable[[Case], object]] = {
    "roc_auc": lambda c: roc_auc(c.y, c.p, c.weight),
    "delong": lambda c: delong(c.y, c.p),
    "delong, units": lambda c: delong(c.y, c.p, units=c.units),
    "delong_difference": lambda c: delong_difference(c.y, c.p, c.p[::-1]),
    "delong_difference, units": lambda c: delong_difference(c.y, c.p, -c.p, units=c.units),
    "bootstrap_auc": lambda c: bootstrap_auc(c.y, c.p, n_resamples=60, rng=rng()),
    "bootstrap_auc, units": lambda c: bootstrap_auc(
        c.y, c.p, units=c.units, n_resamples=60, rng=rng()
    ),
    "bootstrap_ratio": lambda c: bootstrap_ratio(
        c.p * c.weight, c.weight, n_resamples=60, rng=rng()
    ),
    "bootstrap_ratio, units": lambda c: bootstrap_ratio(
        c.y, units=c.units, n_resamples=60, rng=rng()
    ),
    "paired_bootstrap_ratio": lambda c: paired_bootstrap_ratio(
        c.p, c.y, c.weight, units=c.units, n_resamples=60, rng=rng()
    ),
    "paired_proportions": lambda c: paired_proportions(c.y, 1 - c.y),
    "paired_proportions, units": lambda c: paired_proportions(
        c.y, c.y, units=c.units, n_resamples=60, rng=rng()
    ),
    "mean_interval": lambda c: mean_interval(c.p),
    "quantile_interval": lambda c: quantile_interval(c.p, 0.95),
    "wilson": lambda c: wilson(float(c.y.sum()), c.y.size),
    "weighted_mean": lambda c: weighted_mean(c.y, c.weight),
    "brier": lambda c: brier(c.y, c.p, c.weight),
    "cox_calibration": lambda c: cox_calibration(c.y, c.p),
    "debiased_ece": lambda c: debiased_ece(c.y, c.p),
    "null_ece": lambda c: null_ece(c.p),
    "reliability_curve": lambda c: reliability_curve(c.y, c.p),
    "recalibrate": lambda c: recalibrate(c.y, c.p).apply(c.p).tolist(),
    "label_shift": lambda c: label_shift(c.y, c.p, c.p[: max(1, c.p.size // 2)]),
    "label_shift, units": lambda c: label_shift(
        c.y, c.p, c.p, reference_units=c.units, current_units=c.units
    ),
    "cbpe": lambda c: cbpe(c.y, c.p, c.p),
    "conformal_quantile": lambda c: conformal_quantile(c.p),
    "conformal_p_values": lambda c: conformal_p_values(c.p, c.p).tolist(),
    "risk_p_value": lambda c: risk_p_value(c.p, max_risk=0.1),
    "safe_threshold": lambda c: safe_threshold(c.p, c.y, max_error=0.1),
    "safe_threshold, units": lambda c: safe_threshold(
        c.p, c.y, max_error=0.1, units=c.units, n_candidates=5, rng=rng()
    ),
    "corrected_resampled_t": lambda c: corrected_resampled_t(c.p, n_train=90, n_test=10),
    "holm": lambda c: holm(c.p).tolist(),
    "hommel": lambda c: hommel(c.p).tolist(),
    "true_discoveries": lambda c: true_discoveries(c.p),
    "rows_needed": lambda c: rows_needed(delong(c.y, c.p), threshold=0.7, n=c.y.size),
}


def numbers(answer: object) -> Iterator[float]:
    """Yield every number of an answer that must not be NaN."""
    if isinstance(answer, Estimate | Comparison):
        yield from (answer.interval.low, answer.interval.high)
        yield answer.value if isinstance(answer, Estimate) else answer.difference
    elif isinstance(answer, list):
        yield from np.ravel(answer).tolist()
    elif isinstance(answer, float):
        yield answer
    elif isinstance(answer, tuple):
        for part in answer:
            yield from numbers(part)
    elif isinstance(answer, Record):
        yield from numbers(tuple(vars(answer).values()))


@pytest.mark.parametrize("call", CALLS)
def test_the_answer_is_a_number_or_a_typed_error(call: str) -> None:
    for given, rows in CASES.items():
        with np.errstate(divide="raise", invalid="raise", over="ignore", under="ignore"):
            try:
                answer = CALLS[call](rows)
            except InvalidDataError:
                continue

        assert not np.isnan(list(numbers(answer))).any(), (given, answer)


@pytest.mark.parametrize("given", ["one class, positive", "constant", "no rows", "NaN scores"])
def test_what_cannot_be_ranked_never_looks_good(given: str) -> None:
    """No interval of an area lies above a half unless the scores put it there."""
    rows = CASES[given]
    try:
        low = delong(rows.y, rows.p).interval.low
    except InvalidDataError:
        return

    assert low <= 0.5


@pytest.mark.parametrize("call", ["bootstrap_ratio", "brier", "weighted_mean", "roc_auc"])
def test_weights_of_zero_and_below_are_refused(call: str) -> None:
    for given in ("zero weights", "negative weights"):
        if (call, given) == ("bootstrap_ratio", "negative weights"):
            continue  # a ratio of sums may have any sign below the line
        with pytest.raises(InvalidDataError, match=r"weight|below|undefined|nan"):
            CALLS[call](CASES[given])


def test_tables_without_rows_or_differences_are_no_shift() -> None:
    same = np.zeros((40, 2))

    assert not domain_classifier(same, same, n_folds=2, rng=rng()).shifted
    with pytest.raises(InvalidDataError, match="shape"):
        domain_classifier(same[:0], same, rng=rng())
