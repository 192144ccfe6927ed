"""pandera: schemas for pandas and polars frames, read and written."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import polars as pl

from mldeploy.data import ColumnSchema, ForeignSchema, Schema, to_pandas, whole_text_pattern
from mldeploy.errors import InvalidDataError, MissingExtraError

try:
    import pandera.polars as polars_pandera
except ImportError as error:
    raise MissingExtraError("mldeploy.integrations.pandera", extra="pandera") from error

__all__ = ["from_pandera", "to_pandera", "to_pandera_polars"]

_KINDS: Final = {
    "int": "integer", "uint": "integer", "float": "number", "decimal": "number",
    "bool": "boolean", "str": "string", "string": "string", "object": "string",
    "datetime": "datetime", "timestamp": "datetime", "timedelta": "duration",
    "duration": "duration", "date": "date", "time": "time", "category": "category",
    "enum": "category", "categorical": "string", "utf8": "string",
}  # fmt: skip
_LIMIT: Final = 2**63


def to_pandera_polars(schema: Schema) -> Any:
    """Say as a schema of `pandera.polars` which polars frames a schema accepts.

    Parameters
    ----------
    schema : Schema
        What frames must look like. Dependencies are left out: pandera cannot say them.

    Returns
    -------
    pandera.polars.DataFrameSchema
        Types are those of `Schema.enforce`; ranges, categories and patterns are checks where
        they are strict. Columns that the schema does not know are allowed.

    Examples
    --------
    >>> schema = Schema.infer(pl.DataFrame({"hour": [5, 23]})).edit("hour", strict_range=True)
    >>> to_pandera_polars(schema).columns["hour"].checks
    [<Check in_range: in_range(5, 23)>]
    """
    columns = {
        column.name: polars_pandera.Column(
            column.dtype,
            checks=list(_checks(column, polars_pandera.Check)),
            nullable=column.nullable,
            required=not column.optional,
            unique=(column.name,) in schema.keys,
        )
        for column in schema.columns
    }
    return polars_pandera.DataFrameSchema(columns, unique=_composite(schema))


def to_pandera(schema: Schema) -> Any:
    """Say as a schema of `pandera.pandas` which pandas frames a schema accepts.

    Parameters
    ----------
    schema : Schema
        What frames must look like. Dependencies are left out: pandera cannot say them.

    Returns
    -------
    pandera.pandas.DataFrameSchema
        For frames as `to_pandas` returns them: whole numbers and booleans that may be missing
        are float64 where one is, and made so where none is.

    Examples
    --------
    >>> schema = Schema.infer(pl.DataFrame({"hour": [5, 23]}))
    >>> to_pandera(schema).columns["hour"].dtype
    DataType(int64)
    """
    import pandera.pandas as pandas_pandera  # noqa: PLC0415 (loads pandas)

    columns = {
        column.name: pandas_pandera.Column(
            _pandas_type(column),
            checks=list(_checks(column, pandas_pandera.Check)),
            nullable=column.nullable,
            coerce=column.nullable and column.kind in {"integer", "boolean"},
            required=not column.optional,
            unique=(column.name,) in schema.keys,
        )
        for column in schema.columns
    }
    return pandas_pandera.DataFrameSchema(columns, unique=_composite(schema))


def from_pandera(foreign: Any) -> ForeignSchema:
    """Read a schema from pandera's, for pandas or polars.

    Parameters
    ----------
    foreign : pandera DataFrameSchema or DataFrameModel
        What frames must look like.

    Returns
    -------
    ForeignSchema
        Checks that a `Schema` cannot say, such as functions, are in `left_out`. A column that is
        not required may be missing in the rows of a table that has it, too.

    Raises
    ------
    InvalidDataError
        If it is no schema of pandera, or a column has no type.

    Examples
    --------
    >>> import pandera.polars as pa
    >>> read = from_pandera(pa.DataFrameSchema({"hour": pa.Column(int, pa.Check.in_range(0, 23))}))
    >>> read.schema["hour"].maximum, read.schema["hour"].strict_range, read.left_out
    (23, True, ())
    """
    if isinstance(foreign, type) and hasattr(foreign, "to_schema"):
        foreign = foreign.to_schema()
    if not hasattr(foreign, "columns") or not hasattr(foreign, "checks"):
        raise InvalidDataError(f"{foreign!r} is no schema of pandera")
    left_out = [f"the table: {check.name or check}" for check in foreign.checks or ()]
    columns, keys = [], []
    for name, given in foreign.columns.items():
        columns.append(_read_column(name, given, left_out))
        if given.unique:
            keys.append((str(name),))
    together = foreign.unique or ()
    keys += [(together,) if isinstance(together, str) else tuple(together)] if together else []
    if getattr(foreign, "index", None) is not None:
        left_out.append("the index")
    schema = Schema(columns=tuple(columns), keys=tuple(keys))
    return ForeignSchema(schema=schema, left_out=tuple(left_out))


# --- out ----------------------------------------------------------------------------------


def _composite(schema: Schema) -> list[str] | None:
    several = [key for key in schema.keys if len(key) > 1]
    if len(several) > 1:
        raise InvalidDataError(
            f"pandera knows one key of several columns, the schema has {len(several)}; select "
            "the columns of one"
        )
    return list(several[0]) if several else None


def _checks(column: ColumnSchema, check: Any) -> Iterator[Any]:
    low, high = _bound(column, column.minimum), _bound(column, column.maximum)
    if column.strict_range and low is not None and high is not None:
        yield check.in_range(low, high)
    elif column.strict_range:
        yield check.ge(low) if low is not None else check.le(high)
    if column.closed and column.kind == "string":
        yield check.isin(list(column.categories or ()))
    if column.strict_pattern:
        yield check.str_matches(f"^(?:{column.pattern})$")


def _bound(column: ColumnSchema, bound: Any) -> Any:
    if bound is None or column.kind != "duration":
        return bound
    return pl.Series([bound * 1e6]).cast(pl.Duration("us"))[0]


def _pandas_type(column: ColumnSchema) -> Any:
    """Return the type that `to_pandas` gives the column, missing values or not."""
    values = pl.Series(column.name, [None] if column.nullable else [], dtype=column.dtype)
    return to_pandas(pl.DataFrame([values]))[column.name].dtype


# --- in -----------------------------------------------------------------------------------


def _read_column(name: object, given: Any, left_out: list[str]) -> ColumnSchema:
    if not isinstance(name, str) or getattr(given, "regex", False):
        raise InvalidDataError(f"column {name!r} has no name of its own; name each column")
    settings = _type(name, given.dtype)
    settings |= {"nullable": given.nullable or not given.required, "optional": not given.required}
    for check in given.checks or ():
        said = _said(check, settings)
        if said is None:
            left_out.append(f"{name}: {check.name or check}")
        else:
            settings |= said
    try:
        return ColumnSchema(name=name, **settings)
    except ValueError as error:
        raise InvalidDataError(f"column {name!r}: {error}") from error


def _type(name: str, dtype: Any) -> dict[str, Any]:
    if dtype is None:
        raise InvalidDataError(f"column {name!r} has no type; give it one")
    own = getattr(dtype, "type", dtype)
    text = str(dtype).lower()
    word = next((w for w in sorted(_KINDS, key=len, reverse=True) if text.startswith(w)), None)
    if word is None:
        raise InvalidDataError(f"column {name!r} is of type {dtype}, which a schema does not know")
    kind = _KINDS[word]
    settings: dict[str, Any] = {"kind": kind}
    if kind in ("datetime", "duration"):
        unit = getattr(own, "time_unit", None) or getattr(own, "unit", None)
        settings["time_unit"] = unit if unit in ("ms", "us", "ns") else _unit_in(text)
    if kind == "datetime":
        zone = getattr(own, "time_zone", None) or getattr(own, "tz", None)
        settings["time_zone"] = None if zone is None else str(zone)
    if kind == "category":
        levels = getattr(dtype, "categories", None)
        if levels is None or not all(isinstance(level, str) for level in levels):
            return {"kind": "string"}
        settings |= {"categories": tuple(levels), "closed": True}
    return settings


def _unit_in(text: str) -> str | None:
    return next((unit for unit in ("ms", "us", "ns") if f"[{unit}" in text), None)


def _said(check: Any, settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return what a check says in our words; None if it cannot be said."""
    translate = _CHECKS.get(str(check.name))
    return None if translate is None else translate(dict(check.statistics or {}), settings)


