"""Answers to rules from the parts of a table, which add up to the answers of the whole."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from typing import Any, Final, TypeAlias, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.data._fingerprint import digest_rows, encode
from mldeploy.data.expectations._base import ROW, Expectation, Facts, Question, first_line
from mldeploy.data.expectations._custom import Passes
from mldeploy.data.expectations._distribution import LikeReference
from mldeploy.data.expectations._figures import Fresh, RowCount, SumInRange
from mldeploy.data.expectations._keys import Unique
from mldeploy.data.expectations._rows import RowExpectation
from mldeploy.errors import InvalidDataError

Place: TypeAlias = tuple[int, int]
"""Number of a part, and of a row in it."""
Found: TypeAlias = tuple[Place, dict[str, Any]]
_PER_ROW: Final = (RowExpectation, Passes)
_KEY: Final = np.dtype([("high", ">u8"), ("low", ">u8"), ("part", "i4"), ("row", "i8")])
_NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_HOLDS: Final = "\x00holds"
_COMPLETE: Final = "\x00complete"


@final
@dataclass(frozen=True, kw_only=True)
class RuleAnswer:
    """What some rows say to one rule.

    Attributes
    ----------
    sums : mapping of str to number
        Figures that add up, exactly: fractions never round.
    newest : object
        The largest time; None if there is none.
    examples : tuple
        The first rows that break the rule, each with its place.
    keys : ndarray
        Digests of the keys that may not repeat, with their places.
    error : tuple or None
        Place and words of what stood in the way of an answer.
    """

    sums: Mapping[str, Any] = field(default_factory=dict)
    newest: Any = None
    examples: tuple[Found, ...] = ()
    keys: npt.NDArray[Any] = field(default_factory=lambda: np.empty(0, _KEY))
    error: tuple[Place, str] | None = None

    def merge(self, other: RuleAnswer, *, n_examples: int) -> RuleAnswer:
        """Return what both say."""
        known = [newest for newest in (self.newest, other.newest) if newest is not None]
        errors = [error for error in (self.error, other.error) if error is not None]
        together = sorted((*self.examples, *other.examples), key=lambda found: found[0])
        return RuleAnswer(
            sums={n: self.sums.get(n, 0) + v for n, v in other.sums.items()} or self.sums,
            newest=max(known, default=None),
            examples=tuple(together[:n_examples]),
            keys=np.concatenate([self.keys, other.keys]),
            error=min(errors, default=None),
        )


def require_parts(rules: Sequence[Expectation], schema: pl.Schema) -> None:
    """Refuse rules whose answer for the whole does not follow from those of parts.

    Raises
    ------
    InvalidDataError
        It names them.
    """
    odd = [rule.says for rule in rules if not _has_parts(rule, schema)]
    if odd:
        raise InvalidDataError(
            f"whether {'; whether '.join(odd)}: that needs the whole table at once, since a row "
            "is compared with others; hold it against these with Expectations.check"
        )


def _has_parts(rule: Expectation, schema: pl.Schema) -> bool:
    if rule.where is not None and not _is_elementwise(rule.where, schema):
        return False
    if isinstance(rule, Fresh | LikeReference | Passes | RowCount | SumInRange | Unique):
        return True
    if not isinstance(rule, RowExpectation):
        return False
    question = rule.question(Facts(schema=schema, now=_NEVER))
    holds = question.holds if isinstance(question, Question) else None
    return holds is None or _is_elementwise(holds, schema)


def _is_elementwise(expression: pl.Expr, schema: pl.Schema) -> bool:
    """Ask polars whether a row's value follows from the row alone: then it cuts rows first."""
    rows = pl.LazyFrame(schema=schema).with_row_index(ROW)
    try:
        plan = rows.with_columns(expression.alias(_HOLDS)).slice(1, 1).explain()
    except pl.exceptions.PolarsError:
        return True  # it fails for the whole as well, which each part will say
    return plan.lstrip().startswith("WITH_COLUMNS")


def answer_of(
    rule: Expectation, question: Question, rows: pl.DataFrame, part: int, *, n_examples: int
) -> RuleAnswer:
    """Ask some rows, numbered in `ROW`, what they say to a rule."""
    first = (part, int(rows[ROW][0]) if rows.height else 0)
    try:
        if isinstance(rule, Unique):
            return RuleAnswer(keys=_keys(rule, rows, part))
        if isinstance(rule, _PER_ROW):
            return _counted(rule, question, rows, part, n_examples)
        found = rows.select(**question.wanted).row(0, named=True)
    except pl.exceptions.PolarsError as error:
        return RuleAnswer(error=(first, first_line(error)))
    if isinstance(rule, Fresh):
        return RuleAnswer(newest=found["newest"])
    return RuleAnswer(sums={name: _exact(value) for name, value in found.items()})


def _counted(
    rule: Expectation, question: Question, rows: pl.DataFrame, part: int, n_examples: int
) -> RuleAnswer:
    holds = question.holds
    if holds is None:
        raise InvalidDataError(f"whether {rule.says} is not about rows")
    complete = rule.only_where(pl.all_horizontal(pl.col(rule.needs or ()).is_not_null()))
    told = rows.with_columns(holds.alias(_HOLDS), complete.alias(_COMPLETE))
    truth = told[_HOLDS]
    sums = {"n": truth.len() - truth.null_count(), "n_kept": int(truth.sum() or 0)}
    n_complete = int(told[_COMPLETE].sum() or 0)
    if isinstance(rule, Passes) and sums["n"] < n_complete:
        place = (part, int(rows[ROW][0]))
        return RuleAnswer(error=(place, "it raises, or tells no truth, of some value"))
    broken = told.filter(~pl.col(_HOLDS)).select(ROW, *question.shown)
    examples = [
        ((part, int(row[ROW])), row) for row in broken.head(n_examples).iter_rows(named=True)
    ]
    return RuleAnswer(sums=sums, examples=tuple(examples))


def _keys(rule: Unique, rows: pl.DataFrame, part: int) -> npt.NDArray[Any]:
    complete = pl.all_horizontal(pl.col(rule.needs).is_not_null())
    if rule.where is not None:
        complete &= rule.where.fill_null(value=False)
    compared = rows.filter(complete)
    cells = [encode(compared[name])[1] for name in rule.needs]
    keys = np.empty(compared.height, _KEY)
    digests = b"".join(digest[:16] for digest in digest_rows(cells, compared.height))
    words = np.frombuffer(digests, ">u8").reshape(-1, 2)
    keys["high"], keys["low"] = words[:, 0], words[:, 1]
    keys["part"], keys["row"] = part, compared[ROW].to_numpy()
    return keys


def repeats_of(keys: npt.NDArray[Any]) -> list[Place]:
    """Return the places of keys that repeat one at an earlier place, in order."""
    order = np.lexsort((keys["row"], keys["part"], keys["low"], keys["high"]))
    ordered = keys[order]
    again = (ordered["high"][1:] == ordered["high"][:-1]) & (
        ordered["low"][1:] == ordered["low"][:-1]
    )
    later = ordered[1:][again]
    return sorted(zip(later["part"].tolist(), later["row"].tolist(), strict=True))


def _exact(value: Any) -> Any:
    """Return a number that can be added in any order."""
    if isinstance(value, float):
        return Fraction(value) if math.isfinite(value) else value
    return 0 if value is None else value


def rounded(value: Any) -> Any:
    """Return a sum as the number that it is nearest to."""
    return float(value) if isinstance(value, Fraction) else value
