"""Means of weighted rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from mldeploy.errors import EmptyDataError, InvalidDataError


@final
@dataclass(frozen=True, kw_only=True)
class WeightedMean:
    """A weighted mean, its standard error, and how many equally weighted rows it is worth."""

    estimate: float
    standard_error: float
    effective_n: float


def weighted_mean(values: npt.ArrayLike, weights: npt.ArrayLike) -> WeightedMean:
    """Estimate a mean from weighted rows, such as accuracy from late labels.

    Parameters
    ----------
    values : array_like of shape (n,)
        What is averaged: 1 where the model was right, an absolute error, and so on.
    weights : array_like of shape (n,)
        Weights, at least 0, as from `reporting_weights`.

    Returns
    -------
    WeightedMean
        Hájek's estimate, its linearised standard error [1]_ (weights taken as known, rows as
        independent), and Kish's effective number of rows.

    Raises
    ------
    EmptyDataError
        If no weight is positive.
    InvalidDataError
        If a weight is negative, or shapes differ.

    References
    ----------
    .. [1] C.-E. Särndal, B. Swensson and J. Wretman, "Model Assisted Survey Sampling", section
       5.7.

    Examples
    --------
    >>> result = weighted_mean([1, 0, 1], [1, 2, 1])
    >>> result.estimate, round(result.effective_n, 3)
    (0.5, 2.667)
    """
    x, w = np.asarray(values, dtype=np.float64), np.asarray(weights, dtype=np.float64)
    if x.shape != w.shape or (w < 0).any():
        raise InvalidDataError("values and weights differ in shape, or a weight is negative")
    total = float(w.sum())
    if total <= 0:
        raise EmptyDataError("no row has a positive weight; there is nothing to average")
    estimate = float(np.sum(w * x) / total)
    spread = float(np.sum((w * (x - estimate)) ** 2))
    return WeightedMean(
        estimate=estimate,
        standard_error=float(np.sqrt(spread) / total),
        effective_n=total**2 / float(np.sum(w**2)),
    )
