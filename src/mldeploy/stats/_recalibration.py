"""Probabilities set right by what came true: a temperature, and a constant for each class."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt
from scipy import special

from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats._arrays import Floats, Ints

_CLIP = 1e-9
_RIDGE = 1e-6
"""Weight of the prior on the parameters; it bounds them where classes are separated."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Recalibration:
    """How to set right the probabilities of one model, learnt by `recalibrate`.

    Attributes
    ----------
    slope : float
        Factor of the logarithms of the probabilities; below 1 where they are too extreme.
    biases : ndarray of shape (n_classes,)
        What is added to them; 0 for the first class.
    prior : ndarray of shape (n_classes,)
        Share of each class among the rows that it was learnt from.
    n : int
        Number of these rows.
    """

    slope: float
    biases: Floats
    prior: Floats
    n: int

    def apply(self, probabilities: npt.ArrayLike) -> Floats:
        """Set probabilities right.

        Parameters
        ----------
        probabilities : array-like of shape (n, n_classes) or (n,)
            What the model said; one column means that of the second of two classes.

        Returns
        -------
        ndarray of shape (n, n_classes)
            Probabilities that sum to 1.

        Raises
        ------
        InvalidDataError
            If they are no probabilities of these classes.
        """
        logs = np.log(checked_probabilities(probabilities, n_classes=self.biases.size))
        said: Floats = special.softmax(self.slope * logs + self.biases, axis=1)
        return said


