"""Metrics that are made to measure: costs of errors, and quantiles."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

from mldeploy._record import canonical_json
from mldeploy.errors import InvalidProblemError, NotMeasurableError
from mldeploy.problem._metric import Direction, Metric, MetricKind
from mldeploy.problem._task import Task

Array: TypeAlias = npt.NDArray[Any]
Label: TypeAlias = bool | int | str


def cost_of_errors(
    *,
    false_positive: float,
    false_negative: float,
    true_positive: float = 0.0,
    true_negative: float = 0.0,
    unit: str = "",
    name: str = "cost_of_errors",
) -> Metric:
    """Return the mean cost of a decision between two classes, as a metric.

    Parameters
    ----------
    false_positive, false_negative : float
        What the two errors cost, in `unit`; less than 0 for a gain.
    true_positive, true_negative : float, default=0.0
        What being right costs.
    unit : str, default=""
        Such as ``"EUR"``.
    name : str, default="cost_of_errors"
        What the metric is called.

    Raises
    ------
    InvalidProblemError
        If a cost is not finite, or all are the same.

    Examples
    --------
    >>> metric = cost_of_errors(false_positive=20.0, false_negative=500.0, unit="EUR")
    >>> str(metric.direction), metric.unit
    ('lower', 'EUR')
    >>> metric.per_row(np.array([1, 0]), np.array([0, 0]))[0].tolist()
    [500.0, 0.0]
    """
    table = [[true_negative, false_positive], [false_negative, true_positive]]
    return _metric(name, [0, 1], table, unit, Task.BINARY)


def cost_matrix(
    costs: Mapping[Label, Mapping[Label, float]], *, unit: str = "", name: str = "cost"
) -> Metric:
    """Return the mean cost of a decision between several classes, as a metric.

    Parameters
    ----------
    costs : mapping of label to mapping of label to float
        ``costs[truth][answer]``, in `unit`; what is left out costs 0.
    unit : str, default=""
        Such as ``"EUR"``.
    name : str, default="cost"
        What the metric is called.

    Raises
    ------
    InvalidProblemError
        If a cost is not finite, or all are the same.

    Examples
    --------
    >>> metric = cost_matrix({"ill": {"well": 100.0}, "well": {"ill": 5.0}})
    >>> metric.per_row(np.array(["ill", "well"]), np.array(["well", "well"]))[0].tolist()
    [100.0, 0.0]
    """
    labels = list(dict.fromkeys([*costs, *(a for row in costs.values() for a in row)]))
    table = [[float(costs.get(t, {}).get(a, 0.0)) for a in labels] for t in labels]
    return _metric(name, labels, table, unit, Task.MULTICLASS)


def pinball_loss(quantile: float) -> Metric:
    r"""Return the loss of answers that shall be a quantile of what is true, as a metric.

    Parameters
    ----------
    quantile : float
        Which quantile is predicted, in (0, 1); half of the mean absolute error for 0.5.

    Raises
    ------
    InvalidProblemError
        If `quantile` is no quantile.

    Notes
    -----
    :math:`\max(q (y - \hat y), (q - 1)(y - \hat y))`, as scikit-learn's `mean_pinball_loss`
    (R. Koenker and G. Bassett, Econometrica 46, 1978).

    Examples
    --------
    >>> metric = pinball_loss(0.9)
    >>> metric.name, metric.per_row(np.array([10.0, 10.0]), np.array([8.0, 12.0]))[0].tolist()
    ('pinball_loss_0.9', [1.8, 0.2])
    """
    if not 0 < quantile < 1:
        raise InvalidProblemError(f"{quantile=} lies outside (0, 1)")
    return Metric(
        f"pinball_loss_{quantile:g}",
        direction=Direction.LOWER,
        tasks=(Task.REGRESSION,),
        lowest=0.0,
        per_row=_Pinball(quantile),
        definition=f"pinball loss of the quantile {quantile!r}",
    )


@final
class _Pinball:
    def __init__(self, quantile: float) -> None:
        self.quantile = quantile

    def __call__(self, y_true: Array, y_hat: Array) -> tuple[Array, Array]:
        short = y_true - y_hat
        loss = np.maximum(self.quantile * short, (self.quantile - 1) * short)
        return np.round(loss, 12), np.ones(len(short))


@final
class _Costs:
    """Look the cost of each row up."""

    def __init__(self, labels: list[Any], table: list[list[float]]) -> None:
        self.labels, self.table = labels, np.asarray(table, dtype=np.float64)

    def __call__(self, y_true: Array, y_hat: Array) -> tuple[Array, Array]:
        place = {label: i for i, label in enumerate(self.labels)}
        try:
            truth = [place[label] for label in y_true.tolist()]
            answer = [place[label] for label in y_hat.tolist()]
        except KeyError as error:
            raise NotMeasurableError(
                f"the costs do not name the label {error.args[0]!r}; name all labels"
            ) from error
        return self.table[truth, answer], np.ones(len(truth))


def _metric(
    name: str, labels: list[Any], table: list[list[float]], unit: str, task: Task
) -> Metric:
    costs = np.asarray(table, dtype=np.float64)
    if not np.isfinite(costs).all() or np.ptp(costs) == 0:
        raise InvalidProblemError(
            f"{name!r}: costs are finite, and not all the same, or no model could be better"
        )
    return Metric(
        name,
        kind=MetricKind.BUSINESS,
        direction=Direction.LOWER,
        tasks=(task,),
        unit=unit,
        lowest=float(costs.min()),
        highest=float(costs.max()),
        per_row=_Costs(labels, table),
        definition="costs " + canonical_json([[str(x) for x in labels], table]).decode(),
    )
