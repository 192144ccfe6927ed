"""Held-out rows in two halves: what is learnt on one is judged on the other."""

from __future__ import annotations

import math
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd

Array: TypeAlias = npt.NDArray[Any]


def first_half(
    n_rows: int, units: Array | None, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Return which rows are in the first half; rows of one unit stay together."""
    if units is None:
        return np.asarray(rng.permutation(n_rows) < n_rows // 2)
    codes = pd.factorize(units, use_na_sentinel=False)[0]
    n_units = int(codes.max()) + 1
    chosen: Array = rng.permutation(n_units) < math.ceil(n_units / 2)
    return np.asarray(chosen[codes])
