"""What was known at a moment: rows of several streams beside each row of a dataset."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import final

import polars as pl

from mldeploy.data._data_source import DataSource
from mldeploy.data._dataset import Dataset
from mldeploy.data._join_rows import (
    AT,
    KEY,
    ROW,
    TIME,
    USABLE,
    Reading,
    comparable_keys,
    latest_known,
)
from mldeploy.data._source import TableLike
from mldeploy.data._sources import source_of
from mldeploy.errors import DuplicateColumnsError, InvalidDataError


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Stream:
    """Rows about things at moments, and when each of them became known.

    Say when: a constant `delay`, or a column of the moments at which rows arrived (`known_at`).
    There is no default, since a stream that is said to be known at once, and is not, shows a
    model in training what it will not have in service.

    Attributes
    ----------
    name : str
        What people call it; its columns are named ``name.column`` in the result.
    source : DataSource, or any table
        The rows, in any order.
    time : str
        Column with the moment that a row is about.
    by : mapping of str to str, or sequence of str
        Columns that name the thing, in the dataset and in the stream; one name where it is the
        same. Empty if every row of the stream is about all things.
    columns : sequence of str, optional
        What to bring; by default all but times and keys.
    delay : timedelta, optional
        How long after its time a row is known.
    known_at : str, optional
        Column with the moment at which a row was known. Rows of one time are revisions: the one
        that was known last by then counts.
    tolerance : timedelta, optional
        How old a row may be; older ones are as if there were none. None for any age.
    order : str, optional
        Column that says which of two rows of one time, known at once, is the later.
    timezone : str, optional
        Zone that times without one were written in.
    age : bool, default=False
        Bring the age of what was found, as ``name.age`` in seconds.
    """

    name: str
    source: DataSource | TableLike | Dataset
    time: str
    by: Mapping[str, str] | Sequence[str]
    columns: Sequence[str] | None = None
    delay: timedelta | None = None
    known_at: str | None = None
    tolerance: timedelta | None = None
    order: str | None = None
    timezone: str | None = None
    age: bool = False

    def __post_init__(self) -> None:
        if isinstance(self.by, str) or isinstance(self.columns, str):
            raise InvalidDataError(f"stream {self.name!r}: pass a list of columns, not one text")
        if (self.delay is None) == (self.known_at is None):
            raise InvalidDataError(
                f"stream {self.name!r}: say when its rows are known, by delay= (timedelta(0) for "
                "at once) or by known_at=, and not by both"
            )
        for what, span in (("delay", self.delay), ("tolerance", self.tolerance)):
            if span is not None and span < timedelta(0):
                raise InvalidDataError(
                    f"stream {self.name!r}: a {what} of {span} would look into the future"
                )

    @property
    def keys(self) -> Mapping[str, str]:
        """Columns that name the thing: in the dataset, and in the stream."""
        return (
            self.by if isinstance(self.by, Mapping) else dict(zip(self.by, self.by, strict=True))
        )


def join_as_of(dataset: Dataset, streams: Sequence[Stream]) -> Dataset:
    """Put beside each row what was known about its thing at its time, and nothing later.

    Of each stream the row with the latest time counts, among those of the same thing whose time
    and whose arrival are both at or before the time of the dataset's row.

    Parameters
    ----------
    dataset : Dataset
        Rows with a time: the moment of each prediction.
    streams : sequence of Stream
        What to put beside them.

    Returns
    -------
    Dataset
        The same rows in the same order with columns ``stream.column`` as further features; they
        are missing where nothing was known.

    Raises
    ------
    InvalidDataError
        If the dataset declares no time, a column is not there, a key is of another type, or two
        different rows of a stream are of one time and were known at once.
    DuplicateColumnsError
        If a column of the result has the name of another.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> hour = lambda h: datetime(2026, 1, 1, h, tzinfo=UTC)
    >>> flights = Dataset.of(pl.DataFrame({"origin": ["JFK"], "departs": [hour(9)]}),
    ...                      time="departs")
    >>> weather = pl.DataFrame({"origin": ["JFK"] * 3, "at": [hour(7), hour(8), hour(10)],
    ...                         "wind": [5.0, 30.0, 2.0]})
    >>> stream = Stream(name="weather", source=weather, time="at", by=["origin"],
    ...                 delay=timedelta(minutes=90))
    >>> join_as_of(flights, [stream]).column("weather.wind").tolist()
    [5.0]
    """
    if dataset.roles.time is None:
        raise InvalidDataError(
            "the dataset declares no time, so nobody can say what was known; pass time= to "
            "Dataset.of"
        )
    found = [_brought(dataset.table, dataset.roles.time, stream) for stream in streams]
    names = [*dataset.columns, *(name for frame in found for name in frame.columns)]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise DuplicateColumnsError(repeated)
    table = pl.concat([dataset.table, *found], how="horizontal")
    roles = dict(dataset.roles) | {"features": (*dataset.features, *names[len(dataset.columns) :])}
    return Dataset.of(table, name=dataset.name, **roles)


def _brought(table: pl.DataFrame, time: str, stream: Stream) -> pl.DataFrame:
    """Return the columns that a stream brings, a row for each row of the table."""
    where = f"stream {stream.name!r}"
    keys = stream.keys
    require_names(keys, table.columns, "the dataset")
    asked = table.select(
        pl.col(time).alias(AT), *(pl.col(name).alias(KEY + name) for name in keys)
    )
    asked = comparable_keys(asked).with_row_index(ROW)
    things = asked.select(pl.exclude(ROW, AT)).unique() if keys else pl.DataFrame()
    source = source_of(stream.source)
    reading = _reading(stream, source, where)
    rows = reading.rows(source, things, _window(asked[AT], stream.tolerance))
    best = latest_known(rows, asked, keys=things.columns, where=where)
    age = pl.col(AT) - pl.col(TIME)
    fresh = pl.lit(True) if stream.tolerance is None else age <= stream.tolerance  # noqa: FBT003
    brought = {f"{stream.name}.{name}": pl.col(name) for name in reading.columns}
    if stream.age:
        brought[f"{stream.name}.age"] = age.dt.total_microseconds() / 1e6
    return best.select(pl.when(fresh).then(e).alias(name) for name, e in brought.items())


def _reading(stream: Stream, source: DataSource, where: str) -> Reading:
    """Return how a stream is read, or refuse one that lacks a column."""
    there = source.schema().names()
    apart = {stream.time, stream.known_at, stream.order, *stream.keys.values()}
    columns = [n for n in there if n not in apart] if stream.columns is None else stream.columns
    named = [stream.time, stream.known_at, stream.order, *stream.keys.values(), *columns]
    require_names([name for name in named if name is not None], there, where)
    if not columns and not stream.age:
        raise InvalidDataError(f"{where} has no column to bring; name some, or ask for its age")
    return Reading(
        where=where,
        time=stream.time,
        arrived=stream.known_at,
        order=stream.order,
        delay=stream.delay or timedelta(0),
        keys=stream.keys,
        columns=tuple(columns),
        timezone=stream.timezone,
    )


def _window(asked: pl.Series, tolerance: timedelta | None) -> tuple[pl.Expr, ...]:
    """Express which rows may be found by any that asks."""
    first, last = asked.min(), asked.max()
    known = pl.col(USABLE) <= pl.lit(last)
    if tolerance is None:
        return (known,)
    return known, pl.lit(first) - pl.col(TIME) <= tolerance


def require_names(names: Iterable[str], there: Sequence[str], where: str) -> None:
    """Refuse columns that are not there."""
    if absent := [name for name in names if name not in there]:
        raise InvalidDataError(
            f"{where} has no column {', '.join(map(repr, absent))}; it has {list(there)[:20]}"
        )
