"""Columns that tell much the same, and so are taken together."""

from __future__ import annotations

from itertools import combinations
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

Array: TypeAlias = npt.NDArray[Any]
_LEVELS = 8
_MAX_ROWS = 5_000
_MAX_COLUMNS = 200


def alike_columns(X: pd.DataFrame, *, at_least: float) -> list[tuple[str, ...]]:
    """Group columns that tell much the same about each other.

    Parameters
    ----------
    X : pandas.DataFrame
        The columns.
    at_least : float
        Cramér's V, freed of bias, from which on two columns belong together; numbers are cut in
        eight at their quantiles.

    Returns
    -------
    list of tuple of str
        In the order of the columns; most of them alone.

    Notes
    -----
    Shuffling one of two columns that tell the same shows no loss, since the model reads the
    other; so they are shuffled together. V as corrected by W. Bergsma, Journal of the Korean
    Statistical Society 42, 2013.
    """
    names = [str(name) for name in X.columns]
    if len(names) > _MAX_COLUMNS:
        return [(name,) for name in names]
    few = X if len(X) <= _MAX_ROWS else X.iloc[:: len(X) // _MAX_ROWS]
    codes = {name: _codes(few[name]) for name in names}
    leader = {name: name for name in names}

    def first(name: str) -> str:
        while leader[name] != name:
            name = leader[name]
        return name

    for one, other in combinations(names, 2):
        if first(one) != first(other) and _cramer(codes[one], codes[other]) >= at_least:
            leader[first(other)] = first(one)
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(first(name), []).append(name)
    return [tuple(group) for group in groups.values()]


def _codes(column: pd.Series) -> Array:
    codes, levels = pd.factorize(column.to_numpy(), use_na_sentinel=False)
    if len(levels) <= _LEVELS:
        return np.asarray(codes)
    if pd.api.types.is_numeric_dtype(column) or column.dtype.kind in "mM":
        ranks = column.rank(pct=True).fillna(0.0).to_numpy()
        return np.ceil(ranks * _LEVELS).astype(int)
    counts = np.bincount(codes)
    kept = np.argsort(-counts, kind="stable")[: _LEVELS - 1]
    place = np.full(len(counts), _LEVELS - 1)
    place[kept] = np.arange(len(kept))
    return np.asarray(place[codes])


def _cramer(a: Array, b: Array) -> float:
    n, width = len(a), int(b.max()) + 1
    table = np.bincount(a * width + b, minlength=(int(a.max()) + 1) * width).reshape(-1, width)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0].astype(float)
    rows, columns = table.shape
    if rows < 2 or columns < 2 or n < 2:
        return 0.0
    expected = np.outer(table.sum(axis=1), table.sum(axis=0)) / n
    chi = float(((table - expected) ** 2 / expected).sum()) / n
    free = max(0.0, chi - (rows - 1) * (columns - 1) / (n - 1))
    left = min(rows - (rows - 1) ** 2 / (n - 1), columns - (columns - 1) ** 2 / (n - 1)) - 1
    return float(np.sqrt(free / left)) if left > 0 else 0.0
