"""Are current scores a mixture of those that the classes had?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from mldeploy.stats._arrays import Floats, Ints
from mldeploy.stats._estimate import Interval
from mldeploy.stats._intervals import z_of

_BINS_PER_CLASS = 5
_FEWEST = 5.0
"""Rows that a bin must hold on average in each sample."""


@dataclass(frozen=True, kw_only=True)
class MixtureFit:
    """How well the best mixture explains the current scores."""

    p_value: float
    misfit: float


def shares_in_bins(said: Floats, says: Floats) -> tuple[Ints, Ints]:
    """Number the bins of both samples' rows: the class that is likeliest, and how likely."""
    winners, top = said.argmax(axis=1), said.max(axis=1)
    own, own_top = says.argmax(axis=1), says.max(axis=1)
    bins, current_bins = np.zeros(len(said), np.intp), np.zeros(len(says), np.intp)
    offset, least = 0, min(len(said), len(says))
    for k in range(said.shape[1]):
        here, there = winners == k, own == k
        pooled = np.concatenate([top[here], own_top[there]])
        n_bins = min(_BINS_PER_CLASS, int(min(pooled.size, least) // (4 * _FEWEST)))
        cuts = _cuts(pooled, n_bins)
        bins[here] = offset + np.searchsorted(cuts, top[here], side="right")
        current_bins[there] = offset + np.searchsorted(cuts, own_top[there], side="right")
        offset += cuts.size + 1
    return _without_rare(bins, current_bins)


def likelihood_interval(
    ratios: Floats, shares: Floats, k: int, *, inflation: float, confidence: float
) -> Interval:
    """Return the shares of class k that the likelihood does not tell from the best.

    The other classes keep their proportions. `inflation` is the factor by which the variance is
    larger than that of independent rows with known ratios.
    """
    rest = np.where(np.arange(shares.size) == k, 0.0, shares)
    if rest.sum() <= 0:
        rest = np.where(np.arange(shares.size) == k, 0.0, 1.0)
    own, other = ratios[:, k], ratios @ (rest / rest.sum())
    best = float(np.log(shares[k] * own + (1 - shares[k]) * other).sum())
    allowed = inflation * z_of(confidence) ** 2 / 2

    def inside(share: float) -> bool:
        mixed = share * own + (1 - share) * other
        return bool(mixed.min() > 0 and best - float(np.log(mixed).sum()) <= allowed)

    def end(outside: float) -> float:
        within = float(shares[k])
        if inside(outside):
            return outside
        for _ in range(40):
            middle = (within + outside) / 2
            within, outside = (middle, outside) if inside(middle) else (within, middle)
        return within

    return Interval(low=end(0.0), high=end(1.0), confidence=confidence)


def _cuts(values: Floats, n_bins: int) -> Floats:
    if n_bins < 2:
        return np.empty(0)
    return np.unique(np.quantile(values, np.arange(1, n_bins) / n_bins))


def mixture_fit(codes: Ints, bins: Ints, current_bins: Ints, *, units: Ints | None) -> MixtureFit:
    """Test whether some mixture of the classes' bin shares gives the current bin shares."""
    k, b = int(codes.max()) + 1, int(max(bins.max(), current_bins.max())) + 1
    degrees = b - k
    counts = np.zeros((b, k))
    np.add.at(counts, (bins, codes), 1.0)
    of_class: Floats = counts / counts.sum(axis=0)
    observed = np.bincount(current_bins, minlength=b) / current_bins.size
    if degrees < 1:
        return MixtureFit(p_value=1.0, misfit=0.0)
    shares = np.full(k, 1 / k)
    weight: Floats = np.eye(b)
    for _ in range(20):
        shares, before = _best(of_class, observed, weight), shares
        covariance = _covariance(codes, bins, current_bins, of_class, shares, units)
        weight = np.asarray(np.linalg.pinv(covariance, rcond=1e-10), dtype=np.float64)
        if np.abs(shares - before).max() < 1e-8:
            break
    gap = observed - of_class @ shares
    statistic = float(gap @ weight @ gap)
    return MixtureFit(
        p_value=float(special.chdtrc(degrees, max(0.0, statistic))),
        misfit=float(np.abs(gap).sum() / 2),
    )


def _best(of_class: Floats, observed: Floats, weight: Floats) -> Floats:
    """Return the shares, which sum to 1, that minimise the weighted misfit; none negative."""
    k = of_class.shape[1]
    active = np.ones(k, dtype=bool)
    while True:
        used = of_class[:, active]
        last = used[:, -1]
        slopes = used[:, :-1] - last[:, None]
        free = np.linalg.lstsq(
            slopes.T @ weight @ slopes, slopes.T @ weight @ (observed - last), rcond=None
        )[0]
        shares = np.zeros(k)
        shares[active] = np.r_[free, 1 - free.sum()]
        if (shares >= -1e-12).all():
            return np.maximum(shares, 0.0)
        active &= shares > 0


def _covariance(
    codes: Ints,
    bins: Ints,
    current_bins: Ints,
    of_class: Floats,
    shares: Floats,
    units: Ints | None,
) -> Floats:
    """Return the covariance of the gap, from what each row (or unit) adds to it."""
    b = of_class.shape[0]
    n_of = np.bincount(codes)
    if units is None:
        total = np.zeros((b, b))
        for k, share in enumerate(shares):
            total += share**2 * _multinomial(of_class[:, k]) / n_of[k]
        observed = np.bincount(current_bins, minlength=b) / current_bins.size
        return total + _multinomial(observed) / current_bins.size
    reference = (np.eye(b)[bins] - of_class[:, codes].T) * (-shares / n_of)[codes][:, None]
    observed = np.bincount(current_bins, minlength=b) / current_bins.size
    current = (np.eye(b)[current_bins] - observed) / current_bins.size
    rows = np.concatenate([reference, current])
    sums = np.column_stack([np.bincount(units, column) for column in rows.T])
    return np.asarray(sums.T @ sums, dtype=np.float64)


def _multinomial(shares: Floats) -> Floats:
    return np.asarray(np.diag(shares) - np.outer(shares, shares), dtype=np.float64)


def _without_rare(bins: Ints, current_bins: Ints) -> tuple[Ints, Ints]:
    """Merge each bin that is rare in either sample into its neighbour, and number them anew."""
    n = int(max(bins.max(), current_bins.max())) + 1
    counts = np.stack([np.bincount(part, minlength=n) for part in (bins, current_bins)])
    total, new, current = counts.sum(axis=0), np.zeros(n, np.intp), 0
    held = 0
    for i in range(n):
        if held >= 2 * _FEWEST and total[i:].sum() >= 2 * _FEWEST:
            current, held = current + 1, 0
        new[i] = current
        held += total[i]
    return new[bins], new[current_bins]
