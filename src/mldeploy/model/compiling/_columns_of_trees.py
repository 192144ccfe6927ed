"""Columns of text for boosted trees that encode categories themselves."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from mldeploy.model.compiling._categories import encoded_by_codes
from mldeploy.model.compiling._wires import Table, TextWire, unsupported

Levels: TypeAlias = npt.NDArray[Any]

BINNED: Final = (HistGradientBoostingClassifier, HistGradientBoostingRegressor)


def coded(estimator: Any, table: Table) -> tuple[Table, Any]:
    """Return the columns with text as the codes that the estimator gives it.

    Parameters
    ----------
    estimator : estimator
        Fitted; histogram gradient boosting of scikit-learn, LightGBM, or any other.
    table : Table
        What it reads.

    Returns
    -------
    table : Table
        Text as codes where the estimator encodes it; other columns as they are.
    estimator : estimator
        The same, or a copy whose categories are those codes.
    """
    places = [i for i, wire in enumerate(table.wires) if isinstance(wire, TextWire)]
    if not places:
        return table, estimator
    if isinstance(estimator, BINNED):
        return _binned(estimator, table, places)
    if type(estimator).__module__.startswith("lightgbm."):
        return _with_codes(table, places, _of_lightgbm(estimator, places)), estimator
    return table, estimator


def _binned(estimator: Any, table: Table, places: Sequence[int]) -> tuple[Table, Any]:
    if estimator.is_categorical_ is None:
        return table, estimator
    preprocessor = estimator._preprocessor  # noqa: SLF001 (no public way to its categories)
    encoder = preprocessor.named_transformers_["encoder"]
    categorical = np.flatnonzero(estimator.is_categorical_).tolist()
    categories = dict(zip(categorical, encoder.categories_, strict=True))
    own = {place: categories[place] for place in places if place in categories}
    changed = copy.copy(encoder)
    changed.categories_ = [
        _numbered(levels) if place in own else levels for place, levels in categories.items()
    ]
    preprocessor = copy.copy(preprocessor)
    preprocessor.transformers_ = [
        (name, changed if name == "encoder" else part, columns)
        for name, part, columns in preprocessor.transformers_
    ]
    estimator = copy.copy(estimator)
    estimator._preprocessor = preprocessor  # noqa: SLF001
    return _with_codes(table, list(own), list(own.values())), estimator


def _of_lightgbm(estimator: Any, places: Sequence[int]) -> list[Levels]:
    levels = estimator.booster_.pandas_categorical or []
    if len(levels) != len(places):
        raise unsupported(estimator, "it has other columns of categories than the table")
    return [np.array(own, dtype=object) for own in levels]


def _with_codes(table: Table, places: Sequence[int], categories: Sequence[Levels]) -> Table:
    wires = list(table.wires)
    for place, levels in zip(places, categories, strict=True):
        wire = wires[place]
        assert isinstance(wire, TextWire)
        wires[place] = encoded_by_codes(wire, levels)
    return Table(wires=tuple(wires), is_sparse=table.is_sparse)


def _numbered(levels: Levels) -> Levels:
    return np.array([i if isinstance(v, str) else np.nan for i, v in enumerate(levels)], float)
