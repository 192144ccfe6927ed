"""Every claim by an interval allows for the models that the same rows judged before."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from simulations.looks import PROBLEM, Says

from mldeploy.data import Dataset, dataset_for
from mldeploy.evidence import Finding
from mldeploy.model import Model
from mldeploy.stats import looks_confidence
from mldeploy.training import EstimatorTrainer
from mldeploy.validation import (
    AutonomyValidator,
    BaselineValidator,
    CalibrationValidator,
    CriteriaValidator,
    FairnessValidator,
    FitValidator,
    RobustnessValidator,
    SliceValidator,
    SupportsLooks,
    UncertaintyValidator,
    Validator,
    ValidatorSuite,
    ValueValidator,
    default_validators,
    routing_from,
)

REACH = 2.4477 / 1.9600
"""Standard errors at 95 % after two looks (the root of chi-squared's 5.991) and after one."""


def _rows(seed: int) -> Dataset:
    """500 rows of two groups; probabilities are right, and decisions four in five times."""
    rng = np.random.default_rng(seed)
    late = rng.integers(0, 2, 500)
    says = np.where(rng.random(500) < 0.8, late, 1 - late) * 0.6 + 0.2
    frame = pd.DataFrame(
        {"says": says, "late": late, "group": np.where(rng.random(500) < 0.5, "a", "b")}
    )
    return dataset_for(frame, PROBLEM).with_roles(features=("says",))


@pytest.fixture(scope="module")
def model() -> Model:
    return EstimatorTrainer(Says()).train(_rows(1), PROBLEM)


@pytest.fixture(scope="module")
def rows() -> Dataset:
    return _rows(2)


def _one(validator: Validator, model: Model, rows: Dataset, name: str) -> Finding:
    return validator.validate(model, rows, PROBLEM).select(name=name)[0]


def test_all_defaults_that_claim_by_an_interval_allow_for_looks() -> None:
    """A leak that was seen is no flattery, and explanations claim nothing."""
    plain = {
        type(v).__name__
        for v in default_validators(PROBLEM).validators
        if not isinstance(v, SupportsLooks)
    }

    assert plain == {"LeakageValidator", "ExplanationValidator"}
    assert isinstance(FitValidator(), SupportsLooks)


def test_a_suite_hands_the_look_to_each() -> None:
    suite = ValidatorSuite((CriteriaValidator(), FairnessValidator())).after_looks(3)

    assert [v.after_looks(3) for v in suite.validators if isinstance(v, SupportsLooks)] == list(
        suite.validators
    )
    assert FairnessValidator().after_looks(2) == FairnessValidator(n_looks=2)


def test_ratios_of_groups_reach_further(model: Model, rows: Dataset) -> None:
    """One pair of groups; the logarithm of a ratio is nearly normal."""
    first, second = (
        _one(FairnessValidator(definitions=["demographic_parity"], n_looks=k), model, rows,
             "demographic_parity")
        for k in (1, 2)
    )  # fmt: skip
    widths = [
        np.log(f.interval.high / f.interval.low) for f in (first, second) if f.interval is not None
    ]

    assert widths[1] / widths[0] == pytest.approx(REACH, rel=0.01)
    assert first.estimate == second.estimate


def test_errors_of_probabilities_reach_further(model: Model, rows: Dataset) -> None:
    for name in ("calibration_error", "expected_calibration_error"):
        first, second = (_one(CalibrationValidator(n_looks=k), model, rows, name) for k in (1, 2))
        assert first.interval is not None
        assert second.interval is not None
        assert second.interval.high - second.interval.low > 1.1 * (
            first.interval.high - first.interval.low
        )


def test_a_cox_line_has_two_degrees_of_freedom_for_each_look(model: Model, rows: Dataset) -> None:
    """chi-squared of s with 2 degrees leaves exp(-s/2), with 4 that times 1 + s/2."""
    first, second = (
        float(
            _one(CalibrationValidator(n_looks=k), model, rows, "calibration_error").details[
                "p_value"
            ]
            or 0
        )
        for k in (1, 2)
    )

    assert second == pytest.approx(first * (1 - np.log(first)))


def test_coverage_and_value_reach_further(model: Model, rows: Dataset) -> None:
    for k, wider in ((1, 1.0), (2, REACH)):
        coverage = _one(UncertaintyValidator(n_looks=k), model, rows, "coverage")
        worth = _one(ValueValidator(true_positive=1.0, n_looks=k), model, rows, "value")
        assert coverage.interval is not None
        assert worth.interval is not None
        assert coverage.interval.confidence == pytest.approx(looks_confidence(k, 1 - 0.05 / 5))
        half = 1.96 * wider * np.sqrt((worth.estimate or 0) * (1 - (worth.estimate or 0)) / 500)
        assert worth.interval.high - worth.interval.low == pytest.approx(2 * half, rel=0.05)


def test_what_routes_alone_must_be_surer(model: Model, rows: Dataset) -> None:
    """At the 26th look of 500 rows no confidence is shown to keep the promise."""
    sure = PROBLEM.model_copy(
        update={"autonomy": PROBLEM.autonomy.model_copy(update={"max_error": 0.25})}
    )
    found = [
        routing_from(AutonomyValidator(n_looks=k).validate(model, rows, sure)) for k in (1, 26)
    ]

    assert found[0] is not None
    assert found[0].coverage == 1.0
    assert found[1] is not None
    assert found[1].coverage == 0.0


@pytest.mark.parametrize(
    "kind",
    [BaselineValidator, CriteriaValidator, FairnessValidator, RobustnessValidator, SliceValidator],
)
def test_a_count_without_the_look_that_is_taken_is_refused(kind: type[CriteriaValidator]) -> None:
    with pytest.raises(ValueError, match="n_looks=0: the look that is taken now counts"):
        kind(n_looks=0)
