"""Every default of the library passes the kit that third parties are given."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.naive_bayes import GaussianNB

from mldeploy.assessment import (
    AdequacyAssessor,
    BalanceAssessor,
    ChangeAssessor,
    CollinearityAssessor,
    DataAssessor,
    DuplicatesAssessor,
    FeatureCost,
    FeatureCostAssessor,
    LabelQualityAssessor,
    LeakageAssessor,
    MissingAssessor,
    RepresentativenessAssessor,
    SchemaAssessor,
    SensitiveAssessor,
    TimelinessAssessor,
    ValuesAssessor,
    default_assessors,
)
from mldeploy.data import GroupSplit, RandomSplit, Split, TimeSplit
from mldeploy.deployment import Deployer, HttpDeployer, InProcessDeployer
from mldeploy.monitoring import (
    DataQualityMonitor,
    DriftMonitor,
    LatencyMonitor,
    Monitor,
    PerformanceMonitor,
    default_monitors,
)
from mldeploy.retraining import (
    AnyOf,
    CoolDown,
    OnAlarm,
    OnNewData,
    OnSchedule,
    RetrainingPolicy,
)
from mldeploy.serving import MemoryLog, ParquetLog, PredictionSink
from mldeploy.store import Store
from mldeploy.testing import (
    DataAssessorConformance,
    DeployerConformance,
    MonitorConformance,
    PredictionSinkConformance,
    RetrainingPolicyConformance,
    SplitConformance,
    StoreConformance,
    TrainerConformance,
    ValidatorConformance,
    mixed_sample,
    sample_problem,
)
from mldeploy.training import CalibratedTrainer, EstimatorTrainer, SearchTrainer, Trainer
from mldeploy.validation import (
    AutonomyValidator,
    BaselineValidator,
    BehaviourValidator,
    CriteriaValidator,
    FitValidator,
    SliceValidator,
    StalenessValidator,
    Validator,
    default_validators,
)


def one_of(*parts: Any) -> Any:
    return pytest.fixture(params=parts, ids=lambda part: type(part).__name__)


def names_of(members: tuple[object, ...]) -> frozenset[str]:
    return frozenset(type(member).__name__ for member in members)


def at_noon() -> datetime:
    """Stand still: an age told in days differs from one look to the next, once a day."""
    return datetime(2030, 1, 1, 12, tzinfo=UTC)


class TestAssessors(DataAssessorConformance):
    @one_of(
        SchemaAssessor(),
        MissingAssessor(),
        DuplicatesAssessor(),
        LeakageAssessor(),
        AdequacyAssessor(),
        BalanceAssessor(),
        CollinearityAssessor(),
        LabelQualityAssessor(),
        SensitiveAssessor(),
        ValuesAssessor(),
        TimelinessAssessor(clock=at_noon),
        ChangeAssessor(reference=mixed_sample().train),
        RepresentativenessAssessor(population=mixed_sample().test),
        FeatureCostAssessor(sources={"wind": FeatureCost(columns=("wind",), price=0.1)}),
    )
    def assessor(self, request: pytest.FixtureRequest) -> DataAssessor:
        return request.param


class TestSchemaAssessorWithSchema(DataAssessorConformance):
    @pytest.fixture
    def assessor(self) -> DataAssessor:
        return SchemaAssessor(schema=mixed_sample().train.schema)


class TestAssessorSuite(DataAssessorConformance):
    @one_of(default_assessors(sample_problem(), clock=at_noon))
    def assessor(self, request: pytest.FixtureRequest) -> DataAssessor:
        return request.param

    @pytest.fixture
    def checks(self, assessor: Any) -> frozenset[str]:
        return names_of(assessor.assessors) | {type(assessor).__name__}


class TestEstimatorTrainer(TrainerConformance):
    @pytest.fixture
    def trainer(self) -> Trainer:
        return EstimatorTrainer(Ridge(), baselines={})

    @pytest.fixture
    def trainer_of(self) -> Any:
        return EstimatorTrainer


class TestForestTrainer(TrainerConformance):
    @pytest.fixture
    def trainer(self) -> Trainer:
        return EstimatorTrainer(RandomForestClassifier(n_estimators=3), baselines={})

    @pytest.fixture
    def trainer_of(self) -> Any:
        return EstimatorTrainer


class TestSearchTrainer(TrainerConformance):
    @pytest.fixture
    def trainer(self) -> Trainer:
        return SearchTrainer(
            GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}), n_folds=2, baselines={}
        )

    @pytest.fixture
    def trainer_of(self) -> Any:
        return lambda estimator: SearchTrainer(GridSearchCV(estimator, {"memory": [None]}))


class TestCalibratedTrainer(TrainerConformance):
    @pytest.fixture
    def trainer(self) -> Trainer:
        return CalibratedTrainer(GaussianNB(), n_folds=2, baselines={})

    @pytest.fixture
    def trainer_of(self) -> Any:
        return CalibratedTrainer


class TestValidators(ValidatorConformance):
    @one_of(
        CriteriaValidator(),
        BaselineValidator(),
        SliceValidator(),
        AutonomyValidator(),
    )
    def validator(self, request: pytest.FixtureRequest) -> Validator:
        return request.param


@pytest.mark.slow
class TestFitValidator(ValidatorConformance):
    @one_of(
        FitValidator(n_folds=3),
        BehaviourValidator(n_rows=5),
        StalenessValidator(n_ages=3, step=timedelta(hours=10), window=timedelta(hours=40)),
    )
    def validator(self, request: pytest.FixtureRequest) -> Validator:
        return request.param


class TestValidatorSuite(ValidatorConformance):
    @one_of(default_validators(sample_problem()))
    def validator(self, request: pytest.FixtureRequest) -> Validator:
        return request.param

    @pytest.fixture
    def checks(self, validator: Any) -> frozenset[str]:
        return names_of((validator, *validator.validators))


class TestInProcessDeployer(DeployerConformance):
    @pytest.fixture
    def deployer(self) -> Deployer:
        return InProcessDeployer()


class TestHttpDeployer(DeployerConformance):
    @pytest.fixture
    def deployer(self) -> Deployer:
        return HttpDeployer()


class TestMonitors(MonitorConformance):
    @one_of(DataQualityMonitor(), DriftMonitor(), LatencyMonitor(), PerformanceMonitor())
    def monitor(self, request: pytest.FixtureRequest) -> Monitor:
        return request.param


class TestMonitorSuite(MonitorConformance):
    @one_of(default_monitors(sample_problem()))
    def monitor(self, request: pytest.FixtureRequest) -> Monitor:
        return request.param

    @pytest.fixture
    def checks(self, monitor: Any) -> frozenset[str]:
        return names_of(monitor.monitors)


class TestStore(StoreConformance):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Any:
        return lambda: Store.open(tmp_path / "mlstore")


class TestMemoryLog(PredictionSinkConformance):
    @pytest.fixture(params=[None, 8])
    def sink(self, request: pytest.FixtureRequest) -> PredictionSink:
        return MemoryLog(capacity_rows=request.param)


class TestParquetLog(PredictionSinkConformance):
    @pytest.fixture
    def sink(self, tmp_path: Path) -> Iterator[PredictionSink]:
        with ParquetLog(tmp_path, "sample", capacity_rows=2000, flush_rows=500) as log:
            yield log


class TestSplits(SplitConformance):
    @one_of(TimeSplit(gap=timedelta(hours=8)), GroupSplit(), RandomSplit())
    def split(self, request: pytest.FixtureRequest) -> Split:
        return request.param


class TestPolicies(RetrainingPolicyConformance):
    @one_of(
        OnAlarm(),
        OnAlarm(names=("roc_auc",), at_least=3, within=timedelta(days=30)),
        OnSchedule(every=timedelta(days=30)),
        OnNewData(),
        AnyOf((OnAlarm(), OnNewData())),
        CoolDown(policy=OnAlarm(), pause=timedelta(days=7)),
    )
    def policy(self, request: pytest.FixtureRequest) -> RetrainingPolicy:
        return request.param
