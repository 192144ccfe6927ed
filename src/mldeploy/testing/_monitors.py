"""The kit of monitors."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mldeploy.monitoring import Monitor
from mldeploy.testing._reports import Case, ReportConformance, Trial
from mldeploy.testing._samples import NOON
from mldeploy.testing._trained import (
    WatchedSample,
    hard_windows,
    hostile_window,
    watched_samples,
)


class MonitorConformance(ReportConformance, kit=True):
    """Subclass as ``TestYourMonitor`` and define the `monitor` fixture."""

    @pytest.fixture
    def monitor(self) -> Monitor:
        """The monitor on trial."""
        raise NotImplementedError(f"{type(self).__name__} must define the `monitor` fixture")

    @pytest.fixture
    def trial(self, monitor: Monitor) -> Trial:
        """What the monitor is tried on."""
        return Trial(
            part=monitor,
            interface=Monitor,
            method="check",
            step="monitor",
            ordinary=tuple(map(_case, watched_samples())),
            hard=tuple(map(_case, hard_windows())),
            hostile=_case(hostile_window()),
        )

    def test_reference_against_itself_raises_no_alarm(self, monitor: Monitor) -> None:
        """Where nothing has changed, nobody is called."""
        for sample in watched_samples():
            report = monitor.check(sample.window, sample.reference, clock=lambda: NOON)
            assert not report.alarms, f"{sample.name}: {report.alarms[0].summary}"

    def test_window_without_answers_raises_no_alarm_about_values(self, monitor: Monitor) -> None:
        """Of what was not asked nothing is known: no value of it can be wrong."""
        empty = next(s for s in hard_windows() if not len(s.window))
        report = monitor.check(empty.window, empty.reference, clock=lambda: NOON)
        assert not [f for f in report.alarms if f.column is not None]


def _case(sample: WatchedSample) -> Case:
    def contents() -> Mapping[str, object]:
        window, reference = sample.window, sample.reference
        scored = (reference.scored.y_true, reference.scored.y_pred, reference.scored.y_score)
        return {
            "answers": window.answers.to_dict(as_series=False),
            "profile": reference.profile.to_json(),
            "scored": [None if a is None else a.tolist() for a in scored],
            "kept": (reference.history, reference.past, reference.summaries),
        }

    return Case(
        name=sample.name,
        report=lambda part: part.check(sample.window, sample.reference, clock=lambda: NOON),
        contents=contents,
    )
