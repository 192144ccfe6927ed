"""The original estimator as what answers: frames of pandas, and scikit-learn."""

from __future__ import annotations

from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from threadpoolctl import ThreadpoolController
from tqdm import tqdm

from mldeploy.data import ColumnSchema, Schema, to_pandas
from mldeploy.model import Model
from mldeploy.serving._reader import Values
from mldeploy.serving._scoring import Scorer

if int(pd.__version__.partition(".")[0]) >= 3:
    from pandas.api.internals import (  # type: ignore[import-not-found]
        create_dataframe_from_blocks,
    )
else:
    create_dataframe_from_blocks = None
    """Before pandas 3, a frame cannot be made of its blocks."""

Array = npt.NDArray[Any]

_ROWS_AT_ONCE: Final = 20_000
"""Rows that the estimator is given at once, so that its work tables stay small."""

_ROWS_FOR_ONE_CORE: Final = 1_000
"""Rows that are too few to share among cores. On a busy machine OpenMP's threads wait for each
other: one row of boosted trees was seen to take 1.2 s at the 95th percentile, and 6 ms alone."""


@final
class OriginalBackend:
    """Answer with the estimator itself.

    Parameters
    ----------
    model : Model
        What answers.
    """

    def __init__(self, model: Model) -> None:
        self._schema = model.signature.inputs
        self._frames = FrameMaker(self._schema)
        self._scorer = Scorer(model)
        self._openmp = ThreadpoolController().select(user_api="openmp")

    def one(self, values: Values) -> tuple[Any, Any]:
        """Return decision and score of one row, as plain values."""
        with self._openmp.limit(limits=1):
            predictions, scores = self._scorer(self._frames.frame(values))
        return predictions.tolist()[0], None if scores is None else _plain(scores.tolist()[0])

    def many(self, frame: pl.DataFrame) -> tuple[Array, Array | None]:
        """Return decisions and scores of rows in the schema's types."""
        return self._score(to_pandas(frame))

    def _score(self, frame: pd.DataFrame) -> tuple[Array, Array | None]:
        if len(frame) <= _ROWS_FOR_ONE_CORE:
            with self._openmp.limit(limits=1):
                return self._scorer(frame)
        if len(frame) <= _ROWS_AT_ONCE:
            return self._scorer(frame)
        begins = range(0, len(frame), _ROWS_AT_ONCE)
        parts = [
            self._scorer(frame.iloc[begin : begin + _ROWS_AT_ONCE])
            for begin in tqdm(begins, desc="predict", unit_scale=_ROWS_AT_ONCE, delay=1)
        ]
        scores = [part for _, part in parts if part is not None]
        return np.concatenate([p for p, _ in parts]), np.concatenate(scores) if scores else None


@final
class FrameMaker:
    """Turn accepted values into the one-row frame that `to_pandas` would make.

    Parameters
    ----------
    schema : Schema
        The model's features.
    """

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        kinds = [column.kind for column in schema.columns]
        self._is_quick = create_dataframe_from_blocks is not None
        self._whole = [i for i, kind in enumerate(kinds) if kind in ("integer", "boolean")]
        self._index = pd.RangeIndex(1)
        self._columns = pd.Index(schema.names)
        self._blocks = [
            (np.flatnonzero([k == kind for k in kinds]), dtype)
            for kind, dtype in _NUMERIC.items()
            if kind in kinds
        ]
        text: Any = to_pandas(pl.DataFrame({"text": ["text"]}))["text"].dtype
        self._texts = [(np.array([i]), text) for i, k in enumerate(kinds) if k == "string"]
        self._categories = [
            (np.array([i]), _codes(column), pd.CategoricalDtype(list(column.categories or ())))
            for i, column in enumerate(schema.columns)
            if column.kind == "category"
        ]

    def frame(self, values: Values) -> pd.DataFrame:
        """Return a frame of one row."""
        if not self._is_quick or any(values[i] is None for i in self._whole):
            row = dict(zip(self._schema.names, values, strict=True))
            return to_pandas(self._schema.parse_rows([row])[0])
        blocks: list[tuple[Any, Any]] = [
            (np.array([[values[i]] for i in places], dtype=dtype), places)
            for places, dtype in self._blocks
        ]
        for place, dtype in self._texts:
            blocks.append((pd.array([values[place[0]]], dtype=dtype), place))
        for place, codes, levels in self._categories:
            code = codes.get(values[place[0]], -1)
            blocks.append((pd.Categorical.from_codes([code], dtype=levels), place))
        frame: pd.DataFrame = create_dataframe_from_blocks(
            blocks, index=self._index, columns=self._columns
        )
        return frame


def _codes(column: ColumnSchema) -> dict[str, int]:
    return {level: code for code, level in enumerate(column.categories or ())}


def _plain(score: Any) -> Any:
    return tuple(score) if isinstance(score, list) else score


_NUMERIC: Final = {"integer": np.int64, "number": np.float64, "boolean": np.bool_}
