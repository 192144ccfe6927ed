"""How many labels have come, and how long they take."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Final, final

import numpy as np
import polars as pl

from mldeploy._record import Record
from mldeploy.evidence import figure, html_fragment, html_table
from mldeploy.stats import Estimate, reporting_delay, wilson

AGES: Final = (
    timedelta(hours=1),
    timedelta(hours=8),
    timedelta(days=1),
    timedelta(days=3),
    timedelta(days=7),
    timedelta(days=30),
)
"""Bounds between groups of age, unless the caller has others."""

_SHARES: Final = (0.5, 0.9, 0.99, 1.0)


@final
class CoverageByAge(Record):
    """Labels of the predictions in one group of age."""

    at_least: timedelta
    below: timedelta | None
    """None for the oldest group."""
    n: int
    n_labelled: int

    @property
    def share(self) -> float:
        """Share with a label, in [0, 1]."""
        return self.n_labelled / self.n


@final
class Coverage(Record):
    """Which share of predictions has a label.

    Attributes
    ----------
    as_of : datetime
        When it was counted, in UTC.
    n : int
        Predictions.
    n_labelled : int
        Those whose label was known.
    by_age : tuple of CoverageByAge
        The same by age, youngest first; groups without predictions are left out.
    """

    as_of: datetime
    n: int
    n_labelled: int
    by_age: tuple[CoverageByAge, ...] = ()

    @property
    def share(self) -> float | None:
        """Share with a label, in [0, 1]; None without predictions."""
        return self.n_labelled / self.n if self.n else None

    @property
    def estimate(self) -> Estimate | None:
        """The share with Wilson's 95 % interval; None without predictions."""
        return wilson(self.n_labelled, self.n) if self.n else None

    def _repr_html_(self) -> str:
        rows = [
            (_span(group), f"{group.n:,}", f"{group.n_labelled:,}", f"{group.share:.1%}")
            for group in self.by_age
        ]
        share = "-" if self.share is None else f"{self.share:.1%}"
        return html_fragment(
            f"<p><b>{share}</b> of {self.n:,} predictions have a label</p>"
            + html_table(("Age", "Predictions", "Labelled", "Share"), rows)
        )


@final
class DelayQuantile(Record):
    """After how long a share of the labels that ever come has come."""

    share: float
    delay: timedelta


@final
class Delays(Record):
    """How long labels take, from prediction to first receipt.

    Attributes
    ----------
    n : int
        Labels it rests on.
    quantiles : tuple of DelayQuantile
        For shares .5, .9, .99 and 1 of the labels that come by the greatest age seen.

    Notes
    -----
    Young predictions can only have quick labels yet; the quantiles correct for that, see
    `mldeploy.stats.reporting_delay`.
    """

    n: int
    quantiles: tuple[DelayQuantile, ...]

    def _repr_html_(self) -> str:
        rows = [(f"{q.share:.0%}", figure(q.delay.total_seconds(), "s")) for q in self.quantiles]
        head = f"<p>Delays of {self.n:,} labels</p>"
        return html_fragment(head + html_table(("Share of labels", "Known after"), rows))


def coverage_of(
    joined: pl.DataFrame, *, as_of: datetime, ages: Sequence[timedelta] = AGES
) -> Coverage:
    """Count the labels of joined predictions by age."""
    bounds = [timedelta(0), *ages]
    if any(low >= high for low, high in pairwise(bounds)):
        raise ValueError(f"{ages=} must be positive and increase")
    age = pl.lit(as_of) - pl.col("time")
    groups = []
    for low, high in pairwise([*bounds, None]):
        inside = age >= low if high is None else (age >= low) & (age < high)
        group = joined.filter(inside)
        if group.height:
            n_labelled = group.height - group["label"].null_count()
            groups.append(
                CoverageByAge(
                    at_least=low or timedelta(0), below=high, n=group.height, n_labelled=n_labelled
                )
            )
    return Coverage(
        as_of=as_of,
        n=joined.height,
        n_labelled=joined.height - joined["label"].null_count(),
        by_age=tuple(groups),
    )


def delays_of(joined: pl.DataFrame, *, as_of: datetime) -> Delays:
    """Estimate the delays of the labels of joined predictions."""
    known = joined.filter(pl.col("label_received").is_not_null())
    zero = timedelta(0)
    waits = (known["label_received"] - known["time"]).clip(lower_bound=zero).to_numpy()
    ages = (pl.Series([as_of]) - known["time"]).to_numpy()
    curve = reporting_delay(waits, np.maximum(ages, waits))
    quantiles = []
    for share in _SHARES:
        place = int(np.searchsorted(curve.reported, share - 1e-12))
        delay = timedelta(seconds=float(curve.delays[place]))
        quantiles.append(DelayQuantile(share=share, delay=delay))
    return Delays(n=known.height, quantiles=tuple(quantiles))


def _span(group: CoverageByAge) -> str:
    low = figure(group.at_least.total_seconds(), "s")
    if group.below is None:
        return f"{low} or more"
    return f"{low} to {figure(group.below.total_seconds(), 's')}"
