"""Probabilities against what happened: by Cox's line, and by bins, with weights and units."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import special
from scipy import stats as scipy_stats

from mldeploy.problem import ScoredRows, Task, confidence_of
from mldeploy.stats import Estimate, Interval

Array: TypeAlias = npt.NDArray[Any]
_CLIP = 1e-9
_STEPS = 50
_DRAWS = 2000
_SMALLEST = 1e-300


@final
@dataclass(frozen=True, kw_only=True)
class Promised:
    """What was promised, and whether it came.

    Attributes
    ----------
    y : ndarray of shape (n_rows,)
        Whether it came: the positive class, or, of several classes, the one that was answered.
    p : ndarray of shape (n_rows,)
        The probability that it would.
    weight : ndarray of shape (n_rows,)
        How much each row counts.
    units : ndarray of int of shape (n_rows,)
        Rows of one number are not independent.
    is_plain : bool
        Whether there are neither weights nor units.
    """

    y: Array
    p: Array
    weight: Array
    units: Array
    is_plain: bool

    @classmethod
    def of(cls, rows: ScoredRows) -> Promised:
        """Read probabilities off scored rows, those without weight left out."""
        assert rows.y_score is not None, "the model is probabilistic"
        weight = np.ones(len(rows)) if rows.weight is None else np.asarray(rows.weight, float)
        rows, weight = rows.take(weight > 0), weight[weight > 0]
        assert rows.y_score is not None, "as above"
        binary = rows.task is Task.BINARY
        y = rows.y_true == 1 if binary else rows.y_true == rows.y_pred
        units = np.arange(len(rows))
        if rows.unit is not None:
            units = pd.factorize(rows.unit, use_na_sentinel=False)[0]
        return cls(
            y=y.astype(float),
            p=np.asarray(rows.y_score if binary else confidence_of(rows.y_score), float),
            weight=weight,
            units=units,
            is_plain=rows.weight is None and rows.unit is None,
        )

    def __len__(self) -> int:
        return len(self.y)

    @property
    def n_units(self) -> int:
        """Independent units."""
        return len(np.unique(self.units))


@final
@dataclass(frozen=True, kw_only=True)
class CoxLine:
    """The line on which the log odds of what happened lie over those promised.

    Attributes
    ----------
    intercept, slope : float
        0 and 1 for perfect probabilities.
    covariance : ndarray of shape (2, 2)
        Of both.
    p_value : float
        Of perfect probabilities, with two degrees of freedom.
    """

    intercept: float
    slope: float
    covariance: Array
    p_value: float

    def after_looks(self, n_looks: int) -> float:
        """Return the p-value where the rows have judged other models before.

        Both of a line's coefficients may have been steered at each look, so that there are two
        degrees of freedom for each.
        """
        return float(special.chdtrc(2 * n_looks, -2 * math.log(max(self.p_value, _SMALLEST))))

    def error(
        self, rows: Promised, *, confidence: float, worth: float = 1.0, rng: np.random.Generator
    ) -> Estimate:
        """Return how far off probabilities are on average, once they are set right by the line.

        The interval holds that share of the errors of lines that are as likely as this one, from
        rows that are worth that share of as many fresh ones.
        """
        x = special.logit(np.clip(rows.p, _CLIP, 1 - _CLIP))
        order = np.argsort(x)
        cells = np.array_split(order, min(200, len(x)))
        middles = np.array([np.average(x[c], weights=rows.weight[c]) for c in cells])
        shares = np.array([rows.weight[c].sum() for c in cells])
        shares = shares / shares.sum()
        found = np.array([self.intercept, self.slope])
        others = rng.multivariate_normal(found, self.covariance / worth, _DRAWS)
        lines = np.vstack([found, others])
        right = special.expit(lines[:, :1] + lines[:, 1:] * middles)
        errors = np.abs(right - special.expit(middles)) @ shares
        low, high = np.quantile(errors[1:], [(1 - confidence) / 2, (1 + confidence) / 2])
        value = float(errors[0])
        return Estimate(
            value=value,
            interval=Interval(
                low=min(float(low), value), high=max(float(high), value), confidence=confidence
            ),
            n=rows.n_units,
            method="Cox line",
        )


def cox_line(rows: Promised) -> CoxLine:
    """Fit Cox's line (Biometrika 45, 1958) to weighted rows; units make its errors robust.

    Raises
    ------
    ValueError
        If no line fits best: one class, one probability, or a perfect separation.
    """
    x = special.logit(np.clip(rows.p, _CLIP, 1 - _CLIP))
    came = rows.y == 1
    if came.all() or not came.any():
        raise ValueError("all rows have the same outcome")
    if np.ptp(x) == 0:
        raise ValueError(f"every probability is {rows.p[0]:g}")
    if x[came].min() >= x[~came].max() or x[~came].min() >= x[came].max():
        raise ValueError("the probabilities separate the outcomes perfectly")
    design, beta = np.column_stack([np.ones_like(x), x]), np.array([0.0, 1.0])
    weight = rows.weight / rows.weight.mean()
    best = _likelihood(design, rows.y, weight, beta)
    first = best
    for _ in range(_STEPS):
        mean = special.expit(design @ beta)
        bread = (design * (weight * mean * (1 - mean))[:, None]).T @ design
        step = np.linalg.lstsq(bread, design.T @ (weight * (rows.y - mean)), rcond=None)[0]
        value = _likelihood(design, rows.y, weight, beta + step)
        while value < best and np.abs(step).max() > 1e-12:
            step = step / 2
            value = _likelihood(design, rows.y, weight, beta + step)
        beta, gained, best = beta + step, value - best, max(value, best)
        if gained < 1e-9:
            break
    covariance = np.linalg.pinv(bread)
    if rows.is_plain:
        statistic = 2 * max(0.0, best - first)
    else:
        covariance = _sandwich(covariance, design, weight * (rows.y - mean), rows.units)
        off = beta - np.array([0.0, 1.0])
        statistic = float(off @ np.linalg.pinv(covariance) @ off)
    return CoxLine(
        intercept=float(beta[0]),
        slope=float(beta[1]),
        covariance=covariance,
        p_value=math.exp(-statistic / 2),
    )


def _likelihood(design: Array, y: Array, weight: Array, beta: Array) -> float:
    eta = design @ beta
    return float(weight @ (y * eta - np.logaddexp(0.0, eta)))


def _sandwich(bread: Array, design: Array, residual: Array, units: Array) -> Array:
    codes = np.unique(units, return_inverse=True)[1]
    sums = np.column_stack([np.bincount(codes, column * residual) for column in design.T])
    m = len(sums)
    inner: Array = bread @ (sums.T @ sums) @ bread * m / max(m - 1, 1)
    return inner


def binned_error(rows: Promised, *, n_bins: int, confidence: float) -> Estimate:
    r"""Return the root mean squared gap between promised and true shares, freed of chance.

    Notes
    -----
    :math:`\sqrt{\sum_b w_b (d_b^2 - v_b)}` with :math:`d_b` the gap in a bin and :math:`v_b`
    its variance, over units, as `mldeploy.stats.debiased_ece`. Gaps are normal, so a squared
    one varies by :math:`2 v_b^2 + 4 v_b \delta_b^2`.
    """
    bins = np.empty(len(rows), dtype=np.intp)
    bins[np.argsort(rows.p, kind="stable")] = np.arange(len(rows)) * n_bins // len(rows)
    total = np.bincount(bins, rows.weight)
    gap = np.bincount(bins, rows.weight * (rows.y - rows.p)) / total
    residual = rows.weight * (rows.y - rows.p - gap[bins]) / total[bins]
    cells = bins * (rows.units.max() + 1) + rows.units
    distinct, codes = np.unique(cells, return_inverse=True)
    of_cell = distinct // (rows.units.max() + 1)
    sums = np.bincount(codes, residual)
    m = np.bincount(of_cell, minlength=n_bins)
    noise = np.bincount(of_cell, sums**2, minlength=n_bins) * m / np.maximum(m - 1, 1)
    share = total / total.sum()
    true = np.maximum(gap**2 - noise, 0.0)
    squared = float(share @ (gap**2 - noise))
    error = math.sqrt(float(share**2 @ (2 * noise**2 + 4 * noise * true)))
    half = float(scipy_stats.norm.ppf(0.5 + confidence / 2)) * error
    low, value, high = (math.sqrt(max(0.0, squared + h)) for h in (-half, 0.0, half))
    return Estimate(
        value=value,
        interval=Interval(low=low, high=high, confidence=confidence),
        n=rows.n_units,
        method="debiased bins",
    )
