"""Columns of category for histogram gradient boosting, which encodes them itself."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np

from mldeploy.model.compiling._categories import encoded_by_codes
from mldeploy.model.compiling._wires import Table, TextWire


def coded(estimator: Any, table: Table) -> tuple[Table, Any]:
    """Return the columns with text as the codes that the estimator gives it.

    Parameters
    ----------
    estimator : HistGradientBoostingClassifier or HistGradientBoostingRegressor
        Fitted.
    table : Table
        What it reads.

    Returns
    -------
    table : Table
        Text as codes; other columns as they are.
    estimator : estimator
        A copy whose categories are those codes, if there are any.
    """
    places = [i for i, wire in enumerate(table.wires) if isinstance(wire, TextWire)]
    if not places or estimator.is_categorical_ is None:
        return table, estimator
    encoder = estimator._preprocessor.named_transformers_["encoder"]  # noqa: SLF001
    categorical = np.flatnonzero(estimator.is_categorical_).tolist()
    wires, categories = list(table.wires), list(encoder.categories_)
    for place in places:
        if place not in categorical:
            continue
        wire, position = wires[place], categorical.index(place)
        assert isinstance(wire, TextWire)
        wires[place] = encoded_by_codes(wire, categories[position])
        categories[position] = np.array(
            [i if isinstance(v, str) else np.nan for i, v in enumerate(categories[position])]
        )
    changed = copy.copy(encoder)
    changed.categories_ = categories
    estimator = copy.copy(estimator)
    estimator._preprocessor = copy.copy(estimator._preprocessor)  # noqa: SLF001
    estimator._preprocessor.transformers_ = [  # noqa: SLF001
        (name, changed if name == "encoder" else part, columns)
        for name, part, columns in estimator._preprocessor.transformers_  # noqa: SLF001
    ]
    return Table(wires=tuple(wires), is_sparse=table.is_sparse), estimator
