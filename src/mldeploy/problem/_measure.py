"""A metric on rows, with the interval that suits it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from mldeploy.errors import InvalidProblemError, NotMeasurableError
from mldeploy.problem._builtin import find_metric
from mldeploy.problem._counted import Cells
from mldeploy.problem._metric import Metric, Needs
from mldeploy.problem._rows import ScoredRows
from mldeploy.problem._task import Task
from mldeploy.stats import (
    Comparison,
    Estimate,
    Ranking,
    bootstrap,
    bootstrap_cells,
    bootstrap_ratio,
    delong,
    delong_difference,
    paired_bootstrap,
    paired_bootstrap_cells,
    paired_bootstrap_ratio,
    paired_proportions,
    quantile_interval,
    wilson,
)

Array = npt.NDArray[Any]
_RESAMPLES_OF_SUMS = 1000
_RESAMPLES_OF_ROWS = 400


def measure(
    metric: Metric, rows: ScoredRows, *, confidence: float = 0.95, random_state: int = 0
) -> Estimate:
    """Measure a metric, with the interval that suits it.

    Parameters
    ----------
    metric : Metric
        A metric of quality, business or latency.
    rows : ScoredRows
        What was true, and what was said.
    confidence : float, default=0.95
        Two-sided confidence of the interval.
    random_state : int, default=0
        Seed of the bootstrap.

    Returns
    -------
    Estimate
        Wilson for shares, DeLong for the area under the ROC curve, order statistics for
        latencies, the bootstrap otherwise; over units wherever `rows` declares them.

    Raises
    ------
    NotMeasurableError
        If the metric has no value on these rows.
    InvalidProblemError
        If the metric's function is not at hand.

    Examples
    --------
    >>> from mldeploy.problem import Task, find_metric
    >>> y = np.array([0, 1] * 50)
    >>> rows = ScoredRows(task=Task.BINARY, y_true=y, y_pred=np.ones(100, int))
    >>> estimate = measure(find_metric("accuracy"), rows)
    >>> estimate.value, estimate.method
    (0.5, 'Wilson')
    """
    _must_be_measurable(metric, rows)
    rng = np.random.default_rng(random_state)
    if metric.quantile is not None and rows.latency is not None:
        return quantile_interval(rows.latency, metric.quantile, confidence=confidence)
    answers = answers_for(metric, rows)
    if metric.name == "roc_auc" and rows.weight is None:
        return delong(rows.y_true, answers, units=rows.unit, confidence=confidence)
    if metric.per_row is not None:
        return _measure_ratio(metric, rows, answers, confidence=confidence, rng=rng)
    _must_be_resampled(metric, rows)
    cells = _cells(metric, rows, answers)
    if cells is not None:
        return bootstrap_cells(
            _of_cells(metric, *cells.columns),
            cells.codes,
            n_cells=len(cells),
            weights=rows.weight,
            units=rows.unit,
            n_resamples=_RESAMPLES_OF_SUMS,
            confidence=confidence,
            rng=rng,
        )
    return bootstrap(
        _statistic(metric, rows, answers),
        n_rows=len(rows),
        units=rows.unit,
        n_resamples=_RESAMPLES_OF_ROWS,
        confidence=confidence,
        rng=rng,
    )


def point_value(metric: Metric, rows: ScoredRows) -> float:
    """Return a metric of scored rows without its interval, where only its value is needed.

    Raises
    ------
    NotMeasurableError
        If the metric has no value on these rows.

    Examples
    --------
    >>> from mldeploy.problem import Task, find_metric
    >>> rows = ScoredRows(task=Task.BINARY, y_true=np.array([0, 1]), y_pred=np.array([1, 1]))
    >>> point_value(find_metric("recall"), rows)
    1.0
    """
    _must_be_measurable(metric, rows)
    if metric.quantile is not None and rows.latency is not None:
        return float(np.quantile(rows.latency, metric.quantile, method="higher"))
    value = _statistic(metric, rows, answers_for(metric, rows))(np.ones(len(rows)))
    if not np.isfinite(value):
        raise NotMeasurableError(f"no row counts towards {metric.name}")
    return value


def compare(
    metric: Metric,
    rows: ScoredRows,
    rival: ScoredRows,
    *,
    confidence: float = 0.95,
    random_state: int = 0,
) -> Comparison:
    """Measure by how much a model is better than a rival on the same rows.

    Parameters
    ----------
    metric : Metric
        A metric of quality or business.
    rows, rival : ScoredRows
        The answers of both, for the same rows in the same order.
    confidence : float, default=0.95
        Two-sided confidence of the interval of the difference.
    random_state : int, default=0
        Seed of the bootstrap.

    Returns
    -------
    Comparison
        Positive where `rows` is better, whichever way the metric points.

    Raises
    ------
    NotMeasurableError
        If the metric has no value on these rows.
    ValueError
        If the rows are not the same.
    """
    if len(rows) != len(rival) or not np.array_equal(rows.y_true, rival.y_true):
        raise ValueError("the rival answered other rows; score both models on the same dataset")
    _must_be_measurable(metric, rows)
    better, worse = (rows, rival) if metric.higher_is_better else (rival, rows)
    a, b = answers_for(metric, better), answers_for(metric, worse)
    rng = np.random.default_rng(random_state)
    if metric.name == "roc_auc" and rows.weight is None:
        return delong_difference(rows.y_true, a, b, units=rows.unit, confidence=confidence)
    if metric.name == "accuracy" and rows.weight is None:
        y = rows.y_true
        return paired_proportions(y == a, y == b, units=rows.unit, confidence=confidence, rng=rng)
    _must_be_resampled(metric, rows)
    if metric.per_row is not None:
        above_a, below_a = sums_of(metric, better, a)
        above_b, below_b = sums_of(metric, worse, b)
        if not (below_a.any() and below_b.any()):
            raise NotMeasurableError(f"no row counts towards {metric.name}")
        return paired_bootstrap_ratio(
            above_a,
            above_b,
            below_a,
            below_b,
            units=rows.unit,
            n_resamples=_RESAMPLES_OF_SUMS,
            confidence=confidence,
            rng=rng,
        )
    cells = _cells(metric, rows, a, b)
    if cells is not None:
        truth, of_a, of_b = cells.columns
        better_at, worse_at = _of_cells(metric, truth, of_a), _of_cells(metric, truth, of_b)
        return paired_bootstrap_cells(
            lambda counts: better_at(counts) - worse_at(counts),
            cells.codes,
            n_cells=len(cells),
            weights=rows.weight,
            units=rows.unit,
            n_resamples=_RESAMPLES_OF_ROWS,
            confidence=confidence,
            rng=rng,
        )
    return paired_bootstrap(
        _statistic(metric, better, a),
        _statistic(metric, worse, b),
        n_rows=len(rows),
        units=rows.unit,
        n_resamples=_RESAMPLES_OF_ROWS,
        confidence=confidence,
        rng=rng,
    )


def answers_for(metric: Metric, rows: ScoredRows) -> Array:
    """Return the decisions or the scores, whichever the metric is computed from."""
    if metric.needs is not Needs.SCORE:
        return rows.y_pred
    if rows.y_score is None:
        raise NotMeasurableError(
            f"{metric.name} needs scores and the model gives none; use an estimator with "
            "predict_proba or decision_function, or a metric of decisions"
        )
    return rows.y_score


def _must_be_measurable(metric: Metric, rows: ScoredRows) -> None:
    if not metric.is_resolved:
        raise InvalidProblemError(
            f"the function of metric {metric.name!r} is not at hand; pass the metric to "
            "problem.with_metrics([...])"
        )
    if len(rows) == 0:
        raise NotMeasurableError(f"there are no rows to measure {metric.name} on")
    if metric.quantile is not None and rows.latency is None:
        raise NotMeasurableError(f"no latencies were recorded, so {metric.name} is unknown")
    if metric.needs is Needs.NOTHING and metric.quantile is None:
        raise NotMeasurableError(f"{metric.name} is not measured on scored rows")
    if metric.name == "roc_auc" and len(np.unique(rows.y_true)) < 2:
        raise NotMeasurableError("all rows have the same label, so there is nothing to rank")


def _must_be_resampled(metric: Metric, rows: ScoredRows) -> None:
    if rows.n_units < 2:
        raise NotMeasurableError(
            f"a single row, or unit, does not tell how much {metric.name} varies"
        )


def _measure_ratio(
    metric: Metric,
    rows: ScoredRows,
    answers: Array,
    *,
    confidence: float,
    rng: np.random.Generator,
) -> Estimate:
    above, below = sums_of(metric, rows, answers)
    if not np.any(below > 0):
        raise NotMeasurableError(f"no row counts towards {metric.name}")
    if rows.unit is None and rows.weight is None and _is_proportion(metric, above, below):
        return wilson(float(above.sum()), float(below.sum()), confidence=confidence)
    _must_be_resampled(metric, rows)
    return bootstrap_ratio(
        above,
        below,
        units=rows.unit,
        n_resamples=_RESAMPLES_OF_SUMS,
        confidence=confidence,
        rng=rng,
    )


def sums_of(metric: Metric, rows: ScoredRows, answers: Array) -> tuple[Array, Array]:
    """Return what each row adds to the numerator and to the denominator, weights included."""
    if metric.per_row is None:
        raise InvalidProblemError(f"{metric.name} is not a ratio of sums")
    above, below = metric.per_row(rows.y_true, answers)
    weight = 1.0 if rows.weight is None else rows.weight
    return np.asarray(above, dtype=float) * weight, np.asarray(below, dtype=float) * weight


def _is_proportion(metric: Metric, above: Array, below: Array) -> bool:
    binary = all(np.isin(part, (0.0, 1.0)).all() for part in (above, below))
    return metric.is_share and binary and bool((above <= below).all())


def _statistic(metric: Metric, rows: ScoredRows, answers: Array) -> Callable[[Array], float]:
    """Return the metric as a function of how often each row counts."""
    if metric.per_row is not None:
        above, below = sums_of(metric, rows, answers)

        def ratio(weights: Array) -> float:
            total = float(weights @ below)
            return float(weights @ above) / total if total > 0 else float("nan")

        return ratio
    own = 1.0 if rows.weight is None else rows.weight
    y_true = _coded(rows) if metric.needs is Needs.SCORE else rows.y_true
    if rows.task is Task.BINARY and metric.name in ("roc_auc", "average_precision"):
        known = find_metric(metric.name)
        if metric.definition == known.definition:
            ranking = Ranking(y_true, answers)
            of_rank = getattr(ranking, metric.name)
            return lambda weights: float(of_rank(weights * own))
    weighted = _of_cells(metric, y_true, answers)
    return lambda weights: weighted(weights * own)


def _of_cells(metric: Metric, y_true: Array, answers: Array) -> Callable[[Array], float]:
    """Return the metric as a function of the weight of each row, or of each distinct row."""
    function = metric.function
    if function is None:
        raise InvalidProblemError(f"the function of metric {metric.name!r} is not at hand")

    def weighted(weights: Array) -> float:
        try:
            return float(function(y_true, answers, sample_weight=weights))
        except ValueError as error:
            raise NotMeasurableError(
                f"{metric.name} has no value on these rows: {error}"
            ) from error

    return weighted


def _cells(metric: Metric, rows: ScoredRows, *answers: Array) -> Cells | None:
    """Return the distinct rows of a metric of decisions about classes; None of any other."""
    counted = metric.needs is Needs.PREDICTION and metric.per_row is None
    if not counted or not rows.task.is_classification:
        return None
    return Cells.of(rows.y_true, *answers)


def _coded(rows: ScoredRows) -> Array:
    """Return the labels as positions among the classes, which are the columns of the scores."""
    if rows.task is not Task.MULTICLASS:
        return rows.y_true
    position = {label: i for i, label in enumerate(rows.classes)}
    try:
        return np.array([position[label] for label in rows.y_true.tolist()])
    except KeyError as error:
        raise NotMeasurableError(
            f"label {error.args[0]!r} is none of the classes that the model knows"
        ) from error
