"""Which answers stand by themselves."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt

from mldeploy._record import Record

Array: TypeAlias = npt.NDArray[Any]


@final
class Route(enum.StrEnum):
    """Who decides on one answer."""

    AUTOMATIC = "automatic"
    REVIEW = "review"
    ADVICE = "advice"


@final
class Routing(Record):
    """An autonomy policy made concrete on held-out rows: which answers stand by themselves.

    Attributes
    ----------
    certain : Route
        Who decides on answers at or above `min_confidence`.
    uncertain : Route
        Who decides on the others.
    min_confidence : float
        The smallest confidence, the probability of the answered class, that counts as certain.
    coverage : float
        Share of the held-out rows at or above it.
    error : float, optional
        Share of wrong answers among those.
    n : int
        Held-out rows it was chosen on.
    """

    certain: Route
    uncertain: Route
    min_confidence: float = 0.0
    coverage: float = 1.0
    error: float | None = None
    n: int = 0

    def route(self, y_score: Array | None, *, n_rows: int) -> npt.NDArray[np.str_]:
        """Return who decides on each row.

        Parameters
        ----------
        y_score : ndarray of shape (n_rows,) or (n_rows, n_classes), optional
            As in `ScoredRows`; without scores no answer counts as certain.
        n_rows : int
            Number of answers.

        Returns
        -------
        ndarray of shape (n_rows,)
            ``"automatic"``, ``"review"`` or ``"advice"``.
        """
        if self.certain is self.uncertain:
            return np.full(n_rows, str(self.certain))
        if y_score is None:
            return np.full(n_rows, str(self.uncertain))
        certain = confidence_of(y_score) >= self.min_confidence
        return np.where(certain, str(self.certain), str(self.uncertain))

    def route_one(self, score: float | Sequence[float] | None) -> str:
        """Return who decides on one answer, as `route` does for many.

        Parameters
        ----------
        score : float or sequence of float, optional
            Probability of the positive class, or of each class.

        Examples
        --------
        >>> Routing(
        ...     certain=Route.AUTOMATIC, uncertain=Route.REVIEW, min_confidence=0.9
        ... ).route_one(0.05)
        'automatic'
        """
        if self.certain is self.uncertain:
            return self.certain.value
        if score is None:
            return self.uncertain.value
        top = max(score, 1 - score) if isinstance(score, float) else max(score)
        return self.certain.value if top >= self.min_confidence else self.uncertain.value


def confidence_of(y_score: Array) -> Array:
    """Return the probability of the more likely class, row by row."""
    top: Array = np.maximum(y_score, 1 - y_score) if y_score.ndim == 1 else y_score.max(axis=1)
    return top
