"""What a model says when some columns keep their values and the others are dealt out anew."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from mldeploy.data import Dataset
from mldeploy.model import Model
from mldeploy.problem import ScoredRows, Task


@final
@dataclass(frozen=True, kw_only=True)
class Shuffled:
    """Rows, and the same rows with the features of others.

    Attributes
    ----------
    model : Model
        What answers.
    rows : ScoredRows
        What was true, and what the model says of the rows as they are.
    X, dealt : pandas.DataFrame
        Its inputs, and those of a random permutation of the rows.
    """

    model: Model
    rows: ScoredRows
    X: pd.DataFrame
    dealt: pd.DataFrame

    @classmethod
    def of(cls, model: Model, dataset: Dataset, rng: np.random.Generator) -> Shuffled:
        """Deal the inputs out anew; whole rows, so that what goes together stays together."""
        X = dataset.pandas(model.signature.features)
        order = rng.permutation(len(X))
        return cls(
            model=model,
            rows=model.scored_rows(dataset),
            X=X,
            dealt=X.iloc[order].set_axis(X.index),
        )

    def take(self, rows: npt.NDArray[Any]) -> Shuffled:
        """Return some of the rows, by mask or positions."""
        places = np.flatnonzero(rows) if rows.dtype == bool else rows
        return replace(
            self, rows=self.rows.take(places), X=self.X.iloc[places], dealt=self.dealt.iloc[places]
        )

    def keeping(self, columns: Collection[str]) -> ScoredRows:
        """Return what the model says when only these columns are the row's own."""
        return self._said({name: self.X[name] for name in columns}, self.dealt)

    def without(self, columns: Collection[str]) -> ScoredRows:
        """Return what the model says when these columns are another row's."""
        return self._said({name: self.dealt[name] for name in columns}, self.X)

    def _said(self, changed: dict[str, pd.Series], frame: pd.DataFrame) -> ScoredRows:
        return answers_to(self.model, frame.assign(**changed), self.rows)


def answers_to(model: Model, X: pd.DataFrame, rows: ScoredRows) -> ScoredRows:
    """Return scored rows with the answers to other inputs in place of the old ones."""
    y_pred = model.predict(X)
    if rows.task is Task.BINARY:
        y_pred = (y_pred == model.signature.positive).astype(np.int64)
    return replace(rows, y_pred=y_pred, y_score=model.score(X))


def drawn(dataset: Dataset, max_rows: int, rng: np.random.Generator) -> Dataset:
    """Return all rows, or as many as are looked at, drawn at random."""
    if len(dataset) <= max_rows:
        return dataset
    return dataset.take(np.sort(rng.choice(len(dataset), size=max_rows, replace=False)))


def quoted(names: Sequence[str]) -> str:
    """Return names as people list them."""
    return ", ".join(map(repr, names))
