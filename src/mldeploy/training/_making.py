"""Make a model of a fit: signature, provenance and reference."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy.typing as npt

from mldeploy._record import Clock
from mldeploy.data import Dataset, Profile, Schema
from mldeploy.model import CodeState, Model, Provenance, Signature
from mldeploy.problem import Problem
from mldeploy.training._baselines import Estimator
from mldeploy.training._fitting import require_fitted_for, unwrapped


def last_time(rows: Dataset) -> datetime | None:
    """Return the time of the last row, where rows have a time."""
    if rows.roles.time is None:
        return None
    last = rows.polars()[rows.roles.time].max()
    return last if isinstance(last, datetime) else None


@dataclass(frozen=True, kw_only=True)
class Workbench:
    """What every model of one training run shares."""

    rows: Dataset
    y: npt.NDArray[Any]
    classes: tuple[bool | int | str, ...]
    inputs: Schema
    reference: Profile
    problem: Problem
    by: str
    seed: int | None
    code: CodeState
    clock: Clock

    def model(
        self,
        trainer: str,
        fit: Callable[[Workbench], Estimator],
        *,
        baselines: Mapping[str, Model],
    ) -> Model:
        """Return the model of a fit; that it can be stored is known when this returns."""
        started, tick = self.clock(), time.perf_counter()
        fitted, trials = unwrapped(fit(self), self.rows.fingerprint)
        duration = timedelta(seconds=time.perf_counter() - tick)
        require_fitted_for(fitted, self.classes, self.problem.target)
        provenance = Provenance.of(
            fitted,
            problem=self.problem.digest,
            data=self.rows.fingerprint,
            n_rows=self.rows.n_rows,
            features=self.rows.features,
            trainer=trainer,
            trained_by=self.by,
            trained_at=started,
            duration=duration,
            seed=self.seed,
            code=self.code,
            trained_until=last_time(self.rows),
        )
        model = Model(
            estimator=fitted,
            signature=self._signature(fitted),
            provenance=provenance,
            problem=self.problem,
            baselines=baselines,
            reference=self.reference,
            trials=trials,
        )
        model.digest  # noqa: B018 (raises now if the estimator cannot be stored)
        return model

    def _signature(self, fitted: Estimator) -> Signature:
        classify = self.problem.task.is_classification
        return Signature(
            task=self.problem.task,
            inputs=self.inputs,
            target=self.problem.target,
            classes=self.classes,
            positive=self.problem.positive,
            probabilistic=classify and hasattr(fitted, "predict_proba"),
        )
