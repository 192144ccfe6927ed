"""Judge a binary model by what its mistakes cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from scipy import stats
from typing_extensions import override

from mldeploy.data import Dataset
from mldeploy.errors import UnsupportedTaskError
from mldeploy.evidence import Finding, Severity
from mldeploy.model import Model
from mldeploy.problem import Problem, Task
from mldeploy.stats import Interval
from mldeploy.validation import Validator


@final
@dataclass(frozen=True, kw_only=True)
class CostValidator(Validator):
    """Hold the mean cost of a decision under a budget, by its one-sided 95 % bound."""

    false_alarm: float = 1.0
    miss: float = 5.0
    budget: float = 1.0

    @override
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        if problem.task is not Task.BINARY:
            raise UnsupportedTaskError("costs of false alarms and misses need a binary problem")
        rows = model.scored_rows(dataset)
        wrong = rows.y_pred - rows.y_true
        cost = np.where(wrong > 0, self.false_alarm, np.where(wrong < 0, self.miss, 0.0))
        mean, n = float(cost.mean()), len(cost)
        reach = stats.t.ppf(0.95, n - 1) * cost.std(ddof=1) / n**0.5 if n > 1 else np.inf
        bound = Interval(low=mean - float(reach), high=mean + float(reach), confidence=0.90)
        verdict = "PASS" if bound.high <= self.budget else "INSUFFICIENT"
        verdict = "FAIL" if bound.low > self.budget else verdict
        yield Finding(
            check=type(self).__name__, name="cost", verdict=verdict, severity=Severity.BLOCKER,
            summary=f"A decision costs {mean:.2f} on average.", estimate=mean, interval=bound,
            action="" if verdict == "PASS" else "Move the threshold, or add rows.",
            threshold=self.budget, n=n,
        )  # fmt: skip