def recalibrate(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> Recalibration:
    r"""Learn from held-out rows how to set a model's probabilities right.

    Parameters
    ----------
    labels : array-like of int of shape (n,)
        Class of each row as its column in `probabilities`: 0, 1, ...
    probabilities : array-like of shape (n, n_classes) or (n,)
        What the model said; one column means that of class 1 of two.

    Returns
    -------
    Recalibration
        Its `apply` sets right the probabilities of other rows.

    Raises
    ------
    EmptyDataError
        If there are no rows.
    InvalidDataError
        If a class has no rows, or these are no probabilities of these labels.

    Notes
    -----
    :math:`\mathrm{softmax}(s \log p + b)` by maximum likelihood: bias-corrected temperature
    scaling [1]_, with two classes Cox's recalibration (`cox_calibration`). A negligible ridge
    keeps it finite where classes are separated. On the rows it is learnt from, the mean of the
    corrected probabilities is the share of each class.

    References
    ----------
    .. [1] A. Alexandari, A. Kundaje and A. Shrikumar, "Maximum likelihood with bias-corrected
       calibration is hard-to-beat at label shift adaptation", ICML 2020.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> p = rng.uniform(size=5000)
    >>> y = rng.uniform(size=5000) < p
    >>> right = recalibrate(y, p**2 / (p**2 + (1 - p) ** 2))
    >>> round(right.slope, 1)
    0.5
    """
    codes, logs = checked_labels(labels, probabilities)
    design = _design(logs)
    theta = np.zeros(design.shape[2])
    theta[0] = 1.0
    start, one_hot = theta.copy(), np.eye(logs.shape[1])[codes]
    value = -np.inf
    for _ in range(100):
        said = special.softmax(design @ theta, axis=1)
        gradient = np.einsum("nkp,nk->p", design, one_hot - said) - _RIDGE * (theta - start)
        step = np.linalg.solve(information(design, said), gradient)
        theta, value, gained = _climb(design, codes, theta, step, start=start, before=value)
        if gained < 1e-10:
            break
    return Recalibration(
        slope=float(theta[0]),
        biases=np.r_[0.0, theta[1:]],
        prior=np.bincount(codes, minlength=logs.shape[1]) / codes.size,
        n=codes.size,
    )


def adjust_prior(
    probabilities: npt.ArrayLike, *, before: npt.ArrayLike, after: npt.ArrayLike
) -> Floats:
    """Turn probabilities under one mix of classes into those under another.

    Parameters
    ----------
    probabilities : array-like of shape (n, n_classes) or (n,)
        Calibrated probabilities under the mix `before`.
    before, after : array-like of shape (n_classes,)
        Share of each class in either mix; those of `before` are above 0.

    Returns
    -------
    ndarray of shape (n, n_classes)
        Probabilities under `after`, by Bayes' rule.

    Raises
    ------
    InvalidDataError
        If the shapes do not fit, or a share is none.

    Examples
    --------
    >>> adjust_prior([0.5], before=[0.5, 0.5], after=[0.9, 0.1]).round(3).tolist()
    [[0.9, 0.1]]
    """
    p = checked_probabilities(probabilities)
    old, new = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    if old.shape != (p.shape[1],) or new.shape != old.shape:
        raise InvalidDataError(f"{old.shape} and {new.shape} shares of {p.shape[1]} classes")
    if not ((old > 0) & (new >= 0)).all() or new.sum() <= 0:
        raise InvalidDataError("shares must not be negative, nor 0 where rows are judged from")
    turned = p * (new / old)
    result: Floats = turned / turned.sum(axis=1, keepdims=True)
    return result


def recalibration_influence(right: Recalibration, codes: Ints, logs: Floats) -> Floats:
    """Return how far each row moved the parameters; shape (n, 1 + n_classes - 1)."""
    design = _design(logs)
    said = special.softmax(right.slope * logs + right.biases, axis=1)
    scores = np.einsum("nkp,nk->np", design, np.eye(logs.shape[1])[codes] - said)
    influence: Floats = np.linalg.solve(information(design, said), scores.T).T
    return influence


def information(design: Floats, said: Floats) -> Floats:
    """Return the Fisher information of the parameters, with the ridge."""
    mean = np.einsum("nkp,nk->np", design, said)
    weighted = np.einsum("nkp,nk,nkq->pq", design, said, design, optimize=True)
    result: Floats = weighted - mean.T @ mean + _RIDGE * np.eye(design.shape[2])
    return result


def checked_labels(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> tuple[Ints, Floats]:
    """Return labels as column numbers, and the logarithms of the probabilities."""
    p = checked_probabilities(probabilities)
    values = np.asarray(labels)
    if values.shape != (len(p),):
        raise InvalidDataError(f"{values.shape} labels for {len(p)} rows; pass one per row")
    codes = values.astype(np.intp) if values.dtype.kind in "biuf" else None
    if (
        codes is None
        or not np.array_equal(codes, values)
        or not ((codes >= 0) & (codes < p.shape[1])).all()
    ):
        raise InvalidDataError(
            f"labels must be the columns of their classes, 0 to {p.shape[1] - 1}"
        )
    if (missing := np.flatnonzero(np.bincount(codes, minlength=p.shape[1]) == 0)).size:
        raise InvalidDataError(f"class {missing[0]} has no rows; nothing is known of it")
    return codes, np.log(p)


def checked_probabilities(probabilities: npt.ArrayLike, *, n_classes: int | None = None) -> Floats:
    """Return probabilities as a table of a column per class, kept away from 0."""
    try:
        p = np.asarray(probabilities, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"a probability is no number: {error}") from error
    if p.ndim == 1:
        p = np.column_stack([1 - p, p])
    if p.ndim != 2 or p.shape[1] < 2 or n_classes not in {None, p.shape[1]}:
        raise InvalidDataError(
            f"probabilities have shape {p.shape}; pass a column for each of the classes"
        )
    if p.shape[0] == 0:
        raise EmptyDataError("there are no probabilities; pass at least one row")
    if not ((p >= 0) & (p <= 1)).all() or not np.allclose(p.sum(axis=1), 1, atol=1e-4):
        raise InvalidDataError("probabilities must lie in [0, 1] and sum to 1 in each row")
    kept: Floats = np.maximum(p, _CLIP)
    return kept


def _design(logs: Floats) -> Floats:
    """Return the derivative of each row's logits in the parameters; (n, n_classes, n_classes)."""
    n, k = logs.shape
    design = np.zeros((n, k, k))
    design[:, :, 0] = logs
    design[:, np.arange(1, k), np.arange(1, k)] = 1.0
    return design


def _climb(
    design: Floats, codes: Ints, theta: Floats, step: Floats, *, start: Floats, before: float
) -> tuple[Floats, float, float]:
    """Take a Newton step, halved until it does not descend."""

    def value(at: Floats) -> float:
        logits = design @ at
        own = logits[np.arange(codes.size), codes]
        fit = float((own - special.logsumexp(logits, axis=1)).sum())
        return fit - _RIDGE / 2 * float((at - start) @ (at - start))

    if before == -np.inf:
        before = value(theta)
    while (after := value(theta + step)) < before and np.abs(step).max() > 1e-12:
        step = step / 2
    if after < before:
        return theta, before, 0.0
    return theta + step, after, after - before
