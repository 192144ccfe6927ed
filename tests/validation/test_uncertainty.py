"""Sets and intervals keep their promise, or say that they do not; and travel to the server."""

from __future__ import annotations

import asyncio
import inspect
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression

import mldeploy as md
from mldeploy.data import dataset_for
from mldeploy.errors import NotFoundError, NotMeasurableError
from mldeploy.evidence import Report, Severity, Verdict
from mldeploy.problem import Conformal, Criterion, Problem, ScoredRows, Task
from mldeploy.serving import MemoryLog, Predictor
from mldeploy.serving.http import App, Request, Served, Service
from mldeploy.testing import ValidatorConformance
from mldeploy.validation import (
    UncertaintyValidator,
    Validator,
    ValidatorSuite,
    conformal_from,
    default_validators,
)


def numbers(n: int, *, seed: int = 0, scale: Any = 1.0) -> ScoredRows:
    rng = np.random.default_rng(seed)
    predicted = rng.uniform(0, 10, n)
    truth = predicted + scale * rng.normal(size=n)
    return ScoredRows(task=Task.REGRESSION, y_true=truth, y_pred=predicted)


def classes(n: int, *, seed: int = 0) -> ScoredRows:
    rng = np.random.default_rng(seed)
    share = rng.beta(0.5, 2, n)
    return ScoredRows(
        task=Task.BINARY, y_true=(rng.random(n) < share).astype(int),
        y_pred=(share > 0.5).astype(int), y_score=share, classes=("no", "yes"),
    )  # fmt: skip


def test_the_limit_is_the_order_statistic_worked_by_hand() -> None:
    """Of errors 1 to 9 the ceil(10 * 0.8) = 8th; 20 answers below 5 and 20 above are one part."""
    rows = ScoredRows(task=Task.REGRESSION, y_true=np.arange(1.0, 10), y_pred=np.zeros(9))

    conformal = Conformal.calibrate(rows, confidence=0.8)

    assert conformal.limits == (8.0,)
    assert conformal.interval(1.5) == (-6.5, 9.5)


def test_intervals_are_as_wide_as_answers_of_that_size_are_wrong() -> None:
    rng = np.random.default_rng(0)
    predicted = np.arange(1, 2001) / 200
    truth = predicted + predicted * rng.normal(size=2000)
    rows = ScoredRows(task=Task.REGRESSION, y_true=truth, y_pred=predicted)

    conformal = Conformal.calibrate(rows)

    low, high = conformal.interval(1.0), conformal.interval(9.0)
    assert len(conformal.limits) == 5
    assert high[1] - high[0] > 3 * (low[1] - low[0])
    assert Conformal.model_validate_json(conformal.to_json()) == conformal


@pytest.mark.parametrize("make", [numbers, classes])
def test_new_rows_are_covered_as_often_as_promised(make: Any) -> None:
    """40 calibrations on 1000 rows: the mean of their coverage has error .01 / sqrt(40) = .0016.

    Ties aside, it is between 0.9 and 0.9 + 5 parts / 1001, four errors at most from that.
    """
    fresh = make(20_000, seed=1)
    covered = [
        Conformal.calibrate(make(1000, seed=s), positive="yes").holds(fresh).mean()
        for s in range(2, 42)
    ]

    assert 0.893 < np.mean(covered) < 0.915


def test_each_class_is_covered_however_rare() -> None:
    fresh, conformal = classes(20_000, seed=1), Conformal.calibrate(classes(4000), positive="yes")

    held = conformal.holds(fresh)

    assert held[fresh.y_true == 1].mean() > 0.85
    assert held[fresh.y_true == 0].mean() > 0.85
    one_by_one = [conformal.prediction_set(float(s)) for s in fresh.y_score[:50]]
    truth = np.where(fresh.y_true == 1, "yes", "no")[:50]
    assert [t in s for t, s in zip(truth, one_by_one, strict=True)] == held[:50].tolist()
    assert [len(s) for s in one_by_one] == conformal.sizes(fresh)[:50].tolist()


def test_rows_of_a_unit_count_once_and_too_few_make_no_interval() -> None:
    rows = numbers(60)
    units = ScoredRows(
        task=rows.task, y_true=rows.y_true, y_pred=rows.y_pred, unit=np.arange(60) // 10
    )

    assert Conformal.calibrate(rows).n == 60
    with pytest.raises(NotMeasurableError, match="6 rows are too few"):
        Conformal.calibrate(units)


def grouped(n: int, *, seed: int = 0) -> pd.DataFrame:
    """Delays of two carriers; of one of them they vary four times as much."""
    rng = np.random.default_rng(seed)
    wind, carrier = rng.normal(size=n), rng.choice(["AA", "UA"], n, p=[0.9, 0.1])
    delay = 3 * wind + np.where(carrier == "UA", 4.0, 1.0) * rng.normal(size=n)
    return pd.DataFrame({"wind": wind, "carrier": carrier, "delay": delay})


DELAYS = Problem(
    name="delay", statement="How late?", target="delay", task="regression", features=["wind"],
    sensitive=["carrier"], criteria=[Criterion("mean_absolute_error", at_most=5.0)],
)  # fmt: skip


def judged(make_model: Any, n: int, **settings: Any) -> Report:
    model = make_model(LinearRegression(), grouped(500), DELAYS)
    data = dataset_for(grouped(n, seed=1), DELAYS)
    return UncertaintyValidator(**settings).validate(model, data, DELAYS)


