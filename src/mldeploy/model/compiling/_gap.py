"""How far two models' answers to the same rows are apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

from mldeploy.model.compiling._asked import Asked

Array: TypeAlias = npt.NDArray[Any]

TIE: Final = 1e-12
"""Two shares of the original that are closer than this decide for either class."""


@final
@dataclass(frozen=True, kw_only=True)
class Gap:
    """What two models answer differently.

    Attributes
    ----------
    n_rows : int
        Rows that were asked.
    n_both : int
        Rows that both answered.
    n_only_one : int
        Rows that one answered and the other refused.
    largest : float
        Largest difference of two scores, in units of the scale; infinite where one is NaN.
    n_beyond : int
        Rows whose scores differ by more than the bar.
    n_flips : int
        Rows whose labels differ, though the original was not undecided.
    n_ties : int
        Rows whose labels differ where the original's own shares are equal.
    """

    n_rows: int
    n_both: int
    n_only_one: int
    largest: float
    n_beyond: int
    n_flips: int
    n_ties: int


@final
@dataclass(frozen=True, kw_only=True)
class Yardstick:
    """By what differences are measured, and what is too much.

    Attributes
    ----------
    bar : float
        Largest difference of two scores that counts as equal.
    typical : float or None
        Size of a usual score where scores are no probabilities: differences are then in units
        of the score, or of this if that is larger. None for probabilities.
    """

    bar: float
    typical: float | None

    def gap(
        self,
        original: Asked,
        other: Asked,
        *,
        bar: float | None = None,
        same_types: bool = False,
    ) -> Gap:
        """Return how far the answers of two models to the same rows are apart.

        Parameters
        ----------
        original, other : Asked
            The answers.
        bar : float, optional
            Another bar than that of the yardstick.
        same_types : bool, default=False
            Whether labels that are equal must be of one type too, which ``True`` and ``1`` are
            not.
        """
        both = original.accepted & other.accepted
        first, second = original.of(both), other.of(both)
        differences = self._differences(first, second)
        differs = _labels_differ(first, second, same_types=same_types)
        undecided = self._undecided(first) if first.scores is not None else np.zeros_like(differs)
        return Gap(
            n_rows=len(both),
            n_both=int(both.sum()),
            n_only_one=int((original.accepted ^ other.accepted).sum()),
            largest=float(differences.max(initial=0.0)),
            n_beyond=int((differences > (self.bar if bar is None else bar)).sum()),
            n_flips=int((differs & ~undecided).sum()),
            n_ties=int((differs & undecided).sum()),
        )

    def _differences(self, first: Asked, second: Asked) -> Array:
        a, b = numbers_of(first), numbers_of(second)
        if a is None or b is None:
            return np.full(len(first.predictions), 0.0 if a is b else np.inf)
        if a.shape != b.shape:
            return np.full(len(a), np.inf)
        a, b = a.astype(np.float64), b.astype(np.float64)
        with np.errstate(invalid="ignore", over="ignore"):
            scale = 1.0 if self.typical is None else np.maximum(np.abs(a), self.typical)
            found = np.abs(a - b) / scale
        same = (a == b) | (np.isnan(a) & np.isnan(b))
        found = np.where(same, 0.0, np.where(np.isnan(found), np.inf, found))
        return found if found.ndim == 1 else found.max(axis=1)

    def _undecided(self, original: Asked) -> npt.NDArray[np.bool_]:
        scores = original.scores
        assert scores is not None, "only asked where there are scores"
        if scores.ndim == 2:
            top = np.sort(scores.astype(np.float64), axis=1)
            lead = top[:, -1] - top[:, -2]
        else:
            lead = np.abs(2 * scores - 1) if self.typical is None else np.abs(scores)
        tie: npt.NDArray[np.bool_] = lead < TIE * (self.typical or 1.0)
        return tie


def yardstick(original: Asked, *, probabilistic: bool, jumps: bool) -> Yardstick:
    """Return by what a model's answers are measured.

    Parameters
    ----------
    original : Asked
        What the original answers to real rows.
    probabilistic : bool
        Whether its scores are probabilities.
    jumps : bool
        Whether its answer jumps somewhere, as that of trees does.

    Returns
    -------
    Yardstick
        With a bar of 1e-12 for what jumps: sums of the same leaves, in another order. 1e-9 for
        what is smooth. 1e-6 for originals that answer in float32 themselves.
    """
    numbers = numbers_of(original)
    if numbers is not None and numbers.dtype == np.float32:
        bar = 1e-6
    else:
        bar = 1e-12 if jumps else 1e-9
    if probabilistic or numbers is None:
        return Yardstick(bar=bar, typical=None)
    finite = np.abs(numbers[np.isfinite(numbers)])
    typical = float(np.median(finite)) if finite.size else 0.0
    return Yardstick(bar=bar, typical=typical or 1.0)


def numbers_of(asked: Asked) -> Array | None:
    """Return scores, or the predictions of a regression; None if there are only labels."""
    if asked.scores is not None:
        return asked.scores
    predictions = asked.predictions
    if predictions.dtype == object and all(type(p) is float for p in predictions):
        return predictions.astype(np.float64)
    return predictions if predictions.dtype.kind == "f" else None


def _labels_differ(first: Asked, second: Asked, *, same_types: bool) -> npt.NDArray[np.bool_]:
    """Return where labels differ; numbers of a regression are no labels."""
    if first.scores is None and numbers_of(first) is not None:
        return np.zeros(len(first.predictions), dtype=bool)
    pairs = zip(first.predictions.tolist(), second.predictions.tolist(), strict=True)
    if same_types:
        return np.array([a != b or type(a) is not type(b) for a, b in pairs], dtype=bool)
    return np.array([a != b for a, b in pairs], dtype=bool)
