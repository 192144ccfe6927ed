"""From wires to an encoding and the kernels that follow it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Final

import numpy as np

from mldeploy.errors import NotCompilableError
from mldeploy.model.compiled._columns import Column, NumberColumn, TableColumns
from mldeploy.model.compiled._dense import Append, Take
from mldeploy.model.compiled._encoding import Encoding
from mldeploy.model.compiled._kernel import Kernel
from mldeploy.model.compiled._rows import Rows
from mldeploy.model.compiling._wires import Node, NumberWire, OutputWire, TableWire, Wire

_MAX_CELLS: Final = 1 << 25
"""Numbers in one table, zeros included: 256 MB while it is compiled."""


def laid_out(
    wires: Sequence[Wire], *, kinds: tuple[str, ...]
) -> tuple[Encoding, tuple[Kernel, ...]]:
    """Return what computes these columns from raw ones.

    Parameters
    ----------
    wires : sequence of Wire
        Columns of numbers.
    kinds : tuple of str
        How each raw column is read.

    Returns
    -------
    encoding : Encoding
        The part that goes column by column.
    kernels : tuple of Kernel
        The part that mixes columns; empty if there is none.

    Raises
    ------
    NotCompilableError
        If a table would be too large.
    """
    nodes = _nodes(wires)
    leaves = _leaves([w for node in nodes for w in node.inputs] + list(wires))
    encoding = Encoding(kinds=kinds, columns=_columns(leaves))
    place = {_same(wire): position for position, wire in enumerate(leaves)}
    if not nodes and [place[_same(w)] for w in wires] == list(range(len(leaves))):
        return encoding, ()
    if len(nodes) == 1 and _is_whole(nodes[0], wires, leaves):
        return encoding, nodes[0].chain
    outputs: dict[tuple[int, int], int] = {}

    def position(wire: Wire) -> int:
        if isinstance(wire, OutputWire):
            return outputs[id(wire.node), wire.index]
        return place[_same(wire)]

    width, kernels = len(leaves), list[Kernel]()
    for node in nodes:
        reads = np.array([position(wire) for wire in node.inputs], dtype=np.int64)
        kernels.append(Append(reads=reads, chain=node.chain, width=width))
        n_outputs = node.chain[-1].n_outputs
        outputs |= {(id(node), index): width + index for index in range(n_outputs)}
        width += n_outputs
    taken = np.array([position(wire) for wire in wires], dtype=np.int64)
    return encoding, (*kernels, Take(columns=taken, width=width))


def _is_whole(node: Node, wires: Sequence[Wire], leaves: Sequence[Wire]) -> bool:
    """Whether one node reads all there is, in order, and returns all that is wanted."""
    reads_all = [_same(wire) for wire in node.inputs] == [_same(wire) for wire in leaves]
    returned = [w.index if isinstance(w, OutputWire) else -1 for w in wires]
    return reads_all and returned == list(range(node.chain[-1].n_outputs))


def _nodes(wires: Sequence[Wire]) -> list[Node]:
    """Return the nodes behind wires, those that others need first."""
    found: dict[int, Node] = {}

    def visit(node: Node) -> None:
        if id(node) in found:
            return
        for wire in node.inputs:
            if isinstance(wire, OutputWire):
                visit(wire.node)
        found[id(node)] = node

    for wire in wires:
        if isinstance(wire, OutputWire):
            visit(wire.node)
    return list(found.values())


def _leaves(wires: Sequence[Wire]) -> list[Wire]:
    unique = {_same(wire): wire for wire in wires if not isinstance(wire, OutputWire)}
    return list(unique.values())


def _same(wire: Wire) -> object:
    """Columns that have this in common are one."""
    if isinstance(wire, NumberWire):
        return wire.source, wire.ops
    if isinstance(wire, TableWire):
        return (*_look_up(wire), wire.values.tobytes())
    return id(wire)


def _columns(wires: Sequence[Wire]) -> tuple[Column, ...]:
    columns: list[Column] = []
    for _, members in groupby(wires, _group):
        group = list(members)
        first = group[0]
        if isinstance(first, NumberWire):
            columns += [
                NumberColumn(source=w.source, ops=w.ops)
                for w in group
                if isinstance(w, NumberWire)
            ]
        elif isinstance(first, TableWire):
            tables = [w for w in group if isinstance(w, TableWire)]
            columns.append(_table(first, tables))
    return tuple(columns)


def _group(wire: Wire) -> object:
    """Columns that one look-up gives share this; all numbers share another."""
    if isinstance(wire, TableWire):
        return _look_up(wire)
    return None


def _look_up(wire: TableWire) -> tuple[object, ...]:
    return wire.source, wire.ops, wire.keys, wire.knows_others, wire.knows_missing


def _table(first: TableWire, wires: Sequence[TableWire]) -> TableColumns:
    n_cells = (len(first.keys) + 2) * len(wires)
    if n_cells > _MAX_CELLS:
        size = f"{len(first.keys)} categories by {len(wires)} columns"
        reason = f"{first.name!r}: {size} is too large a table; group the rare ones"
        raise NotCompilableError(steps=[reason])
    return TableColumns(
        source=first.source,
        ops=first.ops,
        keys=first.keys,
        rows=Rows.of(np.stack([w.values for w in wires], axis=1)),
        knows_others=first.knows_others,
        knows_missing=first.knows_missing,
    )
