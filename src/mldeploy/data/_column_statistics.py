"""What follows from the counts of a column's values."""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mldeploy.data._sketch import DistinctSketch
from mldeploy.stats import ValueCounts

Floats: TypeAlias = npt.NDArray[np.float64]
Counts: TypeAlias = npt.NDArray[np.int64]


def mean_of(values: Floats, counts: Counts) -> float:
    """Return the mean of finite values in order, without a sum that overflows."""
    scale = _power_of_two(values)
    mean = (values / scale * counts).sum() / counts.sum() * scale
    return float(np.clip(mean, values[0], values[-1]))


def std_of(values: Floats, counts: Counts) -> float:
    """Return the standard deviation of at least two finite values, with n - 1."""
    scale = _power_of_two(values)
    away = values / scale - mean_of(values / scale, counts)
    return float(np.sqrt((counts * away**2).sum() / (counts.sum() - 1)) * scale)


def _power_of_two(values: Floats) -> float:
    """Return a scale at which the largest value is between 1 and 2: no digit is lost by it."""
    largest = float(np.abs(values).max())
    return math.ldexp(1.0, max(math.frexp(largest)[1] - 1, -1_022)) if largest else 1.0


def entropy_of(counts: Counts) -> float:
    """Return Shannon's entropy in nats."""
    shares = counts / counts.sum()
    return float(max(-(shares * np.log(shares)).sum(), 0.0))


def occurrences_of(counts: Counts, sample: DistinctSketch | None) -> ValueCounts:
    """Return how many values occur how often, scaled up if they are a sample."""
    occurrences = counts if sample is None else sample.occurrences
    n_rows, n_values = np.unique(occurrences, return_counts=True)
    if sample is not None:
        scale = sample.n_distinct / max(sample.smallest.size, 1)
        n_values = np.maximum(np.rint(n_values * scale), 1).astype(np.int64)
    return ValueCounts(values=n_rows.astype(np.float64), counts=n_values)
