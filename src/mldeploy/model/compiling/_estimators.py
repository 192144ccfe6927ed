"""Which estimator becomes which kernels."""

from __future__ import annotations

from typing import Any

from sklearn.base import is_classifier
from sklearn.ensemble import (
    GradientBoostingClassifier,
)
from sklearn.pipeline import Pipeline

from mldeploy.errors import MissingExtraError, NotCompilableError
from mldeploy.model.compiled._dense import Elementwise
from mldeploy.model.compiled._kernel import Kernel
from mldeploy.model.compiled._link import Decision, Link
from mldeploy.model.compiled._ops import Op
from mldeploy.model.compiling import _onnx, _trees, _wrapping
from mldeploy.model.compiling._columns_of_trees import BINNED, coded
from mldeploy.model.compiling._guards import guarded
from mldeploy.model.compiling._plan import Plan
from mldeploy.model.compiling._smooth import smooth_kernels
from mldeploy.model.compiling._transformers import transformed, unknown_in
from mldeploy.model.compiling._wires import Table, require_numbers, unsupported


def planned(estimator: Any, table: Table) -> Plan:
    """Return how a fitted estimator answers for these columns.

    Parameters
    ----------
    estimator : estimator
        Fitted; pipelines and meta-estimators included.
    table : Table
        What it reads.

    Raises
    ------
    NotCompilableError
        If a step is not known; every such step is named.
    """
    if type(estimator) is Pipeline:
        return _pipeline(estimator, table)
    rule = _wrapping.RULES.get(type(estimator))
    return rule(estimator, table, planned) if rule is not None else _single(estimator, table)


def _pipeline(pipeline: Pipeline, table: Table) -> Plan:
    *steps, (_, last) = pipeline.steps
    unknown = [name for _, step in steps for name in unknown_in(step)]
    unknown += _unknown_estimator(last)
    if unknown:
        raise NotCompilableError(steps=unknown)
    for _, step in steps:
        table = transformed(step, table)
    if last is None or isinstance(last, str):
        raise unsupported(pipeline, "it does not end with an estimator")
    return planned(last, table)


def _unknown_estimator(estimator: Any) -> list[str]:
    """Say why an estimator at the end of a pipeline is unknown; nothing if it is not."""
    if type(estimator) is Pipeline or type(estimator) in _wrapping.RULES:
        return []
    n_inputs = getattr(estimator, "n_features_in_", None)
    if n_inputs is None or type(estimator) in BINNED:
        return []
    try:
        _answer(estimator, int(n_inputs))
    except NotCompilableError as error:
        return list(error.steps)
    return []


def _single(estimator: Any, table: Table) -> Plan:
    table, estimator = coded(estimator, table)
    require_numbers(estimator, table)
    n_inputs = len(table.wires)
    kernels, link, decision = _answer(estimator, n_inputs)
    if type(estimator) not in BINNED:
        kernels = (*guarded(estimator, n_inputs), *kernels)
    return Plan(
        wires=table.wires,
        kernels=kernels,
        link=link,
        decision=decision,
        has_margin=hasattr(estimator, "decision_function"),
    )


def _answer(estimator: Any, n_inputs: int) -> tuple[tuple[Kernel, ...], Link, Decision]:
    trees = _trees.tree_kernels(estimator, n_inputs)
    if trees is not None:
        return _of_trees(estimator, tuple(trees))
    smooth = smooth_kernels(estimator, n_inputs)
    if smooth is not None:
        return smooth
    try:
        translated = tuple(_onnx.onnx_kernels(estimator, n_inputs))
    except MissingExtraError as error:
        raise unsupported(estimator, f"no kernel of its own, and {error}") from error
    if not is_classifier(estimator):
        return translated, Link.IDENTITY, Decision.VALUE
    if hasattr(estimator, "predict_proba"):
        return translated, Link.PROBABILITIES, Decision.LARGEST_SHARE
    if translated[-1].n_outputs == 1:
        return translated, Link.MARGIN, Decision.POSITIVE
    return translated, Link.MARGIN, Decision.LARGEST_OUTPUT


def _of_trees(
    estimator: Any, kernels: tuple[Kernel, ...]
) -> tuple[tuple[Kernel, ...], Link, Decision]:
    transform = _trees.tree_transform(estimator)
    if transform == "exp":
        kernels = (*kernels, Elementwise(ops=((Op("exp"),),)))
    if not is_classifier(estimator):
        if transform not in ("exp", "identity"):
            raise unsupported(estimator, f"its answer is the {transform} of its trees")
        return kernels, Link.IDENTITY, Decision.VALUE
    match transform:
        case "logistic" | "logistic of twice":
            link = Link.SIGMOID if transform == "logistic" else Link.SIGMOID_TWICE
            is_first = isinstance(estimator, GradientBoostingClassifier)
            return kernels, link, Decision.NONNEGATIVE if is_first else Decision.POSITIVE
        case "softmax":
            return kernels, Link.SOFTMAX, Decision.LARGEST_OUTPUT
        case "votes":
            return kernels, Link.VOTES, Decision.LARGEST_OUTPUT
        case _:
            return kernels, Link.PROBABILITIES, Decision.LARGEST_SHARE
