"""Plain values, on the shortest way past the schema."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeAlias, final

from mldeploy.data import ColumnSchema, Schema

Values: TypeAlias = tuple[Any, ...]
"""A row in the order of the schema, as it accepts it: None where a value is missing."""

_EXACT: Final = 2**53


@final
class Doubt(Exception):  # noqa: N818 (never leaves this package)
    """A value that only the schema itself can judge."""


@final
class RowReader:
    """Accept a row of plain values at once, or leave it to the schema.

    Values that are plainly of their column's type pass; whatever this class does not know, it
    does not decide: it raises `Doubt`, and `Schema.parse_rows` judges.

    Parameters
    ----------
    schema : Schema
        The model's features.
    """

    def __init__(self, schema: Schema) -> None:
        self._names = frozenset(schema.names)
        self._order = schema.names
        self._is_plain = all(
            c.kind in _ACCEPT and not c.strict_range and not c.strict_pattern
            for c in schema.columns
        )
        self._accept = [_acceptor(column) for column in schema.columns] if self._is_plain else []

    def values(self, row: Mapping[str, object]) -> Values:
        """Return the values of a row in the schema's order.

        Raises
        ------
        Doubt
            If a value, or a column, is not plainly what the schema says.
        """
        if not row.keys() <= self._names:
            raise Doubt
        return self.accepted([row.get(name) for name in self._order])

    def accepted(self, values: Sequence[object]) -> Values:
        """Return values that stand in the schema's order already.

        Raises
        ------
        Doubt
            If a value is not plainly what the schema says.
        """
        if not self._is_plain:
            raise Doubt
        return tuple([accept(value) for accept, value in zip(self._accept, values, strict=True)])


def _acceptor(column: ColumnSchema) -> Callable[[object], Any]:
    accept = _ACCEPT[column.kind]
    levels = frozenset(column.categories or ())
    if column.kind == "category":
        accept = _category(levels, closed=column.closed)
    elif column.closed:
        accept = _closed(accept, levels)
    return accept if column.nullable else _required(accept)


def _required(accept: Callable[[object], Any]) -> Callable[[object], Any]:
    def check(value: object) -> Any:
        accepted = accept(value)
        if accepted is None:
            raise Doubt
        return accepted

    return check


def _closed(accept: Callable[[object], Any], levels: frozenset[str]) -> Callable[[object], Any]:
    def check(value: object) -> Any:
        accepted = accept(value)
        if accepted is not None and accepted not in levels:
            raise Doubt
        return accepted

    return check


def _category(levels: frozenset[str], *, closed: bool) -> Callable[[object], Any]:
    """Accept a level; one that is not known is missing, unless the levels are closed."""

    def check(value: object) -> Any:
        if type(value) is str and value in levels:
            return value
        if value is None:
            return None
        if closed or _text(value) is None:
            raise Doubt
        return None

    return check


def _integer(value: object) -> int | None:
    if type(value) is int and -(2**63) <= value < 2**63:
        return value
    if value is None:
        return None
    if type(value) is float and value.is_integer() and -_EXACT <= value <= _EXACT:
        return int(value)
    raise Doubt


def _number(value: object) -> float | None:
    if type(value) is float:
        if value - value == 0.0:  # neither NaN nor infinite
            return value
        if value != value:  # noqa: PLR0124 (NaN)
            return None
    elif value is None:
        return None
    elif type(value) is int and -_EXACT <= value <= _EXACT:
        return float(value)
    raise Doubt


def _boolean(value: object) -> bool | None:
    if value is None or type(value) is bool:
        return value
    raise Doubt


def _text(value: object) -> str | None:
    if value is None:
        return None
    if type(value) is str and (value.isascii() or _is_encodable(value)):
        return value
    raise Doubt


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


_ACCEPT: Final[dict[str, Callable[[object], Any]]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "string": _text,
    "category": _text,
}
