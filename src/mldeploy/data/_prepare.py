"""Make a table fit its roles, or say why it does not."""

from __future__ import annotations

import math

import polars as pl

from mldeploy.data._roles import Roles
from mldeploy.errors import EmptyDataError, InvalidDataError


def require_columns(roles: Roles, columns: list[str]) -> None:
    """Refuse a role on a column that is not there."""
    known = set(columns)
    if absent := [name for name in roles.named if name not in known]:
        shown = ", ".join(map(repr, columns[:20])) + (", ..." if len(columns) > 20 else "")
        raise InvalidDataError(
            f"roles name {', '.join(map(repr, absent))}, but the columns are {shown}; "
            "correct the role or add the column"
        )


def require_rows(table: pl.DataFrame, what: str) -> None:
    """Refuse a table without rows or columns."""
    if not table.width or not table.height:
        raise EmptyDataError(
            f"{what} holds {table.height} rows and {table.width} columns; "
            "pass at least one of each, or widen the selection"
        )


def with_utc_time(table: pl.DataFrame, name: str, timezone: str | None) -> pl.DataFrame:
    """Store the time role in UTC, at microseconds."""
    column = table[name]
    if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None:
        instants = column.dt.convert_time_zone("UTC")
    elif column.dtype == pl.Date or isinstance(column.dtype, pl.Datetime):
        instants = _localise(column, timezone)
    else:
        raise InvalidDataError(
            f"the time column {name!r} holds {column.dtype}, not times; parse it first, such as "
            f"pd.to_datetime(frame[{name!r}], utc=True)"
        )
    if unknown := instants.null_count():
        raise InvalidDataError(
            f"{unknown} of {len(column)} rows have no time in {name!r}; drop them or fill them, "
            "since nobody can say when they were true"
        )
    return table.with_columns(instants.dt.cast_time_unit("us"))


def _localise(column: pl.Series, timezone: str | None) -> pl.Series:
    if timezone is None:
        raise InvalidDataError(
            f"the time column {column.name!r} has no time zone, so its rows have no place in "
            'time; pass timezone="UTC" (or the zone it was written in) to Dataset.of, or localise '
            f"it: frame[{column.name!r}].dt.tz_localize(...)"
        )
    unknown = column.null_count()
    naive = column.cast(pl.Datetime("us"))
    try:
        local = naive.dt.replace_time_zone(timezone, ambiguous="earliest", non_existent="null")
    except pl.exceptions.PolarsError as error:
        raise InvalidDataError(f"{timezone!r} is no time zone: {error}") from error
    if skipped := local.null_count() - unknown:
        raise InvalidDataError(
            f"{skipped} times in {column.name!r} never existed in {timezone} (clocks were put "
            "forward); the column was written in another zone"
        )
    return local.dt.convert_time_zone("UTC")


def require_weights(column: pl.Series) -> None:
    """Refuse weights that are not known, finite and at least 0, or that are all 0."""
    if not column.dtype.is_numeric():
        raise InvalidDataError(
            f"the weight column {column.name!r} holds {column.dtype}; weights are numbers"
        )
    unknown = column.null_count()
    known = column.drop_nulls().cast(pl.Float64).to_numpy()
    smallest, largest = known.min(initial=math.inf), known.max(initial=-math.inf)
    if unknown or smallest < 0 or not 0 < largest < math.inf:
        raise InvalidDataError(
            f"the weight column {column.name!r} holds {unknown} unknown weights and "
            f"reaches from {smallest} to {largest}; weights are known, finite, at least 0, and "
            "not all 0"
        )
