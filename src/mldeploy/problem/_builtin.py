"""The metrics that are known by name."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from functools import cache, partial
from typing import Any

import numpy as np
import numpy.typing as npt

from mldeploy.errors import UnknownMetricError
from mldeploy.problem._metric import Direction, Metric, MetricKind, Needs, PerRow
from mldeploy.problem._task import Task
from mldeploy.stats import roc_auc

Array = npt.NDArray[Any]
_CLASSES = (Task.BINARY, Task.MULTICLASS)
_TINY = np.finfo(float).eps


def _accuracy(y: Array, p: Array) -> tuple[Array, Array]:
    return (y == p).astype(float), np.ones(len(y))


def _error_rate(y: Array, p: Array) -> tuple[Array, Array]:
    return (y != p).astype(float), np.ones(len(y))


def _recall(y: Array, p: Array) -> tuple[Array, Array]:
    return ((y == 1) & (p == 1)).astype(float), (y == 1).astype(float)


def _precision(y: Array, p: Array) -> tuple[Array, Array]:
    return ((y == 1) & (p == 1)).astype(float), (p == 1).astype(float)


def _specificity(y: Array, p: Array) -> tuple[Array, Array]:
    return ((y == 0) & (p == 0)).astype(float), (y == 0).astype(float)


def _false_positive_rate(y: Array, p: Array) -> tuple[Array, Array]:
    return ((y == 0) & (p == 1)).astype(float), (y == 0).astype(float)


def _f1(y: Array, p: Array) -> tuple[Array, Array]:
    hits = ((y == 1) & (p == 1)).astype(float)
    return 2 * hits, (y == 1).astype(float) + (p == 1)


def _positive_rate(_: Array, p: Array) -> tuple[Array, Array]:
    return (p == 1).astype(float), np.ones(len(p))


def _brier(y: Array, s: Array) -> tuple[Array, Array]:
    return (s - y) ** 2, np.ones(len(y))


def _log_loss(y: Array, s: Array) -> tuple[Array, Array]:
    s = np.clip(s, _TINY, 1 - _TINY)
    return -np.where(y == 1, np.log(s), np.log1p(-s)), np.ones(len(y))


def _absolute_error(y: Array, p: Array) -> tuple[Array, Array]:
    return np.abs(y - p), np.ones(len(y))


def _squared_error(y: Array, p: Array) -> tuple[Array, Array]:
    return (y - p) ** 2, np.ones(len(y))


def _absolute_percentage_error(y: Array, p: Array) -> tuple[Array, Array]:
    return np.abs(y - p) / np.maximum(np.abs(y), _TINY), np.ones(len(y))


def _pinball(level: float) -> PerRow:
    """Loss that is least, on average, at this quantile (Koenker and Bassett, Econometrica 46)."""

    def loss(y: Array, p: Array) -> tuple[Array, Array]:
        return np.where(y >= p, level * (y - p), (1 - level) * (p - y)), np.ones(len(y))

    return loss


def _auc(y_true: Array, y_hat: Array, *, sample_weight: Array) -> float:
    return roc_auc(y_true, y_hat, sample_weight)


_higher = partial(Metric, direction=Direction.HIGHER)
_lower = partial(Metric, direction=Direction.LOWER)
_share: dict[str, Any] = {"lowest": 0.0, "highest": 1.0}


def _quality(
    name: str, per_row: PerRow, tasks: Iterable[Task], *, lower: bool = False, **fields: Any
) -> Metric:
    direction = Direction.LOWER if lower else Direction.HIGHER
    return Metric(name, per_row=per_row, tasks=tuple(tasks), direction=direction, **fields)


@cache
def builtin_metrics() -> Mapping[str, Metric]:
    """Return the built-in metrics by name.

    Examples
    --------
    >>> metrics = builtin_metrics()
    >>> str(metrics["roc_auc"].needs), metrics["latency_p99"].unit
    ('score', 's')
    """
    binary, regression = (Task.BINARY,), (Task.REGRESSION,)
    score: dict[str, Any] = {"needs": Needs.SCORE}
    loss: dict[str, Any] = {"lower": True, "lowest": 0.0}
    metrics = [
        Metric("roc_auc", function=_auc, needs=Needs.SCORE, tasks=binary, **_share),
        _quality("accuracy", _accuracy, _CLASSES, **_share),
        _quality("error_rate", _error_rate, _CLASSES, **(loss | _share)),
        _quality("recall", _recall, binary, **_share),
        _quality("precision", _precision, binary, **_share),
        _quality("specificity", _specificity, binary, **_share),
        _quality("false_positive_rate", _false_positive_rate, binary, **(loss | _share)),
        _quality("f1", _f1, binary, **_share),
        _quality("brier", _brier, binary, **(loss | score | _share)),
        _quality("log_loss", _log_loss, binary, **(loss | score)),
        _quality("mean_absolute_error", _absolute_error, regression, **loss),
        _quality("mean_squared_error", _squared_error, regression, **loss),
        _quality("mean_absolute_percentage_error", _absolute_percentage_error, regression, **loss),
        *_quantile_losses(),
        _quality("positive_rate", _positive_rate, binary, kind=MetricKind.BUSINESS, **_share),
        *_gaps(),
        *_latencies(),
        *_without_rows(),
    ]
    return {metric.name: metric for metric in metrics}


def _quantile_losses() -> Iterable[Metric]:
    """Of models that predict a quantile: answers above and below the truth weigh differently."""
    for percent in (1, 5, 10, 25, 50, 75, 90, 95, 99):
        yield _quality(
            f"pinball_loss_p{percent}",
            _pinball(percent / 100),
            (Task.REGRESSION,),
            lower=True,
            lowest=0.0,
        )


def _gaps() -> Iterable[Metric]:
    """Fairness: the largest difference of a rate between the groups of a slice."""
    for name, per_row in (
        ("demographic_parity_difference", _positive_rate),
        ("equal_opportunity_difference", _recall),
        ("predictive_equality_difference", _false_positive_rate),
        ("equalized_odds_difference", _recall),
        ("predictive_parity_difference", _precision),
        ("accuracy_difference", _accuracy),
    ):
        yield _lower(
            name, kind=MetricKind.FAIRNESS, per_row=per_row, tasks=(Task.BINARY,), **_share
        )


def _latencies() -> Iterable[Metric]:
    for percent in (50, 90, 95, 99):
        yield _lower(
            f"latency_p{percent}",
            kind=MetricKind.LATENCY,
            needs=Needs.NOTHING,
            unit="s",
            lowest=0.0,
            quantile=percent / 100,
        )


def _without_rows() -> Iterable[Metric]:
    """Metrics of data and of resources, which the step that can measure them measures."""
    data: dict[str, Any] = {"kind": MetricKind.DATA, "needs": Needs.NOTHING}
    resource: dict[str, Any] = {"kind": MetricKind.RESOURCE, "needs": Needs.NOTHING, "lowest": 0.0}
    yield _lower("missing_share", **data, **_share)
    yield _lower("duplicate_share", **data, **_share)
    yield _lower("invalid_share", **data, **_share)
    yield _lower("age", unit="s", lowest=0.0, **data)
    yield _higher("row_count", lowest=0.0, **data)
    yield _higher("label_coverage", **data, **_share)
    yield _lower("model_size", unit="MB", **resource)
    yield _lower("memory", unit="MB", **resource)
    yield _lower("start_time", unit="s", **resource)
    yield _lower("cost_per_million", **resource)


@cache
def find_metric(name: str) -> Metric:
    """Return the metric of that name, built in or one of scikit-learn's scorers.

    Raises
    ------
    UnknownMetricError
        If there is none; it suggests the nearest names.

    Examples
    --------
    >>> [str(task) for task in find_metric("balanced_accuracy").tasks]
    ['binary', 'multiclass']
    """
    if name in builtin_metrics():
        return builtin_metrics()[name]
    from mldeploy.problem._scorer import from_scorer, scorer_names  # noqa: PLC0415 - sklearn is heavy

    if name in scorer_names():
        return from_scorer(name)
    known = [*builtin_metrics(), *scorer_names()]
    raise UnknownMetricError(name, suggestions=difflib.get_close_matches(name, known, n=2))
