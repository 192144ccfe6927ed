"""Which share of each class do unlabelled rows have, if nothing else has changed?"""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt
from scipy import special

from mldeploy._record import Record
from mldeploy.errors import InvalidDataError
from mldeploy.stats._arrays import Floats, Ints, check_confidence
from mldeploy.stats._estimate import Estimate
from mldeploy.stats._label_shift_fit import likelihood_interval, mixture_fit, shares_in_bins
from mldeploy.stats._recalibration import (
    Recalibration,
    checked_labels,
    checked_probabilities,
    recalibrate,
    recalibration_influence,
)

_IMMATERIAL = 0.02
_TINY = 1e-12
_CLOSE = 1e-9
_SINGULAR = 1e-6


@final
class LabelShift(Record):
    """The share of each class among current rows, unless more than these shares has changed."""

    prior: tuple[Estimate, ...]
    """Share of each class by the calibrated EM; empty where the assumption is refuted."""
    check: tuple[float, ...]
    """The same by the confusion of the classes (BBSE), which may lie outside [0, 1]."""
    reference_prior: tuple[float, ...]
    """Share of each class among the reference rows."""
    p_value: float
    """Of "the rows of each class are as they were": small where that is refuted."""
    misfit: float
    """Share of current rows, in [0, 1], that no mixture of the classes as they were explains."""

    @property
    def refused(self) -> bool:
        """Whether p(x given y) has moved, so that no shares can be told from the scores."""
        return not self.prior


def label_shift(
    reference_labels: npt.ArrayLike,
    reference_probabilities: npt.ArrayLike,
    current_probabilities: npt.ArrayLike,
    *,
    reference_units: npt.ArrayLike | None = None,
    current_units: npt.ArrayLike | None = None,
    confidence: float = 0.95,
    alpha: float = 0.01,
    immaterial: float = _IMMATERIAL,
) -> LabelShift:
    r"""Estimate the share of each class among rows without labels.

    It assumes *label shift*: the mix of the classes may have changed, but within a class rows
    are as they were. Where the scores refute that, it refuses to answer.

    Parameters
    ----------
    reference_labels : array-like of int of shape (n_reference,)
        Class of each held-out row as its column in the probabilities: 0, 1, ...
    reference_probabilities, current_probabilities : array-like of shape (n, n_classes) or (n,)
        What the model says of the rows with labels, and of those without; one column means that
        of class 1 of two. They are recalibrated first.
    reference_units, current_units : array-like of shape (n,), optional
        What the rows belong to, when rows of one unit are alike. Give both, or neither.
    confidence : float, default=0.95
        Level of the interval of each share, in (0, 1).
    alpha : float, default=0.01
        Level at which the assumption is refuted, in (0, 1), if the misfit matters, too.
    immaterial : float, default=0.02
        Share of rows whose misfit does not matter.

    Returns
    -------
    LabelShift
        Shares with intervals that know of the calibration's own error.

    Raises
    ------
    EmptyDataError
        If there are no rows.
    InvalidDataError
        If a class has no reference rows, or these are no probabilities of these labels.

    Notes
    -----
    Saerens, Latinne and Decaestecker's maximum likelihood [1]_ on recalibrated probabilities
    [2]_; intervals by the likelihood ratio, wider by what the rows' influence adds for the
    calibration and for units. Black-box shift estimation [3]_ is
    the check. Whether the current scores are a mixture of the classes' own scores at all is
    tested by minimum chi-squared over bins of the score. A change within classes that looks like
    a mixture cannot be seen in scores; only labels tell.

    References
    ----------
    .. [1] M. Saerens, P. Latinne and C. Decaestecker, "Adjusting the outputs of a classifier to
       new a priori probabilities", Neural Computation 14, 2002.
    .. [2] A. Alexandari, A. Kundaje and A. Shrikumar, "Maximum likelihood with bias-corrected
       calibration is hard-to-beat at label shift adaptation", ICML 2020.
    .. [3] Z. Lipton, Y.-X. Wang and A. Smola, "Detecting and correcting for label shift with
       black box predictors", ICML 2018.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y, later = rng.random(4000) < 0.2, rng.random(4000) < 0.5
    >>> said, says = (special.expit(rng.normal(size=4000) + 2 * z - 2.4) for z in (y, later))
    >>> found = label_shift(y, said, says)
    >>> found.refused, round(found.prior[1].value, 1)
    (False, 0.5)
    """
    check_confidence(confidence)
    check_confidence(alpha)
    codes, logs = checked_labels(reference_labels, reference_probabilities)
    current = np.log(checked_probabilities(current_probabilities, n_classes=logs.shape[1]))
    units = _units(reference_units, current_units, len(logs), len(current))
    right = recalibrate(codes, np.exp(logs))
    said, says = (right.apply(_shares(part)) for part in (logs, current))
    bins, current_bins = shares_in_bins(said, says)
    fit = mixture_fit(codes, bins, current_bins, units=units)
    refuted = fit.p_value <= alpha and fit.misfit > immaterial
    prior = () if refuted else _estimates(right, codes, logs, current, units, confidence)
    return LabelShift(
        prior=prior,
        check=tuple(_black_box(codes, said, says).tolist()),
        reference_prior=tuple(right.prior.tolist()),
        p_value=fit.p_value,
        misfit=fit.misfit,
    )


def _shares(logs: Floats) -> Floats:
    shares: Floats = special.softmax(logs, axis=1)
    return shares


