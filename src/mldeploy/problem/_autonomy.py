"""Where the model may decide, and where a person does."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias, final

import numpy as np
import numpy.typing as npt
import pydantic

from mldeploy.errors import InvalidProblemError
from mldeploy.problem._routing import Route, Routing, confidence_of
from mldeploy.problem._rows import ScoredRows
from mldeploy.problem._stated import Stated

Array: TypeAlias = npt.NDArray[Any]


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
    The threshold is chosen by Learn-then-Test [1]_, by `mldeploy.stats.safe_threshold`: from the
    most confident answers downwards, each threshold is tested against "the error is above
    `max_error`", and the last one that is rejected is taken. Where rows come in units, their
    units are tested, not the rows: rows of one fate in tens break the promise of row-wise tests
    twice as often as `delta` says, and much more often in larger units.

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
        threshold = self._safe(rows, confidence, wrong)
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

    def _safe(self, rows: ScoredRows, confidence: Array, wrong: Array) -> float | None:
        # A server reads policies and learns none: it need not import the statistics.
        from mldeploy.stats import safe_threshold  # noqa: PLC0415

        if len(rows) == 0 or rows.n_units < 2:
            return None
        found = safe_threshold(
            confidence,
            wrong,
            max_error=self.max_error,
            delta=self.delta,
            units=rows.unit,
            rng=np.random.default_rng(0),
        )
        return None if found is None else found.threshold


Autonomy: TypeAlias = Annotated[
    Advise | Automatic | ReviewUncertain, pydantic.Field(discriminator="kind")
]
