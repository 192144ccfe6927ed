"""From raw columns to one row of numbers, in one pass."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.model.compiled._columns import Column, NumberColumn, Prepared, TableColumns
from mldeploy.model.compiled._kernel import Arrays, Floats
from mldeploy.model.compiled._ops import Op
from mldeploy.model.compiled._refuse import refuse
from mldeploy.model.compiled._registry import array_of
from mldeploy.model.compiled._rows import Rows

Part = Callable[[Sequence[Any]], bytes]

_MAX_OUTPUTS: Final = 1 << 21


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Encoding:
    """What turns raw columns into the numbers that the first kernel reads.

    Attributes
    ----------
    kinds : tuple of str
        ``"number"`` or ``"text"`` for each raw column, ``"other"`` for what cannot be read.
    columns : tuple of NumberColumn or TableColumns
        What the numbers are, in order.
    """

    kinds: tuple[str, ...]
    columns: tuple[Column, ...]

    def __post_init__(self) -> None:
        for column in self.columns:
            if not 0 <= column.source < len(self.kinds):
                raise refuse(f"it reads column {column.source} of {len(self.kinds)}")
            kind = self.kinds[column.source]
            if isinstance(column, TableColumns) and kind == "text":
                fits = not column.ops and (column.is_text or not column.keys)
            elif isinstance(column, TableColumns):
                fits = kind == "number" and not column.is_text
            else:
                fits = kind == "number"
            if not fits:
                raise refuse(f"column {column.source} is {kind} and is read as something else")
            for op in column.ops:
                op.require_sound()

    @property
    def n_outputs(self) -> int:
        """Number of columns that it returns."""
        return sum(column.width for column in self.columns)

    def row(self, values: Sequence[Any]) -> Floats:
        """Return one row, of shape (1, n_outputs).

        Raises
        ------
        PredictionFailedError
            If the original refuses one of the values.
        """
        content = bytearray().join([part(values) for part in self._parts])
        return np.frombuffer(content).reshape(1, -1)

    def prepared(self, frame: pl.DataFrame) -> list[Prepared]:
        """Return numbers, or numbers of rows in a table, for each of the columns.

        Raises
        ------
        PredictionFailedError
            If the original refuses one of the values.
        """
        raw = frame.get_columns()
        return [column.prepared(raw[column.source]) for column in self.columns]

    def block(self, prepared: Sequence[Prepared], rows: slice) -> Floats:
        """Return some rows of what was prepared, as one matrix."""
        n_rows = len(range(*rows.indices(len(prepared[0])))) if prepared else 0
        X = np.empty((n_rows, self.n_outputs))
        place = 0
        values: Any
        for column, values in zip(self.columns, prepared, strict=True):
            if isinstance(column, NumberColumn):
                X[:, place] = values[rows]
            elif column.width == 1:
                X[:, place] = column.rows.dense[:, 0][values[rows]]
            else:
                column.rows.write(values[rows], X[:, place : place + column.width])
            place += column.width
        return X

    def matrix(self, frame: pl.DataFrame) -> Floats:
        """Return all rows of a frame, of shape (n_rows, n_outputs)."""
        return self.block(self.prepared(frame), slice(0, frame.height))

    @cached_property
    def _parts(self) -> list[Part]:
        parts: list[Part] = []
        for is_number, group in groupby(self.columns, lambda c: isinstance(c, NumberColumn)):
            if is_number:
                parts.append(_packed([c for c in group if isinstance(c, NumberColumn)]))
            else:
                parts += [_looked_up(c) for c in group if isinstance(c, TableColumns)]
        return parts

    # --- files ----------------------------------------------------------------------------

    def spec(self) -> dict[str, Any]:
        """Return its settings, as JSON."""
        return {"columns": [_spec_of(column) for column in self.columns]}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return its arrays."""
        numbers = [n for column in self.columns for op in column.ops for n in op.numbers]
        arrays = {"numbers": np.array(numbers, dtype=np.float64)}
        for place, column in enumerate(self.columns):
            if isinstance(column, TableColumns):
                arrays |= {f"{n}-{place}": a for n, a in column.rows.arrays().items()}
                if not column.is_text:
                    arrays[f"keys-{place}"] = np.array(column.keys, dtype=np.float64)
        return arrays

    @classmethod
    def restore(cls, spec: object, arrays: Arrays, *, kinds: tuple[str, ...]) -> Encoding:
        """Bring it back from what `spec` and `arrays` returned.

        Raises
        ------
        IntegrityError
            If anything is not what it would have written.
        """
        specs = spec.get("columns") if isinstance(spec, dict) and len(spec) == 1 else None
        if not isinstance(specs, list):
            raise refuse("its encoding has no list of columns")
        numbers = iter(array_of(arrays, "numbers").tolist())
        columns = tuple(_column_of(s, i, arrays, numbers) for i, s in enumerate(specs))
        encoding = cls(kinds=kinds, columns=columns)
        if next(numbers, None) is not None:
            raise refuse("its steps take fewer numbers than there are")
        if encoding.n_outputs > _MAX_OUTPUTS:
            raise refuse(f"its rows would have {encoding.n_outputs} columns")
        return encoding


