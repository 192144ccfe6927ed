"""How long single answers took in a rehearsal, as a curve against the criteria."""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt

from mldeploy._record import Record
from mldeploy.evidence import Curve, CurveChart, Finding, Report

_SHARES = (*np.arange(0.05, 1.0, 0.05).round(2).tolist(), 0.98, 0.99)
NAME, DETAIL = "rehearsal", "latencies"
"""The finding that keeps them, and under what name."""


@final
class Latencies(Record):
    """Within how many seconds which share of single rows was answered.

    Attributes
    ----------
    shares : tuple of float
        In (0, 1), ascending.
    seconds : tuple of float
        Within which that share was answered.
    """

    shares: tuple[float, ...]
    seconds: tuple[float, ...]

    @classmethod
    def of(cls, seconds: npt.ArrayLike) -> Latencies:
        """Return the quantiles of some times, in seconds."""
        found = np.quantile(np.asarray(seconds, dtype=float), _SHARES)
        return cls(shares=_SHARES, seconds=tuple(found.tolist()))

    def to_chart(self, bounds: dict[str, float] | None = None) -> CurveChart:
        """Draw them in milliseconds, with a line for each bound in seconds, by its name."""
        curves = [Curve(name="measured", x=self.shares, y=[1000 * s for s in self.seconds])]
        ends = (self.shares[0], self.shares[-1])
        for name, bound in (bounds or {}).items():
            curves.append(Curve(name=f"bound of {name}", x=ends, y=[1000 * bound] * 2))
        return CurveChart(
            title="Within how many milliseconds which share of single rows was answered",
            curves=curves,
            x_name="share of answers",
            y_name="ms",
        )


def latency_chart_from(report: Report) -> CurveChart | None:
    """Draw what a `RehearsalValidator` timed, against the criteria on latency.

    Parameters
    ----------
    report : Report
        Of a validation.

    Returns
    -------
    CurveChart or None
        None if there was no rehearsal, or nothing was timed.
    """
    kept = [f for f in report.select(name=NAME) if DETAIL in f.details]
    if not kept:
        return None
    bounds = {f.name: f.threshold for f in report.findings if _is_bound(f, kept[-1].check)}
    timed = Latencies.model_validate_json(str(kept[-1].details[DETAIL]))
    return timed.to_chart({name: bound for name, bound in bounds.items() if bound is not None})


def _is_bound(finding: Finding, check: str) -> bool:
    return finding.check == check and finding.name.startswith("latency") and finding.unit == "s"
