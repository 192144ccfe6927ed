"""Each rule of the scorecard both ways: the point with its evidence, and no point without."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from mldeploy.evidence import Finding, Report
from mldeploy.governance import (
    ASSESSED,
    MONITORED,
    TESTS,
    ApprovalDesk,
    Declarations,
    Scorecard,
    ScoreItem,
    keep_report,
    scorecard,
)
from mldeploy.model import Bundle
from mldeploy.registry import ModelVersion, Registry
from mldeploy.stats import Interval
from mldeploy.store import Store, tables
from mldeploy.tracking import Runs, Trial

Register = Callable[..., tuple[ModelVersion, Bundle]]
DAY = timedelta(days=1)
VALIDATED = {
    "data 2": ("StabilityValidator", "columns_that_earn_nothing"),
    "model 4": ("StalenessValidator", "retraining_period"),
    "model 5": ("BaselineValidator", "f1 vs baseline"),
    "model 6": ("SliceValidator", "slices_searched"),
    "model 7": ("FairnessValidator", "equal_opportunity"),
    "infrastructure 5": ("ExplanationValidator", "importance"),
    "monitoring 3": ("RehearsalValidator", "golden_rows"),
    "monitoring 5": ("RobustnessValidator", "NoiseProbe"),
}
DATA = {
    "data 3": "FeatureCostAssessor",
    "data 4": "SchemaAssessor",
    "data 5": "SensitiveAssessor",
}
WATCHED = {
    "monitoring 2": "DataQualityMonitor",
    "monitoring 6": "LatencyMonitor",
    "monitoring 7": "PerformanceMonitor",
}


def finding(check: str, name: str = "found", verdict: str = "PASS", **more: Any) -> Finding:
    made = {"check": check, "name": name, "verdict": verdict, "summary": f"{check} {verdict}."}
    return Finding.model_validate(made | more)


def report_of(step: str, *findings: Finding, at: datetime) -> Report:
    return Report(step=step, made_by=step, findings=findings, started_at=at)


class Scorer:
    """Score a version with what a store holds."""

    def __init__(self, store: Store, registry: Registry, clock: Any) -> None:
        self.store, self.registry, self.clock = store, registry, clock
        self.declarations = Declarations(store, "late-arrivals", clock=clock)

    def card(self, version: ModelVersion, bundle: Bundle) -> Scorecard:
        return scorecard(
            self.store, self.registry, version, bundle, self.declarations, at=self.clock()
        )

    def __call__(self, version: ModelVersion, bundle: Bundle) -> dict[str, ScoreItem]:
        return {item.test: item for item in self.card(version, bundle).items}

    def assessed(self, *findings: Finding) -> Report:
        report = report_of("assess", *findings, at=self.clock())
        keep_report(self.store, ASSESSED, report, subject="late-arrivals", by="tom")
        return report

    def monitored(self, version: ModelVersion, *findings: Finding) -> Report:
        report = report_of("monitor", *findings, at=self.clock())
        keep_report(self.store, MONITORED, report, subject=version.label, by="tom")
        return report

    def went_the_whole_way(self, run: str, problem: str) -> None:
        steps = ("assess", "train", "validate", "register")
        rows = [
            {"run": run, "step": step, "input_digest": "d", "status": "done",
             "started_at": self.clock(), "details": {"inputs": {"problem": problem}}}
            for step in steps
        ]  # fmt: skip
        with self.store.write() as tx:
            tx.connection.execute(sa.insert(tables.steps), rows)


@pytest.fixture
def score(store: Store, registry: Registry, clock: Any) -> Scorer:
    return Scorer(store, registry, clock)


def test_a_version_with_nothing_but_a_passed_validation_has_two_points(
    score: Scorer, register: Register
) -> None:
    """Its schema, and the gate; everything else says what would earn the point."""
    version, bundle = register()
    items = score(version, bundle)

    earned = {test: item.points for test, item in items.items() if item.points}
    assert earned == {"data 1": 1.0, "infrastructure 4": 1.0}
    assert items["data 1"].evidence == f"bundle {bundle.digest}, schema.toml"
    assert items["infrastructure 4"].evidence == f"report {version.report}"
    actions = {test.id: test.action for test in TESTS}
    assert all(i.summary == actions[t] for t, i in items.items() if not i.points)
    assert score.card(version, bundle).score == 0.0


def test_what_passes_earns_its_point_and_names_where(score: Scorer, register: Register) -> None:
    """Twelve and two of the validation, three of the data, three of the service."""
    version, bundle = register(*(finding(*where) for where in VALIDATED.values()))
    data = score.assessed(*map(finding, DATA.values()))
    window = score.monitored(version, *map(finding, WATCHED.values()))
    items = score(version, bundle)

    for test, (check, name) in VALIDATED.items():
        assert items[test].points == 1.0, test
        assert items[test].evidence == f"report {version.report}, finding {check}/{name}"
    for places, report in ((DATA, data), (WATCHED, window)):
        for test, check in places.items():
            assert (items[test].points, items[test].by) == (1.0, "store"), test
            assert items[test].evidence == f"report {report.digest}, finding {check}/found"


@pytest.mark.parametrize("verdict", ["FAIL", "INSUFFICIENT"])
def test_what_does_not_hold_earns_nothing(score: Scorer, register: Register, verdict: str) -> None:
    """But how a model ages is known from bad news, too."""
    version, bundle = register(*(finding(*w, verdict) for w in VALIDATED.values()))
    score.assessed(*(finding(check, verdict=verdict) for check in DATA.values()))
    score.monitored(version, *(finding(check, verdict=verdict) for check in WATCHED.values()))
    items = score(version, bundle)

    points = {test: items[test].points for test in (*VALIDATED, *DATA, *WATCHED)}
    ageing = points.pop("model 4")
    assert set(points.values()) == {0.0}
    assert ageing == (1.0 if verdict == "FAIL" else 0.0)
    assert items["infrastructure 4"].points == 0.0
    assert items["model 7"].summary == f"FairnessValidator {verdict}."


def test_a_waived_failure_counts_and_the_kept_report_is_named(
    score: Scorer, register: Register, desk: ApprovalDesk, clock: Any
) -> None:
    """Waivers are added to a report when it is read; its kept digest stays."""
    version, bundle = register(finding("FairnessValidator", "parity", "FAIL"))
    desk.waive(version, by="bea", reason="known", until=clock() + DAY, name="parity")
    item = score(version, bundle)["model 7"]

    assert item.points == 1.0
    assert item.evidence == f"report {version.report}, finding FairnessValidator/parity"


def test_a_word_counts_where_the_store_has_no_answer_and_never_against_a_failure(
    score: Scorer, register: Register, clock: Any
) -> None:
    declare = score.declarations.declare
    declare("model 7", by="ana", reason="only machines", evidence="doc", until=clock() + DAY)

    def item(verdict: str) -> ScoreItem:
        return score(*register(finding("FairnessValidator", verdict=verdict)))["model 7"]

    assert (item("INSUFFICIENT").points, item("INSUFFICIENT").by) == (0.5, "declared")
    assert (item("FAIL").points, item("FAIL").by) == (0.0, "store")
    assert (item("PASS").points, item("PASS").by) == (1.0, "store")


def test_every_test_can_be_answered_by_the_store_or_by_somebodys_word(
    score: Scorer, register: Register, clock: Any
) -> None:
    """The four that cannot be run are worth half a point, and say who declared them."""
    words = [test.id for test in TESTS if test.can_be_declared]
    for test in words:
        score.declarations.declare(test, by="ana", reason="r", evidence="e", until=clock() + DAY)
    items = score(*register())

    assert {items[test].points for test in words} == {0.5}
    assert {items[test].by for test in words} == {"declared"}
    assert items["infrastructure 2"].summary == "r (ana, until 2026-03-02)"
    only_words = {"data 6", "data 7", "infrastructure 2", "monitoring 1"}
    assert only_words <= set(words)


def test_criteria_on_slices_and_rivals_of_the_fit_count_as_well(
    score: Scorer, register: Register
) -> None:
    items = score(
        *register(
            finding("CriteriaValidator", "recall", slice="AA", criterion="f0"),
            finding("FitValidator", "fit"),
            finding("BaselineValidator", "f1 vs baseline", "INSUFFICIENT"),
        )
    )

    assert items["model 6"].evidence.endswith("finding CriteriaValidator/recall")
    assert items["model 5"].evidence.endswith("finding FitValidator/fit")


def test_committed_code_is_half_a_review_and_somebody_elses_approval_the_other_half(
    score: Scorer, register: Register, desk: ApprovalDesk
) -> None:
    assert score(*register())["model 1"].points == 0.0  # its code was not committed
    version, bundle = register(committed=True)
    assert score(version, bundle)["model 1"].points == 0.5

    approval = desk.approve(version, by="ana", reason="read it")
    item = score(version, bundle)["model 1"]

    assert item.points == 1.0
    assert item.evidence == f"commit abc, approval {approval.digest}"


def test_recorded_training_is_half_a_repetition_and_equal_seeds_are_a_whole(
    score: Scorer, register: Register
) -> None:
    seeds = finding("StabilityValidator", "seeds")

    assert score(*register(seeds))["infrastructure 1"].points == 0.0  # uncommitted
    recorded, bundle = register(committed=True)
    item = score(recorded, bundle)["infrastructure 1"]
    assert (item.points, item.evidence) == (0.5, f"bundle {bundle.digest}, provenance.json")
    assert score(*register(seeds, committed=True))["infrastructure 1"].points == 1.0


@pytest.mark.parametrize(("online", "points"), [((0.72, 0.78), 1.0), ((0.50, 0.60), 0.0)])
def test_figures_online_are_held_against_those_of_the_validation(
    score: Scorer, register: Register, online: tuple[float, float], points: float
) -> None:
    """Offline 0.70 to 0.80: the first overlaps, the second lies below."""

    def measured(check: str, low: float, high: float) -> Finding:
        interval = Interval(low=low, high=high, confidence=0.95)
        return finding(check, "f1", criterion="f0", estimate=(low + high) / 2, interval=interval)

    version, bundle = register(measured("CriteriaValidator", 0.70, 0.80))
    window = score.monitored(version, measured("PerformanceMonitor", *online))
    item = score(version, bundle)["model 2"]

    assert item.points == points
    assert item.evidence == f"report {window.digest}, finding PerformanceMonitor/f1"


@pytest.mark.parametrize(("n_trials", "points"), [(1, 0.0), (3, 1.0)])
def test_one_setting_is_no_search(
    score: Scorer, register: Register, clock: Any, n_trials: int, points: float
) -> None:
    trained_at, clock.now = clock.now, clock.now - timedelta(minutes=5)
    runs = Runs(score.store, actor="tom")
    with runs.start("late-arrivals/train") as run:
        trials = [Trial(parameters={"C": i}, scores={}) for i in range(n_trials)]
        runs.record("late-arrivals/trial", trials, parent=run.id)
        clock.now = trained_at + timedelta(minutes=5)
    item = score(*register())["model 3"]

    assert item.points == points
    assert (item.evidence == f"run {run.id}") is (points == 1.0)


def test_one_way_from_data_to_version_is_half_a_point_and_a_second_one_the_other_half(
    score: Scorer, register: Register
) -> None:
    version, bundle = register()
    earned = [score(version, bundle)["infrastructure 3"].points]
    for run, problem in (("other", "0" * 64), ("r1", bundle.problem.digest),
                         ("r2", bundle.problem.digest)):  # fmt: skip
        score.went_the_whole_way(run, problem)
        earned.append(score(version, bundle)["infrastructure 3"].points)

    assert earned == [0.0, 0.0, 0.5, 1.0]
    assert score(version, bundle)["infrastructure 3"].evidence.startswith("steps of run r")


def test_golden_rows_alone_are_half_of_following_an_answer_and_prove_what_is_compiled(
    score: Scorer, register: Register
) -> None:
    _, bundle = version = register(compiled=True)
    items = score(*version)

    assert items["infrastructure 5"].points == 0.5
    assert items["infrastructure 5"].evidence == f"bundle {bundle.digest}, golden.parquet"
    assert items["monitoring 3"].points == 1.0
    assert items["monitoring 3"].evidence == f"bundle {bundle.digest}, compiled_report.json"


def test_a_rollout_that_advanced_is_a_canary(score: Scorer, register: Register) -> None:
    version, bundle = register()
    with score.store.write() as tx:
        tx.record("rollout.advance", subject=version.label, actor="tom", details={})
    item = score(version, bundle)["infrastructure 6"]

    assert item.points == 1.0
    assert item.evidence.startswith("event ")


def test_an_earlier_champion_is_half_a_way_back_and_going_back_is_all_of_it(
    score: Scorer, register: Register, desk: ApprovalDesk, registry: Registry
) -> None:
    drill = finding("RehearsalValidator", "rollback", details={"seconds": 0.2})
    nothing = finding("RehearsalValidator", "rollback")  # there was no champion to go back to
    assert score(*register(drill))["infrastructure 7"].points == 1.0
    first, _ = register(nothing)
    second, bundle = register(finding("CriteriaValidator"))
    earned = [score(second, bundle)["infrastructure 7"].points]
    for version in (first, second):
        approval = desk.approve(version, by="ana", reason="ok")
        registry.promote(version, approval=approval, by="ops")
        earned.append(score(second, bundle)["infrastructure 7"].points)
    registry.rollback("late-arrivals", by="ops", reason="drill")
    item = score(second, bundle)["infrastructure 7"]

    assert earned == [0.0, 0.0, 0.5]
    assert item.points == 1.0
    assert item.evidence.startswith("promotion ")


@pytest.mark.parametrize(
    ("days", "age", "points", "said"),
    [
        (30.0, 10, 1.0, "It is 10 days old, of 30 that it may be."),
        (30.0, 40, 0.0, "It is 40 days old, of 30 that it may be."),
        (float("inf"), 40, 1.0, "It is 40 days old, and was not seen to age."),
        (None, 10, 0.5, "It is 10 days old and monitored; how it ages is not known."),
    ],
)
def test_a_model_is_too_old_beyond_the_period_that_its_validation_found(
    score: Scorer, register: Register, clock: Any, days: float | None, age: int,
    points: float, said: str,
) -> None:  # fmt: skip
    """Without a window nobody watches its age, so that there is no point either."""
    period = None if days is None else days * 86_400
    told = finding("StalenessValidator", "retraining_period", estimate=period, unit="s")
    version, bundle = register(told)
    clock.now += timedelta(days=age)
    assert score(version, bundle)["monitoring 4"].points == 0.0

    score.monitored(version, finding("DriftMonitor"))
    item = score(version, bundle)["monitoring 4"]

    assert (item.points, item.summary) == (points, said)
    assert item.evidence.startswith("report ")


def test_the_newest_window_that_tells_anything_counts(score: Scorer, register: Register) -> None:
    version, bundle = register()
    told = score.monitored(version, finding("LatencyMonitor", "old", "FAIL"))
    score.monitored(version, finding("LatencyMonitor", "new", "INSUFFICIENT"))
    item = score(version, bundle)["monitoring 6"]

    assert item.points == 0.0
    assert item.evidence == f"report {told.digest}, finding LatencyMonitor/old"
