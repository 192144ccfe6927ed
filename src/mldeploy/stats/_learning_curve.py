"""Is more data worth it? A power law through the errors at several training sizes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, final

import numpy as np
import numpy.typing as npt

from mldeploy.errors import InvalidDataError
from mldeploy.stats._counts import Floats

_EXPONENTS = np.geomspace(0.05, 2.0, 60)


@final
@dataclass(frozen=True, kw_only=True)
class Band:
    """An estimate with the ends of its interval."""

    estimate: float
    low: float
    high: float


@final
@dataclass(frozen=True, kw_only=True)
class MoreDataDecision:
    """Whether more data is worth it, and the gain that was predicted."""

    answer: Literal["yes", "no", "cannot tell"]
    gain: Band
    """Error now less error at the larger size, in the unit of the error."""
    declared_gain: float
    n_now: int
    n_more: int


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class LearningCurveFit:
    """The curve ``err(n) = a + b * n**-c``, with bootstrap replicas of it.

    Attributes
    ----------
    a, b, c : float
        Error left with endless data, scale, and rate; all at least 0.
    replicas : ndarray of shape (n_replicas, 3)
        The parameters refitted to resampled errors.
    n_largest : int
        Largest training size that was measured.
    """

    a: float
    b: float
    c: float
    replicas: Floats
    n_largest: int

    def predict(self, n: float) -> float:
        """Error expected after training on `n` rows, in the unit of the errors fitted."""
        return float(self.a + self.b * n**-self.c)

    def band(self, n: float, *, confidence: float = 0.95) -> Band:
        """Error expected after training on `n` rows, with its bootstrap interval.

        Parameters
        ----------
        n : float
            Training size in rows, at least 1.
        confidence : float, default=0.95
            Of the percentile interval, in (0, 1).

        Returns
        -------
        Band
            In the unit of the errors fitted.
        """
        return _band(self.predict(n), self._replicated(n), confidence)

    def decide(
        self,
        n_more: int,
        *,
        gain: float,
        n_now: int | None = None,
        confidence: float = 0.95,
    ) -> MoreDataDecision:
        """Tell whether growing the data to `n_more` rows gains what was declared worth it.

        Parameters
        ----------
        n_more : int
            Training size that could be had, in rows.
        gain : float
            Smallest fall of the error that is worth it, in the unit of the errors, above 0.
        n_now : int, optional
            Training size now; by default the largest one measured.
        confidence : float, default=0.95
            Of the interval of the gain, in (0, 1).

        Returns
        -------
        MoreDataDecision
            "yes" if the whole interval of the predicted gain is above `gain`, "no" if the whole
            is below, else "cannot tell".

        Raises
        ------
        ValueError
            If `n_more` is not above `n_now`, or `gain` is not positive.
        """
        now = self.n_largest if n_now is None else n_now
        if n_more <= now:
            raise ValueError(f"n_more is {n_more}, n_now {now}; ask about a larger size")
        if gain <= 0:
            raise ValueError(f"gain is {gain}; declare a positive fall of the error")
        spread = self._replicated(now) - self._replicated(n_more)
        band = _band(self.predict(now) - self.predict(n_more), spread, confidence)
        answer: Literal["yes", "no", "cannot tell"] = "cannot tell"
        if band.low > gain:
            answer = "yes"
        elif band.high < gain:
            answer = "no"
        return MoreDataDecision(
            answer=answer, gain=band, declared_gain=gain, n_now=now, n_more=n_more
        )

    def _replicated(self, n: float) -> Floats:
        a, b, c = self.replicas.T
        errors: Floats = a + b * n**-c
        return errors


def _band(estimate: float, replicas: Floats, confidence: float) -> Band:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence is {confidence}; it lies between 0 and 1")
    tail = (1 - confidence) / 2
    low, high = np.quantile(replicas, [tail, 1 - tail])
    return Band(estimate=estimate, low=float(low), high=float(high))


def fit_learning_curve(
    sizes: npt.ArrayLike,
    errors: npt.ArrayLike,
    *,
    n_replicas: int = 400,
    rng: np.random.Generator,
) -> LearningCurveFit:
    r"""Fit a power law with an offset to errors at several training sizes.

    Parameters
    ----------
    sizes : array_like of shape (n_sizes,)
        Training sizes in rows, increasing, at least four; five to eight serve best.
    errors : array_like of shape (n_sizes, n_repeats)
        Error (lower is better, at least 0) on held-out rows, of at least three repeats a size;
        each repeat draws its own training rows.
    n_replicas : int, default=400
        Bootstrap replicas behind the intervals.
    rng : numpy.random.Generator
        Source of randomness.

    Returns
    -------
    LearningCurveFit
        The fit and its replicas.

    Raises
    ------
    InvalidDataError
        If there are too few sizes or repeats, or a value is not finite.

    Notes
    -----
    :math:`\mathrm{err}(n) = a + b n^{-c}` with :math:`a, b \ge 0` [1]_, by least squares on the
    mean errors, weighted by their precision: the repeats' variances are smoothed by a power law
    in n, since a variance of a few repeats is itself noise. Replicas refit the mean errors with
    Student-t noise of that size added: a parametric bootstrap, since resampling a few repeats
    gives intervals that are too narrow.

    References
    ----------
    .. [1] T. Viering and M. Loog, "The shape of learning curves: a review", IEEE Transactions on
       Pattern Analysis and Machine Intelligence 45 (2023) 7799-7819.

    Examples
    --------
    >>> sizes = np.array([100, 200, 400, 800, 1600])
    >>> errors = (0.1 + 2 * sizes[:, None] ** -0.5) + np.array([-0.002, 0.0, 0.002])
    >>> fit = fit_learning_curve(sizes, errors, rng=np.random.default_rng(0))
    >>> round(fit.predict(6400), 3)
    0.125
    >>> fit.decide(6400, gain=0.01).answer, fit.decide(6400, gain=0.05).answer
    ('yes', 'no')
    """
    n, measured = np.asarray(sizes, dtype=np.float64), np.asarray(errors, dtype=np.float64)
    if n.ndim != 1 or n.size < 4 or (np.diff(n) <= 0).any() or n[0] < 1:
        raise InvalidDataError(f"sizes is {n.tolist()}; give at least four, increasing")
    if measured.ndim != 2 or measured.shape[0] != n.size or measured.shape[1] < 3:
        raise InvalidDataError(
            f"errors has shape {measured.shape}; give at least three repeats for each of "
            f"{n.size} sizes, shape (n_sizes, n_repeats)"
        )
    if not np.isfinite(measured).all():
        raise InvalidDataError("an error is NaN or infinite; leave out sizes that failed")
    means = measured.mean(axis=1)
    sd, degrees = _noise(n, measured)
    noise = rng.standard_t(degrees, size=(n_replicas, n.size))
    drawn = np.vstack([means, means + noise * sd])
    fitted = _fit(n, drawn, weights=1 / sd**2)
    a, b, c = fitted[0].tolist()
    return LearningCurveFit(a=a, b=b, c=c, replicas=fitted[1:], n_largest=int(n[-1]))


def _noise(n: Floats, measured: Floats) -> tuple[Floats, int]:
    """Standard error of each size's mean by a pooled law ``log s2 = p + q log n``, and its df."""
    n_sizes, n_repeats = measured.shape
    variance = measured.var(axis=1, ddof=1)
    floor = max(float(variance.max()) * 1e-6, 1e-18)
    logs = np.log(np.maximum(variance, floor))
    centred = np.log(n) - np.log(n).mean()
    slope = float(np.clip(np.sum(centred * logs) / np.sum(centred**2), -2.0, 0.0))
    shape = n**slope
    scale = float(np.mean(variance / shape))
    sd = np.sqrt(np.maximum(scale * shape, floor) / n_repeats)
    return sd, n_sizes * (n_repeats - 1)


def _fit(n: Floats, means: Floats, *, weights: Floats) -> Floats:
    """Weighted least squares for every row of `means`: exact in a and b, by grid in c."""
    w = weights / weights.sum()
    best = np.full(len(means), np.inf)
    found = np.zeros((len(means), 3))
    for c in _EXPONENTS:
        x = n**-c
        x_mean, y_mean = float(w @ x), means @ w
        slope = np.maximum(((means * w) @ (x - x_mean)) / float(w @ (x - x_mean) ** 2), 0.0)
        offset = y_mean - slope * x_mean
        through_zero = (means * w) @ x / float(w @ x**2)
        slope = np.where(offset < 0, np.maximum(through_zero, 0.0), slope)
        offset = np.maximum(offset, 0.0)
        residual = means - offset[:, None] - slope[:, None] * x
        loss = residual**2 @ w
        better = loss < best
        best = np.where(better, loss, best)
        candidate = np.column_stack([offset, slope, np.full(len(means), c)])
        found = np.where(better[:, None], candidate, found)
    return found
