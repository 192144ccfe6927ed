"""JSON Schemas of what goes in and out, made from the models' signatures."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any, Final
from typing import TypeAlias as Alias

from mldeploy.data import ColumnSchema, Schema
from mldeploy.model import Signature
from mldeploy.problem import Route
from mldeploy.serving.http._oip_tensors import tensor_type

JsonSchema: Alias = dict[str, Any]

_KINDS: Final = {
    "integer": "integer", "number": "number", "boolean": "boolean", "duration": "number",
}  # fmt: skip
_FORMATS: Final = {"date": "date", "time": "time"}
_MANY: Final = 200
TEXT: Final[JsonSchema] = {"type": "string"}
KEY: Final[JsonSchema] = {
    "type": ["string", "integer", "null"],
    "description": "What the row is about; by it, requests meet the same version.",
}
_VERSION: Final[JsonSchema] = {"type": "string", "description": "The version that answered."}
_ID: Final[JsonSchema] = {
    "type": "string",
    "pattern": "^[0-9a-f]{32}$",
    "description": "Identifier of the prediction, by which its label is told later.",
}
_ROUTE: Final[JsonSchema] = {
    "enum": [route.value for route in Route],
    "description": "Who decides: the model, a person, or a person whom the model advises.",
}


def an_object(required: Mapping[str, Any], **optional: Any) -> JsonSchema:
    """Return the schema of an object that has these members, and no others."""
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(required),
        "properties": {**required, **optional},
    }


def open_object(required: Mapping[str, Any], **optional: Any) -> JsonSchema:
    """Return the schema of an object that may have other members, too."""
    return an_object(required, **optional) | {"additionalProperties": True}


def a_list(items: JsonSchema, **more: Any) -> JsonSchema:
    """Return the schema of a list."""
    return {"type": "array", "items": items, **more}


def one_of(**forms: JsonSchema) -> JsonSchema:
    """Return a schema of which exactly one form, by title, holds."""
    return {"oneOf": [{"title": title, **schema} for title, schema in forms.items()]}


OUR_ERROR: Final = an_object(
    {"error": an_object(
        {"code": TEXT, "message": TEXT},
        fields=a_list(
            an_object({
                "row": {"type": "integer", "minimum": 0},
                "column": TEXT, "code": TEXT, "message": TEXT,
            }),
        ),
    )},
    request_id=TEXT,
)  # fmt: skip
TEXT_ERROR: Final = an_object({"error": TEXT})
MLFLOW_ERROR: Final = an_object({"error_code": TEXT, "message": TEXT})


def row_schema(schema: Schema, name: str) -> JsonSchema:
    """Return the schema of a row."""
    return {
        "type": "object",
        "title": f"Row of {name}",
        "additionalProperties": False,
        "properties": {column.name: _column(column) for column in schema.columns},
        "required": [column.name for column in schema.columns if not column.nullable],
    }


def open_row_schema(schema: Schema, name: str) -> JsonSchema:
    """Return the schema of a row that may have further columns, which are ignored."""
    return row_schema(schema, name) | {
        "title": f"Row of {name}, perhaps with more",
        "additionalProperties": True,
    }


def listed_row_schema(schema: Schema, name: str) -> JsonSchema:
    """Return the schema of a row as a list, in the order of the columns."""
    values = [_column(column) for column in schema.columns]
    return {
        "type": "array",
        "title": f"Row of {name} in the order of its columns",
        "prefixItems": values,
        "items": False,
        "minItems": len(values),
    }


def columns_schema(schema: Schema, name: str) -> JsonSchema:
    """Return the schema of an object of columns."""
    row = row_schema(schema, name)
    return row | {
        "title": f"Columns of {name}, of one length",
        "properties": {
            column: a_list(values, minItems=1) for column, values in row["properties"].items()
        },
    }


def answer_schema(signature: Signature) -> JsonSchema:
    """Return the schema of one answer."""
    return an_object({
        "id": _ID,
        "version": _VERSION,
        "prediction": _prediction(signature),
        "score": _score(signature),
        "route": _ROUTE,
        "key": {"type": ["string", "null"]},
        "time": {"type": "string", "format": "date-time"},
    })  # fmt: skip


def answers_at_leisure(signature: Signature, explanation: JsonSchema) -> list[JsonSchema]:
    """Return the schemas of an answer that is explained, or that says what else may be true."""
    answer = answer_schema(signature)["properties"]
    if signature.classes:
        labels = a_list({"enum": list(signature.classes)}, minItems=1)
        doubt = {"prediction_set": labels | {"description": "Labels that are not ruled out."}}
    else:
        ends = a_list({"type": "number"}, minItems=2, maxItems=2)
        doubt = {"interval": ends | {"description": "Numbers that are not ruled out."}}
    why = {"explanation": explanation}
    return [an_object({**answer, **more}) for more in (why, doubt, {**why, **doubt})]


def answers_schema(signature: Signature) -> JsonSchema:
    """Return the schema of many answers as columns."""
    columns = {
        "id": _ID,
        "version": _VERSION,
        "prediction": _prediction(signature),
        "score": _score(signature),
        "route": _ROUTE,
    }
    keys = {"type": ["array", "null"], "items": {"type": ["string", "null"]}}
    return an_object({**{name: a_list(one) for name, one in columns.items()}, "key": keys})


def explanation_schema() -> JsonSchema:
    """Return the schema of what each column contributed."""
    number, plain = {"type": "number"}, {"type": ["boolean", "number", "string", "null"]}
    part = an_object({"column": TEXT, "value": plain, "amount": number, "error": number})
    return open_object({
        "prediction": plain, "answer": number, "base": number, "unit": TEXT,
        "contributions": a_list(part),
    })  # fmt: skip


def _prediction(signature: Signature) -> JsonSchema:
    return {"enum": list(signature.classes)} if signature.classes else {"type": "number"}


def _score(signature: Signature) -> JsonSchema:
    number: JsonSchema = {"type": "number"}
    if signature.probabilistic:
        number |= {"minimum": 0, "maximum": 1}
    if signature.classes and signature.positive is None:
        return {"type": ["array", "null"], "items": number}
    return number | {"type": ["number", "null"]}


def input_tensor(signature: Signature, model: str) -> JsonSchema:
    """Return the schema of a tensor that a client sends as JSON."""
    values: JsonSchema = {"type": ["boolean", "number", "string", "array", "null"]}
    return open_object(
        {
            "name": {"enum": list(signature.inputs.names)},
            "shape": a_list({"type": "integer", "minimum": 0}, minItems=1, maxItems=16),
            "datatype": {"enum": sorted({tensor_type(c.kind) for c in signature.inputs.columns})},
            "data": a_list(values),
        }
    ) | {"title": f"Input of {model}"}


def output_tensor() -> JsonSchema:
    """Return the schema of a tensor of an answer."""
    shape = a_list({"type": "integer", "minimum": 0})
    return an_object(
        {"name": TEXT, "shape": shape, "datatype": TEXT},
        data={"type": "array"},
        parameters={"type": "object"},
    )


def example_of(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of real values as a client would send it."""
    return {
        name: value.total_seconds() if isinstance(value, timedelta) else value
        for name, value in row.items()
    }


