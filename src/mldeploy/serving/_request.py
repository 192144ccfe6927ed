"""What callers hand to a predictor, brought into one form or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeAlias, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.data import Schema
from mldeploy.errors import EmptyDataError, InvalidDataError, InvalidRowsError

if TYPE_CHECKING:
    import pandas as pd

    from mldeploy.data import Dataset

Rows: TypeAlias = "pd.DataFrame | pl.DataFrame | Dataset | Sequence[Mapping[str, object]]"
"""Rows to predict: a frame, a dataset, or plain values as JSON carries them."""

Times: TypeAlias = "datetime | Sequence[datetime] | npt.NDArray[Any] | pl.Series | pd.Series"
"""When rows were asked for: one time for all, or one for each."""

Keys: TypeAlias = "Sequence[Any] | npt.NDArray[Any] | pl.Series | pd.Series"
"""What rows are about; texts, or whole numbers that are written as text."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


@final
class Asked(NamedTuple):
    """One row of plain values, what it is about, and when it was asked for."""

    row: Mapping[str, object]
    key: str | int | None = None
    time: datetime | None = None


def features_of(rows: Rows, schema: Schema) -> pl.DataFrame:
    """Return the model's features in the schema's types.

    Raises
    ------
    EmptyDataError
        If there is no row.
    InvalidDataError
        If columns are missing, or the schema refuses a value; see `Schema.enforce`.
    """
    if isinstance(rows, list | tuple):
        frame, errors = schema.parse_rows(rows)
        if errors:
            raise InvalidRowsError(errors)
    else:
        frame = schema.enforce(_chosen(rows, schema))
    if not len(rows):
        raise EmptyDataError("there is no row to predict; pass at least one")
    return frame


def _chosen(rows: Any, schema: Schema) -> pl.DataFrame:
    """Return the columns of a frame that the schema knows."""
    if isinstance(rows, pl.DataFrame):
        chosen = rows[[name for name in schema.names if name in rows.columns]]
        strange = (pl.Binary, pl.Object, pl.Decimal)
        if not any(dtype.is_nested() or dtype in strange for dtype in chosen.dtypes):
            if all(dtype not in (pl.Null, pl.Categorical) for dtype in chosen.dtypes):
                return chosen
            return chosen.with_columns(
                pl.col(pl.Null).cast(pl.Float64), pl.col(pl.Categorical).cast(pl.String)
            )
    from mldeploy.data import Dataset, to_polars  # noqa: PLC0415 - a server needs no pandas

    table = rows.polars() if isinstance(rows, Dataset) else rows
    known = set(table.columns)
    return to_polars(table[[name for name in schema.names if name in known]])


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
    if type(value).__name__ == "NAType" or value != value:  # noqa: PLR0124 (NaN)
        return None
    raise InvalidDataError(
        f"the key {value!r} is a {type(value).__name__}; a key is text or a whole number"
    )


def microseconds(time: datetime) -> int:
    """Return a time with a zone as microseconds since 1970 in UTC."""
    if time.tzinfo is None:
        raise _without_zone(time)
    return (time - _EPOCH) // _MICROSECOND


def moment(time: datetime) -> np.datetime64:
    """Return a time with a zone as datetime64[us] in UTC."""
    if time.tzinfo is None:
        raise _without_zone(time)
    in_utc = time if time.tzinfo is UTC else time.astimezone(UTC)
    return np.datetime64(in_utc.replace(tzinfo=None), "us")


def _without_zone(time: datetime) -> InvalidDataError:
    return InvalidDataError(
        f"the time {time} has no zone; pass datetime(..., tzinfo=timezone.utc)"
    )


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
    if isinstance(times, np.ndarray) and times.dtype.kind == "M":
        _refuse_missing(np.isnat(times).any())
        return times.astype("datetime64[us]")
    if isinstance(times, list | tuple) and all(isinstance(time, datetime) for time in times):
        _refuse_missing(any(time != time for time in times))  # noqa: PLR0124 (NaT)
        return np.array([moment(time) for time in times])
    return _read_by_pandas(times)


def _read_by_pandas(times: Any) -> npt.NDArray[np.datetime64]:
    import pandas as pd  # noqa: PLC0415 - a server needs no pandas

    try:
        index = pd.DatetimeIndex(times.to_list() if isinstance(times, pl.Series) else times)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"times= holds something else than times: {error}") from error
    _refuse_missing(index.hasnans)
    if index.tz is None:
        raise InvalidDataError("times= have no zone; localise them, such as dt.tz_localize('UTC')")
    return index.tz_convert("UTC").tz_localize(None).to_numpy().astype("datetime64[us]")


def _refuse_missing(missing: object) -> None:
    if missing:
        raise InvalidDataError("some of times= are missing; every prediction has a time")


def _check_length(what: str, found: int, n_rows: int) -> None:
    if found != n_rows:
        raise InvalidDataError(f"{what}= has {found} values for {n_rows} rows; pass one for each")
