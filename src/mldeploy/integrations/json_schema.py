"""JSON Schema (draft 2020-12): a row of a table as an object."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, Final

from mldeploy.data import ColumnSchema, ForeignSchema, Schema, whole_text_pattern
from mldeploy.errors import InvalidDataError

JsonSchema = dict[str, Any]

__all__ = ["from_json_schema", "to_json_schema"]

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_TYPES: Final = {
    "integer": "integer", "number": "number", "boolean": "boolean", "duration": "number",
}  # fmt: skip
_FORMATS: Final = {"date": "date", "time": "time"}
_KNOWN: Final = frozenset(
    {
        *("type", "enum", "const", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"),
        *("pattern", "minLength", "maxLength", "format", "anyOf", "oneOf"),
        *("title", "description", "default", "examples", "$comment", "deprecated"),
    }
)


def to_json_schema(schema: Schema, *, title: str = "") -> JsonSchema:
    """Say as JSON Schema which rows a schema accepts.

    Parameters
    ----------
    schema : Schema
        What rows must look like. Keys and dependencies are about tables, and left out.
    title : str, default=""
        What the rows are called.

    Returns
    -------
    dict
        Of draft 2020-12. What was only seen (a range that is not strict, open categories) is a
        description, and binds nobody.

    Examples
    --------
    >>> import polars as pl
    >>> schema = Schema.infer(pl.DataFrame({"hour": [5, 23]})).edit("hour", strict_range=True)
    >>> to_json_schema(schema)["properties"]
    {'hour': {'type': 'integer', 'minimum': 5, 'maximum': 23}}
    """
    return {
        "$schema": _DIALECT,
        **({"title": title} if title else {}),
        "type": "object",
        "properties": {column.name: _property(column) for column in schema.columns},
        "required": [column.name for column in schema.columns if not column.nullable],
        "additionalProperties": False,
    }


def from_json_schema(document: Mapping[str, Any]) -> ForeignSchema:
    """Read a schema from JSON Schema that describes a row, or an array of rows.

    Parameters
    ----------
    document : mapping
        Of any draft since 6; references within the document are followed.

    Returns
    -------
    ForeignSchema
        A property that is not required may be missing, and its column absent. Rules that a
        `Schema` cannot say are in `left_out`.

    Raises
    ------
    InvalidDataError
        If it describes no row, or a property whose type cannot be told.

    Examples
    --------
    >>> read = from_json_schema({"type": "object", "required": ["n"], "properties": {
    ...     "n": {"type": "integer", "minimum": 1, "multipleOf": 5}}})
    >>> read.schema["n"].minimum, read.schema["n"].nullable, read.left_out
    (1, False, ('n: multipleOf',))
    """
    row = _resolved(document, document)
    if row.get("type") == "array" and isinstance(row.get("items"), Mapping):
        row = _resolved(row["items"], document)
    properties = row.get("properties")
    if not isinstance(properties, Mapping) or not properties:
        raise InvalidDataError("the JSON Schema describes no row: it has no properties")
    required = set(row.get("required", ()))
    left_out: list[str] = []
    columns = []
    for name, given in properties.items():
        said, may_be_null = _without_null(_resolved(given, document), document)
        settings = _settings(name, said, left_out)
        if name not in required:
            settings |= {"nullable": True, "optional": True}
        elif may_be_null:
            settings["nullable"] = True
        columns.append(_column(name, settings))
        left_out += [f"{name}: {rule}" for rule in said if rule not in _KNOWN]
    about_rows = (
        "allOf",
        "if",
        "not",
        "dependentRequired",
        "dependentSchemas",
        "patternProperties",
    )
    left_out += [rule for rule in about_rows if rule in row]
    return ForeignSchema(schema=Schema(columns=tuple(columns)), left_out=tuple(left_out))


# --- out ----------------------------------------------------------------------------------


def _property(column: ColumnSchema) -> JsonSchema:
    kind = _TYPES.get(column.kind, "string")
    said: JsonSchema = {"type": [kind, "null"] if column.nullable else kind}
    if column.closed and column.categories is not None:
        said = {"enum": [*column.categories, *([None] if column.nullable else [])]}
    if column.strict_pattern:
        said["pattern"] = f"^(?:{column.pattern})$"
    if column.kind == "datetime":
        said["format"] = "date-time" if column.time_zone else "x-local-date-time"
    elif column.kind in _FORMATS:
        said["format"] = _FORMATS[column.kind]
    bounds = {"minimum": column.minimum, "maximum": column.maximum}
    if column.strict_range and kind in ("integer", "number"):
        said |= {name: bound for name, bound in bounds.items() if _is_finite(bound)}
    if told := list(_descriptions(column, kind)):
        said["description"] = "; ".join(told)
    return said


def _is_finite(bound: object) -> bool:
    return bound is not None and bound not in (float("inf"), float("-inf"))


def _descriptions(column: ColumnSchema, kind: str) -> Iterator[str]:
    if column.kind == "duration":
        yield "Seconds"
    if column.kind == "datetime":
        yield f"In the zone {column.time_zone}" if column.time_zone else "Local time, no zone"
    bounds = (column.minimum, column.maximum)
    is_said = column.strict_range and kind in ("integer", "number")
    if not is_said and any(bound is not None for bound in bounds):
        low, high = (_shown(bound) for bound in bounds)
        yield f"{'Allowed' if column.strict_range else 'Seen'}: {low} to {high}"
    if column.categories is not None and not column.closed:
        some = ", ".join(column.categories[:20])
        yield f"Seen: {some}" + (", …" if len(column.categories) > 20 else "")


def _shown(bound: object) -> str:
    return bound.isoformat() if isinstance(bound, date | datetime) else str(bound)


# --- in -----------------------------------------------------------------------------------


def _resolved(given: Any, document: Mapping[str, Any]) -> Mapping[str, Any]:
    for _ in range(20):
        if not isinstance(given, Mapping):
            raise InvalidDataError(f"{given!r} is no JSON Schema that says anything")
        reference = given.get("$ref")
        if reference is None:
            return given
        given = _pointed_at(str(reference), document)
    raise InvalidDataError("the references of the JSON Schema lead nowhere")


def _pointed_at(reference: str, document: Mapping[str, Any]) -> Any:
    if not reference.startswith("#"):
        raise InvalidDataError(f"{reference!r} is in another document; put it into this one")
    found: Any = document
    for part in reference.removeprefix("#").split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, Mapping) or name not in found:
            raise InvalidDataError(f"there is no {reference!r} in the JSON Schema")
        found = found[name]
    return found


def _without_null(said: Mapping[str, Any], document: Mapping[str, Any]) -> tuple[JsonSchema, bool]:
    """Return what is said of a value that is not null, and whether it may be null."""
    for union in ("anyOf", "oneOf"):
        branches = [_resolved(branch, document) for branch in said.get(union, ())]
        known = [branch for branch in branches if branch.get("type") != "null"]
        if len(known) == 1:
            others = {rule: value for rule, value in said.items() if rule != union}
            inner, is_null = _without_null({**others, **known[0]}, document)
            return inner, is_null or len(known) < len(branches)
    plain, types = dict(said), said.get("type")
    levels = list(said["enum"]) if "enum" in said else None
    may_be_null = types == "null" or (isinstance(types, list) and "null" in types)
    if isinstance(types, list):
        known_types = [t for t in types if t != "null"]
        plain["type"] = known_types[0] if len(known_types) == 1 else known_types
    if levels is not None:
        may_be_null = None in levels and (types is None or may_be_null)
        plain["enum"] = [level for level in levels if level is not None]
    return plain, may_be_null


def _settings(name: str, said: JsonSchema, left_out: list[str]) -> dict[str, Any]:
    if "const" in said:
        said = {**said, "enum": [said["const"]]}
    if "enum" in said and all(isinstance(level, str) for level in said["enum"]):
        return {"kind": "string", "categories": said["enum"], "closed": True}
    kind = _kind(name, said)
    if "enum" in said:
        left_out.append(f"{name}: enum of other values than text")
    settings: dict[str, Any] = {"kind": kind}
    if said.get("format") == "date-time":
        settings["time_zone"] = "UTC"
    if kind in ("integer", "number"):
        settings |= _range(name, kind, said, left_out)
    if kind == "string":
        settings |= _pattern(said)
    return settings


def _kind(name: str, said: JsonSchema) -> str:
    kinds = {
        "date-time": "datetime",
        "x-local-date-time": "datetime",
        "date": "date",
        "time": "time",
    }
    kind = said.get("type")
    if kind == "string":
        return kinds.get(str(said.get("format")), "string")
    if kind in ("integer", "number", "boolean"):
        return str(kind)
    if isinstance(kind, list) and set(kind) == {"integer", "number"}:
        return "number"
    raise InvalidDataError(
        f"property {name!r} is of type {kind!r}; a column holds one number, text, boolean or time "
        "per row"
    )


def _range(name: str, kind: str, said: JsonSchema, left_out: list[str]) -> dict[str, Any]:
    bounds = {"minimum": said.get("minimum"), "maximum": said.get("maximum")}
    for rule, bound, step in (
        ("exclusiveMinimum", "minimum", 1),
        ("exclusiveMaximum", "maximum", -1),
    ):
        beyond = said.get(rule)
        if beyond is None:
            continue
        if kind == "integer" and beyond == int(beyond):
            chosen = max if bound == "minimum" else min
            known = bounds[bound]
            bounds[bound] = int(beyond) + step
            if known is not None:
                bounds[bound] = chosen(bounds[bound], known)
        else:
            left_out.append(f"{name}: {rule}")
    found = {bound: value for bound, value in bounds.items() if value is not None}
    return {**found, "strict_range": True} if found else {}


def _pattern(said: JsonSchema) -> dict[str, Any]:
    """JSON Schema finds a pattern anywhere in a text; ours match from first to last letter."""
    if "pattern" in said:
        return {"pattern": whole_text_pattern(str(said["pattern"])), "strict_pattern": True}
    if "minLength" in said or "maxLength" in said:
        longest = said.get("maxLength", "")
        return {
            "pattern": f"(?s:.{{{said.get('minLength', 0)},{longest}}})",
            "strict_pattern": True,
        }
    return {}


def _column(name: str, settings: Mapping[str, Any]) -> ColumnSchema:
    try:
        return ColumnSchema(name=name, **settings)
    except ValueError as error:
        raise InvalidDataError(f"property {name!r}: {error}") from error
