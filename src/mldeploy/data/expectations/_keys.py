"""Rules about rows among each other, and about the rows of another table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, ClassVar, final

import numpy as np
import polars as pl
from typing_extensions import override

from mldeploy.data.expectations._base import ROW, Expectation, Facts, Question
from mldeploy.data.expectations._rows import RowExpectation, judged, seen
from mldeploy.data.expectations._scan import Source, Table, scan
from mldeploy.data.expectations._values import comparable
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Finding


@final
@dataclass(frozen=True, eq=False)
class Unique(Expectation):
    """No row repeats an earlier one in a column, or in several taken together.

    Rows in which one of the columns is missing are not compared. Rows are told apart by a hash
    of 64 bits, and those that seem to repeat another are compared in full.

    Attributes
    ----------
    columns : str or sequence of str
        One column, or several that together name a row.
    max_share : float
        Share of the rows compared, in [0, 1], that may repeat an earlier one.

    Examples
    --------
    >>> Unique(["carrier", "flight", "day"]).says
    'carrier, flight, day together are never repeated'
    """

    columns: str | Sequence[str]
    max_share: float = field(default=0.0, kw_only=True)
    kind: ClassVar[str] = "unique"

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", several(self.columns))
        if not 0 <= self.max_share <= 1:
            raise InvalidDataError(f"max_share is {self.max_share}; give a share in [0, 1]")

    @property
    @override
    def says(self) -> str:
        together = " together are" if len(self.columns) > 1 else " is"
        return f"{', '.join(self.columns)}{together} never repeated"

    @property
    @override
    def needs(self) -> tuple[str, ...]:
        return tuple(self.columns)

    @override
    def _question(self, facts: Facts) -> Question:
        compared = pl.all_horizontal(pl.col(self.needs).is_not_null())
        if self.where is not None:
            compared = compared & self.where.fill_null(value=False)

        def judge(answer: Mapping[str, Any], table: Table) -> Finding:
            hashes = np.sort(answer["listed"].to_numpy())
            shared = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
            repeats = _NONE
            if shared.size:
                shown = [ROW, *seen(self, facts)]
                again = table.rows.filter(compared, _hash(self.needs).is_in(pl.Series(shared)))
                alike = replace(table, rows=again)
                repeats = _repeats(alike, self.needs, shown, facts.n_examples)
            return judged(
                self, len(hashes), repeats.count, self.max_share, repeats.examples, facts
            )

        return Question(
            judge=judge,
            listed=pl.when(compared).then(_hash(self.needs)),
            holds=pl.when(compared).then(
                pl.struct(*self.needs, compared=compared).is_first_distinct()
            ),
            is_counted=False,
        )


def _hash(columns: Sequence[str]) -> pl.Expr:
    """Return 64 bits for each row that rows with the same values share."""
    first, *others = (pl.col(name).hash(seed=i) for i, name in enumerate(columns))
    return reduce(lambda mixed, other: mixed * 31 + other, others, first)


@dataclass(frozen=True, kw_only=True)
class _Repeats:
    count: int
    examples: tuple[Mapping[str, Any], ...]


_NONE = _Repeats(count=0, examples=())


def _repeats(
    table: Table, columns: Sequence[str], shown: Sequence[str], n_examples: int
) -> _Repeats:
    """Count the rows that repeat an earlier one."""
    query = (
        table.rows.select(ROW, *columns)
        .sort(ROW)
        .filter(~pl.struct(columns).is_first_distinct())
        .select(n=pl.len(), examples=pl.struct(shown).head(n_examples).implode())
    )
    again = table.collect(query)
    return _Repeats(count=int(again["n"][0]), examples=tuple(again["examples"][0]))


@final
@dataclass(frozen=True, eq=False)
class ForeignKey(RowExpectation):
    """Each row names a row of another table; rows in which a column is missing name none.

    Attributes
    ----------
    columns : str or sequence of str
        Columns of the table that is checked.
    reference : table or path
        The other table; its distinct keys are kept in memory while a check runs.
    reference_columns : str or sequence of str, optional
        Its columns, in the same order; by default of the same names.

    Examples
    --------
    >>> planes = pl.DataFrame({"tail": ["N1", "N2"]})
    >>> ForeignKey("tailnum", planes, reference_columns="tail").says
    'tailnum is among tail of the reference'
    """

    columns: str | Sequence[str]
    reference: Source = field(repr=False)
    reference_columns: str | Sequence[str] | None = field(default=None, kw_only=True)
    kind: ClassVar[str] = "foreign_key"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "columns", several(self.columns))
        if self.reference_columns is not None:
            object.__setattr__(self, "reference_columns", several(self.reference_columns))
            if len(self.reference_columns) != len(self.columns):
                raise InvalidDataError(
                    f"{list(self.columns)} cannot name {list(self.reference_columns)}; give as "
                    "many columns of the one as of the other"
                )

    @property
    @override
    def says(self) -> str:
        return f"{', '.join(self.columns)} is among {', '.join(self._theirs)} of the reference"

    @property
    @override
    def needs(self) -> tuple[str, ...]:
        return tuple(self.columns)

    @property
    def _theirs(self) -> tuple[str, ...]:
        return tuple(self.reference_columns or self.columns)

    @override
    def _holds(self, facts: Facts) -> pl.Expr:
        keys = self._keys()
        pairs = [
            comparable(name, facts.schema[name], keys[theirs])
            for name, theirs in zip(self.needs, self._theirs, strict=True)
        ]
        if len(pairs) == 1:
            return pairs[0].is_known
        known = pl.DataFrame([p.known.alias(n) for p, n in zip(pairs, self.needs, strict=True)])
        ours = pl.struct(p.column.alias(n) for p, n in zip(pairs, self.needs, strict=True))
        complete = pl.all_horizontal(pl.col(self.needs).is_not_null())
        return pl.when(complete).then(ours.is_in(pl.lit(known.to_struct("keys").implode())))

    def _keys(self) -> pl.DataFrame:
        table = scan(self.reference, self._theirs)
        if absent := [n for n in self._theirs if n not in table.rows.collect_schema()]:
            raise InvalidDataError(f"the reference has no column {', '.join(map(repr, absent))}")
        return table.collect(table.rows.select(self._theirs).drop_nulls().unique())


def several(columns: str | Sequence[str]) -> tuple[str, ...]:
    """Return one name or several as several; refuse none, and one named twice."""
    names = (columns,) if isinstance(columns, str) else tuple(columns)
    if not names or len(set(names)) != len(names):
        raise InvalidDataError(f"columns are {list(names)}; name at least one, and each once")
    return names
