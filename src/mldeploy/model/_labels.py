"""Labels in the user's own coding, as arrays that every estimator takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from mldeploy.errors import InvalidDataError
from mldeploy.model._signature import Label, Signature
from mldeploy.problem import Task

Array = npt.NDArray[Any]

_LONGEST_LIST = 10


def labels_of(y: Array, task: Task, target: str) -> Array:
    """Return a target as an array of one plain type: boolean, int64, text, or float64.

    Raises
    ------
    InvalidDataError
        If the values are no labels of the task: text in a regression, fractions among classes.
    """
    if not task.is_classification:
        return _numbers(y, target)
    if y.dtype.kind == "f":
        if not np.all(np.isfinite(y) & (y == np.floor(y))):
            raise InvalidDataError(
                f"the target {target!r} holds fractions, and the task is {task}; state a "
                "regression, or turn the values into classes"
            )
        return y.astype(np.int64)
    if y.dtype.kind in "iu":
        return y.astype(np.int64)
    if y.dtype.kind == "O":
        if any(not isinstance(value, str) for value in y):
            raise InvalidDataError(
                f"the target {target!r} holds values that are neither numbers, booleans nor text"
            )
        return y.astype(str)
    if y.dtype.kind in "bU":
        return y
    raise InvalidDataError(f"the target {target!r} holds {y.dtype}, which is no class")


def classes_of(y: Array, task: Task, positive: Label | None, target: str) -> tuple[Label, ...]:
    """Return the classes of a target, in order; none in a regression.

    Raises
    ------
    InvalidDataError
        If there is a single class, more than two in a binary task, or not the positive one.
    """
    if not task.is_classification:
        return ()
    classes: tuple[Label, ...] = tuple(np.unique(y).tolist())
    shown = ", ".join(map(repr, classes[:_LONGEST_LIST]))
    if len(classes) < 2:
        raise InvalidDataError(
            f"every row has {target!r} = {shown}, so there is nothing to learn; take rows of a "
            "longer time, or of both classes"
        )
    if task is not Task.BINARY:
        return classes
    if len(classes) > 2:
        raise InvalidDataError(
            f"the target {target!r} has {len(classes)} classes ({shown}), and the task is binary; "
            "state task='multiclass', or turn the target into one of two"
        )
    position_of(positive, classes, target)
    return classes


def position_of(positive: Label | None, classes: tuple[Label, ...], target: str) -> int:
    """Return which of two classes is the positive one."""
    for position, label in enumerate(classes):
        if label == positive and isinstance(label, str) == isinstance(positive, str):
            return position
    raise InvalidDataError(
        f"the positive class {positive!r} is none of {', '.join(map(repr, classes))} in the "
        f"target {target!r}; state positive= as the data has it"
    )


def coded_truth(y: Array, signature: Signature) -> Array:
    """Return the truth as `ScoredRows` has it: 1 for the positive class and 0 for the other.

    Raises
    ------
    InvalidDataError
        If a binary target holds a label that the model does not know.
    """
    labels = labels_of(y, signature.task, signature.target)
    if signature.task is not Task.BINARY:
        return labels
    strange = sorted(set(np.unique(labels).tolist()) - set(signature.classes), key=str)
    if strange:
        raise InvalidDataError(
            f"the target {signature.target!r} holds {strange[:_LONGEST_LIST]}, and the model "
            f"knows {list(signature.classes)}; code the labels as they were when it was trained"
        )
    coded: Array = (labels == signature.positive).astype(np.int64)
    return coded


def _numbers(y: Array, target: str) -> Array:
    if y.dtype.kind not in "iuf":
        raise InvalidDataError(
            f"the target {target!r} holds {y.dtype}, and the task is a regression; it needs "
            "numbers"
        )
    numbers = y.astype(np.float64)
    if unknown := int((~np.isfinite(numbers)).sum()):
        raise InvalidDataError(
            f"{unknown} values of the target {target!r} are not finite; drop them or mend them"
        )
    return numbers
