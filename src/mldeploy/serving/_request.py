"""What callers hand to a predictor, brought into one form or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from mldeploy.data import Dataset, Schema, to_polars
from mldeploy.errors import EmptyDataError, InvalidDataError, InvalidRowsError

Rows: TypeAlias = pd.DataFrame | pl.DataFrame | Dataset | Sequence[Mapping[str, object]]
"""Rows to predict: a frame, a dataset, or plain values as JSON carries them."""

Times: TypeAlias = datetime | Sequence[datetime] | npt.NDArray[Any] | pl.Series | pd.Series
"""When rows were asked for: one time for all, or one for each."""

Keys: TypeAlias = Sequence[Any] | npt.NDArray[Any] | pl.Series | pd.Series
"""What rows are about; texts, or whole numbers that are written as text."""


def features_of(rows: Rows, schema: Schema) -> pl.DataFrame:
    """Return the model's features in the schema's types.

    Raises
    ------
    EmptyDataError
        If there is no row.
    InvalidDataError
        If columns are missing, or the schema refuses a value; see `Schema.enforce`.
    """
    if isinstance(rows, pd.DataFrame | pl.DataFrame | Dataset):
        table = rows.polars() if isinstance(rows, Dataset) else rows
        known = set(table.columns)
        chosen = [name for name in schema.names if name in known]
        plain = to_polars(table[chosen])
        frame = schema.enforce(plain)
    else:
        frame, errors = schema.parse_rows(rows)
        if errors:
            raise InvalidRowsError(errors)
    if not len(rows):
        raise EmptyDataError("there is no row to predict; pass at least one")
    return frame


def keys_of(keys: Keys | None, n_rows: int) -> list[str | None] | None:
    """Return keys as texts.

    Raises
    ------
    InvalidDataError
        If there is not one for each row, or one is neither text nor a whole number.
    """
    if keys is None:
        return None
    _check_length("keys", len(keys), n_rows)
    return [_key(value) for value in keys]


def key_of(key: object) -> str | None:
    """Return one key as text."""
    return key if type(key) is str else _key(key)


def _key(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, int | np.integer) and not isinstance(value, bool):
        return str(value)
    if value is pd.NA or value != value:  # noqa: PLR0124 (NaN)
        return None
    raise InvalidDataError(
        f"the key {value!r} is a {type(value).__name__}; a key is text or a whole number"
    )


def moment(time: datetime) -> np.datetime64:
    """Return a time with a zone as datetime64[us] in UTC."""
    if time.tzinfo is None:
        raise InvalidDataError(
            f"the time {time} has no zone; pass datetime(..., tzinfo=timezone.utc)"
        )
    in_utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    return np.datetime64(in_utc.replace(tzinfo=None), "us")


def times_of(times: Times, n_rows: int) -> npt.NDArray[np.datetime64]:
    """Return one time for each row, as datetime64[us] in UTC; arrays of numpy are in UTC.

    Raises
    ------
    InvalidDataError
        If a time has no zone or is missing, or there is not one for each row.
    """
    if isinstance(times, datetime):
        return np.full(n_rows, moment(times))
    _check_length("times", len(times), n_rows)
    in_utc = isinstance(times, np.ndarray) and times.dtype.kind == "M"
    try:
        values: Any = times.to_list() if isinstance(times, pl.Series) else times
        index = pd.DatetimeIndex(values)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"times= holds something else than times: {error}") from error
    if index.hasnans:
        raise InvalidDataError("some of times= are missing; every prediction has a time")
    if index.tz is None and not in_utc:
        raise InvalidDataError("times= have no zone; localise them, such as dt.tz_localize('UTC')")
    naive = index if index.tz is None else index.tz_convert("UTC").tz_localize(None)
    return naive.to_numpy().astype("datetime64[us]")


def _check_length(what: str, found: int, n_rows: int) -> None:
    if found != n_rows:
        raise InvalidDataError(f"{what}= has {found} values for {n_rows} rows; pass one for each")