def _column(column: ColumnSchema) -> JsonSchema:
    kind = _KINDS.get(column.kind, "string")
    schema: JsonSchema = {"type": [kind, "null"] if column.nullable else kind}
    schema |= _bounds(column, kind)
    if column.kind in _FORMATS:
        schema["format"] = _FORMATS[column.kind]
    elif column.kind == "datetime" and column.time_zone:
        schema["format"] = "date-time"
    elif column.kind == "datetime":
        schema["description"] = "Local time without a zone, such as 2013-01-31T17:45:00"
    elif column.kind == "duration":
        schema["description"] = "Seconds"
    if column.strict_pattern:
        schema["pattern"] = f"^(?:{column.pattern})$"
    if column.closed and column.categories:
        return {"enum": [*column.categories, *([None] if column.nullable else [])]}
    if column.categories:
        schema["examples"] = list(column.categories[:_MANY])
    return schema


def _bounds(column: ColumnSchema, kind: str) -> JsonSchema:
    low, high = column.minimum, column.maximum
    if column.strict_range and kind in ("integer", "number"):
        found = {"minimum": low, "maximum": high}
        return {name: bound for name, bound in found.items() if bound is not None}
    schema: JsonSchema = {}
    if column.kind == "integer":
        schema = {"format": "int64", "minimum": -(2**63), "maximum": 2**63 - 1}
    elif column.kind == "number":
        schema = {"format": "double"}
    if low is not None and high is not None and column.kind != "duration":
        schema["description"] = f"Seen in training: {_shown(low)} to {_shown(high)}"
    return schema


def _shown(bound: object) -> str:
    return bound.isoformat() if isinstance(bound, date | datetime) else str(bound)
