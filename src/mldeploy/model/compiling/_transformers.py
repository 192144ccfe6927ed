"""Which transformer does what to the columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from sklearn.compose import ColumnTransformer
from sklearn.feature_selection import SelectorMixin
from sklearn.pipeline import FeatureUnion, Pipeline

from mldeploy.errors import NotCompilableError
from mldeploy.model.compiling import (
    _categories,
    _combining,
    _imputing,
    _mixing,
    _scaling,
)
from mldeploy.model.compiling._wires import Table, unsupported

Rule: TypeAlias = Callable[[Any, Table], Table]

_RULES: Final[Mapping[type, Rule]] = {
    **_scaling.RULES,
    **_imputing.RULES,
    **_categories.RULES,
    **_mixing.RULES,
}


def transformed(transformer: Any, table: Table) -> Table:
    """Return the columns that a fitted transformer makes of a table.

    Parameters
    ----------
    transformer : transformer
        Fitted; pipelines, unions and column transformers included.
    table : Table
        Its input.

    Raises
    ------
    NotCompilableError
        If it, or a part of it, is not known; every such part is named.
    """
    if transformer is None or (isinstance(transformer, str) and transformer == "passthrough"):
        return table
    kind = type(transformer)
    if kind is Pipeline:
        for _, step in transformer.steps:
            table = transformed(step, table)
        return table
    if kind is ColumnTransformer:
        return _combining.by_column(transformer, table, transformed)
    if kind is FeatureUnion:
        return _combining.united(transformer, table, transformed)
    rule = _RULES.get(kind)
    if rule is None and isinstance(transformer, SelectorMixin):
        rule = _mixing.selected
    if rule is None:
        raise unsupported(transformer, "no compiler knows this transformer")
    return rule(transformer, table)


def unknown_in(transformer: Any) -> list[str]:
    """Name every part of a transformer that has no rule, whatever its input."""
    if transformer is None or isinstance(transformer, str):
        return []
    if type(transformer) is Pipeline:
        return [name for _, step in transformer.steps for name in unknown_in(step)]
    if type(transformer) is ColumnTransformer:
        return [name for _, part, _ in transformer.transformers_ for name in unknown_in(part)]
    if type(transformer) is FeatureUnion:
        return [name for _, part in transformer.transformer_list for name in unknown_in(part)]
    if type(transformer) in _RULES or isinstance(transformer, SelectorMixin):
        return []
    error: NotCompilableError = unsupported(transformer, "no compiler knows this transformer")
    return list(error.steps)
