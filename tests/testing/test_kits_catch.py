"""A kit that cannot fail is a defect: each finds the faults that are planted here."""

# ruff: noqa: E501 (one fault a line)

from __future__ import annotations

import pytest

pytest_plugins = ("pytester",)

HEAD = """
import dataclasses
import numpy as np
import pytest
from mldeploy.assessment import DataAssessor
from mldeploy.data import GroupSplit, RandomSplit, Split
from mldeploy.deployment import Deployer, InProcessDeployer
from mldeploy.evidence import Finding, Report
from mldeploy.monitoring import Monitor
from mldeploy.retraining import OnAlarm, RetrainingDecision
from mldeploy.serving import MemoryLog
from mldeploy.store import Store
from mldeploy.testing import *
from mldeploy.training import Trainer, EstimatorTrainer
from mldeploy.validation import Validator
from sklearn.linear_model import LogisticRegression

def finding(**facts):
    told = {"check": "Part", "name": "x", "verdict": "PASS", "summary": "Fine."}
    return Finding(**(told | facts))
"""

exec(HEAD, {})  # pytester forgets what is first imported in its runs, and numpy cannot be twice

ASSESSOR = """
class Part(DataAssessor):
    seen = 0
    def _assess(self, dataset, problem):
        {body}
class TestPart(DataAssessorConformance):
    @pytest.fixture
    def assessor(self): return Part()
"""
VALIDATOR = (
    ASSESSOR.replace("DataAssessor", "Validator")
    .replace(
        "_assess(self, dataset, problem)", "_validate(self, model, dataset, problem, *, champion)"
    )
    .replace("def assessor", "def validator")
)
MONITOR = (
    ASSESSOR.replace("DataAssessor", "Monitor")
    .replace("_assess(self, dataset, problem)", "_check(self, window, reference)")
    .replace("def assessor", "def monitor")
)
TRAINER = """
@dataclasses.dataclass(frozen=True, kw_only=True)
class Part(Trainer):
    estimator: object = dataclasses.field(default_factory=LogisticRegression)
    def _fit(self, X, y, *, sample_weight, groups, dataset, problem):
        {body}
class TestPart(TrainerConformance):
    @pytest.fixture
    def trainer(self): return Part(baselines={{}})
"""
SINK = """
class Part(MemoryLog.__mro__[-1]):
    def __init__(self): self.log = MemoryLog()
    @property
    def dropped(self): return 0
    def write(self, batch): {write}
    def flush(self, timeout=None): pass
    def close(self): {close}
    def frame(self, *, start=None, end=None): return self.log.frame()
class TestPart(PredictionSinkConformance):
    @pytest.fixture
    def sink(self): return Part()
"""
DEPLOYER = """
@dataclasses.dataclass(frozen=True)
class Part(Deployer):
    def _deploy(self, candidate, *, champion, rollout, clock):
        live = InProcessDeployer().deploy(
            candidate, champion=champion, rollout=rollout, clock=clock)
        {body}
        return live
class TestPart(DeployerConformance):
    @pytest.fixture
    def deployer(self): return Part()
"""
SPLIT = """
class Part(Split):
    def _rows(self, dataset):
        n = len(dataset)
        {rows}
    def _folds(self, dataset, n):
        {folds}
class TestPart(SplitConformance):
    @pytest.fixture
    def split(self): return Part()
"""
POLICY = """
class Part:
    def decide(self, situation):
        {body}
class TestPart(RetrainingPolicyConformance):
    @pytest.fixture
    def policy(self): return Part()
"""
STORE = """
class TestPart(StoreConformance):
    @pytest.fixture
    def store(self, tmp_path):
        {body}
"""
GOOD_FOLDS = "yield from GroupSplit()._folds(dataset, n)"
FAULTS = [
    (ASSESSOR, {"body": "dataset.source.iloc[0, 1] = -1.0; yield finding()"}, "test_inputs_are_left_untouched"),
    (ASSESSOR, {"body": "yield finding(estimate=np.random.random())"}, "test_equal_inputs_give_equal_findings"),
    (ASSESSOR, {"body": "yield finding(check='Other')"}, "test_findings_name_the_check_that_made_them"),
    (ASSESSOR, {"body": "yield finding(estimate=float('nan'))"}, "test_report_comes_back_from_json_as_it_was"),
    (ASSESSOR, {"body": "yield finding(verdict='FAIL')"}, "test_what_does_not_hold_is_put_into_words"),
    (ASSESSOR, {"body": "yield finding(n=1 // dataset.y().sum())"}, "test_hard_inputs_give_findings_or_typed_errors"),
    (ASSESSOR, {"body": "self.seen += 1; yield finding(n=self.seen)"}, "test_instance_is_frozen_and_unchanged_by_use"),
    (VALIDATOR, {"body": "yield finding(estimate=np.random.random())"}, "test_equal_inputs_give_equal_findings"),
    (VALIDATOR, {"body": "model.estimator.note = 'seen'; yield finding()"}, "test_inputs_are_left_untouched"),
    (VALIDATOR, {"body": "yield finding(details=dict(b=len(model.baselines['linear'].digest)))"}, "test_a_model_without_baselines_is_judged_or_refused"),
    (MONITOR, {"body": "yield finding(verdict='FAIL', action='Look.')"}, "test_reference_against_itself_raises_no_alarm"),
    (MONITOR, {"body": "yield finding(estimate=1 / len(window))"}, "test_hard_inputs_give_findings_or_typed_errors"),
    (TRAINER, {"body": "return self.estimator.fit(X, y)"}, "test_estimator_is_cloned_and_left_unfitted"),
    (TRAINER, {"body": "return LogisticRegression(C=np.random.random() + 0.1).fit(X, y)"}, "test_equal_seeds_give_equal_digests"),
    (TRAINER, {"body": "raise KeyError('no')"}, "test_at_least_one_task_is_trained_for"),
    (SINK, {"write": "self.log.write(batch.slice(0, 2))", "close": "self.log.close()"}, "test_written_rows_come_back_once_after_a_flush"),
    (SINK, {"write": "self.log.write(batch); self.log.write(batch)", "close": "self.log.close()"}, "test_rows_are_kept_or_counted_as_dropped"),
    (SINK, {"write": "self.log.write(batch)", "close": "pass"}, "test_closed_sink_takes_no_more"),
    (DEPLOYER, {"body": "live.traffic._position = lambda *_: np.random.random()"}, "test_key_always_meets_the_same_version"),
    (DEPLOYER, {"body": "live._must_run = lambda: None"}, "test_stopped_deployment_answers_no_more"),
    (DEPLOYER, {"body": "live._serve = lambda release: None"}, "test_rollback_returns_to_the_champion"),
    (SPLIT, {"rows": "return np.arange(n), np.arange(n // 2, n)", "folds": "yield from [(np.arange(60), np.arange(60, 120))] * n"}, "test_folds_are_as_many_as_asked_for_and_disjoint"),
    (SPLIT, {"rows": "r = np.random.permutation(n // 3); k = np.arange(n) // 3; t = np.isin(k, r[:9]); return np.flatnonzero(~t), np.flatnonzero(t)", "folds": GOOD_FOLDS}, "test_equal_data_give_equal_parts"),
    (POLICY, {"body": "return RetrainingDecision(retrain=True, trigger='P', reason='Always.', at=situation.now)"}, "test_model_is_kept_where_nothing_has_happened"),
    (POLICY, {"body": "return RetrainingDecision(retrain=False, trigger='P', reason=' ', at=situation.trained_at)"}, "test_decision_says_who_spoke_why_and_when"),
    (STORE, {"body": "numbers = iter(range(99)); return lambda: Store.open(tmp_path / str(next(numbers)))"}, "test_committed_rows_are_seen_by_whoever_opens_it"),
    (STORE, {"body": "s = Store.open(tmp_path / 's'); s.artifacts.put_bytes(b'left'); return lambda: Store.open(tmp_path / 's')"}, "test_artifact_comes_back_by_its_digest"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("source", "parts", "rule"),
    FAULTS,
    ids=[f"{f[0].partition('Conformance')[0].rpartition('(')[2]}-{f[2][5:]}" for f in FAULTS],
)
def test_planted_fault_is_found(
    pytester: pytest.Pytester, source: str, parts: dict[str, str], rule: str
) -> None:
    pytester.makepyfile(test_part=HEAD + source.format(**parts))

    run = pytester.inline_run("-q", "-p", "no:cacheprovider", "-k", rule)

    _, _, failed = run.listoutcomes()
    assert {report.nodeid.partition("::")[2].partition("[")[0] for report in failed} == {
        f"TestPart::{rule}"
    }
