"""Rows that are no later than those that a model learnt from are no evidence about the future."""

from __future__ import annotations

from collections.abc import Iterator

from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.model import Model

_TOLERATED = 0.001
"""Share of rows that may be no later, such as those of the very moment at which a split cuts."""


def not_later(check: str, model: Model, dataset: Dataset) -> Iterator[Finding]:
    """Yield a finding if rows to judge by lie before the last row that was learnt from.

    In time, neighbours are alike: a model that has seen the rows around those it is judged by
    looks better than it will be on days that nobody has seen.
    """
    until = model.provenance.trained_until
    if until is None or dataset.roles.time is None:
        return
    times = dataset.polars()[dataset.roles.time]
    share = float((times <= until).sum()) / len(dataset)
    if share <= _TOLERATED:
        return
    yield Finding(
        check=check,
        name="rows_before_training_ended",
        verdict=Verdict.INSUFFICIENT,
        severity=Severity.BLOCKER,
        summary=(
            f"{share:.1%} of the rows are no later than the last row that the model learnt from "
            f"({until:%Y-%m-%d %H:%M}): in a problem with an order in time they prove nothing."
        ),
        action="Split by time, and judge by rows that came after all that was learnt from.",
        estimate=share,
        n=len(dataset),
        threshold=_TOLERATED,
        column=dataset.roles.time,
    )
