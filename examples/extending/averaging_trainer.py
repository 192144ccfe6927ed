"""Average the answers of several estimators, each with the same say."""

from dataclasses import dataclass
from typing import Any, final

from sklearn.base import clone
from sklearn.ensemble import VotingClassifier, VotingRegressor
from typing_extensions import override

from mldeploy.errors import TrainingFailedError
from mldeploy.problem import Problem
from mldeploy.training import Trainer


@final
@dataclass(frozen=True, kw_only=True)
class AveragingTrainer(Trainer):
    """Fit every member on all rows; probabilities, or numbers, are averaged."""

    members: tuple[tuple[str, Any], ...] = ()
    """Name and unfitted estimator of each."""

    def __post_init__(self) -> None:
        if len(self.members) < 2:
            raise ValueError(f"{len(self.members)} members are no ensemble; name two or more")

    @override
    def _fit(self, X: Any, y: Any, *, sample_weight: Any, problem: Problem, **_: Any) -> Any:
        classify = problem.task.is_classification
        voting: Any = VotingClassifier if classify else VotingRegressor
        settings = {"voting": "soft"} if classify else {}
        members = [(name, self._seeded(estimator)) for name, estimator in self.members]
        try:
            return voting(members, **settings).fit(X, y, sample_weight=sample_weight)
        except ValueError as error:
            raise TrainingFailedError(voting.__name__, cause=error) from error

    def _seeded(self, estimator: Any) -> Any:
        copy = clone(estimator)
        seeded = "random_state" in copy.get_params()
        return copy.set_params(random_state=self.random_state) if seeded else copy
