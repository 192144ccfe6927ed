"""Five parts of one's own, each held to what every part promises."""

import pytest
from announcing_deployer import AnnouncingDeployer
from averaging_trainer import AveragingTrainer
from cost_validator import CostValidator
from holiday_gap_assessor import HolidayGapAssessor
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from weekend_monitor import WeekendMonitor

from mldeploy.data import dataset_for
from mldeploy.testing import (
    DataAssessorConformance,
    DeployerConformance,
    MonitorConformance,
    TrainerConformance,
    ValidatorConformance,
    sample_frame,
    sample_problem,
)


class TestHolidayGapAssessor(DataAssessorConformance):
    @pytest.fixture
    def assessor(self) -> HolidayGapAssessor:
        return HolidayGapAssessor()

    def test_day_without_rows_is_found_unless_it_is_expected(self) -> None:
        frame, problem = sample_frame(n_rows=96), sample_problem()
        data = dataset_for(frame[frame["asked_at"].dt.day != 3], problem)

        (found,) = HolidayGapAssessor().assess(data, problem).findings
        (expected,) = HolidayGapAssessor(closed=("2029-01-03",)).assess(data, problem).findings

        assert (found.estimate, found.n, found.verdict) == (1, 4, "FAIL")
        assert expected.verdict == "PASS"


class TestAveragingTrainer(TrainerConformance):
    @pytest.fixture
    def trainer(self) -> AveragingTrainer:
        members = (("linear", LogisticRegression()), ("bayes", GaussianNB()))
        return AveragingTrainer(members=members, baselines={})


class TestCostValidator(ValidatorConformance):
    @pytest.fixture
    def validator(self) -> CostValidator:
        return CostValidator()


class TestAnnouncingDeployer(DeployerConformance):
    @pytest.fixture
    def deployer(self) -> AnnouncingDeployer:
        return AnnouncingDeployer()


class TestWeekendMonitor(MonitorConformance):
    @pytest.fixture
    def monitor(self) -> WeekendMonitor:
        return WeekendMonitor()
