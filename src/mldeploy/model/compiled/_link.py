"""From the numbers of the last kernel to the answer: links, decisions and labels."""

from __future__ import annotations

import enum
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias, final

import numpy as np
import numpy.typing as npt

from mldeploy.model._signature import Signature
from mldeploy.model.compiled._kernel import Floats
from mldeploy.model.compiled._refuse import refuse
from mldeploy.problem import Task

Array: TypeAlias = npt.NDArray[Any]
Codes: TypeAlias = npt.NDArray[np.intp]
Score: TypeAlias = float | tuple[float, ...] | None


@final
class Link(enum.StrEnum):
    """What turns a kernel's outputs into scores."""

    IDENTITY = "identity"
    """A regression: the output is the answer, and there are no scores."""
    MARGIN = "margin"
    """Outputs are scores that are no probabilities, as of `decision_function`."""
    PROBABILITIES = "probabilities"
    """One output for each class, as it is."""
    SIGMOID = "sigmoid"
    """One output: the log-odds of the second class."""
    SIGMOID_TWICE = "sigmoid twice"
    """One output: half the log-odds of the second class."""
    SIGMOIDS = "sigmoids"
    """One log-odds for each class against the others, normalised."""
    SOFTMAX = "softmax"
    """One log-odds for each class."""
    VOTES = "votes"
    """One sum of votes for each class, divided by the number of other classes, then softmax."""


@final
class Decision(enum.StrEnum):
    """How the label is chosen."""

    VALUE = "value"
    """The output itself: a regression."""
    POSITIVE = "positive"
    """The second class if the output is above zero."""
    NONNEGATIVE = "nonnegative"
    """The second class if the output is zero or above."""
    LARGEST_OUTPUT = "largest output"
    """The class of the largest output, the first of equal ones."""
    LARGEST_SHARE = "largest share"
    """The class of the largest probability, the first of equal ones."""
    THRESHOLD = "threshold"
    """One class if its score is at least a threshold, else the other."""


_ONE_OUTPUT = frozenset({Link.SIGMOID, Link.SIGMOID_TWICE})
_PER_CLASS = frozenset({Link.PROBABILITIES, Link.SIGMOIDS, Link.SOFTMAX, Link.VOTES})


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Head:
    """What follows the last kernel: scores, and the label.

    Attributes
    ----------
    link : Link
        What turns outputs into scores.
    decision : Decision
        How the label is chosen.
    signature : Signature
        The classes, in the order of the outputs, and which is positive.
    threshold : float
        For `Decision.THRESHOLD`, the score from which the class is the answer.
    threshold_class : int
        For `Decision.THRESHOLD`, the class whose score is compared.
    scored : bool
        Whether scores are returned; some estimators know none.
    """

    link: Link
    decision: Decision
    signature: Signature
    threshold: float = 0.5
    threshold_class: int = 1
    scored: bool = True

    def require_outputs(self, n_outputs: int) -> None:
        """Refuse kernels whose outputs this cannot follow.

        Raises
        ------
        IntegrityError
            If there are too many or too few, or the task is another.
        """
        n_classes = len(self.signature.classes)
        is_regression = self.signature.task is Task.REGRESSION
        if self.link is Link.IDENTITY:
            fits = n_outputs == 1 and is_regression
        elif self.link in _ONE_OUTPUT:
            fits = n_outputs == 1 and n_classes == 2
        elif self.link in _PER_CLASS:
            fits = n_outputs == n_classes
        else:
            fits = n_outputs == (1 if n_classes == 2 else n_classes)
        fits &= is_regression == (self.decision is Decision.VALUE)
        fits &= is_regression == (self.link is Link.IDENTITY)
        if self.decision in (Decision.POSITIVE, Decision.NONNEGATIVE):
            fits &= n_outputs == 1
        if self.decision is Decision.THRESHOLD:
            fits &= n_classes == 2 and self.threshold_class in (0, 1)
        if self.decision is Decision.LARGEST_OUTPUT:
            fits &= n_outputs > 1
        if not fits:
            raise refuse(
                f"{n_outputs} outputs do not fit link {self.link}, decision {self.decision} and "
                f"{n_classes} classes"
            )

    def one(self, outputs: list[float]) -> tuple[Any, Score]:
        """Return label and score of one row."""
        if len(outputs) == 1:
            return self.one_of_two(outputs[0])
        shares = _ROW_SHARES.get(self.link, list)(outputs)
        if self.decision is Decision.THRESHOLD:
            wanted = self.threshold_class
            place = wanted if shares[wanted] >= self.threshold else 1 - wanted
        else:
            deciding = outputs if self.decision is Decision.LARGEST_OUTPUT else shares
            place = deciding.index(max(deciding))
        label = self.signature.classes[place]
        if not self.scored:
            return label, None
        return label, tuple(shares) if self.positive is None else shares[self.positive]

    @cached_property
    def one_of_two(self) -> Callable[[float], tuple[Any, Score]]:
        """What gives label and score of a single output, at the least cost."""
        return _single_head(self)

    def many(self, outputs: Floats) -> tuple[Array, Array | None]:
        """Return labels and scores of rows."""
        if self.decision is Decision.VALUE:
            return outputs[:, 0].copy(), None
        shares = shares_of(self.link, outputs)
        labels = self._labels.take(self._codes(outputs, shares))
        return labels, self._scores(shares) if self.scored else None

    @cached_property
    def positive(self) -> int | None:
        """Which class is positive in a binary task; None in others."""
        signature = self.signature
        if signature.task is not Task.BINARY:
            return None
        for position, label in enumerate(signature.classes):
            positive = signature.positive
            if label == positive and isinstance(label, str) == isinstance(positive, str):
                return position
        raise refuse(f"the positive class {signature.positive!r} is none of its classes")

    @cached_property
    def _labels(self) -> Array:
        return np.array(self.signature.classes)

    def _scores(self, shares: Floats) -> Array:
        if shares.shape[1] == 1:
            margins: Array = -shares[:, 0] if self.positive == 0 else shares[:, 0].copy()
            return margins
        return shares if self.positive is None else shares[:, self.positive].copy()

    def _codes(self, outputs: Floats, shares: Floats) -> Codes:
        match self.decision:
            case Decision.POSITIVE:
                return (outputs[:, 0] > 0).astype(np.intp)
            case Decision.NONNEGATIVE:
                return (outputs[:, 0] >= 0).astype(np.intp)
            case Decision.LARGEST_OUTPUT:
                return _largest(outputs)
            case Decision.THRESHOLD:
                chosen = self._compared(shares) >= self.threshold
                wanted = self.threshold_class
                return np.where(chosen, wanted, 1 - wanted)
            case _:
                return _largest(shares)

    def _compared(self, shares: Floats) -> Floats:
        if shares.shape[1] == 2:
            return shares[:, self.threshold_class]
        return shares[:, 0] if self.threshold_class == 1 else -shares[:, 0]


