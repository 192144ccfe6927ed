"""The interface of trainers: from data to a model that knows where it comes from."""

from __future__ import annotations

import abc
import getpass
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from tqdm import tqdm

from mldeploy._record import Clock, utc_now
from mldeploy.data import Dataset, Profile, require_roles
from mldeploy.errors import EmptyDataError
from mldeploy.model import CodeState, Model, classes_of, labels_of
from mldeploy.problem import Problem
from mldeploy.training._baselines import Estimator, default_baselines
from mldeploy.training._fitting import fit_baseline
from mldeploy.training._making import Workbench

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Trainer(abc.ABC):
    """Learn a model from labelled rows, and baselines beside it.

    Implement `_fit`; the rest is final. Instances are immutable, hold no data, and may be used
    again; estimators given to them are cloned, never fitted themselves.

    Parameters
    ----------
    baselines : mapping of str to estimator, optional
        Unfitted estimators to train beside the model; by default those of `default_baselines`.
        Pass ``{}`` for none, which leaves criteria that ask for a baseline undecided.
    random_state : int, default=0
        Seed for every part of the estimator whose own seed is not set.

    Examples
    --------
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> from mldeploy.problem import Criterion
    >>> class Stump(Trainer):
    ...     def _fit(self, X, y, *, sample_weight, groups, dataset, problem):
    ...         return DecisionTreeClassifier(max_depth=1).fit(X, y, sample_weight)
    >>> frame = pd.DataFrame({"hour": [5, 6, 22, 23], "late": [False, False, True, True]})
    >>> problem = Problem(name="late", statement="Which flights land late?", target="late",
    ...                   positive=True, criteria=[Criterion("roc_auc", at_least=0.7)])
    >>> model = Stump().train(Dataset.of(frame, target="late"), problem, by="ana")
    >>> model.predict(frame).tolist(), sorted(model.baselines)
    ([False, False, True, True], ['dummy', 'linear'])
    """

    baselines: Mapping[str, Estimator] | None = field(default=None, repr=False)
    random_state: int = 0

    @final
    def train(
        self,
        dataset: Dataset,
        problem: Problem,
        *,
        by: str | None = None,
        clock: Clock = utc_now,
    ) -> Model:
        """Return a model that was learnt from the labelled rows of a dataset.

        Parameters
        ----------
        dataset : Dataset
            Rows to learn from; those without a label are left out.
        problem : Problem
            What to predict.
        by : str, optional
            Who trains; by default the user of the operating system.
        clock : Clock, default=utc_now
            Tells when training began.

        Returns
        -------
        Model
            With signature, provenance, reference profile and fitted baselines.

        Raises
        ------
        InvalidProblemError
            If the problem speaks of columns that are not there.
        EmptyDataError
            If no row has a label, or no column is left to learn from.
        InvalidDataError
            If the target is among the features, has a single class, or values that are no labels
            of the task.
        UnsupportedWeightsError
            If rows have weights and an estimator takes none.
        SerializationError
            If the estimator cannot be stored; whatever can be known before the fit is.
        TrainingFailedError
            If an estimator raised while it was fitted.
        """
        problem.check_columns(dataset.columns)
        require_roles(dataset, problem)
        rows = _labelled(dataset, problem)
        y = labels_of(rows.y(), problem.task, problem.target)
        bench = Workbench(
            rows=rows,
            y=y,
            classes=classes_of(y, problem.task, problem.positive, problem.target),
            inputs=rows.schema.select(rows.features),
            reference=Profile.of(rows.polars().select(rows.features)),
            problem=problem,
            by=by or getpass.getuser(),
            seed=getattr(self, "random_state", None),
            code=CodeState.of(),
            clock=clock,
        )
        chosen = getattr(self, "baselines", None)
        unfitted = default_baselines(problem, rows) if chosen is None else dict(chosen)
        baselines = _train_baselines(bench, unfitted)
        return bench.model(type(self).__qualname__, self._fitted, baselines=baselines)

    @abc.abstractmethod
    def _fit(
        self,
        X: pd.DataFrame,
        y: Array,
        *,
        sample_weight: npt.NDArray[np.float64] | None,
        groups: Array | None,
        dataset: Dataset,
        problem: Problem,
    ) -> Estimator:
        """Return a fitted estimator.

        `X` holds the features and `y` the labels in the user's own coding, both without unlabelled
        rows. `groups` says which rows belong together. `dataset` holds the same rows with all
        columns, from which time-aware folds are cut. A fitted search may be returned: its best
        estimator becomes the model, and what it tried becomes `Model.trials`.
        """

    def _fitted(self, bench: Workbench) -> Estimator:
        rows = bench.rows
        return self._fit(
            rows.X(),
            bench.y.copy(),
            sample_weight=rows.weights(),
            groups=rows.units(),
            dataset=rows,
            problem=bench.problem,
        )


def _train_baselines(bench: Workbench, unfitted: Mapping[str, Estimator]) -> dict[str, Model]:
    models = {}
    for name, estimator in tqdm(unfitted.items(), desc="Baselines", delay=1, leave=False):

        def fitted(bench: Workbench, estimator: Estimator = estimator) -> Estimator:
            return fit_baseline(
                estimator,
                bench.rows.X(),
                bench.y,
                sample_weight=bench.rows.weights(),
                random_state=bench.seed or 0,
            )

        models[name] = bench.model(f"baseline {name!r}", fitted, baselines={})
    return models


def _labelled(dataset: Dataset, problem: Problem) -> Dataset:
    if not dataset.features:
        raise EmptyDataError(
            f"no column is left to learn {problem.target!r} from; name features, or add columns"
        )
    try:
        return dataset.labelled()
    except EmptyDataError as error:
        raise EmptyDataError(
            f"none of {dataset.n_rows} rows has a {problem.target!r}; wait for labels, or join "
            "them"
        ) from error
