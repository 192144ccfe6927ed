"""Find days on which nothing was recorded: a feed that stops at holidays, or that broke."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
from typing_extensions import override

from mldeploy.assessment import DataAssessor
from mldeploy.data import Dataset
from mldeploy.evidence import Finding
from mldeploy.problem import Problem


@final
@dataclass(frozen=True, kw_only=True)
class HolidayGapAssessor(DataAssessor):
    """Warn of days without a row between the first and the last, unless they are in `closed`."""

    closed: tuple[str, ...] = ()

    @override
    def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        if dataset.roles.time is None:
            return
        seen = np.unique(dataset.times().astype("datetime64[D]"))
        days = np.arange(seen[0], seen[-1] + 1)
        gaps = np.setdiff1d(days, [*seen, *np.array(self.closed, dtype="datetime64[D]")])
        yield Finding(
            check=type(self).__name__,
            name="days_without_rows",
            verdict="FAIL" if gaps.size else "PASS",
            severity="warning",
            summary=f"{gaps.size} of {days.size} days have no row: {gaps[:5]}.",
            action="Look for the rows, or name the days in closed=." if gaps.size else "",
            estimate=float(gaps.size),
            n=int(days.size),
        )
