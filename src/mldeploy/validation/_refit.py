"""Estimators that are fitted anew on held-out rows, and the metric that they are judged by."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from mldeploy.model import Model
from mldeploy.problem import Metric, MetricKind, Needs, Problem, find_metric


def quality_metric(problem: Problem, *, scored: bool) -> Metric:
    """Return the problem's first metric of quality that can be measured; else an ordinary one.

    Parameters
    ----------
    problem : Problem
        Whose criteria are looked through.
    scored : bool
        Whether there are probabilities.
    """
    for criterion in problem.criteria:
        metric = criterion.metric
        suits = metric.kind is MetricKind.QUALITY and metric.name != "bias"
        if suits and (scored or metric.needs is not Needs.SCORE):
            return metric
    return find_metric("accuracy" if problem.task.is_classification else "mean_absolute_error")


def with_estimator(model: Model, estimator: Any) -> Model:
    """Return the model with another fitted estimator, whose classes may be fewer."""
    classes = tuple(getattr(estimator, "classes_", np.array(())).tolist())
    signature = model.signature.model_copy(
        update={
            "classes": classes or model.signature.classes,
            "probabilistic": hasattr(estimator, "predict_proba"),
        }
    )
    return replace(model, estimator=estimator, signature=signature)
