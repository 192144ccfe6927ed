"""Which labels does a model that has not seen them contradict, and how many would chance?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt
from scipy import optimize

from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats._counts import Counts, Floats

_TINY = 1e-12


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Suspects:
    """Labels that a confident model contradicts.

    Attributes
    ----------
    flagged : ndarray of bool of shape (n,)
        Whether the model is as sure of another class as it is, on average, of its own members.
    suggested : ndarray of shape (n,)
        The class that the model would give; the label itself where it is not flagged.
    margin : ndarray of shape (n,)
        Probability of the label less that of the likeliest other class, in [-1, 1].
    order : ndarray of shape (n_flagged,)
        Flagged rows, the lowest margin first.
    joint : ndarray of shape (n_classes, n_classes)
        Rows by label and by the class that the model is sure of; others are not counted.
    """

    flagged: npt.NDArray[np.bool_]
    suggested: Counts
    margin: Floats
    order: Counts
    joint: Counts


def suspect_labels(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> Suspects:
    """Flag labels by confident learning.

    Parameters
    ----------
    labels : array_like of shape (n,)
        Classes as recorded, from 0 on.
    probabilities : array_like of shape (n, n_classes)
        Of a model that has not seen the row: out of fold.

    Returns
    -------
    Suspects
        With the order in which people should look at them.

    Raises
    ------
    EmptyDataError
        If there is no row, or a class has none.
    InvalidDataError
        If shapes do not fit, or rows of probabilities do not sum to 1.

    Notes
    -----
    The threshold of a class is the mean probability that its own members have of it. A row is
    sure to be of a class whose threshold it reaches, the likeliest one if there are several; it
    is flagged if that is not its label [1]_. This needs no calibrated probabilities, but some
    are flagged on clean data as well, whenever classes overlap: see `flags_by_chance`.

    References
    ----------
    .. [1] C. G. Northcutt, L. Jiang and I. L. Chuang, "Confident learning: estimating
       uncertainty in dataset labels", Journal of Artificial Intelligence Research 70 (2021)
       1373-1411.

    Examples
    --------
    >>> p = [[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8], [0.05, 0.95]]
    >>> found = suspect_labels([0, 0, 1, 1, 0], p)
    >>> found.order.tolist(), found.suggested.tolist()
    ([4], [0, 0, 1, 1, 1])
    """
    y, p = _checked(labels, probabilities)
    n, k = p.shape
    sums = np.bincount(y, weights=p[np.arange(n), y], minlength=k)
    thresholds = sums / np.bincount(y, minlength=k)
    sure = np.where(p >= thresholds - _TINY, p, -1.0)
    best = sure.argmax(axis=1)
    is_sure = sure[np.arange(n), best] >= 0
    flagged = is_sure & (best != y)
    others = p.copy()
    others[np.arange(n), y] = -1
    margin: Floats = p[np.arange(n), y] - others.max(axis=1)
    joint = np.zeros((k, k), dtype=np.int64)
    np.add.at(joint, (y[is_sure], best[is_sure]), 1)
    rows = np.flatnonzero(flagged)
    return Suspects(
        flagged=flagged,
        suggested=np.where(flagged, best, y),
        margin=margin,
        order=rows[np.argsort(margin[rows], kind="stable")],
        joint=joint,
    )


@final
@dataclass(frozen=True, kw_only=True)
class ChanceOfFlags:
    """Shares of rows that are flagged when every label is right and chance decides the rest."""

    mean: float
    highest: float
    """Exceeded once in so many draws as were made."""
    temperature: float
    """What the logits were divided by to calibrate the probabilities; above 1: overconfident."""


def flags_by_chance(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    *,
    n_draws: int = 200,
    rng: np.random.Generator,
) -> ChanceOfFlags:
    """Return how many labels `suspect_labels` flags on data without a wrong label.

    Parameters
    ----------
    labels, probabilities
        As in `suspect_labels`.
    n_draws : int, default=200
        Number of sets of labels that are drawn, at least 1.
    rng : numpy.random.Generator
        Draws them.

    Returns
    -------
    ChanceOfFlags
        Of labels drawn from the model's probabilities, once these are calibrated.

    Notes
    -----
    A parametric bootstrap: if chance decides as the model thinks, no label is wrong, and what is
    flagged is the overlap of the classes. The probabilities are first calibrated on the labels
    by a temperature. Labels that are wrong evenly everywhere look like chance to a model that
    has learnt from them: as many flags as by chance do not prove that all labels are right.

    Examples
    --------
    >>> p = np.tile([[0.9, 0.1], [0.1, 0.9]], (100, 1))
    >>> chance = flags_by_chance([0, 1] * 100, p, rng=np.random.default_rng(0))
    >>> 0 <= chance.mean <= 0.2
    True
    """
    y, p = _checked(labels, probabilities)
    n, k = p.shape
    temperature = _temperature(y, p)
    calibrated = _cooled(p, temperature)
    steps = calibrated.cumsum(axis=1)
    shares = []
    for _ in range(n_draws):
        drawn = np.minimum((rng.random((n, 1)) > steps).sum(axis=1), k - 1)
        if np.bincount(drawn, minlength=k).min() > 0:
            shares.append(float(suspect_labels(drawn, p).flagged.mean()))
    if not shares:
        return ChanceOfFlags(mean=1.0, highest=1.0, temperature=temperature)
    return ChanceOfFlags(mean=float(np.mean(shares)), highest=max(shares), temperature=temperature)


def _cooled(p: Floats, temperature: float) -> Floats:
    logs = np.log(np.clip(p, _TINY, 1)) / temperature
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    cooled: Floats = powers / powers.sum(axis=1, keepdims=True)
    return cooled


def _temperature(y: Counts, p: Floats) -> float:
    def loss(log_temperature: float) -> float:
        cooled = _cooled(p, float(np.exp(log_temperature)))
        return -float(np.log(np.clip(cooled[np.arange(y.size), y], _TINY, 1)).mean())

    found = optimize.minimize_scalar(loss, bounds=(-2.0, 3.0), method="bounded")
    return float(np.exp(found.x))


def _checked(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[Counts, Floats]:
    y, p = np.asarray(labels, dtype=np.int64), np.asarray(probabilities, dtype=np.float64)
    if p.ndim != 2 or y.shape != p.shape[:1]:
        raise InvalidDataError(f"{y.shape} labels for probabilities of shape {p.shape}")
    if not y.size:
        raise EmptyDataError("there is no label to look at")
    if y.min() < 0 or y.max() >= p.shape[1] or not np.allclose(p.sum(axis=1), 1, atol=1e-6):
        raise InvalidDataError(
            "labels must be numbers of classes, and the probabilities of each row sum to 1"
        )
    if np.bincount(y, minlength=p.shape[1]).min() == 0:
        raise EmptyDataError("a class has no row; leave out its column of probabilities")
    return y, p
