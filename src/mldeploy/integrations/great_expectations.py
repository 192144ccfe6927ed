"""Great Expectations: suites, as its JSON files hold them, read as expectations."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import polars as pl

from mldeploy.data import whole_text_pattern
from mldeploy.data.expectations import (
    Expectation,
    Expectations,
    FigureInRange,
    ForeignExpectations,
    Holds,
    InRange,
    InSet,
    Matches,
    Monotone,
    NotNull,
    RowCount,
    Unique,
)
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Severity

__all__ = ["from_great_expectations"]

Kwargs = Mapping[str, Any]
Rule = Callable[[Kwargs, dict[str, Any]], Expectation | None]

_SEVERITIES: Final = {
    "critical": Severity.BLOCKER, "warning": Severity.WARNING, "info": Severity.INFO,
}  # fmt: skip


def from_great_expectations(document: Mapping[str, Any]) -> ForeignExpectations:
    """Read a suite of Great Expectations.

    Parameters
    ----------
    document : mapping
        What ``json.load`` reads from a suite's file, of version 0.13 or later. Great Expectations
        itself is not needed.

    Returns
    -------
    ForeignExpectations
        What has no equal (a row condition in another language, a custom expectation, a bound for
        times written as text) is in `left_out`, with its column.

    Raises
    ------
    InvalidDataError
        If it is no suite, or nothing in it can be read.

    Examples
    --------
    >>> suite = {"expectations": [
    ...     {"type": "expect_column_values_to_not_be_null", "severity": "warning",
    ...      "kwargs": {"column": "carrier", "mostly": 0.95}},
    ...     {"type": "expect_column_values_to_be_json_parseable", "kwargs": {"column": "note"}}]}
    >>> read = from_great_expectations(suite)
    >>> [(rule.says, rule.max_share) for rule in read.expectations.rules], read.left_out
    ([('carrier has a value', 0.05)], ('expect_column_values_to_be_json_parseable (note)',))
    """
    stated = document.get("expectations") if isinstance(document, Mapping) else None
    if not isinstance(stated, list):
        raise InvalidDataError("that is no suite of Great Expectations: it lists no expectations")
    rules: list[Expectation] = []
    left_out: list[str] = []
    for one in stated:
        rule = _read(one)
        if rule is None:
            left_out.append(_called(one))
        else:
            rules.append(rule)
    if not rules:
        raise InvalidDataError(f"nothing in the suite can be read: {', '.join(left_out[:5])}")
    return ForeignExpectations(expectations=Expectations(rules), left_out=tuple(left_out))


def _read(one: Any) -> Expectation | None:
    if not isinstance(one, Mapping) or not isinstance(one.get("kwargs", {}), Mapping):
        raise InvalidDataError(f"{one!r} is no expectation of Great Expectations")
    kwargs, name = one.get("kwargs", {}), str(_type(one)).removeprefix("expect_")
    translate = _RULES.get(name)
    if translate is None or kwargs.get("row_condition") is not None:
        return None
    severity = _SEVERITIES.get(str(one.get("severity", "critical")), Severity.BLOCKER)
    try:
        return translate(kwargs, {"severity": severity})
    except (KeyError, TypeError, ValueError, pl.exceptions.PolarsError):
        return None


def _type(one: Mapping[str, Any]) -> object:
    return one.get("type", one.get("expectation_type", "an expectation without a type"))


def _called(one: Mapping[str, Any]) -> str:
    named = (one.get("kwargs", {}).get(key) for key in ("column", "column_list", "column_A"))
    about = next(filter(None, named), "")
    return f"{_type(one)} ({about})" if about else str(_type(one))


# --- their words, in ours -----------------------------------------------------------------


def _tolerated(kwargs: Kwargs) -> float:
    return round(1 - float(kwargs.get("mostly", 1.0)), 12)


def _bounds(kwargs: Kwargs) -> dict[str, Any]:
    return {"at_least": kwargs.get("min_value"), "at_most": kwargs.get("max_value")}


def _row(truth: Callable[[Kwargs], pl.Expr], words: str) -> Rule:
    """Return a rule about rows, in an expression."""

    def rule(kwargs: Kwargs, common: dict[str, Any]) -> Expectation:
        label = words.format_map(defaultdict(str, kwargs))
        return Holds(truth(kwargs), max_share=_tolerated(kwargs), label=label, **common)

    return rule


def _figure(figure: Callable[[pl.Expr], pl.Expr], words: str) -> Rule:
    """Return a rule about one figure of a column."""

    def rule(kwargs: Kwargs, common: dict[str, Any]) -> Expectation | None:
        if kwargs.get("strict_min") or kwargs.get("strict_max"):
            return None
        label = f"{words} of {kwargs['column']}"
        return FigureInRange(
            figure(pl.col(kwargs["column"])), label=label, **_bounds(kwargs), **common
        )

    return rule


def _between(kwargs: Kwargs, common: dict[str, Any]) -> Expectation | None:
    bounds, column = _bounds(kwargs), kwargs["column"]
    if any(isinstance(bound, str) for bound in bounds.values()):
        return None
    settings = {**common, "max_share": _tolerated(kwargs)}
    if not (kwargs.get("strict_min") or kwargs.get("strict_max")):
        return InRange(column, **bounds, **settings)
    low, high, value = bounds["at_least"], bounds["at_most"], pl.col(column)
    parts, words = [], []
    if low is not None:
        parts.append(value > low if kwargs.get("strict_min") else value >= low)
        words.append(f"{'more than' if kwargs.get('strict_min') else 'at least'} {low}")
    if high is not None:
        parts.append(value < high if kwargs.get("strict_max") else value <= high)
        words.append(f"{'less than' if kwargs.get('strict_max') else 'at most'} {high}")
    label = f"{column} is {' and '.join(words)}"
    return Holds(pl.all_horizontal(parts), label=label, **settings)


def _in_set(kwargs: Kwargs, common: dict[str, Any]) -> Expectation:
    return InSet(
        kwargs["column"], list(kwargs["value_set"]), max_share=_tolerated(kwargs), **common
    )


def _unique(kwargs: Kwargs, common: dict[str, Any]) -> Expectation:
    if _tolerated(kwargs):
        repeated = pl.col(kwargs["column"]).is_duplicated()
        truth = pl.when(pl.col(kwargs["column"]).is_not_null()).then(~repeated)
        label = f"{kwargs['column']} is not repeated"
        return Holds(truth, max_share=_tolerated(kwargs), label=label, **common)
    return Unique(kwargs["column"], **common)


def _monotone(*, decreasing: bool) -> Rule:
    def rule(kwargs: Kwargs, common: dict[str, Any]) -> Expectation:
        settings = {**common, "strictly": bool(kwargs.get("strictly"))}
        settings |= {"decreasing": decreasing, "max_share": _tolerated(kwargs)}
        return Monotone(kwargs["column"], **settings)

    return rule


def _greater(kwargs: Kwargs) -> pl.Expr:
    one, other = pl.col(kwargs["column_A"]), pl.col(kwargs["column_B"])
    truth = one >= other if kwargs.get("or_equal") else one > other
    return _with_missing(truth, [one, other], kwargs)


def _equal(kwargs: Kwargs) -> pl.Expr:
    one, other = pl.col(kwargs["column_A"]), pl.col(kwargs["column_B"])
    return _with_missing(one == other, [one, other], kwargs)


def _sum(kwargs: Kwargs) -> pl.Expr:
    columns = [pl.col(name) for name in kwargs["column_list"]]
    total = pl.sum_horizontal(columns, ignore_nulls=False)
    return _with_missing(total == kwargs["sum_total"], columns, kwargs)


def _with_missing(truth: pl.Expr, columns: list[pl.Expr], kwargs: Kwargs) -> pl.Expr:
    """Rows in which some value is missing break a rule, unless the suite ignores them."""
    ignored = str(kwargs.get("ignore_row_if", "all"))
    if ignored.startswith(("either", "any")):
        return truth
    kept = truth.fill_null(value=False)
    if ignored in ("neither", "never"):
        return kept
    return pl.when(pl.any_horizontal(c.is_not_null() for c in columns)).then(kept)


def _lengths(kwargs: Kwargs) -> pl.Expr:
    length = pl.col(kwargs["column"]).cast(pl.String).str.len_chars()
    low, high = (kwargs.get(bound, kwargs.get("value")) for bound in ("min_value", "max_value"))
    inside = [length >= low] if low is not None else []
    inside += [length <= high] if high is not None else []
    return pl.all_horizontal(inside)


def _lacks(kwargs: Kwargs) -> pl.Expr:
    pl.Series([""]).str.contains(kwargs["regex"])  # raises where polars cannot read it
    return ~pl.col(kwargs["column"]).cast(pl.String).str.contains(kwargs["regex"])


_FIGURES: Final[Mapping[str, tuple[str, Callable[[pl.Expr], pl.Expr]]]] = {
    "mean": ("mean", pl.Expr.mean),
    "median": ("median", pl.Expr.median),
    "min": ("minimum", pl.Expr.min),
    "max": ("maximum", pl.Expr.max),
    "stdev": ("standard deviation", pl.Expr.std),
    "sum": ("sum", pl.Expr.sum),
    "unique_value_count": ("number of values", lambda c: c.drop_nulls().n_unique()),
    "proportion_of_unique_values": (
        "share of distinct values",
        lambda c: c.drop_nulls().n_unique() / c.count(),
    ),
    "proportion_of_non_null_values": ("share of known values", lambda c: c.count() / pl.len()),
}


def _rules() -> Iterator[tuple[str, Rule]]:
    yield "column_to_exist", lambda k, c: NotNull(k["column"], max_share=1.0, label="exists", **c)
    yield (
        "column_values_to_not_be_null",
        lambda k, c: NotNull(k["column"], max_share=_tolerated(k), **c),
    )
    yield (
        "column_values_to_be_null",
        _row(lambda k: pl.col(k["column"]).is_null(), "{column} is missing"),
    )
    yield "column_values_to_be_between", _between
    yield "column_values_to_be_in_set", _in_set
    yield "column_distinct_values_to_be_in_set", _in_set
    yield (
        "column_values_to_not_be_in_set",
        _row(lambda k: ~pl.col(k["column"]).is_in(k["value_set"]), "{column} is none of those"),
    )
    yield (
        "column_values_to_match_regex",
        lambda k, c: Matches(
            k["column"], whole_text_pattern(k["regex"]), max_share=_tolerated(k), **c
        ),
    )
    yield "column_values_to_not_match_regex", _row(_lacks, "{column} lacks {regex}")
    yield "column_value_lengths_to_be_between", _row(_lengths, "{column} is of the right length")
    yield "column_value_lengths_to_equal", _row(_lengths, "{column} has {value} letters")
    yield "column_values_to_be_unique", _unique
    yield (
        "compound_columns_to_be_unique",
        lambda k, c: None if _tolerated(k) else Unique(list(k["column_list"]), **c),
    )
    yield "column_values_to_be_increasing", _monotone(decreasing=False)
    yield "column_values_to_be_decreasing", _monotone(decreasing=True)
    yield (
        "column_pair_values_a_to_be_greater_than_b",
        _row(_greater, "{column_A} is greater than {column_B}"),
    )
    yield (
        "column_pair_values_to_be_equal",
        _row(_equal, "{column_A} is {column_B}"),
    )
    yield (
        "multicolumn_sum_to_equal",
        _row(_sum, "{column_list} add up to {sum_total}"),
    )
    yield "table_row_count_to_be_between", lambda k, c: RowCount(**_bounds(k), **c)
    yield (
        "table_row_count_to_equal",
        lambda k, c: RowCount(at_least=k["value"], at_most=k["value"], **c),
    )
    for figure, (words, of) in _FIGURES.items():
        yield f"column_{figure}_to_be_between", _figure(of, words)


_RULES: Final[Mapping[str, Rule]] = dict(_rules())
