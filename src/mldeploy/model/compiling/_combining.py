"""Transformers that are made of others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mldeploy.errors import NotCompilableError
from mldeploy.model.compiled._ops import Op
from mldeploy.model.compiling._wires import Table, Wire, elementwise, unsupported


def by_column(transformer: Any, table: Table, transformed: Callable[[Any, Table], Table]) -> Table:
    """Return what a fitted `ColumnTransformer` returns, part after part."""
    columns = transformer._transformer_to_input_indices  # noqa: SLF001
    parts = []
    for name, part, chosen in transformer.transformers_:
        taken = [int(i) for i in columns[name]] if name in columns else []
        if (isinstance(part, str) and part == "drop") or not taken or _is_empty(chosen):
            continue
        parts.append((part, table.take(taken)))
    wires, sparse = _joined(parts, transformed)
    weights = transformer.transformer_weights
    if weights:
        raise unsupported(transformer, "it has transformer_weights")
    return Table(wires=wires, is_sparse=bool(getattr(transformer, "sparse_output_", any(sparse))))


def united(transformer: Any, table: Table, transformed: Callable[[Any, Table], Table]) -> Table:
    """Return what a fitted `FeatureUnion` returns."""
    weights = transformer.transformer_weights or {}
    parts = [
        (name, part)
        for name, part in transformer.transformer_list
        if not (isinstance(part, str) and part == "drop")
    ]
    unknown, wires, sparse = list[str](), list[Wire](), list[bool]()
    for name, part in parts:
        try:
            out = transformed(part, table)
            if weights.get(name) is not None:
                factor = Op("multiply", (float(weights[name]),))
                out = elementwise(transformer, out, [[factor]] * len(out.wires))
        except NotCompilableError as error:
            unknown += error.steps
        else:
            wires += out.wires
            sparse.append(out.is_sparse)
    if unknown:
        raise NotCompilableError(steps=unknown)
    return Table(wires=tuple(wires), is_sparse=any(sparse))


def _joined(
    parts: list[tuple[Any, Table]], transformed: Callable[[Any, Table], Table]
) -> tuple[tuple[Wire, ...], list[bool]]:
    unknown, wires, sparse = list[str](), list[Wire](), list[bool]()
    for part, table in parts:
        try:
            out = transformed(part, table)
        except NotCompilableError as error:
            unknown += error.steps
        else:
            wires += out.wires
            sparse.append(out.is_sparse)
    if unknown:
        raise NotCompilableError(steps=unknown)
    return tuple(wires), sparse


def _is_empty(chosen: Any) -> bool:
    return hasattr(chosen, "__len__") and not isinstance(chosen, str) and len(chosen) == 0