def _range(said: dict[str, Any], settings: Mapping[str, Any]) -> dict[str, Any] | None:
    if settings["kind"] not in ("integer", "number", "datetime", "date"):
        return None
    found: dict[str, Any] = {}
    for rule, bound, step in (("min", "minimum", 1), ("max", "maximum", -1)):
        value = said.get(f"{rule}_value")
        if value is None:
            continue
        if not said.get(f"include_{rule}", True):
            if settings["kind"] != "integer":
                return None
            value = int(value) + step
        known = settings.get(bound)
        closer = max if rule == "min" else min
        found[bound] = value if known is None else closer(value, known)
    return {**found, "strict_range": True} if found else None


def _beyond(said: dict[str, Any], settings: Mapping[str, Any]) -> dict[str, Any] | None:
    return _range({**said, "include_min": False, "include_max": False}, settings)


def _levels(said: dict[str, Any], settings: Mapping[str, Any]) -> dict[str, Any] | None:
    levels = list(said.get("allowed_values", ()))
    if settings["kind"] != "string" or not all(isinstance(level, str) for level in levels):
        return None
    return {"categories": tuple(sorted(levels)), "closed": True}


def _pattern(said: dict[str, Any], settings: Mapping[str, Any]) -> dict[str, Any] | None:
    """pandera matches from the first letter, and ours to the last one too."""
    given = getattr(said.get("pattern"), "pattern", said.get("pattern"))
    if settings["kind"] != "string" or "pattern" in settings or not isinstance(given, str):
        return None
    return {"pattern": whole_text_pattern(given, from_start=True), "strict_pattern": True}


_CHECKS: Final[
    Mapping[str, Callable[[dict[str, Any], Mapping[str, Any]], dict[str, Any] | None]]
] = {
    "in_range": _range,
    "greater_than_or_equal_to": _range,
    "less_than_or_equal_to": _range,
    "greater_than": _beyond,
    "less_than": _beyond,
    "isin": _levels,
    "str_matches": _pattern,
}
