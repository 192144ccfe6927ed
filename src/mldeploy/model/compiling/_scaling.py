"""Transformers that change each number by itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
)

from mldeploy.model.compiled._ops import FUNCTIONS, Op
from mldeploy.model.compiling._wires import (
    NumberWire,
    Table,
    accepted,
    elementwise,
    require_numbers,
    unsupported,
)

Numbers = npt.NDArray[np.float64]

_FLOAT_ONLY: Final = frozenset({"reciprocal", "square"})
"""Functions that calculate otherwise with whole numbers than with others."""


def _standard(scaler: StandardScaler, table: Table) -> Table:
    steps = []
    if scaler.with_mean:
        steps.append(("subtract", scaler.mean_))
    if scaler.with_std:
        steps.append(_divided(scaler.scale_, table))
    return _stepwise(scaler, table, steps)


def _min_max(scaler: MinMaxScaler, table: Table) -> Table:
    table = _stepwise(scaler, table, [("multiply", scaler.scale_), ("add", scaler.min_)])
    if not scaler.clip:
        return table
    low, high = map(float, scaler.feature_range)
    return elementwise(scaler, table, [[Op("clip", (low, high))]] * len(table.wires))


def _max_abs(scaler: MaxAbsScaler, table: Table) -> Table:
    table = _stepwise(scaler, table, [_divided(scaler.scale_, table)])
    if not getattr(scaler, "clip", False):
        return table
    return elementwise(scaler, table, [[Op("clip", (-1.0, 1.0))]] * len(table.wires))


def _robust(scaler: RobustScaler, table: Table) -> Table:
    steps = []
    if scaler.with_centering:
        steps.append(("subtract", scaler.center_))
    if scaler.with_scaling:
        steps.append(_divided(scaler.scale_, table))
    return _stepwise(scaler, table, steps)


def _divided(scale: Numbers, table: Table) -> tuple[str, Numbers]:
    """A sparse matrix is multiplied by reciprocals, which rounds otherwise."""
    return ("multiply", 1 / scale) if table.is_sparse else ("divide", scale)


def _stepwise(step: Any, table: Table, steps: Sequence[tuple[str, Numbers]]) -> Table:
    require_numbers(step, table)
    table = accepted(step, table, missing=True)
    ops = [
        [Op(name, (float(numbers[i]),)) for name, numbers in steps]
        for i in range(len(table.wires))
    ]
    return elementwise(step, table, ops)


def _binarised(step: Binarizer, table: Table) -> Table:
    require_numbers(step, table)
    table = accepted(step, table)
    return elementwise(step, table, [[Op("above", (float(step.threshold),))]] * len(table.wires))


def _power(step: PowerTransformer, table: Table) -> Table:
    if step.method != "yeo-johnson":
        raise unsupported(step, f"its method is {step.method!r}, and only yeo-johnson is known")
    table = _stepwise(step, table, [("yeo-johnson", step.lambdas_)])
    return _standard(step._scaler, table) if step.standardize else table  # noqa: SLF001


def _quantile(step: QuantileTransformer, table: Table) -> Table:
    if step.output_distribution != "uniform":
        raise unsupported(step, f"its output is {step.output_distribution}, not uniform")
    if table.is_sparse:
        raise unsupported(step, "its input is sparse")
    require_numbers(step, table)
    table = accepted(step, table, missing=True)
    shares = tuple(step.references_.tolist())
    ops = [[Op("quantile", (*column, *shares))] for column in step.quantiles_.T.tolist()]
    return elementwise(step, table, ops)


def _function(step: FunctionTransformer, table: Table) -> Table:
    if step.validate:
        require_numbers(step, table)
        table = accepted(step, table)
    if step.func is None:
        return table
    names = [name for name, function in FUNCTIONS.items() if function is step.func]
    if not names or step.kw_args:
        called = getattr(step.func, "__qualname__", getattr(step.func, "__name__", "a function"))
        raise unsupported(step, f"it calls {called}, which is none of numpy's own functions")
    if table.is_sparse:
        raise unsupported(step, "its input is sparse")
    require_numbers(step, table)
    name = names[0]
    for wire in table.wires:
        if not isinstance(wire, NumberWire) or wire.dtype == "float" or step.validate:
            continue
        if wire.dtype == "bool" or name in _FLOAT_ONLY:
            raise unsupported(step, f"{name} of {wire.name!r}, which is of type {wire.dtype}")
    return elementwise(step, table, [[Op(name)]] * len(table.wires))


RULES: Final[Mapping[type, Callable[[Any, Table], Table]]] = {
    Binarizer: _binarised,
    FunctionTransformer: _function,
    MaxAbsScaler: _max_abs,
    MinMaxScaler: _min_max,
    PowerTransformer: _power,
    QuantileTransformer: _quantile,
    RobustScaler: _robust,
    StandardScaler: _standard,
}
