"""How the rows are cut into slices: by a column's values, or by quantiles of its numbers."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mldeploy.data import Dataset
from mldeploy.problem import Slice


@dataclass(frozen=True, kw_only=True)
class Cut:
    """One column, cut into parts that do not overlap.

    Attributes
    ----------
    column : str
        What is cut.
    names : tuple of str
        One name for each part; the last part, called "", holds all that is too rare.
    codes : ndarray of shape (n_rows,)
        The part of each row.
    """

    column: str
    names: tuple[str, ...]
    codes: npt.NDArray[np.int64]


def cuts_of(
    dataset: Dataset, columns: tuple[str, ...], *, n_bins: int, max_levels: int
) -> list[Cut]:
    """Cut each column that has at least two parts; times and columns of one value have none."""
    found = [_cut(name, dataset.column(name), n_bins, max_levels) for name in columns]
    return [cut for cut in found if cut is not None]


def _cut(name: str, values: npt.NDArray[Any], n_bins: int, max_levels: int) -> Cut | None:
    if values.dtype.kind in "mM":
        return None
    codes, levels = pd.factorize(values, use_na_sentinel=True)
    if len(levels) > max_levels and values.dtype.kind in "iuf":
        return _by_quantile(name, values.astype(float), n_bins)
    counts = np.bincount(codes[codes >= 0], minlength=len(levels))
    kept = np.argsort(-counts, kind="stable")[:max_levels]
    part = np.full(len(levels) + 1, len(kept) + 1)
    part[kept] = np.arange(len(kept))
    part[-1] = len(kept)  # code -1, a missing value, finds this one
    names = (*(f"{name}={level}" for level in levels[kept]), f"{name} is missing", "")
    return Cut(column=name, names=names, codes=part[codes]) if len(levels) > 1 else None


def _by_quantile(name: str, values: npt.NDArray[np.float64], n_bins: int) -> Cut | None:
    known = np.isfinite(values)
    levels = np.quantile(values[known], np.linspace(0, 1, n_bins + 1)[1:-1], method="higher")
    edges = np.unique(levels)
    edges = edges[edges > values[known].min()]
    if not edges.size:
        return None
    bounds: list[float | None] = [None, *map(float, edges), None]
    names = tuple(
        Slice(name, at_least=low, below=high).names()[0] for low, high in pairwise(bounds)
    )
    codes = np.where(known, np.searchsorted(edges, values, side="right"), len(names))
    return Cut(column=name, names=(*names, f"{name} is missing", ""), codes=codes)
