"""A fitted estimator that knows what it was made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from mldeploy._record import sha256_hex
from mldeploy.data import Dataset, Profile, to_pandas
from mldeploy.errors import SchemaMismatchError
from mldeploy.model._format import SkopsFormat
from mldeploy.model._html import model_html
from mldeploy.model._labels import coded_truth, position_of
from mldeploy.model._provenance import Provenance
from mldeploy.model._signature import Signature
from mldeploy.problem import Conformal, Problem, Routing, ScoredRows, Task

Array: TypeAlias = npt.NDArray[Any]
Frame: TypeAlias = pd.DataFrame | pl.DataFrame | Dataset


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """A fitted estimator that knows what it was made from, and answers in the user's own labels.

    A `Trainer` makes one, and `Bundle.load_model` reads one back. It never changes; use
    `dataclasses.replace` to attach a routing.

    Attributes
    ----------
    estimator : object
        The fitted scikit-learn estimator.
    signature : Signature
        What goes in and what comes out.
    provenance : Provenance
        Data, code, settings, people and machine it comes from.
    problem : Problem
        The problem it answers.
    routing : Routing, optional
        Which answers stand by themselves; chosen on held-out rows.
    conformal : Conformal, optional
        Which answers cannot be ruled out; learnt on held-out rows.
    baselines : mapping of str to Model
        Simple models that were trained beside it, by name; not kept in a bundle.
    reference : Profile, optional
        Profile of the columns it was trained on, by which drift is judged.
    trials : pandas.DataFrame, optional
        What a search tried and how each candidate did; not kept in a bundle.
    """

    estimator: Any = field(repr=False)
    signature: Signature
    provenance: Provenance = field(repr=False)
    problem: Problem = field(repr=False)
    routing: Routing | None = None
    conformal: Conformal | None = None
    baselines: Mapping[str, Model] = field(default_factory=dict, repr=False)
    reference: Profile | None = field(default=None, repr=False)
    trials: pd.DataFrame | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "baselines", MappingProxyType(dict(self.baselines)))

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the stored estimator: 64 hexadecimal digits, the same for identical fits.

        Raises
        ------
        SerializationError
            If the estimator cannot be stored.
        """
        return sha256_hex(SkopsFormat().dump(self.estimator))

    def predict(self, frame: Frame) -> Array:
        """Return the decision for each row.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame or Dataset
            Rows with the columns of `signature.inputs`; others are ignored.

        Returns
        -------
        ndarray of shape (n_rows,)
            Labels in the user's own coding, or numbers in a regression.

        Raises
        ------
        SchemaMismatchError
            If a column is missing.
        """
        return np.asarray(self.estimator.predict(self._inputs(frame)))

    def score(self, frame: Frame) -> Array | None:
        """Return how sure the model is of each row.

        Parameters
        ----------
        frame : pandas.DataFrame, polars.DataFrame or Dataset
            As for `predict`.

        Returns
        -------
        ndarray of shape (n_rows,) or (n_rows, n_classes), or None
            Probability of the positive class in a binary task, or of each class in the order of
            `signature.classes`. Where `signature.probabilistic` is False, values of
            `decision_function`, which rank rows and are no probabilities. None in a regression,
            and where the estimator knows neither.

        Raises
        ------
        SchemaMismatchError
            If a column is missing.
        """
        return self._score(self._inputs(frame))

    def scored_rows(
        self,
        dataset: Dataset,
        *,
        columns: Sequence[str] = (),
        latency: Array | None = None,
    ) -> ScoredRows:
        """Return what was true and what the model says, row by row.

        Parameters
        ----------
        dataset : Dataset
            Rows with their target; its unit and weight are taken along.
        columns : sequence of str
            Further columns, by which slices are cut.
        latency : ndarray of shape (n_rows,), optional
            Seconds that each answer took.

        Returns
        -------
        ScoredRows
            In a binary task 1 stands for the positive class and 0 for the other.

        Raises
        ------
        InvalidDataError
            If a row has no label, or one that a binary model does not know.
        """
        if dataset.roles.target != self.signature.target:
            dataset = dataset.with_roles(target=self.signature.target)
        y_true = coded_truth(dataset.y(), self.signature)
        inputs = self._inputs(dataset)
        y_pred = np.asarray(self.estimator.predict(inputs))
        if self.signature.task is Task.BINARY:
            y_pred = (y_pred == self.signature.positive).astype(np.int64)
        return ScoredRows(
            task=self.signature.task,
            y_true=y_true,
            y_pred=y_pred,
            y_score=self._score(inputs),
            classes=self.signature.classes,
            weight=dataset.weights(),
            unit=dataset.units(),
            columns={name: dataset.column(name) for name in columns},
            latency=latency,
        )

    def _score(self, inputs: pd.DataFrame) -> Array | None:
        if not self.signature.task.is_classification:
            return None
        binary = self.signature.task is Task.BINARY
        if self.signature.probabilistic:
            shares = np.asarray(self.estimator.predict_proba(inputs))
            return shares[:, self._positive] if binary else shares
        if not hasattr(self.estimator, "decision_function"):
            return None
        values = np.asarray(self.estimator.decision_function(inputs))
        return values if not binary or self._positive == 1 else -values

    @cached_property
    def _positive(self) -> int:
        signature = self.signature
        return position_of(signature.positive, signature.classes, signature.target)

    @cached_property
    def _features(self) -> list[str]:
        return list(self.signature.features)

    def _inputs(self, frame: Frame) -> pd.DataFrame:
        """Return the columns that the estimator reads, in the order that it was trained on."""
        features = self._features
        if isinstance(frame, pd.DataFrame) and list(frame.columns) == features:
            return frame
        present = set(frame.columns)
        if missing := [name for name in features if name not in present]:
            raise SchemaMismatchError(missing=missing)
        if isinstance(frame, Dataset):
            return frame.pandas(features)
        if isinstance(frame, pl.DataFrame):
            return to_pandas(frame.select(features))
        return frame[features]

    def _repr_html_(self) -> str:
        return model_html(
            self.problem,
            self.signature,
            self.provenance,
            baselines=self.baselines,
            routing=self.routing,
        )
