"""The interface of monitors: is the model still fit for its problem?"""

from __future__ import annotations

import abc
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import final

from tqdm import tqdm
from typing_extensions import override

from mldeploy._record import Clock, utc_now
from mldeploy.evidence import Finding, Report
from mldeploy.monitoring._window import Reference, Window


class Monitor(abc.ABC):
    """Judge a window of answers by a reference.

    Implement `_check`; the rest is final. Instances are immutable, hold no data, and may be
    shared between threads and processes: what a monitor must remember of the past lies in the
    reference.
    """

    @final
    def check(self, window: Window, reference: Reference, *, clock: Clock = utc_now) -> Report:
        """Return what was found; the criteria are the problem's, now as alarms.

        Parameters
        ----------
        window : Window
            What was asked and answered, with the labels known by now.
        reference : Reference
            What it is judged by.
        clock : Clock, default=utc_now
            Tells the time.
        """
        started, tick = clock(), time.perf_counter()
        findings = []
        for finding in self._check(window, reference):
            if not isinstance(finding, Finding):
                raise TypeError(
                    f"{type(self).__qualname__} yielded {finding!r}; yield Finding(...)"
                )
            findings.append(finding)
        return Report(
            step="monitor",
            made_by=type(self).__qualname__,
            findings=tuple(findings),
            about={
                "problem": window.problem.digest,
                "start": window.start.isoformat(),
                "end": window.end.isoformat(),
            },
            started_at=started,
            duration=timedelta(seconds=time.perf_counter() - tick),
        )

    @abc.abstractmethod
    def _check(self, window: Window, reference: Reference) -> Iterable[Finding]:
        """Yield the findings."""


@final
@dataclass(frozen=True)
class MonitorSuite(Monitor):
    """Several monitors as one; the findings come in their order.

    Attributes
    ----------
    monitors : tuple of Monitor
        At least one.
    """

    monitors: tuple[Monitor, ...]

    def __post_init__(self) -> None:
        if not self.monitors:
            raise ValueError("a suite needs at least one monitor")

    @override
    def _check(self, window: Window, reference: Reference) -> Iterator[Finding]:
        for monitor in tqdm(self.monitors, desc="monitor", delay=1, leave=False):
            yield from monitor.check(window, reference).findings
