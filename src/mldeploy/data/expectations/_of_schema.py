"""Schemas as expectations, for tables larger than memory, and the other way round."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, final

import polars as pl
from typing_extensions import override

from mldeploy.data._accepts import reads_kind
from mldeploy.data._check import may_be_infinite
from mldeploy.data._column import ColumnSchema, Kind, kind_of
from mldeploy.data._foreign_schema import ForeignSchema
from mldeploy.data._schema import Schema
from mldeploy.data.expectations._base import Expectation, Facts, Question
from mldeploy.data.expectations._custom import Holds
from mldeploy.data.expectations._keys import Unique
from mldeploy.data.expectations._rows import RowExpectation, judged, seen
from mldeploy.data.expectations._suite import Expectations
from mldeploy.data.expectations._vocabulary import InRange, InSet, Matches, NotNull
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Verdict

_EXACT = 2.0**53


@final
@dataclass(frozen=True, eq=False)
class OfKind(Expectation):
    """A column has a type whose every value a schema reads as a kind.

    Attributes
    ----------
    column : str
        The column.
    wanted : str
        A kind, as in `ColumnSchema`.

    Examples
    --------
    >>> OfKind("hour", "integer").says
    'hour holds values of kind integer'
    """

    column: str
    wanted: Kind
    kind: ClassVar[str] = "of_kind"

    @property
    @override
    def says(self) -> str:
        return f"{self.column} holds values of kind {self.wanted}"

    @property
    @override
    def needs(self) -> tuple[str, ...]:
        return (self.column,)

    @override
    def _question(self, facts: Facts) -> Question:
        dtype, column = facts.schema[self.column], pl.col(self.column)
        if self.wanted == "integer" and dtype.is_float():
            holds = self.only_where((column == column.floor()) & (column.abs() <= _EXACT))
            return Question(
                judge=lambda answer, _table: judged(
                    self, int(answer["n"]), int(answer["n"] - (answer["n_kept"] or 0)), 0.0,
                    answer["examples"], facts,
                ),
                holds=holds,
                shown=seen(self, facts),
            )  # fmt: skip
        keeps = dtype == pl.Null or reads_kind(self.wanted, _kind_of(dtype))
        finding = self.finding(
            Verdict.PASS if keeps else Verdict.FAIL,
            f"{self.says}: they are {dtype}.",
            action="" if keeps else "Convert the column at its source, or correct the schema.",
        )
        return Question(judge=lambda _answer, _table: finding)


def _kind_of(dtype: pl.DataType) -> Kind:
    if dtype == pl.Categorical:
        return "category"
    return "number" if dtype.is_decimal() else kind_of(dtype)


def expectations_of(schema: Schema, *, columns: Iterable[str] | None = None) -> Expectations:
    """Return what a schema refuses as expectations, to be asked in one query.

    Parameters
    ----------
    schema : Schema
        What data must look like. What it only describes is expected of nobody.
    columns : iterable of str, optional
        The columns that the table has, if it may lack optional ones.

    Returns
    -------
    Expectations
        Types, missing values, strict ranges, closed categories, strict patterns, keys and
        dependencies.

    Examples
    --------
    >>> schema = Schema.infer(pl.DataFrame({"hour": [5, 23]})).edit("hour", strict_range=True)
    >>> [rule.says for rule in expectations_of(schema).rules]
    ['hour holds values of kind integer', 'hour has a value', 'hour is at least 5 and at most 23']
    """
    known = set(schema.names if columns is None else columns)
    kept = schema.select([c.name for c in schema.columns if c.name in known or not c.optional])
    rules = [rule for column in kept.columns for rule in _rules_of(column)]
    rules += [Unique(key) for key in kept.keys]
    for dependency in kept.dependencies:
        usual = pl.col(dependency.follows).drop_nulls().first().over(dependency.given)
        complete = pl.all_horizontal(pl.col((*dependency.given, dependency.follows)).is_not_null())
        label = f"{dependency.follows} follows from {', '.join(dependency.given)}"
        truth = pl.when(complete).then(pl.col(dependency.follows) == usual)
        rules.append(Holds(truth, label=label))
    return Expectations(rules)


def schema_kept_by(schema: Schema, expectations: Expectations) -> ForeignSchema:
    """Return a schema made stricter by expectations, such as a suite that was read.

    Parameters
    ----------
    schema : Schema
        Names and types of the columns, such as `Schema.infer` tells them.
    expectations : Expectations
        Those that tolerate no exception, look at every row, and say what a schema can say make
        it stricter; the others are in `left_out`.

    Examples
    --------
    >>> described = Schema.infer(pl.DataFrame({"hour": [5, 23]}))
    >>> rules = Expectations([InRange("hour", at_least=0), NotNull("hour", max_share=0.1)])
    >>> read = schema_kept_by(described, rules)
    >>> read.schema["hour"].minimum, read.schema["hour"].strict_range, read.left_out
    (0, True, ('hour has a value',))
    """
    left_out: list[str] = []
    keys = list(schema.keys)
    for rule in expectations.rules:
        settings = _said(rule, schema)
        is_key = isinstance(rule, Unique) and {*rule.needs} <= {*schema.names}
        tolerated = rule.max_share if isinstance(rule, RowExpectation | Unique) else 0.0
        if rule.where is not None or tolerated or not (settings or is_key):
            left_out.append(rule.says)
        elif is_key:
            keys.append(tuple(rule.needs or ()))
        else:
            schema = schema.edit((rule.needs or ("",))[0], **settings)
    strict = Schema(
        columns=schema.columns, keys=tuple(dict.fromkeys(keys)), dependencies=schema.dependencies
    )
    return ForeignSchema(schema=strict, left_out=tuple(left_out))


def _rules_of(column: ColumnSchema) -> Iterator[Expectation]:
    yield OfKind(column.name, column.kind)
    if not column.nullable:
        yield NotNull(column.name)
    if column.kind == "number" and not may_be_infinite(column):
        yield Holds(pl.col(column.name).is_finite(), label=f"that {column.name} is finite")
    if column.strict_range:
        low, high = (_bound(column, bound) for bound in (column.minimum, column.maximum))
        yield InRange(column.name, at_least=low, at_most=high)
    if column.closed and column.categories is not None:
        yield InSet(column.name, column.categories)
    if column.strict_pattern and column.pattern is not None:
        yield Matches(column.name, column.pattern)


def _bound(column: ColumnSchema, bound: Any) -> Any:
    if column.kind == "duration" and isinstance(bound, int | float):
        return timedelta(seconds=bound)
    return bound


def _said(rule: Expectation, schema: Schema) -> Mapping[str, Any]:
    """Return a rule as settings of its column; none if a schema cannot say it."""
    column = (rule.needs or ("",))[0]
    if column not in schema.names:
        return {}
    kind = schema[column].kind
    match rule:
        case NotNull():
            return {"nullable": False, "optional": False}
        case InRange() if kind in ("integer", "number", "date", "datetime", "duration"):
            return _range(rule, schema[column])
        case InSet() if kind == "string" and all(isinstance(v, str) for v in rule.values):
            return {"categories": tuple(rule.values), "closed": True}
        case Matches() if kind in ("string", "category"):
            return {"pattern": rule.pattern, "strict_pattern": True}
        case _:
            return {}


def _range(rule: InRange, column: ColumnSchema) -> Mapping[str, Any]:
    bounds: dict[str, Any] = {"minimum": rule.at_least, "maximum": rule.at_most}
    for name, bound in bounds.items():
        if isinstance(bound, timedelta):
            bounds[name] = bound.total_seconds()
    try:
        ColumnSchema.model_validate({**dict(column), **bounds})
    except (InvalidDataError, ValueError):
        return {}
    return {**bounds, "strict_range": True}