def _packed(columns: Sequence[NumberColumn]) -> Part:
    pack = struct.Struct(f"{len(columns)}d").pack
    plans = [_canonical(column) for column in columns]
    if all(plan is not None for plan in plans):
        plain = [plan for plan in plans if plan is not None]

        def quickly(values: Sequence[Any]) -> bytes:
            numbers = []
            for source, fill, a, b, c, d in plain:
                x = values[source]
                numbers.append(((fill if x is None else x) - a) / b * c + d)
            return pack(*numbers)

        return quickly
    singles = [(column.source, column.single) for column in columns]
    return lambda values: pack(*[single(values[source]) for source, single in singles])


def _looked_up(column: TableColumns) -> Part:
    source = column.source
    rows = column.rows
    if not rows.is_small:
        places, unseen = column.by_key(range(len(rows)))
        row_of = column.single(places, unseen)
        return lambda values: rows.row(row_of(values[source])).tobytes()
    table, other = column.by_key([row.tobytes() for row in rows.dense])
    look_up = column.single(table, other)
    if column.ops or not (column.knows_others and column.knows_missing):
        return lambda values: look_up(values[source])
    get = table.get
    return lambda values: get(values[source], other)


def _canonical(column: NumberColumn) -> tuple[int, float, float, float, float, float] | None:
    plan = canonical(column.ops)
    return None if plan is None else (column.source, *plan)


def canonical(ops: tuple[Op, ...]) -> tuple[float, float, float, float, float] | None:
    """Return fill, a, b, c, d of ``(x - a) / b * c + d`` if that is what the steps do.

    What is not done has its neutral element, so that the result is the same to the bit.
    """
    order, neutral = ("fill", "subtract", "divide", "multiply", "add"), (0.0, 1.0, 1.0, -0.0)
    numbers = [float("nan"), *neutral]
    last = -1
    for op in ops:
        if op.name not in order or order.index(op.name) <= last:
            return None
        last = order.index(op.name)
        numbers[last] = op.numbers[0]
    fill, a, b, c, d = numbers
    return fill, a, b, c, d


# --- files --------------------------------------------------------------------------------


def _spec_of(column: Column) -> dict[str, Any]:
    ops = [[op.name, len(op.numbers)] for op in column.ops]
    if isinstance(column, NumberColumn):
        return {"source": column.source, "ops": ops}
    return {
        "source": column.source,
        "ops": ops,
        "keys": list(column.keys) if column.is_text else None,
        "width": column.width,
        "knows_others": column.knows_others,
        "knows_missing": column.knows_missing,
    }


def _column_of(spec: object, place: int, arrays: Arrays, numbers: Iterator[float]) -> Column:
    if not isinstance(spec, dict) or not _is_whole(spec.get("source")):
        raise refuse(f"column {place} of its encoding has no source")
    ops = Op.restored(spec.get("ops"), numbers)
    if set(spec) == {"source", "ops"}:
        return NumberColumn(source=spec["source"], ops=ops)
    flags = (spec.get("knows_others"), spec.get("knows_missing"))
    wanted = {"source", "ops", "keys", "width", "knows_others", "knows_missing"}
    if (
        set(spec) != wanted
        or not all(isinstance(flag, bool) for flag in flags)
        or not _is_whole(spec["width"])
    ):
        raise refuse(f"column {place} of its encoding is neither a number nor a table")
    keys: Any = spec["keys"]
    if keys is None:
        keys = array_of(arrays, f"keys-{place}").tolist()
    elif not isinstance(keys, list) or not all(isinstance(key, str) for key in keys):
        raise refuse(f"the keys of column {place} are not text")
    own = {
        "starts": array_of(arrays, f"starts-{place}", dtype=np.int64),
        "places": array_of(arrays, f"places-{place}", dtype=np.int64),
        "numbers": array_of(arrays, f"numbers-{place}"),
    }
    return TableColumns(
        source=spec["source"],
        ops=ops,
        keys=tuple(keys),
        rows=Rows.restore(own, width=spec["width"]),
        knows_others=spec["knows_others"],
        knows_missing=spec["knows_missing"],
    )


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
