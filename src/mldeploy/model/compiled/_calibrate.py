"""Calibrated probabilities from the scores of a classifier."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from mldeploy.model.compiled._kernel import Arrays, Floats
from mldeploy.model.compiled._link import sigmoid
from mldeploy.model.compiled._refuse import failed, refuse
from mldeploy.model.compiled._registry import array_of


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrator:
    """Turn each score into a probability by a curve of its own, and normalise.

    Attributes
    ----------
    classes : ndarray of int, shape (n_scores,)
        Which class each score is of.
    n_classes : int
        How many there are.
    slopes, intercepts : ndarray of shape (n_scores,)
        For a sigmoid: ``1 / (1 + exp(slope * score + intercept))``. NaN for a score that has
        knots instead.
    starts : ndarray of shape (n_scores + 1,)
        Where the knots of each score begin and end.
    knots, heights : ndarray
        For isotonic curves: the scores, ascending, and their probabilities.
    """

    classes: npt.NDArray[np.int64]
    n_classes: int
    slopes: Floats
    intercepts: Floats
    starts: npt.NDArray[np.int64]
    knots: Floats
    heights: Floats

    kind: ClassVar[str] = "calibrator"

    def __post_init__(self) -> None:
        n_scores, starts = len(self.classes), self.starts
        shapes = self.slopes.shape == self.intercepts.shape == (n_scores,)
        shapes &= self.knots.shape == self.heights.shape and len(starts) == n_scores + 1
        if not shapes or not n_scores or not 2 <= self.n_classes <= 1 << 20:
            raise refuse("the curves of a calibration do not fit")
        ends_fit = (
            starts[0] == 0 and starts[-1] == len(self.knots) and (np.diff(starts) >= 0).all()
        )
        if not ends_fit or ((self.classes < 0) | (self.classes >= self.n_classes)).any():
            raise refuse("the curves of a calibration are of no class or have no knots")
        for score in range(n_scores):
            curve = self.knots[starts[score] : starts[score + 1]]
            if np.isnan(self.slopes[score]) != bool(len(curve)) or (np.diff(curve) <= 0).any():
                raise refuse("the knots of a calibration do not ascend")

    @property
    def n_inputs(self) -> int:
        """Number of scores."""
        return len(self.classes)

    @property
    def n_outputs(self) -> int:
        """Number of classes."""
        return self.n_classes

    def __call__(self, X: Floats) -> Floats:
        """Return one probability for each class.

        Raises
        ------
        PredictionFailedError
            If a score is NaN.
        """
        if np.isnan(X).any():
            raise failed("the calibrated classifier gave a score that is not a number")
        shares = np.zeros((len(X), self.n_classes))
        for score, place in enumerate(self.classes.tolist()):
            shares[:, place] = self._curve(score, X[:, score])
        if self.n_classes == 2:
            shares[:, 0] = 1.0 - shares[:, 1]
        else:
            total = shares.sum(axis=1)
            nobody = total == 0
            shares[nobody], total[nobody] = 1 / self.n_classes, 1
            shares /= total[:, None]
        shares[(shares > 1.0) & (shares <= 1.0 + 1e-5)] = 1.0
        return shares

    def _curve(self, score: int, x: Floats) -> Floats:
        if np.isnan(self.slopes[score]):
            own = slice(self.starts[score], self.starts[score + 1])
            return np.interp(x, self.knots[own], self.heights[own])
        return sigmoid(-(self.slopes[score] * x + self.intercepts[score]))

    def breakpoints(self) -> dict[int, Floats]:
        """Return none: curves are continuous."""
        return {}

    def spec(self) -> dict[str, Any]:
        """Return its settings."""
        return {"kind": self.kind, "n_classes": self.n_classes}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return its curves."""
        return {
            "classes": self.classes,
            "slopes": self.slopes,
            "intercepts": self.intercepts,
            "starts": self.starts,
            "knots": self.knots,
            "heights": self.heights,
        }

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Arrays) -> Self:
        """Bring it back."""
        if not isinstance(spec.get("n_classes"), int):
            raise refuse("a calibration does not say of how many classes")
        return cls(
            classes=array_of(arrays, "classes", dtype=np.int64),
            n_classes=spec["n_classes"],
            slopes=array_of(arrays, "slopes"),
            intercepts=array_of(arrays, "intercepts"),
            starts=array_of(arrays, "starts", dtype=np.int64),
            knots=array_of(arrays, "knots"),
            heights=array_of(arrays, "heights"),
        )
