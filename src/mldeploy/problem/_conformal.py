"""Which answers cannot be ruled out: prediction sets and intervals that keep a promise."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any, TypeAlias, final

import numpy as np
import numpy.typing as npt
import pydantic

from mldeploy._record import Record
from mldeploy.errors import NotMeasurableError
from mldeploy.problem._rows import ScoredRows
from mldeploy.problem._task import Task

Array: TypeAlias = npt.NDArray[Any]
Label: TypeAlias = bool | int | str

_FEWEST_PER_BIN = 200
_MOST_BINS = 5


@final
class Conformal(Record):
    """Which answers cannot be ruled out, learnt on held-out rows.

    Of classes the set of labels that are not too improbable, each class with a limit of its own,
    so that each is in the set as often as promised when it is the truth. Of numbers an interval
    around the answer, as wide as answers of that size were wrong.

    Attributes
    ----------
    confidence : float
        Share of new rows whose set or interval holds the truth.
    labels : tuple of bool, int or str
        The classes in the order of the signature; empty in a regression.
    positive : int, optional
        Which of two classes the score is the probability of.
    limits : tuple of float
        For each class, how improbable it may be; for each part of the answers, how far off.
    edges : tuple of float
        In a regression, where one part of the answers ends and the next begins.
    n : int
        Held-out rows, or units, that it was learnt on.

    Notes
    -----
    Split conformal prediction: the limit of n scores is their
    :math:`\\lceil (n + 1) c \\rceil`-th smallest [1]_. It holds for rows that are exchangeable
    with those it was learnt on, so not after a shift.

    References
    ----------
    .. [1] V. Vovk, A. Gammerman and G. Shafer, "Algorithmic Learning in a Random World", 2005.

    Examples
    --------
    >>> conformal = Conformal(confidence=0.9, labels=("no", "yes"), positive=1,
    ...                       limits=(0.7, 0.4), n=500)
    >>> conformal.prediction_set(0.65), conformal.prediction_set(0.2)
    (('no', 'yes'), ('no',))
    >>> Conformal(confidence=0.9, limits=(2.5,), n=500).interval(10.0)
    (7.5, 12.5)
    """

    confidence: Annotated[float, pydantic.Field(gt=0, lt=1)]
    labels: tuple[Label, ...] = ()
    positive: int | None = None
    limits: tuple[float, ...] = pydantic.Field(min_length=1)
    edges: tuple[float, ...] = ()
    n: int = 0

    @pydantic.model_validator(mode="after")
    def _fits_together(self) -> Conformal:
        n_parts = len(self.labels) if self.labels else len(self.edges) + 1
        if len(self.limits) != n_parts:
            raise ValueError(f"{len(self.limits)} limits for {n_parts} parts")
        if any(math.isnan(x) or x < 0 for x in self.limits):
            raise ValueError("a limit is NaN or negative")
        return self

    def prediction_set(self, score: float | Sequence[float]) -> tuple[Label, ...]:
        """Return the labels that cannot be ruled out, the most probable one among them.

        Parameters
        ----------
        score : float or sequence of float
            Probability of the positive class, or of each class, as in `ScoredRows`.
        """
        shares = _both(score, self.positive) if isinstance(score, float | int) else score
        kept = tuple(
            label
            for label, share, limit in zip(self.labels, shares, self.limits, strict=True)
            if 1 - share <= limit
        )
        return kept or (self.labels[max(range(len(shares)), key=shares.__getitem__)],)

    def interval(self, prediction: float) -> tuple[float, float]:
        """Return the ends of the interval around an answer."""
        part = sum(prediction >= edge for edge in self.edges)
        return prediction - self.limits[part], prediction + self.limits[part]

    def holds(self, rows: ScoredRows) -> npt.NDArray[np.bool_]:
        """Return for each row whether its set or interval holds the truth."""
        limits = np.asarray(self.limits)
        if not self.labels:
            far = np.abs(rows.y_true - rows.y_pred)
            return np.asarray(far <= limits[_part(rows.y_pred, self.edges)])
        shares, truth = self._shares(rows), _positions(rows, self.labels, self.positive)
        own = shares[np.arange(len(rows)), truth]
        kept = 1 - own <= limits[truth]
        alone = ~(1 - shares <= limits).any(axis=1)
        return np.asarray(kept | (alone & (shares.argmax(axis=1) == truth)))

    def sizes(self, rows: ScoredRows) -> npt.NDArray[np.float64]:
        """Return for each row how many labels its set holds, or how wide its interval is."""
        limits = np.asarray(self.limits)
        if not self.labels:
            return np.asarray(2 * limits[_part(rows.y_pred, self.edges)], float)
        kept = (1 - self._shares(rows) <= limits).sum(axis=1)
        return np.asarray(np.maximum(kept, 1), float)

    def _shares(self, rows: ScoredRows) -> Array:
        assert rows.y_score is not None, "sets are made of probabilities"
        if rows.y_score.ndim == 2:
            return rows.y_score
        other = 1 - rows.y_score
        columns = (other, rows.y_score) if self.positive == 1 else (rows.y_score, other)
        return np.column_stack(columns)

    @classmethod
    def calibrate(
        cls,
        rows: ScoredRows,
        *,
        confidence: float = 0.9,
        positive: Label | None = None,
        random_state: int = 0,
    ) -> Conformal:
        """Learn the limits on held-out rows; of each unit one row is drawn.

        Parameters
        ----------
        rows : ScoredRows
            With probabilities where classes are predicted.
        confidence : float, default=0.9
            Share of new rows whose set or interval holds the truth.
        positive : bool, int or str, optional
            In a binary task, the class that the score is the probability of.
        random_state : int, default=0
            Seed of that draw.

        Raises
        ------
        NotMeasurableError
            If there are no probabilities, or too few rows for any limit.
        """
        from mldeploy.stats import conformal_quantile, mondrian_quantiles  # noqa: PLC0415 - scipy

        rows = _one_of_each_unit(rows, random_state)
        if len(rows) == 0:
            raise NotMeasurableError("there are no rows to learn limits on")
        if rows.task is Task.REGRESSION:
            edges = _edges(rows.y_pred)
            by_part = mondrian_quantiles(
                np.abs(rows.y_true - rows.y_pred),
                _part(rows.y_pred, edges),
                confidence=confidence,
            )
            limits = tuple(by_part.values())
            if math.inf in limits:
                raise NotMeasurableError(
                    f"{len(rows)} rows are too few to limit the error with {confidence:.0%} "
                    "confidence"
                )
            return cls(confidence=confidence, limits=limits, edges=edges, n=len(rows))
        if rows.y_score is None:
            raise NotMeasurableError("the model gives no probabilities to make sets of")
        position = None if rows.task is Task.MULTICLASS else rows.classes.index(positive)
        made = cls(
            confidence=confidence,
            labels=rows.classes,
            positive=position,
            limits=(1.0,) * len(rows.classes),
            n=len(rows),
        )
        truth = _positions(rows, made.labels, position)
        strange = 1 - made._shares(rows)[np.arange(len(rows)), truth]
        own = [strange[truth == i] for i in range(len(rows.classes))]
        limits = tuple(
            min(1.0, conformal_quantile(s, confidence=confidence)) if len(s) else 1.0 for s in own
        )
        return made.model_copy(update={"limits": limits})


def _both(share: float, positive: int | None) -> tuple[float, float]:
    return (1 - share, share) if positive == 1 else (share, 1 - share)


def _part(predicted: Array, edges: Sequence[float]) -> npt.NDArray[np.intp]:
    return np.searchsorted(np.asarray(edges, float), predicted, side="right")


def _edges(predicted: Array) -> tuple[float, ...]:
    """Return where to cut the answers, so that each part has rows enough."""
    n_bins = min(_MOST_BINS, max(1, len(predicted) // _FEWEST_PER_BIN))
    cuts = np.unique(np.quantile(predicted, np.linspace(0, 1, n_bins + 1)[1:-1], method="higher"))
    return tuple(float(cut) for cut in cuts if predicted.min() < cut)


def _positions(rows: ScoredRows, labels: Sequence[Label], positive: int | None) -> Array:
    if positive is not None:
        return np.where(rows.y_true == 1, positive, 1 - positive)
    places = {label: i for i, label in enumerate(labels)}
    try:
        return np.array([places[label] for label in rows.y_true.tolist()])
    except KeyError as error:
        raise NotMeasurableError(
            f"label {error.args[0]!r} is none of the classes that the model knows"
        ) from error


def _one_of_each_unit(rows: ScoredRows, random_state: int) -> ScoredRows:
    if rows.unit is None:
        return rows
    order = np.random.default_rng(random_state).permutation(len(rows))
    first = np.unique(np.asarray(rows.unit)[order], return_index=True)[1]
    return rows.take(np.sort(order[first]))