def _units(
    reference: npt.ArrayLike | None, current: npt.ArrayLike | None, n: int, m: int
) -> Ints | None:
    """Number the units of both samples together."""
    if reference is None and current is None:
        return None
    if reference is None or current is None:
        raise InvalidDataError("units are known of one sample only; pass both, or neither")
    names = [np.asarray(reference), np.asarray(current)]
    if names[0].shape != (n,) or names[1].shape != (m,):
        raise InvalidDataError(f"pass a unit for each of {n} and {m} rows")
    _, codes = np.unique(np.concatenate(names), return_inverse=True)
    return codes.reshape(-1)


def _solve(ratios: Floats, start: Floats) -> Floats:
    """Return the shares that maximise the likelihood of mixtures of these density ratios.

    EM, by squared extrapolation of every two steps (Varadhan and Roland, Scandinavian Journal
    of Statistics 35, 2008), which needs tens of passes over the rows where EM needs hundreds.
    """

    def step(shares: Floats) -> Floats:
        mixed = ratios @ shares
        after: Floats = shares * ((1 / mixed) @ ratios) / mixed.size
        return after

    shares = np.maximum(start, _TINY)
    for _ in range(500):
        once = step(shares)
        twice = step(once)
        moved, turned = once - shares, twice - 2 * once + shares
        length = float(np.sqrt((turned**2).sum()))
        if length < _TINY or np.abs(moved).max() < _TINY:
            return twice
        factor = -max(1.0, float(np.sqrt((moved**2).sum())) / length)
        leapt = shares - 2 * factor * moved + factor**2 * turned
        before, shares = shares, step(leapt / leapt.sum()) if (leapt > 0).all() else twice
        if np.abs(shares - before).max() < _CLOSE:
            return shares
    return shares


def _ratios(theta: Floats, prior: Floats, logs: Floats) -> Floats:
    """Return p(class given row) over the class's share, up to a factor per row."""
    logits = theta[0] * logs + np.r_[0.0, theta[1:]]
    ratios: Floats = special.softmax(logits, axis=1) / prior
    return ratios


def _estimates(
    right: Recalibration,
    codes: Ints,
    logs: Floats,
    current: Floats,
    units: Ints | None,
    confidence: float,
) -> tuple[Estimate, ...]:
    theta = np.r_[right.slope, right.biases[1:]]
    ratios = _ratios(theta, right.prior, current)
    shares = _solve(ratios, right.prior)
    influence = _influence(right, theta, shares, ratios, codes, logs, current)
    plain = (influence[len(codes) :] ** 2).sum(axis=0)
    n = len(current)
    if units is not None:
        sums = [np.bincount(units, column) for column in influence.T]
        influence, n = np.column_stack(sums), int(np.unique(units[len(codes) :]).size)
    variance = (influence**2).sum(axis=0)
    return tuple(
        Estimate(
            value=float(share),
            interval=likelihood_interval(
                ratios,
                shares,
                k,
                inflation=_inflation(variance[k], plain[k]),
                confidence=confidence,
            ),
            n=n,
            method="calibrated EM",
        )
        for k, share in enumerate(shares)
    )


def _inflation(variance: float, plain: float) -> float:
    """Return how much larger calibration and units make the variance than the rows alone do."""
    if not np.isfinite(variance):
        return np.inf
    return max(1.0, variance / plain) if plain > 0 else 1.0


def _influence(
    right: Recalibration,
    theta: Floats,
    shares: Floats,
    ratios: Floats,
    codes: Ints,
    logs: Floats,
    current: Floats,
) -> Floats:
    """Return how far each reference row and then each current row moved the shares.

    Infinitely far, where the scores do not tell the classes apart.
    """
    posterior = ratios * shares / (ratios @ shares)[:, None]
    # The fixed point is mean(posterior) = shares; this is how the mean answers to the shares.
    answer = np.diag(posterior.mean(axis=0)) - posterior.T @ posterior / len(current)
    remains = np.eye(shares.size) - answer / np.maximum(shares, _TINY)
    # Shares sum to 1: they move in the directions that are orthogonal to (1, ..., 1).
    moves = np.linalg.qr(np.eye(shares.size) - 1 / shares.size)[0][:, :-1]
    inner = moves.T @ remains @ moves
    if np.linalg.svd(inner, compute_uv=False).min() < _SINGULAR:
        return np.full((len(codes) + len(current), shares.size), np.inf)
    inverse = moves @ np.linalg.inv(inner) @ moves.T
    own = (posterior - posterior.mean(axis=0)) @ inverse.T / len(current)

    def response(at: Floats, prior: Floats) -> Floats:
        joint = _ratios(at, prior, current) * shares
        means: Floats = (joint / joint.sum(axis=1, keepdims=True)).mean(axis=0)
        return means

    step = 1e-5
    by_theta = np.column_stack(
        [
            (response(theta + e, right.prior) - response(theta - e, right.prior)) / (2 * step)
            for e in step * np.eye(theta.size)
        ]
    )
    by_prior = (
        np.column_stack(
            [
                (response(theta, right.prior + e) - response(theta, right.prior - e)) / (2 * step)
                for e in step * right.prior.min() * np.eye(shares.size)
            ]
        )
        / right.prior.min()
    )
    of_theta = recalibration_influence(right, codes, logs)
    of_prior = (np.eye(shares.size)[codes] - right.prior) / codes.size
    reference = (of_theta @ by_theta.T + of_prior @ by_prior.T) @ inverse.T
    return np.concatenate([reference, own])


def _black_box(codes: Ints, said: Floats, says: Floats) -> Floats:
    """Return the shares by the mean probabilities that each class was given (soft BBSE)."""
    given = np.stack([said[codes == k].mean(axis=0) for k in range(said.shape[1])], axis=1)
    shares: Floats = np.linalg.lstsq(given, says.mean(axis=0), rcond=None)[0]
    return shares
