"""Say whether requests still come at weekends, when nobody is there to notice."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import final

import polars as pl
from typing_extensions import override

from mldeploy.evidence import Finding, Severity
from mldeploy.monitoring import Monitor, Reference, Window


@final
@dataclass(frozen=True, kw_only=True)
class WeekendMonitor(Monitor):
    """Warn when a whole Saturday or Sunday (UTC) within the window brought too few requests."""

    at_least: int = 1

    @override
    def _check(self, window: Window, reference: Reference) -> Iterator[Finding]:
        day = window.start.replace(hour=0, minute=0, second=0, microsecond=0)
        while (day := day + timedelta(days=1)) + timedelta(days=1) <= window.end:
            if day.weekday() < 5:
                continue
            within = pl.col("time").is_between(day, day + timedelta(days=1), closed="left")
            n = window.answers.filter(within).height
            yield Finding(
                check=type(self).__name__,
                name="weekend_requests",
                verdict="PASS" if n >= self.at_least else "FAIL",
                severity=Severity.WARNING,
                summary=f"{n} requests on {day:%A, %Y-%m-%d}.",
                action="" if n >= self.at_least else "Ask whoever sends them.",
                estimate=n,
                threshold=self.at_least,
            )
