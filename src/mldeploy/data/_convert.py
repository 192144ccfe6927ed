"""Frames from pandas to polars and back, column by column, without pyarrow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import tzinfo
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from mldeploy.errors import DuplicateColumnsError, InvalidDataError

_TEXT = pd.Series(["text"]).dtype
"""What this pandas makes of a list of strings: `str` since pandas 3, `object` before."""

_PANDAS_KINDS: dict[str, pl.DataType | type[pl.DataType]] = {
    "string": pl.String,
    "boolean": pl.Boolean,
    "integer": pl.Int64,
    "floating": pl.Float64,
    "mixed-integer-float": pl.Float64,
    "decimal": pl.Float64,
    "date": pl.Date,
    "datetime": pl.Datetime("us"),
    "datetime64": pl.Datetime("us"),
    "timedelta": pl.Duration("us"),
    "timedelta64": pl.Duration("us"),
    "time": pl.Time,
    "empty": pl.Float64,
}


def to_polars(frame: pd.DataFrame | pl.DataFrame) -> pl.DataFrame:
    """Turn a frame into polars, with one type per column and null for everything missing.

    Parameters
    ----------
    frame : pandas.DataFrame or polars.DataFrame
        Any frame with unique, textual column names. The index is dropped.

    Returns
    -------
    polars.DataFrame
        NaN and NaT have become null; pandas categories of text an `Enum` of the same
        categories; categories of numbers the numbers; a column without any value Float64.

    Raises
    ------
    DuplicateColumnsError
        If two columns share a name.
    InvalidDataError
        If a column's name is not text, or its values are of mixed types or nested.

    Examples
    --------
    >>> to_polars(pd.DataFrame({"n": [1, 2], "s": ["a", None]})).dtypes
    [Int64, String]
    """
    if isinstance(frame, pd.DataFrame):
        check_names(frame.columns)
        series = [_series_from_pandas(name, frame[name]) for name in frame.columns]
        frame = pl.DataFrame(series)
    return _plain(frame)


def to_pandas(frame: pl.DataFrame) -> pd.DataFrame:
    """Turn a polars frame into the pandas frame that a scikit-learn pipeline expects.

    Parameters
    ----------
    frame : polars.DataFrame
        Any frame that `to_polars` returns.

    Returns
    -------
    pandas.DataFrame
        With a RangeIndex. Whole numbers and booleans keep their type, and become float64 with
        NaN where values are missing; text has pandas' own type for text; an `Enum` is a
        category; times keep unit and zone.

    Examples
    --------
    >>> to_pandas(pl.DataFrame({"n": [1, None], "b": [True, False]})).dtypes.astype(str).to_list()
    ['float64', 'bool']
    """
    columns = {column.name: _column_to_pandas(column) for column in frame.get_columns()}
    index = pd.RangeIndex(frame.height)
    if not columns:
        return pd.DataFrame(index=index)
    return pd.DataFrame(columns, index=index)


def to_numpy(column: pl.Series) -> npt.NDArray[Any]:
    """Turn one column into an array: times in UTC, text as objects with None where missing."""
    if isinstance(column.dtype, pl.Enum | pl.Categorical):
        column = column.cast(pl.String)
    if column.dtype == pl.String:
        return column.to_numpy()
    if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None:
        column = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    values = _column_to_pandas(column)
    return values if isinstance(values, np.ndarray) else np.asarray(values, dtype=object)


def check_names(names: Iterable[object]) -> None:
    """Refuse column names that are not text, or that occur twice."""
    names = list(names)
    for position, name in enumerate(names):
        if not isinstance(name, str):
            raise InvalidDataError(
                f"column {position} is called {name!r}, a {type(name).__name__}; "
                "rename columns to text, such as frame.columns = frame.columns.map(str)"
            )
        if not _is_encodable(name):
            raise InvalidDataError(f"column {position} is called {name!r}, which is not Unicode")
    if len(set(names)) != len(names):
        raise DuplicateColumnsError([str(n) for n, times in Counter(names).items() if times > 1])


def _is_encodable(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _column_to_pandas(column: pl.Series) -> Any:
    dtype = column.dtype
    if dtype == pl.String and isinstance(_TEXT, pd.StringDtype):
        return pd.array(column.to_numpy(), dtype=_TEXT)
    if isinstance(dtype, pl.Enum):
        codes: npt.NDArray[np.int64] = column.to_physical().cast(pl.Int64).fill_null(-1).to_numpy()
        return pd.Categorical.from_codes(codes, categories=pd.Index(dtype.categories.to_list()))
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        instants = column.dt.convert_time_zone("UTC").dt.replace_time_zone(None).to_numpy()
        index = pd.DatetimeIndex(instants).tz_localize("UTC")
        return index if dtype.time_zone == "UTC" else index.tz_convert(dtype.time_zone)
    if dtype == pl.Time:
        return np.array(column.to_list(), dtype=object)
    if dtype == pl.Boolean and column.null_count():
        column = column.cast(pl.Float64)
    return (column.cast(pl.Datetime("ms")) if dtype == pl.Date else column).to_numpy()


def _plain(frame: pl.DataFrame) -> pl.DataFrame:
    """Cast what has no plain equal, refuse nested types, and write NaN as null."""
    changes = []
    for name, dtype in frame.schema.items():
        if dtype.is_nested() or dtype in (pl.Binary, pl.Object):
            raise InvalidDataError(
                f"column {name!r} holds {dtype}; unnest it, or drop it: a column holds one "
                "number, text, boolean or time per row"
            )
        if dtype == pl.Null or dtype.is_decimal():
            changes.append(pl.col(name).cast(pl.Float64))
        elif dtype == pl.Categorical:
            levels = frame[name].drop_nulls().unique().cast(pl.String).sort()
            changes.append(pl.col(name).cast(pl.String).cast(pl.Enum(levels)))
        elif dtype.is_float():
            changes.append(pl.col(name).fill_nan(None))
    return frame.with_columns(changes) if changes else frame


def _series_from_pandas(name: str, column: pd.Series[Any]) -> pl.Series:
    dtype = column.dtype
    if isinstance(dtype, pd.CategoricalDtype):
        return _from_category(name, column)
    if isinstance(dtype, np.dtype) and dtype.kind != "O":
        values = column.to_numpy()
        return pl.Series(name, values.astype(np.float32) if dtype == np.float16 else values)
    return _from_extension(name, column)


def _from_extension(name: str, column: pd.Series[Any]) -> pl.Series:
    dtype = column.dtype
    if isinstance(dtype, pd.DatetimeTZDtype):
        naive = column.dt.tz_convert("UTC").dt.tz_localize(None).to_numpy()
        instants = pl.Series(name, naive).dt.replace_time_zone("UTC")
        return instants.dt.convert_time_zone(_zone_name(dtype.tz))
    if isinstance(dtype, pd.StringDtype) and dtype.storage != "pyarrow":
        texts = column.astype(object).where(column.notna(), None)
        return pl.Series(name, texts.to_list(), dtype=pl.String)
    if isinstance(dtype, pd.StringDtype | pd.ArrowDtype):
        return pl.Series(name, column.array.__arrow_array__())
    if hasattr(dtype, "numpy_dtype"):
        return _from_masked(name, column, dtype.numpy_dtype)
    return _from_objects(name, column)


def _from_masked(name: str, column: pd.Series[Any], numpy_dtype: np.dtype[Any]) -> pl.Series:
    known = pl.Series(column.notna().to_numpy())
    values = pl.Series(name, column.to_numpy(numpy_dtype, na_value=numpy_dtype.type(0)))
    return values.set(~known, None)


def _from_category(name: str, column: pd.Series[Any]) -> pl.Series:
    categories = column.cat.categories
    if len(categories) and pd.api.types.infer_dtype(categories) != "string":
        return _series_from_pandas(name, pd.Series(column.to_numpy(), name=name))
    levels = pl.Series(name, categories.to_list(), dtype=pl.Enum(categories.to_list()))
    codes = pl.Series(column.cat.codes.to_numpy()).cast(pl.Int64)
    return levels.gather(codes.set(codes < 0, None))


def _from_objects(name: str, column: pd.Series[Any]) -> pl.Series:
    kind = pd.api.types.infer_dtype(column, skipna=True)
    values = [None if missing else v for v, missing in zip(column, column.isna(), strict=True)]
    if kind not in _PANDAS_KINDS:
        raise _mixed(name, values)
    if kind == "decimal":
        values = [None if v is None else float(v) for v in values]
    if kind == "datetime" and any(v.tzinfo is not None for v in values if v is not None):
        try:
            return _series_from_pandas(name, pd.to_datetime(pd.Series(values), utc=True))
        except (ValueError, TypeError) as error:
            raise InvalidDataError(f"column {name!r} mixes times: {error}") from error
    try:
        return pl.Series(name, values, dtype=_PANDAS_KINDS[kind])
    except (TypeError, ValueError, OverflowError, pl.exceptions.PolarsError) as error:
        raise InvalidDataError(
            f"column {name!r} cannot be read as {kind}: {error}; convert it first"
        ) from error


def _mixed(name: str, values: list[Any]) -> InvalidDataError:
    first = next((type(v) for v in values if v is not None), type(None))
    types = sorted({type(v).__name__ for v in values if v is not None})
    row = next((i for i, v in enumerate(values) if v is not None and type(v) is not first), 0)
    return InvalidDataError(
        f"column {name!r} mixes {', '.join(types)}: row {row} holds {values[row]!r}, a "
        f"{type(values[row]).__name__}; make it one type, such as frame[{name!r}].astype(str)"
    )


def _zone_name(zone: tzinfo) -> str:
    name = str(zone)
    try:
        pl.Series([None], dtype=pl.Datetime("us", name)).dt.convert_time_zone(name)
    except pl.exceptions.PolarsError:
        return "UTC"
    return name
