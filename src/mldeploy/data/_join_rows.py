"""The latest of the rows that were known: the reading and the searching behind the join."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, final

import polars as pl

from mldeploy.data._data_source import DataSource
from mldeploy.data._prepare import with_utc_time
from mldeploy.errors import InvalidDataError, SchemaMismatchError

AT: Final = "\x00at"
"""When it is asked, in the rows that ask."""
ROW: Final = "\x00row"
"""Number of a row that asks."""
TIME: Final = "\x00time"
"""What moment a row of a stream is about."""
ARRIVED: Final = "\x00arrived"
"""When a row of a stream was known; of forecasts before the time that they are about."""
USABLE: Final = "\x00usable"
"""From when on a row may be used: neither before it was known nor before its time."""
ORDER: Final = "\x00order"
KEY: Final = "\x00key:"
"""Begins the name of each column that names the thing."""
_RANK: Final = "\x00rank"
_TICK: Final = timedelta(microseconds=1)


@final
@dataclass(frozen=True, kw_only=True)
class Reading:
    """How the rows of a stream are read.

    Attributes
    ----------
    where : str
        What the stream is called in refusals.
    time, arrived, order : str or None
        Columns with the time, the arrival, and the order of what arrived at once.
    delay : timedelta
        Added to the time, where no column says when rows arrived.
    keys : mapping of str to str
        Names that the keys get, and the columns that hold them.
    columns : tuple of str
        What is brought.
    timezone : str or None
        Zone of times without one.
    """

    where: str
    time: str
    arrived: str | None
    order: str | None
    delay: timedelta
    keys: Mapping[str, str]
    columns: tuple[str, ...]
    timezone: str | None

    def rows(
        self, source: DataSource, things: pl.DataFrame, window: tuple[pl.Expr, ...]
    ) -> pl.DataFrame:
        """Read what may be found of some things; batch by batch, so that the rest never meets."""
        empty = self._prepared(pl.DataFrame(schema=source.schema()))
        require_same_types(things, empty, {KEY + k: v for k, v in self.keys.items()}, self.where)
        kept = [empty]
        for batch in source.batches():
            rows = self._prepared(batch).filter(*window)
            if things.width:
                rows = rows.join(things, on=things.columns, how="semi")
            kept.append(rows)
        return pl.concat(kept)

    def _prepared(self, batch: pl.DataFrame) -> pl.DataFrame:
        arrived = self.arrived if self.arrived is not None else self.time
        extra = [] if self.order is None else [pl.col(self.order).alias(ORDER)]
        rows = batch.select(
            pl.col(self.time).alias(TIME),
            pl.col(arrived).alias(ARRIVED),
            *(pl.col(column).alias(KEY + name) for name, column in self.keys.items()),
            *extra,
            *self.columns,
        ).filter(pl.col(ARRIVED).is_not_null() if self.arrived is not None else True)
        try:
            rows = with_utc_time(_whole_microseconds(rows, TIME), TIME, self.timezone)
            rows = with_utc_time(_whole_microseconds(rows, ARRIVED), ARRIVED, self.timezone)
        except InvalidDataError as error:
            told = str(error).replace(repr(TIME), repr(self.time))
            told = told.replace(repr(ARRIVED), repr(arrived)).replace("to Dataset.of", "to Stream")
            raise InvalidDataError(f"{self.where}: {told}") from error
        rows = rows.with_columns(pl.col(ARRIVED) + self.delay)
        return comparable_keys(rows).with_columns(pl.max_horizontal(TIME, ARRIVED).alias(USABLE))


def _whole_microseconds(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    """Round a time up to microseconds: cut off, it would be known before it was."""
    dtype = rows.schema[name]
    if not isinstance(dtype, pl.Datetime) or dtype.time_unit != "ns":
        return rows
    late = (pl.col(name).dt.nanosecond() % 1_000 > 0).cast(pl.Int64)
    return rows.with_columns(pl.col(name).dt.cast_time_unit("us") + late * _TICK)


def comparable_keys(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the keys as text or as 64-bit numbers, so that equal ones are of equal types."""
    changes = []
    for name, dtype in rows.schema.items():
        if name.startswith(KEY) and isinstance(dtype, pl.Enum):
            changes.append(pl.col(name).cast(pl.String))
        elif name.startswith(KEY) and dtype.is_integer() and dtype != pl.UInt64:
            changes.append(pl.col(name).cast(pl.Int64))
    return rows.with_columns(changes)


def require_same_types(
    things: pl.DataFrame, rows: pl.DataFrame, columns: Mapping[str, str], where: str
) -> None:
    """Refuse keys that would never be equal, since they are of two types."""
    mistyped = {
        columns[name]: f"of {where} is {rows.schema[name]}, and {dtype} in the dataset"
        for name, dtype in things.schema.items()
        if rows.schema[name] != dtype
    }
    if mistyped:
        raise SchemaMismatchError(mistyped=mistyped)


def latest_known(
    rows: pl.DataFrame, asked: pl.DataFrame, *, keys: Sequence[str], where: str
) -> pl.DataFrame:
    """Return for each row that asks the latest that was usable, in the order of asking.

    Rows are ranked by time, then by arrival. Of those that are usable by some moment the highest
    rank is a running maximum, which one search in the order of usability finds.
    """
    rows = rows.drop_nulls([*keys]).unique(maintain_order=True)
    by = [TIME, ARRIVED, *([ORDER] if ORDER in rows.columns else [])]
    _refuse_ties(rows, [*keys, *by], where)
    ranked = rows.sort(by).with_row_index(_RANK).with_columns(pl.col(_RANK).cast(pl.Int64))
    best = pl.col(_RANK).cum_max()
    search = (
        ranked.select(USABLE, _RANK, *keys)
        .sort(USABLE, _RANK)
        .with_columns(best.over(keys) if keys else best)
    )
    found = asked.sort(AT).join_asof(
        search, left_on=AT, right_on=USABLE, by=list(keys) or None, check_sortedness=False
    )
    content = ranked.drop(USABLE, *keys)
    return (
        found.select(ROW, AT, _RANK)
        .join(content, on=_RANK, how="left", maintain_order="left")
        .sort(ROW)
        .drop(_RANK)
    )


def _refuse_ties(rows: pl.DataFrame, by: Sequence[str], where: str) -> None:
    tied = rows.filter(pl.struct(by).is_duplicated()) if rows.height else rows
    if tied.height:
        moment = tied[TIME][0]
        thing = ", ".join(str(tied[name][0]) for name in by if name.startswith(KEY))
        raise InvalidDataError(
            f"{where} holds {tied.height} rows that differ, though they are of one time and were "
            f"known at once, such as those of {moment:%Y-%m-%d %H:%M:%S}"
            f"{' about ' if thing else ''}{thing}; say which is the later by order=, or drop the "
            "others"
        )
