"""Where the model may decide, and where a person does."""

from __future__ import annotations

import enum
from typing import Annotated, Any, Literal, TypeAlias, final

import numpy as np
import numpy.typing as npt
import pydantic
from scipy import stats as scipy_stats

from mldeploy._record import Record
from mldeploy.errors import InvalidProblemError
from mldeploy.problem._rows import ScoredRows
from mldeploy.problem._stated import Stated

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


def confidence_of(y_score: Array) -> Array:
    """Return the probability of the more likely class, row by row."""
    top: Array = np.maximum(y_score, 1 - y_score) if y_score.ndim == 1 else y_score.max(axis=1)
    return top


@final
class Advise(Stated):
    """The model only advises: a person decides every time."""

    kind: Literal["advise"] = "advise"

    def calibrate(self, rows: ScoredRows) -> Routing:
        """Return the routing; it does not depend on the rows."""
        return Routing(certain=Route.ADVICE, uncertain=Route.ADVICE, n=len(rows))


@final
class Automatic(Stated):
    """The model decides every time."""

    kind: Literal["automatic"] = "automatic"

    def calibrate(self, rows: ScoredRows) -> Routing:
        """Return the routing; it does not depend on the rows."""
        return Routing(certain=Route.AUTOMATIC, uncertain=Route.AUTOMATIC, n=len(rows))


@final
class ReviewUncertain(Stated):
    """The model decides where it is sure enough to keep a promise; people decide elsewhere.

    Parameters
    ----------
    max_error : float
        The largest share of wrong answers that is accepted among automatic ones.
    delta : float, default=0.05
        The accepted chance that the promise is broken on new rows of the same kind.

    Notes
    -----
    The threshold is chosen by Learn-then-Test [1]_ with fixed-sequence testing: from the most
    confident answers downwards, each threshold is tested with an exact binomial test of "the
    error is above `max_error`" at level `delta`, and the last one that is rejected is taken.

    References
    ----------
    .. [1] A. N. Angelopoulos et al., "Learn then Test: calibrating predictive algorithms to
       achieve risk control", Annals of Applied Statistics 19(2), 2025, arXiv:2110.01052.

    Examples
    --------
    >>> from mldeploy.problem import Task
    >>> rng = np.random.default_rng(0)
    >>> p = rng.uniform(size=4000)
    >>> y = (rng.uniform(size=4000) < p).astype(int)
    >>> rows = ScoredRows(task=Task.BINARY, y_true=y, y_pred=(p >= 0.5).astype(int), y_score=p)
    >>> routing = ReviewUncertain(max_error=0.1).calibrate(rows)
    >>> bool(0.7 < routing.min_confidence < 0.95)
    True
    """

    kind: Literal["review_uncertain"] = "review_uncertain"
    max_error: Annotated[float, pydantic.Field(gt=0, lt=1)]
    delta: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.05

    def calibrate(self, rows: ScoredRows) -> Routing:
        """Return the routing that keeps the promise, learnt on held-out rows.

        Raises
        ------
        InvalidProblemError
            If the rows carry no scores.
        """
        if rows.y_score is None or not rows.task.is_classification:
            raise InvalidProblemError(
                "ReviewUncertain needs the probability of each class; use a classifier with "
                "predict_proba, or the policy Advise()"
            )
        confidence = confidence_of(rows.y_score)
        wrong = rows.y_true != rows.y_pred
        order = np.argsort(-confidence, kind="stable")
        threshold = self._last_safe(confidence[order], wrong[order])
        if threshold is None:
            return Routing(certain=Route.REVIEW, uncertain=Route.REVIEW, coverage=0.0, n=len(rows))
        kept = confidence >= threshold
        return Routing(
            certain=Route.AUTOMATIC,
            uncertain=Route.REVIEW,
            min_confidence=threshold,
            coverage=float(kept.mean()),
            error=float(wrong[kept].mean()),
            n=len(rows),
        )

    def _last_safe(self, confidence: Array, wrong: Array) -> float | None:
        """Test thresholds downwards, from the first that could be rejected, until one is not."""
        n = len(confidence)
        fewest = int(np.ceil(np.log(self.delta) / np.log1p(-self.max_error)))
        if n < fewest:
            return None
        sizes = np.unique(np.linspace(fewest, n, 200).astype(int))
        errors, safe = np.cumsum(wrong), None
        for size in sizes:
            end = int(np.searchsorted(-confidence, -confidence[size - 1], side="right"))
            if scipy_stats.binom.cdf(errors[end - 1], end, self.max_error) > self.delta:
                break
            safe = float(confidence[end - 1])
        return safe


Autonomy: TypeAlias = Annotated[
    Advise | Automatic | ReviewUncertain, pydantic.Field(discriminator="kind")
]
