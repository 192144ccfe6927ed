"""Rows searched for trouble: where a compiled model would differ if it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.data import Schema
from mldeploy.errors import EmptyDataError
from mldeploy.model.compiled._kernel import Floats
from mldeploy.model.compiling._oddities import around, oddities_of

Positions: TypeAlias = npt.NDArray[np.int64]

AT_SEVERAL: Final = "at several thresholds"
"""Why a row has a value at or next to a threshold in every column that has thresholds."""

_MOST_CELLS: Final = 4_000_000
_FEWEST_ROWS: Final = 64
_MOST_COLUMNS: Final = 200
_MOST_PLANTED: Final = 100_000
_MOST_AROUND: Final = 6
_WITHOUT: Final = 2


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class SearchedRows:
    """Real rows with a value or more replaced by one that is searched for trouble.

    Attributes
    ----------
    frame : polars.DataFrame
        The rows, in the schema's types; the schema accepts every one.
    why : tuple of str
        For each row what was done to it; rows with the same reason are adjacent.
    n_thresholds : int
        Number of values at which some answer may jump.
    n_covered : int
        Of how many there is a row at them, or next to them.
    """

    frame: pl.DataFrame = field(repr=False)
    why: tuple[str, ...] = field(repr=False)
    n_thresholds: int
    n_covered: int


def searched_rows(
    real: pl.DataFrame,
    schema: Schema,
    breakpoints: Mapping[str, Floats],
    *,
    most_rows: int = 4_000,
    random_state: int = 0,
) -> SearchedRows:
    """Make rows that tell a compiled model from its original, if anything does.

    Parameters
    ----------
    real : polars.DataFrame
        Real rows in the schema's columns, order and types; the rest of each row comes from them.
    schema : Schema
        What rows may hold; a row that it refuses is not made.
    breakpoints : mapping of str to ndarray
        By column, where the answer may jump; see `CompiledModel.breakpoints`.
    most_rows : int, default=4000
        Most rows to make. Beyond it thresholds are sampled evenly; wide tables get fewer rows.
    random_state : int, default=0
        Seed of the sampling.

    Returns
    -------
    SearchedRows
        At most `most_rows`, the same for the same arguments.

    Raises
    ------
    EmptyDataError
        If there is no real row.

    Examples
    --------
    >>> real = pl.DataFrame({"x": [1.0, 2.0, None]})
    >>> rows = searched_rows(real, Schema.infer(real), {"x": np.array([1.5])})
    >>> rows.n_covered, 1.5000000000000002 in rows.frame["x"], None in rows.frame["x"]
    (1, True, True)
    """
    if real.is_empty():
        raise EmptyDataError("there is no real row to search around; pass at least one")
    n_rows = min(most_rows, max(_FEWEST_ROWS, _MOST_CELLS // max(real.width, 1)))
    rng = np.random.default_rng(random_state)
    search = _Search(real, schema, rng)
    search.plant_missing(n_rows // 8)
    search.plant_oddities(n_rows // 2)
    n_left = n_rows - search.n_rows
    n_covered = search.plant_thresholds(breakpoints, n_left)
    return SearchedRows(
        frame=search.frame(),
        why=tuple(search.why),
        n_thresholds=sum(map(len, breakpoints.values())),
        n_covered=n_covered,
    )


@final
class _Search:
    """Rows in the making: which real row each is, and what is planted where."""

    def __init__(self, real: pl.DataFrame, schema: Schema, rng: np.random.Generator) -> None:
        self._real, self._schema, self._rng = real, schema, rng
        self._planted: dict[str, list[tuple[int, Any]]] = {}
        self.why: list[str] = []

    @property
    def n_rows(self) -> int:
        return len(self.why)

    def plant_missing(self, most: int) -> None:
        """Leave each column out alone, all of them, and all but one."""
        names = [c.name for c in self._schema.columns if c.nullable]
        for name in self._some(names, most // _WITHOUT):
            for _ in range(_WITHOUT):
                self._add("missing alone", {name: None})
        if len(names) > 1:
            self._add("all missing", dict.fromkeys(names))
            for name in self._some(names, min(most // 4, _MOST_PLANTED // len(names))):
                self._add("all missing but one", {n: None for n in names if n != name})

    def plant_oddities(self, most: int) -> None:
        """Put odd values in real rows, one each; those of one kind follow each other."""
        columns = self._some(list(self._schema.columns), _MOST_COLUMNS)
        found = []
        for column in columns:
            oddities = list(oddities_of(column, self._real[column.name]))
            reasons, values = zip(*oddities, strict=True) if oddities else ((), ())
            kept = self._accepted(column.name, values)
            found += [(reasons[i], column.name, values[i]) for i in kept]
        chosen = self._some(found, most)
        for reason, name, value in sorted(chosen, key=lambda entry: entry[:2]):
            self._add(reason, {name: value})

    def plant_thresholds(self, breakpoints: Mapping[str, Floats], most: int) -> int:
        """Put values at and next to thresholds in real rows; return how many were covered.

        Half of the rows get one value; the others one in every column, by which many more
        thresholds are covered than there are rows.
        """
        probes = self._probes(breakpoints, most)
        groups = [(name, group) for name, groups in probes.items() for group in groups]
        if sum(len(group) for _, group in groups) > most:
            groups = self._evenly(groups, most // 2 // _MOST_AROUND)
        covered: set[tuple[str, float]] = set()
        for name, group in groups:
            for value, threshold in group:
                self._add("at a threshold", {name: value})
                covered.add((name, threshold))
        n_left = most - sum(len(group) for _, group in groups)
        queues = {
            name: [
                pair for group in self._evenly(groups, n_left // _MOST_AROUND) for pair in group
            ]
            for name, groups in probes.items()
        }
        queues = {name: pairs for name, pairs in queues.items() if pairs}
        longest = max(map(len, queues.values()), default=0) if len(queues) > 1 else 0
        for turn in range(min(n_left, longest)):
            chosen = {name: pairs[turn % len(pairs)] for name, pairs in queues.items()}
            self._add(
                "at several thresholds", {name: value for name, (value, _) in chosen.items()}
            )
            covered.update((name, threshold) for name, (_, threshold) in chosen.items())
        return len(covered)

    def frame(self) -> pl.DataFrame:
        """Return the rows, each a real one with what is planted in it."""
        base = self._rng.integers(self._real.height, size=self.n_rows)
        longest = max(map(len, self._planted.values()), default=0)
        values = {}
        for name in self._schema.names:
            own = [value for _, value in self._planted.get(name, ())]
            values[name] = own + [None] * (longest - len(own))
        pool = pl.concat([self._real, pl.DataFrame(values, schema=self._real.schema)])
        return pool.select(
            pl.col(name).gather(pl.lit(pl.Series(self._chosen(name, base))))
            for name in self._schema.names
        )

    def _chosen(self, name: str, base: Positions) -> Positions:
        """Return which entry of real values, then planted ones, each row takes."""
        places = [place for place, _ in self._planted.get(name, ())]
        chosen = base.copy()
        chosen[places] = self._real.height + np.arange(len(places))
        return chosen

    def _probes(
        self, breakpoints: Mapping[str, Floats], most: int
    ) -> dict[str, list[list[tuple[Any, float]]]]:
        """Return by column, for each threshold that can be covered, the accepted values."""
        probes = {}
        for name in breakpoints:
            column = self._schema[name]
            if column.kind not in ("integer", "number"):
                continue
            thresholds = np.array(self._evenly(breakpoints[name].tolist(), most))
            found = zip(around(thresholds, column), thresholds.tolist(), strict=True)
            groups = [[(value, threshold) for value in values] for values, threshold in found]
            values = [value for group in groups for value, _ in group]
            kept = set(self._accepted(name, values))
            left = iter(range(len(values)))
            accepted = (
                [pair for pair, i in zip(group, left, strict=False) if i in kept]
                for group in groups
            )
            probes[name] = [group for group in accepted if group]
        return probes

    def _accepted(self, name: str, values: Sequence[Any]) -> list[int]:
        """Return which values the schema accepts in a column."""
        if not values:
            return []
        schema = self._schema.select([name])
        frame = pl.DataFrame({name: pl.Series(values, dtype=schema[name].dtype, strict=False)})
        refused = {error.row for error in schema.check(frame, limit=len(values))}
        return [i for i in range(len(values)) if i not in refused]

    def _add(self, reason: str, planted: Mapping[str, Any]) -> None:
        for name, value in planted.items():
            self._planted.setdefault(name, []).append((self.n_rows, value))
        self.why.append(reason)

    def _some(self, values: list[Any], most: int) -> list[Any]:
        """Return at most so many, chosen at random, in their order."""
        if len(values) <= most:
            return values
        return [values[i] for i in sorted(self._rng.choice(len(values), most, replace=False))]

    def _evenly(self, values: list[Any], most: int) -> list[Any]:
        """Return at most so many, evenly spaced, from a start drawn at random."""
        if len(values) <= most:
            return values
        start = self._rng.uniform()
        places = ((np.arange(most) + start) * len(values) / max(most, 1)).astype(np.int64)
        return [values[i] for i in places]