def _largest(columns: Floats) -> Codes:
    codes: Codes = columns.argmax(axis=1)
    return codes


def shares_of(link: Link, outputs: Floats) -> Floats:
    """Return one column for each class, or the margins as they are."""
    match link:
        case Link.SIGMOID | Link.SIGMOID_TWICE:
            odds = outputs[:, 0] if link is Link.SIGMOID else 2 * outputs[:, 0]
            shares = np.empty((len(outputs), 2))
            shares[:, 1] = sigmoid(odds)
            np.subtract(1, shares[:, 1], out=shares[:, 0])
            return shares
        case Link.SIGMOIDS:
            shares = sigmoid(outputs)
            total = shares.sum(axis=1)
            nobody = total == 0
            if nobody.any():
                shares[nobody], total[nobody] = 1, shares.shape[1]
            shares /= total[:, None]
            return shares
        case Link.SOFTMAX:
            return softmax(outputs)
        case Link.VOTES:
            return softmax(outputs / (outputs.shape[1] - 1))
        case _:
            return outputs


def sigmoid(x: Floats) -> Floats:
    """Return 1 / (1 + exp(-x))."""
    with np.errstate(over="ignore"):
        shares = np.exp(-x)
    shares += 1
    np.divide(1, shares, out=shares)
    return shares


def softmax(x: Floats) -> Floats:
    """Return exp(x) of each row, divided by its sum."""
    shares: Floats = np.exp(x - x.max(axis=1, keepdims=True))
    shares /= shares.sum(axis=1, keepdims=True)
    return shares


def _row_softmax(outputs: list[float]) -> list[float]:
    top = max(outputs)
    shares = [math.exp(x - top) for x in outputs]
    total = sum(shares)
    return [share / total for share in shares]


def _row_votes(outputs: list[float]) -> list[float]:
    others = len(outputs) - 1
    return _row_softmax([x / others for x in outputs])


def _row_sigmoids(outputs: list[float]) -> list[float]:
    shares = [_row_sigmoid(x) for x in outputs]
    total = sum(shares)
    return [share / total for share in shares] if total else [1 / len(shares)] * len(shares)


def _row_sigmoid(odds: float) -> float:
    if odds > -700.0:
        return 1 / (1 + math.exp(-odds))
    return math.exp(odds) if odds == odds else odds  # noqa: PLR0124 (NaN)


_ROW_SHARES: Final[Mapping[Link, Callable[[list[float]], list[float]]]] = {
    Link.SIGMOIDS: _row_sigmoids,
    Link.SOFTMAX: _row_softmax,
    Link.VOTES: _row_votes,
}


def _single_head(head: Head) -> Callable[[float], tuple[Any, Score]]:
    if head.decision is Decision.VALUE:
        return lambda output: (output, None)
    factor = {Link.SIGMOID: 1.0, Link.SIGMOID_TWICE: 2.0}.get(head.link)
    if factor is None or head.decision not in (Decision.POSITIVE, Decision.NONNEGATIVE):
        return lambda output: _at_length(head, output)
    first, second = head.signature.classes
    flipped, both, scored = head.positive == 0, head.positive is None, head.scored
    smallest = math.ulp(0.0) if head.decision is Decision.POSITIVE else 0.0

    def one(output: float) -> tuple[Any, Score]:
        share = _row_sigmoid(factor * output)
        label = second if output >= smallest else first
        if not scored:
            return label, None
        if both:
            return label, (1 - share, share)
        return label, 1 - share if flipped else share

    return one


def _at_length(head: Head, output: float) -> tuple[Any, Score]:
    labels, scores = head.many(np.array([[output]]))
    return labels.tolist()[0], None if scores is None else _plain(scores.tolist()[0])


def _plain(score: Any) -> Score:
    return tuple(score) if isinstance(score, list) else score
