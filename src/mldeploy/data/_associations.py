"""How much each column tells of the target, on a sample of the rows."""

from __future__ import annotations

from typing import Final, TypeAlias, final

import numpy as np
import numpy.typing as npt
import polars as pl
from scipy import stats

from mldeploy._record import Record
from mldeploy.data._column import kind_of
from mldeploy.data._dataset import Dataset
from mldeploy.errors import InvalidDataError

Codes: TypeAlias = npt.NDArray[np.int64]
Floats: TypeAlias = npt.NDArray[np.float64]

_MOST_LEVELS: Final = 32


@final
class Association(Record):
    """What a column tells of the target.

    Attributes
    ----------
    column : str
        Name of the column.
    n : int
        Rows of the sample; all have a target.
    mutual_information : float
        In nats, above what as many rows of independent columns show on average.
    share : float
        That as a share of the entropy of the binned target, in [0, 1]: 0 if the column tells
        nothing, 1 if it tells the target.
    p_value : float
        Of the G-test of independence on the same table.
    pearson, spearman : float or None
        Correlation of values, and of ranks, where both are known; None unless both are numbers,
        booleans or times that vary.
    """

    column: str
    n: int
    mutual_information: float
    share: float
    p_value: float
    pearson: float | None = None
    spearman: float | None = None


def associations_of(
    dataset: Dataset, *, n_rows: int = 50_000, n_bins: int = 16, random_state: int = 0
) -> tuple[Association, ...]:
    r"""Measure how much each feature tells of the target.

    Parameters
    ----------
    dataset : Dataset
        With a target; rows without one are left out.
    n_rows : int, default=50000
        Most rows to look at, drawn without replacement.
    n_bins : int, default=16
        Most bins of a number, cut at its quantiles; missing values have a bin of their own.
    random_state : int, default=0
        Seed of the draw.

    Returns
    -------
    tuple of Association
        One for each feature, the most telling first.

    Raises
    ------
    InvalidDataError
        If there is no target, or a number is below 2.

    Notes
    -----
    Mutual information is :math:`\sum_{ij} p_{ij} \ln(p_{ij} / p_i p_j)` of the table of bins
    less its bias, :math:`(r - 1)(c - 1) / 2n` for r rows and c columns [1]_. Texts have bins for
    their 31 most frequent values and one for all others. Weights are not regarded.

    References
    ----------
    .. [1] G. A. Miller, "Note on the bias of information estimates", Information Theory in
       Psychology, 1955.

    Examples
    --------
    >>> x = list(range(200))
    >>> frame = pl.DataFrame({"x": x, "noise": [i * 7 % 10 for i in x], "y": [i > 99 for i in x]})
    >>> first, last = associations_of(Dataset.of(frame, target="y"))
    >>> first.column, round(first.share, 2), round(first.spearman, 2), last.share
    ('x', 0.95, 0.87, 0.0)
    """
    if n_rows < 2 or n_bins < 2:
        raise InvalidDataError(f"{n_rows=} and {n_bins=} must be at least 2")
    if dataset.roles.target is None:
        raise InvalidDataError("the dataset declares no target; pass target= to Dataset.of")
    rows = dataset.labelled().polars()
    if rows.height > n_rows:
        rows = rows.sample(n_rows, seed=random_state)
    target = rows[dataset.roles.target]
    outcome, outcome_numbers = _binned(target, n_bins), _numbers(target)
    found = [
        _association(rows[name], outcome, outcome_numbers, n_bins) for name in dataset.features
    ]
    return tuple(sorted(found, key=lambda a: (-a.share, a.p_value, a.column)))


def _association(
    column: pl.Series, outcome: Codes, outcome_numbers: Floats | None, n_bins: int
) -> Association:
    table = _table(_binned(column, n_bins), outcome)
    information, p_value = _information(table)
    entropy = float(stats.entropy(table.sum(axis=0)))
    numbers = None if outcome_numbers is None else _numbers(column)
    pearson = spearman = None
    if numbers is not None and outcome_numbers is not None:
        known = np.isfinite(numbers) & np.isfinite(outcome_numbers)
        x, y = numbers[known], outcome_numbers[known]
        pearson = _correlation(x, y)
        spearman = _correlation(stats.rankdata(x), stats.rankdata(y))
    return Association(
        column=column.name, n=len(column), mutual_information=information,
        share=min(information / entropy, 1.0) if entropy > 0 else 0.0, p_value=p_value,
        pearson=pearson, spearman=spearman,
    )  # fmt: skip


def _table(rows: Codes, columns: Codes) -> Codes:
    """Return the counts of each pair of bins, without bins that nobody is in."""
    width = int(columns.max(initial=0)) + 1
    height = int(rows.max(initial=0)) + 1
    counts = np.bincount(rows * width + columns, minlength=height * width)
    table: Codes = counts.reshape(height, width).astype(np.int64)
    some: Codes = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    return some


def _information(table: Codes) -> tuple[float, float]:
    """Return the mutual information less its bias, and the p-value of the G-test."""
    n = int(table.sum())
    freedom = (table.shape[0] - 1) * (table.shape[1] - 1)
    if freedom < 1:
        return 0.0, 1.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    some = table > 0
    g = 2.0 * float((table[some] * np.log(table[some] / expected[some])).sum())
    return max((g - freedom) / (2 * n), 0.0), float(stats.chi2.sf(g, freedom))


def _binned(column: pl.Series, n_bins: int) -> Codes:
    """Return the bin of each row; the first is that of missing values."""
    numbers = _numbers(column)
    if numbers is None:
        return _levels(column)
    known = ~np.isnan(numbers)
    distinct = np.unique(numbers[known])
    if distinct.size > n_bins:
        inner = np.arange(1, n_bins) / n_bins
        edges = np.unique(np.quantile(numbers[known], inner, method="inverted_cdf"))
    else:
        edges = distinct[:-1]
    codes = np.searchsorted(edges, numbers, side="left") + 1
    return np.where(known, codes, 0).astype(np.int64)


def _levels(column: pl.Series) -> Codes:
    texts = column.cast(pl.String)
    counted = pl.DataFrame({"text": texts.drop_nulls()}).group_by("text").len()
    kept = counted.sort(["len", "text"], descending=[True, False])["text"]
    kept = kept.head(_MOST_LEVELS - 1 if len(kept) > _MOST_LEVELS else _MOST_LEVELS)
    codes = dict(zip(kept.to_list(), range(1, len(kept) + 1), strict=True))
    others = len(kept) + 1
    found = [0 if text is None else codes.get(text, others) for text in texts.to_list()]
    return np.array(found, np.int64)


def _numbers(column: pl.Series) -> Floats | None:
    """Return numbers, booleans and times as doubles with NaN where missing; None for text."""
    if kind_of(column.dtype) in ("string", "category"):
        return None
    numbers: Floats = column.to_physical().cast(pl.Float64).to_numpy()
    return numbers


def _correlation(x: Floats, y: Floats) -> float | None:
    if x.size < 2:
        return None
    x, y = x - x.mean(), y - y.mean()
    x, y = x / (np.abs(x).max() or 1.0), y / (np.abs(y).max() or 1.0)
    spread = float(np.sqrt((x * x).sum() * (y * y).sum()))
    return float(np.clip((x * y).sum() / spread, -1.0, 1.0)) if spread else None
