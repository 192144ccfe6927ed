"""Encoders of categories, asked once for each value that they know."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl
from sklearn.preprocessing import KBinsDiscretizer, OneHotEncoder, OrdinalEncoder, TargetEncoder

from mldeploy.data import to_pandas
from mldeploy.model.compiled._columns import Keys
from mldeploy.model.compiled._kernel import Floats
from mldeploy.model.compiled._ops import Op
from mldeploy.model.compiling._wires import (
    NumberWire,
    OtherWire,
    OutputWire,
    Table,
    TableWire,
    TextWire,
    Wire,
    accepted,
    elementwise,
    require_numbers,
    unsupported,
)

_EXACT: Final = 2**53
_UNSEEN: Final = "\x00no such category\x00"


def _one_hot(step: OneHotEncoder, table: Table) -> Table:
    return _encoded(step, table, list(step._n_features_outs), is_sparse=step.sparse_output)  # noqa: SLF001


def _ordinal(step: OrdinalEncoder, table: Table) -> Table:
    return _encoded(step, table, [1] * len(table.wires), is_sparse=False)


def _target(step: TargetEncoder, table: Table) -> Table:
    width = len(step.classes_) if step.target_type_ == "multiclass" else 1
    return _encoded(step, table, [width] * len(table.wires), is_sparse=False)


def _encoded(step: Any, table: Table, widths: Sequence[int], *, is_sparse: bool) -> Table:
    ends = np.cumsum([0, *widths])
    wires: list[Wire] = []
    for place, wire in enumerate(table.wires):
        block = slice(ends[place], ends[place + 1])
        wires += _tables(_Probe(step, place, block), step, wire, widths[place])
    return Table(wires=tuple(wires), is_sparse=is_sparse)


class _Probe:
    """What a fitted encoder makes of one value in one column, the others being known ones."""

    def __init__(self, step: Any, place: int, block: slice) -> None:
        self._step, self._block = step, block
        self.place = place
        self._known = [
            next((v for v in c.tolist() if not _is_missing(v)), None) for c in step.categories_
        ]
        self._named = getattr(step, "feature_names_in_", None)
        self._levels = [[v for v in c.tolist() if isinstance(v, str)] for c in step.categories_]

    def rows(self, values: Sequence[Any]) -> Floats | None:
        """Return the output for each value; None if the encoder refuses one."""
        columns = [
            self._column(i, list(values) if i == self.place else [known] * len(values))
            for i, known in enumerate(self._known)
        ]
        frame: Any
        if self._named is not None:
            frame = pd.DataFrame(dict(zip(self._named, columns, strict=True)))
        elif all(isinstance(c, np.ndarray) and c.dtype.kind == "f" for c in columns):
            frame = np.stack(columns, axis=1)
        else:
            frame = np.empty((len(values), len(columns)), dtype=object)
            for i, column in enumerate(columns):
                frame[:, i] = np.asarray(column, dtype=object)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                out = self._step.transform(frame)
            except ValueError:
                return None
        dense = out.toarray() if hasattr(out, "toarray") else np.asarray(out)
        numbers: Floats = dense.astype(np.float64)[:, self._block]
        return numbers

    def _column(self, place: int, values: list[Any]) -> Any:
        """Return values as the type in which the encoder met them."""
        if any(isinstance(v, str) for v in values) or self._levels[place]:
            series = pl.Series("x", values, dtype=pl.String)
            return to_pandas(series.to_frame())["x"].array
        if all(isinstance(v, bool) for v in values):
            return np.array(values, dtype=bool)
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)


def _tables(probe: _Probe, step: Any, wire: Wire, width: int) -> list[TableWire]:
    known = [v for v in step.categories_[probe.place].tolist() if not _is_missing(v)]
    if isinstance(wire, OtherWire):
        raise unsupported(step, f"it reads {wire.name!r}, which is of kind {wire.kind}")
    if isinstance(wire, OutputWire | TableWire):
        raise unsupported(step, "it encodes what another step calculated")
    is_text = isinstance(wire, TextWire)
    if any(isinstance(v, str) != is_text for v in known):
        raise unsupported(step, f"the categories of {wire.name!r} are of another type than it")
    if not is_text and any(abs(v) > _EXACT for v in known):
        raise unsupported(step, f"{wire.name!r} has categories beyond 2**53")
    rows = probe.rows(known) if known else np.empty((0, width))
    if rows is None:
        raise unsupported(step, f"it refuses categories of {wire.name!r} that it knows")
    is_bool = bool(known) and all(isinstance(v, bool) for v in known)
    others = None if is_bool else probe.rows([_unseen(known, is_text=is_text)])
    missing = None if is_bool else probe.rows([None])
    if isinstance(wire, TextWire):
        return _text_tables(wire, tuple(known), rows, others, missing)
    return _number_tables(wire, tuple(float(v) for v in known), rows, others, missing)


def _text_tables(
    wire: TextWire,
    keys: tuple[str, ...],
    rows: Floats,
    others: Floats | None,
    missing: Floats | None,
) -> list[TableWire]:
    """Values that earlier steps replace are given the rows of what takes their place."""
    row_of: dict[str, npt.NDArray[np.float64] | None] = dict(zip(keys, rows, strict=True))
    other = None if others is None else others[0]
    instead = dict(wire.instead)
    for old in instead:
        value, n_steps = old, 0
        while value in instead and n_steps < len(instead):
            value, n_steps = instead[value], n_steps + 1
        row_of[old] = dict(zip(keys, rows, strict=True)).get(value, other)
    empty = None if missing is None else missing[0]
    if wire.missing_as is not None:
        empty = row_of.get(wire.missing_as, other)
    if any(row is None for row in row_of.values()):
        raise unsupported(wire, f"{wire.name!r} is filled with a category that was not seen")
    table = [row for row in row_of.values() if row is not None]
    return _wires(wire, tuple(row_of), table, other, empty, width=rows.shape[1])


def _number_tables(
    wire: NumberWire, keys: Keys, rows: Floats, others: Floats | None, missing: Floats | None
) -> list[TableWire]:
    other = None if others is None else others[0]
    empty = None if missing is None else missing[0]
    return _wires(wire, keys, list(rows), other, empty, width=rows.shape[1])


def _wires(
    wire: TextWire | NumberWire,
    keys: Keys,
    rows: Sequence[npt.NDArray[np.float64]],
    other: npt.NDArray[np.float64] | None,
    empty: npt.NDArray[np.float64] | None,
    *,
    width: int,
) -> list[TableWire]:
    nothing = np.full(width, np.nan)
    last = [nothing if row is None else row for row in (other, empty)]
    table = np.array([*rows, *last]).reshape(len(keys) + 2, width)
    return [
        TableWire(
            source=wire.source,
            name=wire.name,
            ops=wire.ops if isinstance(wire, NumberWire) else (),
            keys=keys,
            values=np.ascontiguousarray(table[:, i]),
            knows_others=other is not None,
            knows_missing=empty is not None,
        )
        for i in range(width)
    ]


def _unseen(known: Sequence[Any], *, is_text: bool) -> Any:
    if is_text:
        return _UNSEEN
    return max([*map(float, known), 0.0]) + 1.5


def _is_missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value != value)  # noqa: PLR0124


def _binned(step: KBinsDiscretizer, table: Table) -> Table:
    require_numbers(step, table)
    table = accepted(step, table)
    ops = [[Op("bins", tuple(edges[1:-1].tolist()))] for edges in step.bin_edges_]
    table = elementwise(step, table, ops)
    if step.encode == "ordinal":
        return table
    wires: list[Wire] = []
    for wire, n_bins in zip(table.wires, step.n_bins_.tolist(), strict=True):
        for number in range(n_bins):
            same = [[Op("equals", (float(number),))]]
            wires += elementwise(step, Table(wires=(wire,)), same).wires
    return Table(wires=tuple(wires), is_sparse=step.encode == "onehot")


RULES: Final[Mapping[type, Callable[[Any, Table], Table]]] = {
    KBinsDiscretizer: _binned,
    OneHotEncoder: _one_hot,
    OrdinalEncoder: _ordinal,
    TargetEncoder: _target,
}


def encoded_by_codes(wire: TextWire, categories: npt.NDArray[Any]) -> TableWire:
    """Return text as its position among categories; others and missing values become NaN.

    Parameters
    ----------
    wire : TextWire
        The column.
    categories : ndarray
        Its categories, of which the last may be a missing value.
    """
    known = [v for v in categories.tolist() if isinstance(v, str)]
    rows = np.arange(len(known), dtype=np.float64)[:, None]
    nothing = np.full((1, 1), np.nan)
    return _text_tables(wire, tuple(known), rows, nothing, nothing)[0]
