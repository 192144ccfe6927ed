"""Columns on their way through a pipeline: where each comes from, and what was done to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias, final

import numpy as np

from mldeploy.errors import NotCompilableError
from mldeploy.model.compiled._columns import Keys
from mldeploy.model.compiled._dense import Elementwise
from mldeploy.model.compiled._kernel import Floats, Kernel
from mldeploy.model.compiled._ops import Op, applied

_GROWS: Final = frozenset({"subtract", "divide", "multiply", "add"})


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class NumberWire:
    """A raw column of numbers, after some steps.

    Attributes
    ----------
    source : int
        Number of the raw column.
    name : str
        Its name.
    ops : tuple of Op
        The steps.
    may_miss, may_be_infinite : bool
        Whether a value may be NaN, or infinite, at this point.
    dtype : {"bool", "float", "int"}
        What the original has at this point.
    """

    source: int
    name: str
    ops: tuple[Op, ...] = ()
    may_miss: bool = True
    may_be_infinite: bool = False
    dtype: Literal["bool", "float", "int"] = "float"


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TextWire:
    """A raw column of text.

    Attributes
    ----------
    source : int
        Number of the raw column.
    name : str
        Its name.
    missing_as : str, optional
        What takes the place of a missing value.
    instead : tuple of (str, str)
        Values that are replaced, and by what.
    may_miss : bool
        Whether a value may be missing at this point.
    """

    source: int
    name: str
    missing_as: str | None = None
    instead: tuple[tuple[str, str], ...] = ()
    may_miss: bool = True


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TableWire:
    """A column whose value depends on which of some keys a raw value is.

    Attributes
    ----------
    source : int
        Number of the raw column.
    name : str
        Its name.
    ops : tuple of Op
        What is done to numbers before they are looked up.
    keys : tuple of str or of float
        The keys.
    values : ndarray of shape (n_keys + 2,)
        The value for each key, for others, and for missing ones.
    knows_others, knows_missing : bool
        Whether those two are values, or refused.
    """

    source: int
    name: str
    ops: tuple[Op, ...] = ()
    keys: Keys
    values: Floats
    knows_others: bool
    knows_missing: bool

    @property
    def reached(self) -> Floats:
        """The values that occur."""
        n_keys = len(self.keys)
        kept = [*range(n_keys), *([n_keys] * self.knows_others)]
        return self.values[kept + [n_keys + 1] * self.knows_missing]

    @property
    def may_miss(self) -> bool:
        """Whether some value is NaN."""
        return bool(np.isnan(self.reached).any())

    @property
    def may_be_infinite(self) -> bool:
        """Whether some value is infinite."""
        return bool(np.isinf(self.reached).any())


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class OtherWire:
    """A raw column that no compiled model reads, such as a time.

    Attributes
    ----------
    source : int
        Number of the raw column.
    name : str
        Its name.
    kind : str
        Its kind in the schema.
    """

    source: int
    name: str
    kind: str


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Node:
    """Kernels that make columns out of several.

    Attributes
    ----------
    inputs : tuple of Wire
        What the first reads.
    chain : tuple of Kernel
        The kernels.
    """

    inputs: tuple[Wire, ...]
    chain: tuple[Kernel, ...]

    def outputs(self, *, may_miss: bool = False) -> tuple[OutputWire, ...]:
        """Return its columns."""
        n_outputs = self.chain[-1].n_outputs
        return tuple(OutputWire(node=self, index=i, may_miss=may_miss) for i in range(n_outputs))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class OutputWire:
    """One column of what a node returns.

    Attributes
    ----------
    node : Node
        Which one.
    index : int
        Number of the column.
    may_miss, may_be_infinite : bool
        Whether a value may be NaN, or infinite.
    """

    node: Node
    index: int
    may_miss: bool = False
    may_be_infinite: bool = True

    @property
    def name(self) -> str:
        """What it is called in messages."""
        return f"column {self.index} of a {self.node.chain[-1].kind}"


Wire: TypeAlias = NumberWire | TextWire | TableWire | OtherWire | OutputWire


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Table:
    """Columns side by side.

    Attributes
    ----------
    wires : tuple of Wire
        The columns.
    is_sparse : bool
        Whether the original has a sparse matrix here, and therefore rounds otherwise.
    """

    wires: tuple[Wire, ...]
    is_sparse: bool = False

    def take(self, columns: Sequence[int]) -> Table:
        """Return some of the columns."""
        return replace(self, wires=tuple(self.wires[i] for i in columns))


def elementwise(step: object, table: Table, ops: Sequence[Sequence[Op]]) -> Table:
    """Return the table after steps on each column.

    Parameters
    ----------
    step : object
        The transformer that takes them, for messages.
    table : Table
        The columns.
    ops : sequence of sequence of Op
        The steps of each.

    Raises
    ------
    NotCompilableError
        If a column is none of numbers.
    """
    after = [
        wire if isinstance(wire, OutputWire) else _stepped(step, wire, tuple(own))
        for wire, own in zip(table.wires, ops, strict=True)
    ]
    mixed = [i for i, wire in enumerate(after) if isinstance(wire, OutputWire) and ops[i]]
    if mixed:
        own = tuple(tuple(ops[i]) for i in mixed)
        inputs = tuple(after[i] for i in mixed)
        node = Node(inputs=inputs, chain=(Elementwise(ops=own),))
        for i, output in zip(mixed, node.outputs(), strict=True):
            before = after[i]
            assert isinstance(before, OutputWire)
            after[i] = replace(output, may_miss=_may_miss(before.may_miss, tuple(ops[i])))
    return replace(table, wires=tuple(after))


def accepted(
    step: object, table: Table, *, missing: bool = False, infinite: bool = False
) -> Table:
    """Return the columns, from here on without the values that a step refuses.

    Parameters
    ----------
    step : object
        The transformer.
    table : Table
        Its input.
    missing, infinite : bool
        What it accepts.
    """
    ops = []
    for wire in table.wires:
        own = []
        if not isinstance(wire, TextWire | OtherWire):
            if wire.may_miss and not missing:
                own.append(Op("present"))
            if wire.may_be_infinite and not infinite:
                own.append(Op("finite"))
        ops.append(own)
    return elementwise(step, table, ops) if any(ops) else table


def unsupported(step: object, reason: str) -> NotCompilableError:
    """Return the error for a step, with the reason as a clause."""
    return NotCompilableError(steps=[f"{type(step).__name__}: {reason}"])


def require_numbers(step: object, table: Table) -> None:
    """Refuse columns that are not numbers.

    Raises
    ------
    NotCompilableError
        If there are such.
    """
    for wire in table.wires:
        if isinstance(wire, OtherWire):
            raise unsupported(step, f"it reads {wire.name!r}, which is of kind {wire.kind}")
        if isinstance(wire, TextWire):
            raise unsupported(step, f"it reads {wire.name!r}, which is text")


def _stepped(step: object, wire: Wire, ops: tuple[Op, ...]) -> Wire:
    if not ops:
        return wire
    if isinstance(wire, NumberWire):
        infinite = wire.may_be_infinite
        for op in ops:
            infinite = op.name != "finite" and (infinite or _may_overflow(op))
        return replace(
            wire,
            ops=(*wire.ops, *ops),
            may_miss=_may_miss(wire.may_miss, ops),
            may_be_infinite=infinite,
            dtype="float",
        )
    if isinstance(wire, TableWire):
        return _stepped_table(step, wire, ops)
    require_numbers(step, Table(wires=(wire,)))
    raise unsupported(step, f"{wire.name!r} cannot be changed")


def _stepped_table(step: object, wire: TableWire, ops: tuple[Op, ...]) -> TableWire:
    for op in ops:
        if op.name in ("present", "finite"):
            bad = np.isnan(wire.values) if op.name == "present" else np.isinf(wire.values)
            if bad[: len(wire.keys)].any():
                raise unsupported(step, f"it refuses some values of {wire.name!r}")
            others, missing = (not flag for flag in bad[-2:].tolist())
            wire = replace(
                wire,
                knows_others=wire.knows_others and others,
                knows_missing=wire.knows_missing and missing,
            )
        else:
            with np.errstate(all="ignore"):
                wire = replace(wire, values=applied((op,), wire.values))
    return wire


def _may_miss(before: bool, ops: tuple[Op, ...]) -> bool:  # noqa: FBT001 (a state, no option)
    for op in ops:
        if op.name in ("fill", "present", "is missing"):
            before = False
        elif op.name not in _GROWS | {"finite", "clip", "bins", "replace", "equals", "above"}:
            before = True
    return before


def _may_overflow(op: Op) -> bool:
    return op.name not in {"fill", "is missing", "present", "equals", "above", "bins", "replace"}