def test_a_group_that_is_covered_less_often_than_promised_is_named(make_model: Any) -> None:
    report = judged(make_model, 8000)

    (whole,) = [f for f in report.select(name="coverage") if f.slice is None]
    (rare,) = report.select(slice="carrier=UA")
    assert whole.verdict is Verdict.PASS
    assert rare.verdict is Verdict.FAIL
    assert rare.severity is Severity.WARNING
    assert rare.interval is not None
    assert rare.interval.high < 0.85
    assert conformal_from(report) is not None


def test_few_rows_say_how_many_it_takes(make_model: Any) -> None:
    report = judged(make_model, 300)

    (rare,) = report.select(slice="carrier=UA")
    assert rare.verdict is Verdict.INSUFFICIENT
    assert rare.rows_needed
    (nothing,) = judged(make_model, 8).findings
    assert nothing.verdict is Verdict.INSUFFICIENT
    assert conformal_from(judged(make_model, 8)) is None


def test_a_model_without_probabilities_makes_no_sets(
    make_model: Any, make_problem: Any, oracle: Any
) -> None:
    frame = pd.DataFrame({"answer": [0, 1] * 100, "late": [0, 1] * 100})
    problem = make_problem()

    (finding,) = (
        UncertaintyValidator()
        .validate(make_model(oracle(), frame, problem), dataset_for(frame, problem), problem)
        .findings
    )

    assert finding.verdict is Verdict.INSUFFICIENT
    assert finding.severity is Severity.INFO


# --- to the server ----------------------------------------------------------------------------


def winds(n: int, *, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    wind = rng.normal(size=n)
    return pd.DataFrame({"wind": wind, "late": np.where(wind + rng.normal(size=n) > 0, "y", "n")})


LATE = Problem(
    name="late", statement="Late?", target="late", positive="y",
    criteria=[Criterion("roc_auc", at_least=0.6)],
)  # fmt: skip


@pytest.fixture(scope="module", params=["sets", "intervals"])
def bundle(request: Any, tmp_path_factory: pytest.TempPathFactory) -> md.model.Bundle:
    sets = request.param == "sets"
    problem = LATE if sets else DELAYS
    make = winds if sets else grouped
    suite = ValidatorSuite((default_validators(problem), UncertaintyValidator()))
    store = tmp_path_factory.mktemp("store")
    with md.Project(problem, store=store, validator=suite) as project:
        data, held_out = (dataset_for(make(600, seed=s), problem) for s in (1, 2))
        estimator = LogisticRegression() if sets else LinearRegression()
        model = project.train(estimator, data)
        report = project.validate(model, held_out)
        version = project.register(model, report)
        return project.registry.open_bundle(version, target=store / "copy")


@pytest.mark.parametrize("compiled", [True, False])
def test_the_bundle_takes_it_along_and_the_predictor_says_it(
    bundle: md.model.Bundle, compiled: bool
) -> None:
    model = bundle.load_compiled() if compiled else bundle.load_model()
    assert model is not None
    assert model.conformal == bundle.conformal == conformal_from(bundle.report)
    predictor = Predictor(model, version="late:1", deployment="d", sink=MemoryLog())

    unsure = predictor.predict({"wind": 0.0}, with_uncertainty=True)

    if bundle.problem is DELAYS or bundle.problem.task is Task.REGRESSION:
        assert unsure.interval is not None
        low, high = unsure.interval
        assert low < unsure.prediction < high
        assert unsure.prediction_set is None
    else:
        assert unsure.prediction_set == ("n", "y")
        sure = predictor.predict({"wind": 9.0}, with_uncertainty=True)
        assert sure.prediction_set == ("y",)
    assert predictor.predict({"wind": 0.0}).prediction_set is None
    assert "not ruled out" in unsure._repr_html_()


def test_the_server_says_it_where_it_is_asked(bundle: md.model.Bundle) -> None:
    predictor = Predictor(bundle.load_model(), version="late:1", deployment="d", sink=MemoryLog())
    app = App(Service([Served(name="late", answering=predictor)]))

    asked = ask(app, {"row": {"wind": 0.0}, "uncertainty": True})
    plain = ask(app, {"row": {"wind": 0.0}})

    said = asked[1].keys() - plain[1].keys()
    assert said == ({"interval"} if bundle.problem.task is Task.REGRESSION else {"prediction_set"})
    assert asked[0] == plain[0] == 200
    assert ask(app, {"row": {"wind": 0.0}, "uncertainty": 1})[0] == 400


def test_a_server_whose_model_has_none_says_so(make_model: Any) -> None:
    model = make_model(LogisticRegression(), winds(300, seed=0), LATE)
    predictor = Predictor(model, version="late:1", deployment="d", sink=MemoryLog())

    status, body = ask(
        App(Service([Served(name="late", answering=predictor)])),
        {"row": {"wind": 0.0}, "uncertainty": True},
    )

    assert status == 400
    assert "UncertaintyValidator" in body["error"]["message"]
    with pytest.raises(NotFoundError, match="UncertaintyValidator"):
        predictor.predict({"wind": 0.0}, with_uncertainty=True)


def ask(app: App, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    request = Request(method="POST", path="/predict", body=json.dumps(body).encode())
    found = app(request)
    response = asyncio.run(_result(found)) if inspect.isawaitable(found) else found
    return response.status, json.loads(response.body)


async def _result(found: Any) -> Any:
    return await found


@pytest.mark.slow
class TestUncertaintyValidator(ValidatorConformance):
    @pytest.fixture
    def validator(self) -> Validator:
        return UncertaintyValidator()
