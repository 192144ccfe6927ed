"""The interface of data assessors: are these data fit to learn from, and to judge by?"""

from __future__ import annotations

import abc
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import final

from mldeploy._record import Clock, utc_now
from mldeploy.data import Dataset, require_roles
from mldeploy.evidence import Finding, Report
from mldeploy.problem import Problem


class DataAssessor(abc.ABC):
    """Say whether data are fit for a problem, before anything is learnt from them.

    Implement `_assess`; the rest is final. Instances are immutable, hold no data, and may be
    shared between threads and processes.

    Examples
    --------
    >>> from mldeploy.data import dataset_for
    >>> from mldeploy.problem import Criterion
    >>> import pandas as pd
    >>> class LongEnough(DataAssessor):
    ...     def _assess(self, dataset, problem):
    ...         n = len(dataset)
    ...         yield Finding(check="LongEnough", name="row_count", estimate=n, threshold=3,
    ...                       verdict="PASS" if n >= 3 else "FAIL", summary=f"{n} rows.")
    >>> problem = Problem(name="late", statement="Which flights land late?", target="late",
    ...                   positive=True, criteria=[Criterion("roc_auc", at_least=0.7)])
    >>> data = dataset_for(pd.DataFrame({"hour": [5, 23], "late": [False, True]}), problem)
    >>> str(LongEnough().assess(data, problem).verdict)
    'FAIL'
    """

    @final
    def assess(self, dataset: Dataset, problem: Problem, *, clock: Clock = utc_now) -> Report:
        """Return what was found, bound to the digests of the data and of the problem.

        Parameters
        ----------
        dataset : Dataset
            The data, with the roles that the problem gives them; see
            `mldeploy.data.dataset_for`. Rows without a label are welcome.
        problem : Problem
            What they shall serve.
        clock : Clock, default=utc_now
            Tells when the report was made.

        Raises
        ------
        InvalidProblemError
            If the data lack a column that the problem speaks of.
        InvalidDataError
            If the dataset gives a column another role than the problem does.
        """
        started, tick = clock(), time.perf_counter()
        problem.check_columns(dataset.columns)
        require_roles(dataset, problem)
        findings = []
        for finding in self._assess(dataset, problem):
            if not isinstance(finding, Finding):
                raise TypeError(
                    f"{type(self).__qualname__} yielded {finding!r}; yield Finding(...)"
                )
            findings.append(finding)
        return Report(
            step="assess",
            made_by=type(self).__qualname__,
            findings=tuple(findings),
            about={"problem": problem.digest, "data": dataset.fingerprint},
            started_at=started,
            duration=timedelta(seconds=time.perf_counter() - tick),
        )

    @abc.abstractmethod
    def _assess(self, dataset: Dataset, problem: Problem) -> Iterable[Finding]:
        """Yield the findings; every column and role that the problem names is there."""
