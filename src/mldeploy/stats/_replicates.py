"""The machine of the bootstrap: draws as weights, and intervals from what they give."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy import special

from mldeploy.errors import InvalidDataError
from mldeploy.stats._arrays import Floats, Ints, check_confidence, unit_codes
from mldeploy.stats._estimate import Comparison, Estimate, Interval

Statistic: TypeAlias = Callable[[Floats], float]
"""A metric of weighted rows: takes weights of shape (n_rows,), answers NaN where undefined."""

_CELLS = 2_000_000
"""Largest number of matrix cells held at once: 16 MB of floats."""
_N_JACKKNIFE = 200
"""Groups left out in turn: the acceleration is then off by about 0.4 / 200 = 0.002."""
_N_GROUPS = 10_000
"""Independent units kept apart; more are pooled at random, which costs the standard error a
relative noise of sqrt(1 / 20,000) = 0.7 %, less than 1,000 resamples do."""
_FEWEST_BEYOND = 5
"""Resamples that must lie beyond a quantile for it to be read off them."""
_MAX_UNDEFINED = 0.05
"""Share of resamples on which a statistic may be undefined before it is refused."""


@dataclass(frozen=True, kw_only=True)
class Replicates:
    """A statistic on the data, on every resample, and what it needs to be corrected by."""

    value: float
    resampled: Floats
    acceleration: float

    def interval(self, confidence: float) -> Interval:
        """Return the bias-corrected and accelerated interval."""
        tails = np.array([(1 - confidence) / 2, (1 + confidence) / 2])
        bias = self._bias
        shifted = bias + special.ndtri(tails)
        low, high = self._quantiles(bias + shifted / (1 - self.acceleration * shifted))
        return Interval(low=float(low), high=float(high), confidence=confidence)

    def _quantiles(self, z: Floats) -> Floats:
        """Return quantiles of the resamples at standard normal deviates.

        Beyond what `_FEWEST_BEYOND` resamples tell, the tail goes on as a normal one would.
        """
        furthest = -float(special.ndtri(min(_FEWEST_BEYOND / self.resampled.size, 0.25)))
        inside = np.clip(z, -furthest, furthest)
        middle = float(np.median(self.resampled))
        known = np.quantile(self.resampled, special.ndtr(inside))
        stretch = np.divide(z, inside, out=np.ones(z.size), where=np.abs(z) > furthest)
        quantiles: Floats = middle + (known - middle) * stretch
        return quantiles

    def p_value(self) -> float:
        """Return the two-sided level at which the interval just excludes 0."""
        if np.ptp(self.resampled) == 0:
            return 1.0 if self.value == 0 else 2 / (self.resampled.size + 1)
        z = float(special.ndtri(self._share_below(0.0)))
        bias, a = self._bias, self.acceleration
        tail = special.ndtr((z - bias) / (1 + a * (z - bias)) - bias)
        return float(min(1.0, 2 * min(tail, 1 - tail)))

    @property
    def _bias(self) -> float:
        return float(special.ndtri(self._share_below(self.value)))

    def _share_below(self, x: float) -> float:
        """Return the share of resamples below `x`, ties counted half, never 0 or 1."""
        n = self.resampled.size
        below = np.count_nonzero(self.resampled < x) + np.count_nonzero(self.resampled == x) / 2
        return float((below + 0.5) / (n + 1))


def codes_of(units: npt.ArrayLike | None, *, n_rows: int) -> tuple[Ints | None, int]:
    """Number the units of the rows; without units every row is its own."""
    if units is not None:
        return unit_codes(units, n_rows=n_rows)
    if n_rows < 2:
        raise InvalidDataError(f"{n_rows} rows cannot be resampled; at least two are needed")
    return None, n_rows


def estimate_from(
    replicates: Replicates, *, confidence: float, n: int, clustered: bool
) -> Estimate:
    """Turn resamples into an estimate."""
    check_confidence(confidence)
    method = "cluster bootstrap" if clustered else "BCa bootstrap"
    interval = replicates.interval(confidence)
    return Estimate(value=replicates.value, interval=interval, n=n, method=method)


def comparison_from(
    replicates: Replicates, *, confidence: float, n: int, clustered: bool
) -> Comparison:
    """Turn resamples of a difference into a comparison."""
    check_confidence(confidence)
    return Comparison(
        difference=replicates.value,
        interval=replicates.interval(confidence),
        p_value=replicates.p_value(),
        n=n,
        method="paired cluster bootstrap" if clustered else "paired BCa bootstrap",
    )


def draws(
    n_units: int, *, n_resamples: int, width: int, rng: np.random.Generator
) -> Iterator[Floats]:
    """Yield how often each unit is drawn, in chunks of shape (some, n_units).

    A chunk is small enough for the caller to hold arrays of shape (some, width).
    """
    if n_resamples < 50:
        raise ValueError(f"{n_resamples=} resamples make no interval; take 50 or more")
    size = max(1, _CELLS // max(n_units, width))
    for start in range(0, n_resamples, size):
        n = min(size, n_resamples - start)
        drawn = rng.integers(0, n_units, size=(n, n_units))
        drawn += np.arange(n)[:, None] * n_units
        counts = np.bincount(drawn.reshape(-1), minlength=n * n_units)
        yield counts.reshape(n, n_units).astype(np.float64)


def replicate(
    statistic: Statistic,
    *,
    codes: Ints | None,
    n_units: int,
    n_rows: int,
    n_resamples: int,
    rng: np.random.Generator,
) -> Replicates:
    """Evaluate a statistic on all rows, on resamples, and with groups left out."""
    value = finite_value(statistic(np.ones(n_rows)))
    chunks = draws(n_units, n_resamples=n_resamples, width=n_rows, rng=rng)
    spread = (row if codes is None else row[codes] for chunk in chunks for row in chunk)
    resampled = np.fromiter((statistic(weights) for weights in spread), np.float64)
    groups = random_groups(n_units, n_groups=_N_JACKKNIFE, rng=rng)
    of_rows = groups if codes is None else groups[codes]
    left_out = np.fromiter(
        (statistic((of_rows != g).astype(np.float64)) for g in range(groups.max() + 1)),
        np.float64,
    )
    return replicates_of(value, resampled, influence=np.nanmean(left_out) - left_out)


def replicate_ratio(
    above: Floats,
    below: Floats,
    *,
    rival: tuple[Floats, Floats] | None = None,
    codes: Ints | None,
    n_units: int,
    n_resamples: int,
    rng: np.random.Generator,
) -> Replicates:
    """Resample a ratio of two sums, less that of a rival, by drawing sums per unit.

    Many units are first pooled into random groups of equal size.
    """
    columns = [per_unit(codes, column, n=n_units) for column in (above, below, *(rival or ()))]
    if n_units > _N_GROUPS:
        groups = random_groups(n_units, n_groups=_N_GROUPS, rng=rng)
        columns = [per_unit(groups, column, n=_N_GROUPS) for column in columns]
    sums = np.column_stack(columns)
    chunks = draws(sums.shape[0], n_resamples=n_resamples, width=sums.shape[0], rng=rng)
    resampled = np.concatenate([_ratios(chunk @ sums) for chunk in chunks])
    values = _ratios(sums.sum(axis=0)[None])[0]
    # The derivative of a ratio of sums in the weight of a unit.
    influence = (sums[:, ::2] - values * sums[:, 1::2]) / sums[:, 1::2].sum(axis=0)
    signs = np.array([1.0, -1.0])[: values.size]
    return replicates_of(float(values @ signs), resampled @ signs, influence=influence @ signs)


def _ratios(sums: Floats) -> Floats:
    """Divide the even columns by the odd ones that follow them; NaN over 0."""
    ratios = np.full((sums.shape[0], sums.shape[1] // 2), np.nan)
    np.divide(sums[:, ::2], sums[:, 1::2], out=ratios, where=sums[:, 1::2] != 0)
    return ratios


def replicates_of(value: float, resampled: Floats, *, influence: Floats) -> Replicates:
    """Keep what is defined, and refuse a statistic that too often is not."""
    finite_value(value)
    defined = resampled[np.isfinite(resampled)]
    n_undefined = resampled.size - defined.size
    if n_undefined > _MAX_UNDEFINED * resampled.size:
        raise InvalidDataError(
            f"the statistic is undefined on {n_undefined} of {resampled.size} resamples; "
            "there are too few rows or units (of a class) for an interval"
        )
    known = influence[np.isfinite(influence)]
    spread = float((known**2).sum())
    acceleration = float((known**3).sum()) / (6 * spread**1.5) if spread > 0 else 0.0
    return Replicates(value=float(value), resampled=defined, acceleration=acceleration)


def finite_value(value: float) -> float:
    """Return what a statistic gave on all rows, or refuse it."""
    if not math.isfinite(value):
        raise InvalidDataError(
            f"the statistic is {value} on all rows; it must be a finite number there"
        )
    return value


def random_groups(n_units: int, *, n_groups: int, rng: np.random.Generator) -> Ints:
    """Deal units at random into groups whose sizes differ by one at most."""
    if n_units <= n_groups:
        return np.arange(n_units)
    return rng.permutation(np.arange(n_units) % n_groups)


def per_unit(codes: Ints | None, values: Floats, *, n: int) -> Floats:
    """Add the rows' values up per unit."""
    if codes is None:
        return values
    return np.asarray(np.bincount(codes, weights=values, minlength=n), dtype=np.float64)
