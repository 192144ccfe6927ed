"""Transformers that choose, combine or project columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.preprocessing import Normalizer, PolynomialFeatures
from sklearn.utils import get_tags

from mldeploy.model.compiled._combined import Normalise, Polynomial
from mldeploy.model.compiled._kernel import Kernel
from mldeploy.model.compiled._linear import Linear
from mldeploy.model.compiled._ops import Op
from mldeploy.model.compiling._wires import (
    Node,
    Table,
    accepted,
    elementwise,
    require_numbers,
    unsupported,
)


def selected(step: Any, table: Table) -> Table:
    """Return the columns that a fitted selector of features keeps."""
    require_numbers(step, table)
    allows = isinstance(step, BaseEstimator) and get_tags(step).input_tags.allow_nan
    table = accepted(step, table, missing=allows)
    return table.take(np.flatnonzero(step.get_support()).tolist())


def _principal(step: PCA, table: Table) -> Table:
    weights = np.ascontiguousarray(step.components_.T, dtype=np.float64)
    mean = np.asarray(step.mean_, dtype=np.float64)
    table = _node(step, table, Linear(weights=weights, intercepts=-(mean @ weights)))
    if not step.whiten:
        return table
    scale = np.sqrt(step.explained_variance_)
    scale[scale < np.finfo(scale.dtype).eps] = np.finfo(scale.dtype).eps
    return elementwise(step, table, [[Op("divide", (float(s),))] for s in scale])


def _svd(step: TruncatedSVD, table: Table) -> Table:
    weights = np.ascontiguousarray(step.components_.T, dtype=np.float64)
    return _node(step, table, Linear(weights=weights, intercepts=np.zeros(weights.shape[1])))


def _normal(step: Normalizer, table: Table) -> Table:
    return _node(step, table, Normalise(width=len(table.wires), norm=step.norm))


def _products(step: PolynomialFeatures, table: Table) -> Table:
    """The last factor comes first, as scikit-learn multiplies."""
    if table.is_sparse:
        raise unsupported(step, "its input is sparse")
    factors = [np.repeat(np.arange(len(p)), p)[::-1].tolist() for p in step.powers_.tolist()]
    degree = max(map(len, factors), default=0)
    padded = [own + [-1] * (degree - len(own)) for own in factors]
    kernel = Polynomial(factors=np.array(padded, dtype=np.int64), width=len(table.wires))
    return _node(step, table, kernel)


def _node(step: Any, table: Table, kernel: Kernel) -> Table:
    require_numbers(step, table)
    table = accepted(step, table)
    return Table(wires=Node(inputs=table.wires, chain=(kernel,)).outputs())


RULES: Final[Mapping[type, Callable[[Any, Table], Table]]] = {
    Normalizer: _normal,
    PCA: _principal,
    PolynomialFeatures: _products,
    TruncatedSVD: _svd,
}
