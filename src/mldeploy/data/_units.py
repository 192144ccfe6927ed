"""Numbers for the units whose rows belong together."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.data._dataset import Dataset
from mldeploy.errors import InvalidDataError

Indices: TypeAlias = npt.NDArray[np.int64]


def unit_codes(dataset: Dataset) -> Indices:
    """Number the units of a dataset from 0 in the order of their values, missing first."""
    if dataset.roles.unit is None:
        raise InvalidDataError("the dataset declares no unit; pass unit= to Dataset.of")
    return dense_codes(dataset.table[dataset.roles.unit])


def dense_codes(column: pl.Series) -> Indices:
    """Number the values of a column from 0 in their order, missing first."""
    codes: Indices = column.rank("dense").fill_null(0).cast(pl.Int64).to_numpy(writable=True)
    codes -= codes.min()
    return codes
