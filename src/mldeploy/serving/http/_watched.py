"""What a server watches behind its answers."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias, final

from mldeploy.serving import DriftWatches, Observer
from mldeploy.serving._logged_counts import LoggedCounts
from mldeploy.serving.http._families import Family
from mldeploy.serving.http._service import Served

if TYPE_CHECKING:
    from mldeploy.serving import DriftFigure, DriftState

Others: TypeAlias = "Callable[[], Sequence[Mapping[str, DriftState]]]"
"""Returns what other processes have counted of drift, by version."""


@final
class Watched:
    """Drift and counts of what is logged; `observers` go to the log, figures to the server.

    Parameters
    ----------
    without : collection of str
        Features whose drift is not watched: those that the log hashes or leaves out.

    Attributes
    ----------
    drift : DriftWatches
        Watches each version.
    logged : LoggedCounts
        Counts what is logged.
    """

    def __init__(self, *, without: Collection[str] = ()) -> None:
        self.drift = DriftWatches(without=without)
        self.logged = LoggedCounts()
        self._others: Others = lambda: ()

    @property
    def observers(self) -> tuple[Observer, ...]:
        """What a `ParquetLog` shows the rows to that it wrote."""
        return (self.drift, self.logged)

    def share(self, others: Others) -> None:
        """Tell the drift of all processes together from now on."""
        self._others = others

    def figures(self, version: str) -> tuple[DriftFigure, ...]:
        """Tell how far the columns of a version have moved, in all processes."""
        return self.drift.figures(version, self._others())

    def rows(self, version: str) -> list[dict[str, Any]]:
        """Return the same as JSON, for the page."""
        return [dataclasses.asdict(figure) for figure in self.figures(version)]

    def counted(self) -> Iterator[Family]:
        """Return how many answers this process has logged, by who decides."""
        yield (
            "mldeploy_logged_predictions_total",
            "Answers in the log, by version, part of the traffic, and who decides.",
            "counter",
            [
                ("", {"version": version, "arm": arm, "route": route}, float(n))
                for (version, arm, route), n in sorted(self.logged.by_version_arm_route.items())
            ],
        )

    def moved(self, models: Sequence[Served]) -> Iterator[Family]:
        """Return how far the columns of models have moved, in all processes."""
        told = [
            ({"model": model.name, "column": figure.column}, figure)
            for model in models
            for figure in self.figures(model.version)
        ]
        known = [
            (labels, figure.distance, figure.chance)
            for labels, figure in told
            if figure.distance is not None and figure.chance is not None
        ]
        yield (
            "mldeploy_drift_distance_ratio",
            "Share of rows that moved to other bins: total variation from the reference.",
            "gauge",
            [("", labels, distance) for labels, distance, _ in known],
        )
        yield (
            "mldeploy_drift_chance_ratio",
            "What an unchanged column's distance exceeds on one day in a hundred at most.",
            "gauge",
            [("", labels, chance) for labels, _, chance in known],
        )
        yield (
            "mldeploy_drift_rows", "Rows of the window.", "gauge",
            [("", labels, float(figure.n)) for labels, figure in told],
        )  # fmt: skip
        yield (
            "mldeploy_drift_alarm", "1 if the last complete slice left it beyond chance.", "gauge",
            [("", labels, float(figure.alarm)) for labels, figure in told],
        )  # fmt: skip
