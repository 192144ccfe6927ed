"""Average the answers of several estimators, each with the same say."""

from dataclasses import dataclass
from functools import partial
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
    """Fit every member, a name and an estimator, and average what they answer."""

    members: tuple[tuple[str, Any], ...] = ()

    def __post_init__(self) -> None:
        if len(self.members) < 2:
            raise ValueError(f"{len(self.members)} members are no ensemble; name two or more")

    @override
    def _fit(self, X: Any, y: Any, *, sample_weight: Any, problem: Problem, **_: Any) -> Any:
        soft = partial(VotingClassifier, voting="soft")
        voting: Any = soft if problem.task.is_classification else VotingRegressor
        try:
            members = [(name, self._seeded(estimator)) for name, estimator in self.members]
            return voting(members).fit(X, y, sample_weight=sample_weight)
        except ValueError as error:
            raise TrainingFailedError("Voting", cause=error) from error

    def _seeded(self, estimator: Any) -> Any:
        known = estimator.get_params().keys() & {"random_state"}
        return clone(estimator).set_params(**dict.fromkeys(known, self.random_state))
