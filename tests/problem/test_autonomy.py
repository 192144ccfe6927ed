"""The threshold from which on a model may decide alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mldeploy.errors import InvalidProblemError
from mldeploy.problem import ReviewUncertain, Route, ScoredRows, Task


def rows(confidence: Any, wrong: Any, *, unit: Any = None) -> ScoredRows:
    """Answers "1" that are wrong where said."""
    wrong = np.asarray(wrong, dtype=bool)
    return ScoredRows(
        task=Task.BINARY,
        y_true=(~wrong).astype(int),
        y_pred=np.ones(wrong.size, dtype=int),
        y_score=np.asarray(confidence, dtype=float),
        unit=None if unit is None else np.asarray(unit),
    )


def test_answers_stand_from_the_threshold_on_that_keeps_the_promise() -> None:
    """Errors of 1 - p: their mean from t on is (1 - t) / 2, at most .1 from .8 on."""
    rng = np.random.default_rng(0)
    p = rng.uniform(0.5, 1, size=6000)

    routing = ReviewUncertain(max_error=0.1).calibrate(rows(p, rng.random(6000) > p))

    assert (routing.certain, routing.uncertain) == (Route.AUTOMATIC, Route.REVIEW)
    assert 0.78 < routing.min_confidence < 0.9
    assert routing.error is not None
    assert routing.error < 0.1
    assert routing.coverage == pytest.approx((1 - routing.min_confidence) / 0.5, abs=0.03)


def test_rows_of_one_fate_are_no_evidence_of_their_own() -> None:
    """30 units of twenty rows, none wrong: as 600 rows they prove an error below .1, as 30 units
    they do not: .9 ** 30 = .042, and the bet on them pays less."""
    unit = np.repeat(np.arange(30), 20)
    confidence = np.linspace(0.6, 1, 600)

    by_rows = ReviewUncertain(max_error=0.1).calibrate(rows(confidence, np.zeros(600)))
    by_units = ReviewUncertain(max_error=0.1).calibrate(rows(confidence, np.zeros(600), unit=unit))

    assert by_rows.coverage == 1
    assert by_units.certain is Route.REVIEW


@pytest.mark.parametrize(
    "given",
    [rows([], []), rows([0.9], [0]), rows([0.9] * 100, [0] * 100, unit=np.zeros(100))],
    ids=["no rows", "one row", "one unit"],
)
def test_where_nothing_can_be_shown_people_decide(given: ScoredRows) -> None:
    routing = ReviewUncertain(max_error=0.05).calibrate(given)

    assert (routing.certain, routing.coverage) == (Route.REVIEW, 0.0)


def test_a_model_without_probabilities_is_refused() -> None:
    plain = ScoredRows(task=Task.BINARY, y_true=np.array([0, 1]), y_pred=np.array([0, 1]))

    with pytest.raises(InvalidProblemError, match="probability"):
        ReviewUncertain(max_error=0.05).calibrate(plain)
