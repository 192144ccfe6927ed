"""Any table, as a query that has not been run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeAlias, final

import polars as pl

from mldeploy.data._roles import Roles
from mldeploy.errors import InvalidDataError

if TYPE_CHECKING:
    import pandas as pd

    from mldeploy.data._source import SupportsArrow


class SupportsTable(Protocol):
    """A table with roles, such as a `Dataset`."""

    @property
    def roles(self) -> Roles:
        """What each column is for."""
        ...

    def lazy(self) -> pl.LazyFrame:
        """Return the table as a polars query."""
        ...


Source: TypeAlias = (
    "pd.DataFrame | pl.DataFrame | pl.LazyFrame | SupportsTable | SupportsArrow | str | Path"
)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """A table as a query, and the way to run queries on it.

    Attributes
    ----------
    rows : polars.LazyFrame
        Its rows, with null for everything missing.
    is_in_memory : bool
        Whether it is there already; else it is streamed, and may be larger than memory.
    """

    rows: pl.LazyFrame
    is_in_memory: bool

    def collect(self, query: pl.LazyFrame) -> pl.DataFrame:
        """Run a query on the table."""
        return query.collect(engine="in-memory" if self.is_in_memory else "streaming")


def scan(source: Source, columns: Iterable[str] | None) -> Table:
    """Return a table as a query that has not been run.

    Parameters
    ----------
    source : table or path
        See `Expectations.check`.
    columns : iterable of str, optional
        The columns that will be read; pandas frames are converted in these alone.

    Raises
    ------
    InvalidDataError
        If it is no table, or its columns cannot be told.
    """
    lazy = _lazy(source, None if columns is None else frozenset(columns))
    try:
        schema = lazy.collect_schema()
    except (pl.exceptions.PolarsError, OSError) as error:
        raise unreadable(error) from error
    reals = [name for name, dtype in schema.items() if dtype.is_float()]
    rows = lazy.with_columns(pl.col(reals).fill_nan(None)) if reals else lazy
    return Table(rows=rows, is_in_memory=not isinstance(source, pl.LazyFrame | str | Path))


def sensitive_of(source: Source) -> tuple[str, ...]:
    """Return the columns that a table itself says are sensitive."""
    roles = getattr(source, "roles", None)
    return roles.sensitive if isinstance(roles, Roles) else ()


def unreadable(error: Exception) -> InvalidDataError:
    """Return the error that says a table cannot be read, and why."""
    return InvalidDataError(f"the table cannot be read: {error}")


def _lazy(source: Source, columns: frozenset[str] | None) -> pl.LazyFrame:
    if isinstance(source, pl.LazyFrame):
        return source
    if isinstance(source, pl.DataFrame):
        return source.lazy()
    if isinstance(source, str | Path):
        return _scan_files(str(source))
    if isinstance(getattr(source, "roles", None), Roles):
        return source.lazy()  # type: ignore[union-attr]
    return _converted(source, columns)


def _converted(source: Source, columns: frozenset[str] | None) -> pl.LazyFrame:
    import pandas as pd  # noqa: PLC0415 (heavy, and only wanted here)

    from mldeploy.data._source import read_table  # noqa: PLC0415 (loads pandas)

    if isinstance(source, pd.DataFrame) and columns is not None:
        source = source[[name for name in source.columns if name in columns]]
    return read_table(source).lazy()  # type: ignore[arg-type]


def _scan_files(pattern: str) -> pl.LazyFrame:
    from mldeploy.data._scan_files import format_of, is_remote, matching_files  # noqa: PLC0415
    from mldeploy.data._scan_text_files import csv_header, require_unique  # noqa: PLC0415

    paths = matching_files(pattern)
    formats = {format_of(path) for path in paths}
    if len(formats) > 1:
        raise InvalidDataError(f"{pattern} names files of several formats; pass those of one")
    match formats.pop():
        case "parquet":
            return pl.scan_parquet(paths)
        case "ipc":
            return pl.scan_ipc(paths)
        case "csv":
            for path in paths:
                if not is_remote(path):
                    require_unique(path, csv_header(path))
            return pl.scan_csv(paths, try_parse_dates=True, infer_schema_length=None)
    return pl.scan_ndjson(paths, infer_schema_length=None)
