"""Tables of a database as what is scored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final, final

import polars as pl
import sqlalchemy as sa
from typing_extensions import override

from mldeploy.errors import InvalidDataError
from mldeploy.serving._bulk_source import Source


@final
@dataclass(frozen=True, kw_only=True)
class SqlTable:
    """A table of a database, or a query, that SQLAlchemy reaches.

    Attributes
    ----------
    url : str
        Address of the database, such as ``postgresql://host/name`` or ``sqlite:///file.db``.
    table : str, optional
        Name of the table, perhaps with its schema: ``public.flights``.
    query : str, optional
        A SELECT to read instead of a table.
    order_by : tuple of str
        Columns that no two rows share and that are never null, by which rows are ordered; by
        default the primary key of the table.

    Examples
    --------
    >>> str(SqlTable(url="postgresql://me:secret@host/db", table="flights"))
    'postgresql://me:***@host/db#flights'
    """

    url: str
    table: str | None = None
    query: str | None = None
    order_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.table is None) == (self.query is None):
            raise ValueError("name a table or a query, one of them")
        if self.query is not None and not self.order_by:
            raise ValueError(
                "a query returns its rows in any order; name columns as order_by= that no two "
                "rows share"
            )
        try:
            sa.make_url(self.url)
        except sa.exc.ArgumentError as error:
            raise InvalidDataError(f"{self.url} is no address of a database") from error

    @classmethod
    def parse(cls, text: str, *, order_by: tuple[str, ...] = ()) -> SqlTable | None:
        """Read ``URL#TABLE``; None if a text is no such thing."""
        url, separator, table = text.partition("#")
        if "://" not in url or not separator or url.startswith("file://"):
            return None
        return cls(url=url, table=table, order_by=order_by)

    @property
    def engine(self) -> sa.Engine:
        """Return what opens connections."""
        return sa.create_engine(self.url, poolclass=sa.pool.NullPool)

    def __str__(self) -> str:
        shown = sa.make_url(self.url).render_as_string(hide_password=True)
        return f"{shown}#{self.table or self.query}"

    def __repr__(self) -> str:
        return f"SqlTable({str(self)!r})"


def sql_source(table: SqlTable) -> Source:
    """Open a table or query to read.

    Raises
    ------
    InvalidDataError
        If it is not there, or nothing orders its rows.
    """
    return _Selected(table)


def name_of(table: str) -> tuple[str, str | None]:
    """Return the name of a table and that of its schema."""
    schema, _, name = table.rpartition(".")
    return name, schema or None


@final
class _Selected(Source):
    """Rows in the order of a key; each piece is a query of its own, so that no lock is kept."""

    def __init__(self, table: SqlTable) -> None:
        self._table = table
        self._engine = table.engine
        with _unreadable_as_invalid(table):
            self._rows, order = self._select()
            with self._engine.connect() as connection:
                count = sa.select(sa.func.count()).select_from(self._rows)
                self._n_rows = int(connection.execute(count).scalar_one())
        known = set(self._rows.c.keys())
        if lacking := [name for name in order if name not in known]:
            raise InvalidDataError(f"{table} has no column {lacking[0]!r} to order its rows by")
        self._order = [self._rows.c[name] for name in order]

    def _select(self) -> tuple[sa.FromClause, tuple[str, ...]]:
        if self._table.query is not None:
            with self._engine.connect() as connection:
                found = connection.execute(
                    sa.text(f"SELECT * FROM ({self._table.query}) AS asked WHERE 1 = 0")  # noqa: S608 - the caller's own query
                )
                columns: list[sa.ColumnClause[Any]] = [sa.column(name) for name in found.keys()]  # noqa: SIM118
            query = sa.text(self._table.query).columns(*columns).subquery("asked")
            return query, self._table.order_by
        name, schema = name_of(self._table.table or "")
        table = sa.Table(name, sa.MetaData(), schema=schema, autoload_with=self._engine)
        order = self._table.order_by or tuple(c.name for c in table.primary_key.columns)
        if not order:
            raise InvalidDataError(
                f"{self._table} has no primary key, so that its rows have no order; name columns "
                "as order_by= that no two rows share"
            )
        return table, order

    @property
    @override
    def name(self) -> str:
        return str(self._table)

    @property
    @override
    def columns(self) -> tuple[str, ...]:
        return tuple(self._rows.c.keys())

    @property
    @override
    def n_rows(self) -> int:
        return self._n_rows

    @override
    def nothing(self, columns: Sequence[str]) -> pl.DataFrame:
        return pl.DataFrame(schema=dict.fromkeys(columns, pl.Null))

    @override
    def identity(self) -> dict[str, Any]:
        """Tell tables apart by columns, height and last key, which is all that is cheap to ask."""
        last = sa.select(*self._order).order_by(*(c.desc() for c in self._order)).limit(1)
        with self._engine.connect() as connection:
            row = connection.execute(last).one_or_none()
        return {
            "table": str(self._table),
            "columns": list(self.columns),
            "rows": self._n_rows,
            "last": [] if row is None else [str(value) for value in row],
        }

    @override
    def pieces(self, columns: Sequence[str], *, start: int, n_rows: int) -> Iterator[pl.DataFrame]:
        chosen = [self._rows.c[name] for name in columns]
        width, query = len(chosen), sa.select(*chosen, *_labelled(self._order))
        query = query.order_by(*self._order).limit(n_rows)
        last: tuple[Any, ...] | None = None
        seen = start
        while seen < self._n_rows:
            page = query.offset(seen) if last is None and seen else query
            if last is not None:
                page = query.where(self._after(last))
            with _unreadable_as_invalid(self._table), self._engine.connect() as connection:
                rows = connection.execute(page).all()
            if not rows:
                raise InvalidDataError(
                    f"{self._table} has lost rows since the job began, or several rows share "
                    f"their {', '.join(c.name for c in self._order)}; order_by must be unique"
                )
            rows = rows[: self._n_rows - seen]
            last = tuple(rows[-1][width:])
            seen += len(rows)
            yield _frame([tuple(row[:width]) for row in rows], columns)

    def _after(self, last: tuple[Any, ...]) -> sa.ColumnElement[bool]:
        """Return what is true of the rows behind a key."""
        values = [sa.literal(v, c.type) for v, c in zip(last, self._order, strict=True)]
        behind: sa.ColumnElement[bool] = (
            self._order[0] > values[0]
            if len(values) == 1
            else sa.tuple_(*self._order) > sa.tuple_(*values)
        )
        return behind


def _labelled(columns: Sequence[sa.ColumnElement[Any]]) -> list[sa.Label[Any]]:
    return [column.label(f"order_{number}") for number, column in enumerate(columns)]


def _frame(rows: list[tuple[Any, ...]], columns: Sequence[str]) -> pl.DataFrame:
    """Return rows as columns; what polars has no type for becomes text."""
    read = []
    for number, name in enumerate(columns):
        values = [_plain(row[number]) for row in rows]
        read.append(pl.Series(name, values, strict=False))
    return pl.DataFrame(read)


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return float(value)
    return value if value is None or type(value).__module__ in _PLAIN else str(value)


_PLAIN: Final = {"builtins", "datetime"}


class _unreadable_as_invalid:  # noqa: N801 - reads as a sentence where it is used
    """Turn what a database says of a table that is none into `InvalidDataError`."""

    def __init__(self, table: SqlTable) -> None:
        self._table = table

    def __enter__(self) -> None:
        return

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, sa.exc.SQLAlchemyError):
            raise InvalidDataError(f"{self._table} cannot be read: {error}") from error
