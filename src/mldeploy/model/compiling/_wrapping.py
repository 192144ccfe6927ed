"""Estimators that hold others: calibration, votes, thresholds, transformed targets, searches."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

import numpy as np
from sklearn.base import is_classifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import (
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.isotonic import IsotonicRegression
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.preprocessing import (
    FunctionTransformer,
    MaxAbsScaler,
    MinMaxScaler,
    RobustScaler,
    StandardScaler,
)

from mldeploy.model.compiled._calibrate import Calibrator
from mldeploy.model.compiled._dense import Elementwise, Take
from mldeploy.model.compiled._kernel import Kernel
from mldeploy.model.compiled._link import Decision, Link
from mldeploy.model.compiled._ops import FUNCTIONS, Op
from mldeploy.model.compiling._plan import Plan, Planner, averaged
from mldeploy.model.compiling._wires import Node, Table, Wire, unsupported

Rule: TypeAlias = Callable[[Any, Table, Planner], Plan]


def _searched(estimator: Any, table: Table, planned: Planner) -> Plan:
    return planned(estimator.best_estimator_, table)


def _frozen(estimator: FrozenEstimator, table: Table, planned: Planner) -> Plan:
    return planned(estimator.estimator, table)


# --- calibration --------------------------------------------------------------------------


def _calibrated(estimator: CalibratedClassifierCV, table: Table, planned: Planner) -> Plan:
    members = [_member(m, table, planned) for m in estimator.calibrated_classifiers_]
    return averaged(
        members,
        weights=[1.0] * len(members),
        link=Link.PROBABILITIES,
        decision=Decision.LARGEST_SHARE,
    )


def _member(member: Any, table: Table, planned: Planner) -> Plan:
    if member.method not in ("isotonic", "sigmoid"):
        raise unsupported(member, f"its method is {member.method}")
    plan = planned(member.estimator, table)
    if not plan.has_margin:
        plan = plan.shares()
        if plan.n_outputs == 2:
            plan = plan.then(Take(columns=np.array([1]), width=2))
    return plan.then(_calibrator(member))


def _calibrator(member: Any) -> Calibrator:
    n_classes = len(member.classes)
    places = np.searchsorted(member.classes, member.estimator.classes_)
    if n_classes == 2:
        places = np.array([1])
    slopes, intercepts = [], []
    knots, heights, starts = [np.empty(0)], [np.empty(0)], [0]
    for curve in member.calibrators:
        if isinstance(curve, IsotonicRegression):
            slopes.append(np.nan)
            intercepts.append(np.nan)
            knots.append(curve.X_thresholds_.astype(np.float64))
            heights.append(curve.y_thresholds_.astype(np.float64))
        else:
            slopes.append(float(curve.a_))
            intercepts.append(float(curve.b_))
        starts.append(sum(map(len, knots)))
    return Calibrator(
        classes=places.astype(np.int64),
        n_classes=n_classes,
        slopes=np.array(slopes),
        intercepts=np.array(intercepts),
        starts=np.array(starts, dtype=np.int64),
        knots=np.concatenate(knots),
        heights=np.concatenate(heights),
    )


# --- votes --------------------------------------------------------------------------------


def _voting(estimator: Any, table: Table, planned: Planner) -> Plan:
    classifies = is_classifier(estimator)
    if classifies and estimator.voting != "soft":
        raise unsupported(estimator, "it votes by labels; use voting='soft'")
    members = [planned(member, table).shares() for member in estimator.estimators_]
    weights = estimator._weights_not_none or [1.0] * len(members)  # noqa: SLF001
    return averaged(
        members,
        weights=[float(w) for w in weights],
        link=Link.PROBABILITIES if classifies else Link.IDENTITY,
        decision=Decision.LARGEST_SHARE if classifies else Decision.VALUE,
    )


def _stacked(estimator: Any, table: Table, planned: Planner) -> Plan:
    wires: list[Wire] = []
    for member, method in zip(estimator.estimators_, estimator.stack_method_, strict=True):
        plan = planned(member, table)
        if method == "predict_proba":
            plan = plan.shares()
        elif method != ("decision_function" if is_classifier(estimator) else "predict"):
            raise unsupported(estimator, f"it stacks what {method} of its members returns")
        outputs = Node(inputs=plan.wires, chain=plan.kernels).outputs()
        wires += outputs[1:] if method == "predict_proba" and len(outputs) == 2 else outputs
    if estimator.passthrough:
        wires += table.wires
    return planned(estimator.final_estimator_, Table(wires=tuple(wires)))


# --- thresholds ---------------------------------------------------------------------------


def _fixed(estimator: FixedThresholdClassifier, table: Table, planned: Planner) -> Plan:
    threshold = None if estimator.threshold == "auto" else float(estimator.threshold)
    return _thresholded(estimator, table, planned, threshold, estimator.pos_label)


def _tuned(estimator: TunedThresholdClassifierCV, table: Table, planned: Planner) -> Plan:
    positive = estimator._curve_scorer._get_pos_label()  # noqa: SLF001
    return _thresholded(estimator, table, planned, float(estimator.best_threshold_), positive)


def _thresholded(
    estimator: Any, table: Table, planned: Planner, threshold: float | None, positive: Any
) -> Plan:
    plan = planned(estimator.estimator_, table)
    by_shares = _compares_shares(estimator)
    if not by_shares and hasattr(estimator.estimator_, "predict_proba"):
        raise unsupported(estimator, "its threshold is for the decision function")
    classes = list(estimator.classes_)
    place = 1 if positive is None else classes.index(positive)
    if threshold is None:
        threshold = 0.5 if by_shares else 0.0
    return Plan(
        wires=plan.wires,
        kernels=plan.kernels,
        link=plan.link,
        decision=Decision.THRESHOLD,
        threshold=threshold,
        threshold_class=place,
        has_margin=plan.has_margin,
    )


def _compares_shares(estimator: Any) -> bool:
    if estimator.response_method != "auto":
        return bool(estimator.response_method == "predict_proba")
    return hasattr(estimator.estimator_, "predict_proba")


# --- targets ------------------------------------------------------------------------------


def _target(estimator: TransformedTargetRegressor, table: Table, planned: Planner) -> Plan:
    plan = planned(estimator.regressor_, table)
    ops = _inverse(estimator, estimator.transformer_)
    kernels: tuple[Kernel, ...] = (Elementwise(ops=(ops,)),) if ops else ()
    return plan.then(*kernels)


def _inverse(estimator: Any, transformer: Any) -> tuple[Op, ...]:
    match transformer:
        case FunctionTransformer():
            return _function(estimator, transformer)
        case StandardScaler():
            return _pair(transformer, "multiply", "scale_", "add", "mean_")
        case RobustScaler():
            return _pair(transformer, "multiply", "scale_", "add", "center_")
        case MaxAbsScaler():
            return _pair(transformer, "multiply", "scale_", "add", "")
        case MinMaxScaler():
            return _pair(transformer, "subtract", "min_", "divide", "scale_")
        case _:
            raise unsupported(estimator, f"no inverse of {type(transformer).__name__} is known")


def _function(estimator: Any, transformer: FunctionTransformer) -> tuple[Op, ...]:
    function = transformer.inverse_func
    if function is None:
        return ()
    for name, known in FUNCTIONS.items():
        if known is function and not transformer.inv_kw_args:
            return (Op(name),)
    called = getattr(function, "__qualname__", "a function")
    raise unsupported(estimator, f"its target is turned back by {called}, which is not numpy's")


def _pair(transformer: Any, *steps: str) -> tuple[Op, ...]:
    ops = []
    for name, attribute in zip(steps[::2], steps[1::2], strict=True):
        numbers = getattr(transformer, attribute, None) if attribute else None
        if numbers is not None:
            ops.append(Op(name, (float(np.ravel(numbers)[0]),)))
    return tuple(ops)


RULES: Final[Mapping[type, Rule]] = {
    CalibratedClassifierCV: _calibrated,
    FixedThresholdClassifier: _fixed,
    FrozenEstimator: _frozen,
    GridSearchCV: _searched,
    RandomizedSearchCV: _searched,
    TransformedTargetRegressor: _target,
    TunedThresholdClassifierCV: _tuned,
    StackingClassifier: _stacked,
    StackingRegressor: _stacked,
    VotingClassifier: _voting,
    VotingRegressor: _voting,
}
