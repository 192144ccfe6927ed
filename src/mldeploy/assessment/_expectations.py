"""Do the data keep the rules that people wrote down?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from typing_extensions import override

from mldeploy._record import Clock, utc_now
from mldeploy.assessment._base import DataAssessor
from mldeploy.data import Dataset
from mldeploy.data.expectations import Expectations
from mldeploy.evidence import Finding
from mldeploy.problem import Problem


@final
@dataclass(frozen=True, kw_only=True)
class ExpectationAssessor(DataAssessor):
    """Hold the data against expectations, all in one query.

    Each is a finding with count, share and examples; values of columns that the dataset or the
    problem calls sensitive are withheld.

    Attributes
    ----------
    expectations : Expectations
        What people expect of the table.
    clock : Clock
        Tells the moment by which freshness is judged.

    Examples
    --------
    >>> import polars as pl
    >>> from mldeploy.data.expectations import Holds, InRange
    >>> from mldeploy.problem import Criterion
    >>> problem = Problem(name="late", statement="Which flights land late?", target="late",
    ...                   positive=True, criteria=[Criterion("roc_auc", at_least=0.7)])
    >>> frame = pl.DataFrame({"hour": [5, 25], "late": [False, True]})
    >>> rules = Expectations([InRange("hour", at_most=23), Holds(pl.col("late").is_not_null())])
    >>> data = Dataset.of(frame, target="late")
    >>> report = ExpectationAssessor(expectations=rules).assess(data, problem)
    >>> [(f.name, str(f.verdict), f.estimate) for f in report.findings]
    [('in_range', 'FAIL', 0.5), ('holds', 'PASS', 0.0)]
    """

    expectations: Expectations
    clock: Clock = utc_now

    @override
    def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        report = self.expectations.check(dataset, sensitive=problem.sensitive, clock=self.clock)
        for finding in report.findings:
            yield finding.model_copy(update={"check": type(self).__name__})
