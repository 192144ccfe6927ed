"""A table as a person would look at it: what is in it, what is missing, what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeAlias, final

import numpy as np
import polars as pl

from mldeploy.data._by_target import ByTarget
from mldeploy.data._data_html import data_body, data_text
from mldeploy.data._dataset import Dataset
from mldeploy.data._drift_report import DriftReport
from mldeploy.data._histogram import Histogram
from mldeploy.data._missing_map import MissingMap
from mldeploy.data._profile import Profile
from mldeploy.data._source import SupportsArrow
from mldeploy.evidence import Report, html_fragment, html_page

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

Table: TypeAlias = (
    "Dataset | pd.DataFrame | pl.DataFrame | pl.LazyFrame | SupportsArrow | str | Path"
)

_N_EXAMPLES: Final = 8
_MOST_EXAMPLE_COLUMNS: Final = 30
_LONGEST: Final = 60
_HIDDEN: Final = "•••"


@final
@dataclass(frozen=True, kw_only=True)
class DataReport:
    """A table as a person would look at it; shown in notebooks, as a page, and in a terminal.

    Attributes
    ----------
    name : str
        What the table is called.
    profile : Profile
        Counts of every column.
    roles : dict of str to str
        What columns are for, of those with a role other than feature.
    histograms : dict of str to Histogram
        The distribution of each column.
    missing : MissingMap
        What is missing where, and together.
    by_target : ByTarget, optional
        How the target goes with each feature.
    halves : DriftReport, optional
        The later half against the earlier, where rows have a time.
    examples : tuple of tuple of str
        Names of columns, then some rows of the table; values of sensitive columns are hidden.
    findings : Report, optional
        What an assessment found.

    Examples
    --------
    >>> frame = pl.DataFrame({"wind": [1, 1, 2, None], "late": [True, False, True, False]})
    >>> print(DataReport.of(Dataset.of(frame, target="late", name="flights")))
    flights: 4 rows, 2 columns, 12.5 % of all values missing
    Column  Kind     Role    Missing  Distinct  Distribution  Summary
    late    boolean  target  0.0 %    2         ██            False 50.0 %, True 50.0 %
    wind    integer          25.0 %   2         █▄            1 to 2, median 1
    """

    name: str
    profile: Profile = field(repr=False)
    roles: dict[str, str]
    histograms: dict[str, Histogram] = field(repr=False)
    missing: MissingMap = field(repr=False)
    by_target: ByTarget | None = field(default=None, repr=False)
    halves: DriftReport | None = field(default=None, repr=False)
    examples: tuple[tuple[str, ...], ...] = field(default=(), repr=False)
    findings: Report | None = field(default=None, repr=False)

    @classmethod
    def of(
        cls,
        source: Table,
        *,
        findings: Report | None = None,
        positive: object | None = None,
        profile: Profile | None = None,
    ) -> DataReport:
        """Look at a table.

        Parameters
        ----------
        source : Dataset, frame or path
            With roles, if it is a `Dataset`.
        findings : Report, optional
            What an assessment of the same table found, to be shown first.
        positive : scalar, optional
            The class of a binary target whose share is told; the second in order by default.
        profile : Profile, optional
            The table's profile, if it was made already.

        Returns
        -------
        DataReport
            Made in one go; the table is not kept.

        Raises
        ------
        InvalidDataError
            If the source is no table.
        """
        dataset = source if isinstance(source, Dataset) else Dataset.of(source)
        counted = profile or Profile.of(dataset.table)
        return cls(
            name=dataset.name or "The table",
            profile=counted,
            roles=_roles(dataset),
            histograms={c.name: Histogram.of(c) for c in counted.columns},
            missing=MissingMap.of(dataset.table, time=dataset.roles.time),
            by_target=ByTarget.of(dataset, counted, positive=positive),
            halves=_halves(dataset),
            examples=_examples(dataset),
            findings=findings,
        )

    def to_html(self) -> str:
        """Return a self-contained page that runs no script; names and values are escaped."""
        return html_page(self.name, data_body(self))

    def to_text(self) -> str:
        """Return a table for the terminal, with distributions as bars of characters."""
        return data_text(self)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return html_fragment(data_body(self))


def _roles(dataset: Dataset) -> dict[str, str]:
    roles = dataset.roles
    single = {"target": roles.target, "time": roles.time, "unit": roles.unit}
    named = {name: role for role, name in {**single, "weight": roles.weight}.items() if name}
    for name in roles.sensitive:
        named[name] = ", ".join(filter(None, (named.get(name), "sensitive")))
    return named


def _halves(dataset: Dataset) -> DriftReport | None:
    """Return the later half of the rows against the earlier, without the time itself."""
    time = dataset.roles.time
    if time is None or dataset.n_rows < 2:
        return None
    middle = dataset.table[time].median()
    if not isinstance(middle, datetime):
        return None
    earlier = dataset.table.filter(pl.col(time) < middle)
    later = dataset.table.filter(pl.col(time) >= middle)
    if not earlier.height or not later.height:
        return None
    others = [name for name in dataset.columns if name != time]
    if not others:
        return None
    target = dataset.roles.target
    return DriftReport.of(earlier.select(others), later.select(others), target=target)


def _examples(dataset: Dataset) -> tuple[tuple[str, ...], ...]:
    """Return rows spread over the table, as text."""
    at = np.unique(np.linspace(0, dataset.n_rows - 1, _N_EXAMPLES).astype(np.int64))
    rows = dataset.table[at, :_MOST_EXAMPLE_COLUMNS]
    hidden = [name in dataset.roles.sensitive for name in rows.columns]
    shown = [
        tuple(_HIDDEN if secret else _short(v) for v, secret in zip(row, hidden, strict=True))
        for row in rows.iter_rows()
    ]
    return (tuple(rows.columns), *shown)


def _short(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
