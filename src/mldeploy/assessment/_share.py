"""Shares of rows with their intervals, and the rows that a criterion asks about."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import special

from mldeploy.data import Dataset
from mldeploy.errors import EmptyDataError
from mldeploy.problem import Criterion, Problem
from mldeploy.stats import Estimate, wilson

Flags = npt.NDArray[np.bool_]


def estimate_share(
    flags: npt.ArrayLike, *, units: npt.NDArray[Any] | None = None, confidence: float = 0.95
) -> Estimate:
    r"""Estimate the share of rows that are flagged, by Wilson's interval.

    Parameters
    ----------
    flags : array-like of bool of shape (n_rows,)
        At least one row.
    units : ndarray of shape (n_rows,), optional
        What the rows belong to, when rows of one unit are alike.
    confidence : float, default=0.95
        Level of the two-sided interval, in (0, 1).

    Returns
    -------
    Estimate
        `n` counts units if there are any, else rows.

    Notes
    -----
    With units the number of rows is divided by the design effect, the variance of the share
    between units over that of independent rows, and by the squared ratio of Student's to the
    normal quantile [1]_. A share of 0 or 1 shows no variation; each unit then counts once.

    References
    ----------
    .. [1] E. L. Korn and B. I. Graubard, "Confidence intervals for proportions with small
       expected number of positive counts estimated from survey data", Survey Methodology 24,
       1998.
    """
    flagged = np.asarray(flags, dtype=bool)
    n, p = flagged.size, float(flagged.mean())
    if units is None:
        return wilson(int(flagged.sum()), n, confidence=confidence)
    codes = codes_of(pl.Series(units))
    n_units = int(codes.max()) + 1
    effective = float(n_units)
    if 0 < p < 1 and n_units > 1:
        sums = np.bincount(codes, weights=flagged - p)
        variance = float(sums @ sums) * n_units / (n_units - 1) / n**2
        z, t = (
            special.ndtri(0.5 + confidence / 2),
            special.stdtrit(n_units - 1, 0.5 + confidence / 2),
        )
        effective = min(p * (1 - p) / variance if variance > 0 else n, n) * float(z / t) ** 2
    effective = max(effective, 1.0)
    found = wilson(p * effective, effective, confidence=confidence)
    method = "Wilson, rows divided by the design effect"
    return found.model_copy(update={"value": p, "n": n_units, "method": method})


def codes_of(column: pl.Series) -> npt.NDArray[np.int64]:
    """Number the distinct values of a column from 0; missing ones share a number."""
    codes: npt.NDArray[np.int64] = (
        column.rank("dense").fill_null(0).cast(pl.Int64).to_numpy(writable=True)
    )
    return np.unique(codes, return_inverse=True)[1].astype(np.int64)


def missing(column: pl.Series) -> Flags:
    """Tell which rows have no value."""
    nulls = column.is_null()
    if column.dtype.is_float():
        nulls = nulls | column.is_nan().fill_null(value=False)
    return np.asarray(nulls.to_numpy(), dtype=bool)


def asked_for(problem: Problem, metric: str) -> tuple[Criterion, ...]:
    """Return the criteria on a metric, in the problem's order."""
    return tuple(c for c in problem.criteria if c.metric.name == metric)


def rows_asked_about(criterion: Criterion, dataset: Dataset) -> Dataset | None:
    """Return the rows that a criterion looks at; None if there are none."""
    if criterion.where is None:
        return dataset
    column = criterion.where.column
    try:
        return dataset.take(criterion.where.mask({column: dataset.column(column)}))
    except EmptyDataError:
        return None


def columns_asked_about(criterion: Criterion, dataset: Dataset) -> Iterator[str]:
    """Yield the columns that a criterion on data looks at: all features unless it names some."""
    yield from criterion.columns or dataset.features
