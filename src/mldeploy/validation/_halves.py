"""Held-out rows in two halves: what is learnt on one is judged on the other."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

from mldeploy.data import Dataset, row_digests

Array: TypeAlias = npt.NDArray[Any]
_BIT = np.uint64(8)


def first_half(dataset: Dataset) -> npt.NDArray[np.bool_]:
    """Return which rows are in the first half; rows of one unit stay together.

    Rows are dealt by the digests of their values, as `SliceValidator` deals them: nobody can try
    seeds until a half pleases.
    """
    digests = row_digests(dataset.polars())
    units = dataset.units()
    if units is not None:
        codes = pd.factorize(units, use_na_sentinel=False)[0]
        of_unit = np.full(int(codes.max()) + 1, np.iinfo(np.uint64).max, np.uint64)
        np.minimum.at(of_unit, codes, digests)
        digests = of_unit[codes]
    return np.asarray(digests >> _BIT & np.uint64(1), dtype=bool)
