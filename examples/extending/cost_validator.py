"""Judge a binary model by what its mistakes cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from typing_extensions import override

from mldeploy.data import Dataset
from mldeploy.errors import UnsupportedTaskError
from mldeploy.evidence import Finding
from mldeploy.model import Model
from mldeploy.problem import Criterion, Judge, Metric, Problem, Task
from mldeploy.validation import Validator


@final
@dataclass(frozen=True, kw_only=True)
class CostValidator(Validator):
    """Hold the mean cost of a decision under a budget."""

    false_alarm: float = 1.0
    miss: float = 5.0
    budget: float = 1.0

    @override
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        if problem.task is not Task.BINARY:
            raise UnsupportedTaskError("costs of false alarms and misses need a binary problem")
        cost = Metric("cost", kind="business", direction="lower", per_row=self._cost)
        judge = Judge(check=type(self).__name__)
        yield from judge.judge(Criterion(cost, at_most=self.budget), model.scored_rows(dataset))

    def _cost(self, y_true: Any, y_pred: Any) -> tuple[Any, Any]:
        cost = self.false_alarm * (y_pred > y_true) + self.miss * (y_pred < y_true)
        return cost, np.ones(len(cost))
