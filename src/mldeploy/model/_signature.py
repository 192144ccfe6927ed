"""What goes into a model, and what comes out."""

from __future__ import annotations

from typing import TypeAlias, final

from mldeploy._record import Record
from mldeploy.data import Schema
from mldeploy.problem import Task

Label: TypeAlias = bool | int | str


@final
class Signature(Record):
    """What goes into a model, and what comes out.

    Attributes
    ----------
    task : Task
        What is predicted.
    inputs : Schema
        The columns that the model reads, in the order that it was trained on.
    target : str
        The column that it predicts.
    classes : tuple of bool, int or str
        The labels it can answer, in the user's own coding and in the order of the columns of
        its scores; empty in a regression.
    positive : bool, int, str or None
        The class that counts as positive in a binary task.
    probabilistic : bool
        Whether its scores are probabilities. Scores that are not can rank rows, and nothing
        else: they have no threshold of confidence.
    """

    task: Task
    inputs: Schema
    target: str
    classes: tuple[Label, ...] = ()
    positive: Label | None = None
    probabilistic: bool = False

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the columns that the model reads, in order."""
        return self.inputs.names
