"""The learning tasks that mldeploy judges."""

from __future__ import annotations

import enum
from typing import final

from mldeploy.errors import UnsupportedTaskError

_REFUSED = {
    "multilabel": "state one binary problem for each label",
    "ranking": "state the relevance of an item as a binary problem, or its gain as a regression",
    "multioutput": "state one problem for each target",
    "clustering": "it has no target that could be right or wrong",
}


@final
class Task(enum.StrEnum):
    """What is predicted: one of two classes, one of several, or a number."""

    BINARY = "binary"
    MULTICLASS = "multiclass"
    REGRESSION = "regression"

    @classmethod
    def _missing_(cls, value: object) -> Task:
        known = ", ".join(map(str, cls))
        if isinstance(value, str) and value in _REFUSED:
            raise UnsupportedTaskError(
                f"mldeploy does not judge {value} tasks; {_REFUSED[value]} (it judges {known})"
            )
        raise UnsupportedTaskError(f"no task is called {value!r}; the tasks are {known}")

    @property
    def is_classification(self) -> bool:
        """Whether the answer is a class."""
        return self is not Task.REGRESSION
