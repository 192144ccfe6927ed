"""Data that was assessed, cut into a part to learn from and a part to judge by."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from functools import cached_property
from typing import final

from mldeploy.data import DataReport, Dataset, Partition, Split
from mldeploy.errors import EmptyDataError, InvalidRowsError, UnfitDataError
from mldeploy.evidence import Report, Verdict, Waiver, escape, html_fragment
from mldeploy.model import Model


@final
@dataclass(frozen=True, kw_only=True)
class AssessedData:
    """A dataset, what its assessment found, and how it is cut.

    Attributes
    ----------
    dataset : Dataset
        All rows.
    report : Report
        What was found.
    split : Split
        How the rows to learn from and the rows to judge by are told apart.
    """

    dataset: Dataset
    report: Report
    split: Split

    @cached_property
    def partition(self) -> Partition:
        """The two parts."""
        return self.split.split(self.dataset)

    @property
    def train(self) -> Dataset:
        """The rows to learn from."""
        return self.partition.train

    @property
    def holdout(self) -> Dataset:
        """The rows to judge by."""
        return self.partition.test

    @property
    def verdict(self) -> Verdict:
        """What the assessment comes to."""
        return self.report.verdict

    def describe(self, *, positive: object | None = None) -> DataReport:
        """Return what was found, what is missing, each column, and how the target goes with it.

        Parameters
        ----------
        positive : scalar, optional
            The class of a binary target whose share is told; the second in order by default.
        """
        return DataReport.of(self.dataset, findings=self.report, positive=positive)

    def waive(self, waivers: Iterable[Waiver], *, at: datetime) -> AssessedData:
        """Return the same data, with findings waived that somebody takes responsibility for."""
        return replace(self, report=self.report.waive(waivers, at=at))

    def must_be_fit(self) -> None:
        """Refuse data of which a blocking finding failed.

        Raises
        ------
        UnfitDataError
            It names the findings. Too few rows to tell do not count: a model may be trained on
            them, but it will not pass its validation.
        """
        failed = [f for f in self.report.alarms if f.severity == "blocker"]
        if failed:
            raise UnfitDataError(
                [f"{f.subject or f.name}: {f.summary} {f.action}".strip() for f in failed]
            )

    def __len__(self) -> int:
        return len(self.dataset)

    def __str__(self) -> str:
        return str(self.report)

    def _repr_html_(self) -> str:
        sizes = f"{len(self.train):,} rows to learn from, {len(self.holdout):,} to judge by"
        return html_fragment(f"<p>{escape(sizes)}</p>{self.report.to_html()}")


def must_have_features(dataset: Dataset) -> None:
    """Refuse a table that nothing could be learnt from."""
    if not dataset.features:
        raise EmptyDataError(
            f"no column is left to learn {dataset.roles.target!r} from; add columns, or name "
            "features"
        )


def must_be_readable(dataset: Dataset, model: Model) -> None:
    """Refuse rows that are not of the model's types; values it never saw are for the findings."""
    found = model.signature.inputs.check(dataset.polars(), limit=5)
    mistyped = [error for error in found if error.code == "type"]
    if mistyped:
        raise InvalidRowsError(mistyped)
