"""Transformers that know of missing values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final

import numpy as np
from sklearn.impute import MissingIndicator, SimpleImputer

from mldeploy.model.compiled._ops import Op
from mldeploy.model.compiling._wires import (
    NumberWire,
    OtherWire,
    Table,
    TableWire,
    TextWire,
    Wire,
    accepted,
    elementwise,
    require_numbers,
    unsupported,
)


def _simple(step: SimpleImputer, table: Table) -> Table:
    _refuse_others(step, table)
    fills = step.statistics_.tolist()
    kept = [step.keep_empty_features or not _is_missing(fill) for fill in fills]
    wires = [
        _filled(step, wire, fill)
        for wire, fill, keep in zip(table.wires, fills, kept, strict=True)
        if keep
    ]
    if step.indicator_ is not None:
        wires += [_flag(step.indicator_, table.wires[i]) for i in step.indicator_.features_]
    return replace(table, wires=tuple(wires))


def _filled(step: SimpleImputer, wire: Wire, fill: Any) -> Wire:
    fill = _value_instead(step, fill)
    missing = step.missing_values
    if isinstance(wire, TextWire):
        if not isinstance(fill, str):
            raise unsupported(step, f"it fills {wire.name!r}, which is text, with {fill!r}")
        if _is_missing(missing):
            return replace(wire, missing_as=wire.missing_as or fill, may_miss=False)
        if not isinstance(missing, str):
            raise unsupported(step, f"it seeks {missing!r} in {wire.name!r}, which is text")
        return replace(wire, instead=(*wire.instead, (missing, fill)))
    if isinstance(fill, str) or isinstance(missing, str):
        raise unsupported(step, f"it fills {wire.name!r}, which is a number, with text")
    table = Table(wires=(wire,))
    if _is_missing(missing):
        table = accepted(step, table, missing=True)
        return _kept_type(wire, elementwise(step, table, [[Op("fill", (float(fill),))]]).wires[0])
    table = accepted(step, table)
    op = Op("replace", (float(missing), float(fill)))
    return _kept_type(wire, elementwise(step, table, [[op]]).wires[0])


def _kept_type(before: Wire, after: Wire) -> Wire:
    """Whole numbers without missing values stay whole."""
    if isinstance(before, NumberWire) and isinstance(after, NumberWire) and not before.may_miss:
        return replace(after, dtype=before.dtype)
    return after


def _value_instead(step: SimpleImputer, fill: Any) -> Any:
    """A column without any value is filled with zeros, or with the constant."""
    if not _is_missing(fill):
        return fill
    return step.fill_value if step.strategy == "constant" and step.fill_value is not None else 0


def _indicated(step: MissingIndicator, table: Table) -> Table:
    _refuse_others(step, table)
    if not _is_missing(step.missing_values):
        raise unsupported(step, f"it looks for {step.missing_values!r}")
    seen = set(step.features_.tolist())
    if step.features == "missing-only" and step.error_on_new:
        for place, wire in enumerate(table.wires):
            if place not in seen and getattr(wire, "may_miss", True):
                raise unsupported(
                    step, f"it refuses missing values in {wire.name!r}; set error_on_new=False"
                )
    return Table(wires=tuple(_flag(step, table.wires[i]) for i in step.features_))


def _flag(step: MissingIndicator, wire: Wire) -> Wire:
    missing = step.missing_values
    if isinstance(wire, TextWire):
        if not _is_missing(missing):
            raise unsupported(step, f"it looks for {missing!r} in {wire.name!r}")
        is_known = wire.missing_as is not None
        return TableWire(
            source=wire.source,
            name=wire.name,
            keys=(),
            values=np.array([0.0, 0.0 if is_known else 1.0]),
            knows_others=True,
            knows_missing=True,
        )
    one = Table(wires=(wire,))
    require_numbers(step, one)
    if _is_missing(missing):
        return elementwise(step, accepted(step, one, missing=True), [[Op("is missing")]]).wires[0]
    op = Op("equals", (float(missing),))
    return elementwise(step, accepted(step, one), [[op]]).wires[0]


def _refuse_others(step: Any, table: Table) -> None:
    for wire in table.wires:
        if isinstance(wire, OtherWire):
            raise unsupported(step, f"it reads {wire.name!r}, which is of kind {wire.kind}")


def _is_missing(value: Any) -> bool:
    if value is None or type(value).__name__ == "NAType":
        return True
    return isinstance(value, float) and value != value  # noqa: PLR0124 (NaN)


RULES: Final[Mapping[type, Callable[[Any, Table], Table]]] = {
    MissingIndicator: _indicated,
    SimpleImputer: _simple,
}
