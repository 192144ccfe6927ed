"""A model is served once before it serves, in a process that shares nothing with this one."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from mldeploy.data import Dataset, dataset_for
from mldeploy.errors import RehearsalFailedError
from mldeploy.evidence import Report, Severity, Verdict
from mldeploy.model import Bundle, rehearse
from mldeploy.problem import Criterion, Problem
from mldeploy.validation import CriteriaValidator, RehearsalValidator, latency_chart_from

pytestmark = pytest.mark.slow


def table(n: int = 300, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    return pd.DataFrame({"a": x[:, 0], "b": x[:, 1], "late": (x[:, 0] > 0).astype(int)})


@pytest.fixture
def problem(make_problem: Any) -> Problem:
    made: Problem = make_problem(
        Criterion("latency_p99", at_most=timedelta(milliseconds=250)),
        Criterion("memory", at_most=900),
        Criterion("start_time", at_most=timedelta(milliseconds=1)),
    )
    return made


@pytest.fixture
def judged(make_model: Any, problem: Problem) -> Report:
    data = dataset_for(table(), problem)
    model = make_model(LogisticRegression(), table(seed=1), problem)
    champion = make_model(LogisticRegression(C=0.1), table(seed=2), problem)
    return RehearsalValidator().validate(model, data, problem, champion=champion)


def test_a_rehearsal_answers_measures_and_goes_back(judged: Report) -> None:
    (loads,) = judged.select(name="rehearsal")
    assert loads.details["serves"] == "compiled"
    assert loads.n == 400
    golden = judged.select(name="golden_rows")
    assert [f.verdict for f in golden] == [Verdict.PASS] * 2  # the original's and the compiled
    assert all(f.severity is Severity.BLOCKER for f in golden)
    (environment,) = judged.select(name="environment")
    assert environment.verdict is Verdict.PASS, environment.summary
    assert environment.n is not None
    assert environment.n > 5
    (latency,) = judged.select(name="latency_p99")
    assert latency.verdict is Verdict.PASS
    timed = latency_chart_from(judged)
    assert timed is not None
    assert [c.name for c in timed.curves] == ["measured", "bound of latency_p99"]
    assert list(timed.curves[1].y) == [250, 250]
    assert timed.curves[0].y[-1] == pytest.approx(1000 * loads.details["p99_s"])  # type: ignore[operator]
    (memory,) = judged.select(name="memory")
    assert 20 < memory.estimate < 900  # type: ignore[operator]
    assert memory.verdict is Verdict.PASS
    (start,) = judged.select(name="start_time")
    assert start.verdict is Verdict.FAIL
    (rollback,) = judged.select(name="rollback")
    assert rollback.verdict is Verdict.PASS
    assert 0 < rollback.details["seconds"] < 60  # type: ignore[operator]


def test_other_versions_than_the_model_was_trained_with_are_named(
    make_model: Any, problem: Problem
) -> None:
    data = dataset_for(table(), problem)
    model = make_model(LogisticRegression(), table(seed=1), problem)
    environment = {**model.provenance.environment, "numpy": "1.0.0"}
    trained = model.provenance.model_copy(update={"environment": environment, "python": "3.9.1"})

    report = RehearsalValidator().validate(replace(model, provenance=trained), data, problem)

    (finding,) = report.select(name="environment")
    assert finding.verdict is Verdict.FAIL
    assert finding.severity is Severity.WARNING
    assert "(was 3.9.1)" in finding.summary
    assert "(was 1.0.0)" in finding.summary
    assert report.select(name="rollback")[0].severity is Severity.INFO


def test_a_model_that_only_this_process_can_load_fails(
    make_model: Any, make_problem: Any, oracle: Any
) -> None:
    problem = make_problem(Criterion("memory", at_most=500))
    frame = table().assign(answer=1)
    data = dataset_for(frame, problem)
    model = make_model(oracle(), frame.head(50), problem)

    (rehearsal,) = RehearsalValidator().validate(model, data, problem).findings
    (memory,) = CriteriaValidator().validate(model, data, problem).findings

    assert rehearsal.verdict is Verdict.FAIL
    assert "trusted" in rehearsal.action
    assert memory.verdict is Verdict.INSUFFICIENT


def test_a_bundle_whose_files_do_not_belong_together_is_not_rehearsed(
    make_model: Any, problem: Problem, tmp_path: Path
) -> None:
    """The answers of one model beside the files of another."""
    data: Dataset = dataset_for(table(), problem)
    one = make_model(LogisticRegression(), table(seed=1), problem)
    other = make_model(LogisticRegression(C=0.01), table(seed=1), problem)
    mixed = Bundle.write(tmp_path / "one", one, golden=data).directory
    answers = Bundle.write(tmp_path / "other", other, golden=data).directory
    for name in ("golden_answers.json", "manifest.json"):
        (mixed / name).write_bytes((answers / name).read_bytes())
    with pytest.raises(RehearsalFailedError):
        rehearse(mixed, n_calls=100)


@pytest.mark.parametrize("n_calls", [0, 99])
def test_calls_that_cannot_tell_a_tail_are_refused(n_calls: int) -> None:
    with pytest.raises(ValueError, match="n_calls"):
        RehearsalValidator(n_calls=n_calls)
