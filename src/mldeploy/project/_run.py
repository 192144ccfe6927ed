"""From data to a registered version, one recorded step after the other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import final

from mldeploy._record import Clock
from mldeploy.assessment import DataAssessor
from mldeploy.data import Dataset, Split
from mldeploy.evidence import Report
from mldeploy.model import Model
from mldeploy.problem import Problem
from mldeploy.project._data import AssessedData
from mldeploy.project._pipeline import (
    PipelineRun,
    assess_step,
    register_step,
    train_step,
    validate_step,
)
from mldeploy.project._settings import settings_of
from mldeploy.project._steps import StepRunner
from mldeploy.registry import CHAMPION, ModelVersion, Registry
from mldeploy.store import JsonValue, Store
from mldeploy.training import Trainer
from mldeploy.validation import Validator


@final
@dataclass(frozen=True, kw_only=True)
class WholeWay:
    """What a run goes through: the parts that judge, and what a project does with them.

    Attributes
    ----------
    problem : Problem
        What is decided.
    store, registry : Store, Registry
        Where results are kept.
    assessor, validator : DataAssessor, Validator
        What judges the data, and the model.
    split : Split
        How rows to learn from and rows to judge by are told apart.
    trusted : sequence of str
        Types that this process trusts when it loads models.
    train, validate, register : callable
        What the steps do.
    remember : callable
        Told of the rows behind a report that was found done.
    clock : Clock
        Tells the time.
    """

    problem: Problem
    store: Store
    registry: Registry
    assessor: DataAssessor
    validator: Validator
    split: Split
    trusted: Sequence[str]
    train: Callable[[Trainer, AssessedData], Model]
    validate: Callable[[Model, AssessedData], Report]
    register: Callable[[Model, Report], ModelVersion]
    remember: Callable[[Report, Dataset], None]
    clock: Clock

    def go(self, runner: StepRunner, dataset: Dataset, trainer: Trainer) -> PipelineRun:
        """Do every step that was not done before on the same inputs."""
        base: dict[str, JsonValue] = {"problem": self.problem.digest, "data": dataset.fingerprint}
        assessing = {**base, "assessor": settings_of(self.assessor)}
        report = runner(
            assess_step(
                lambda: self.assessor.assess(dataset, self.problem, clock=self.clock),
                inputs=assessing,
            )
        )
        data = AssessedData(dataset=dataset, report=report, split=self.split)
        training = {**base, "trainer": settings_of(trainer), "split": settings_of(self.split)}
        model = runner(
            train_step(
                lambda: self.train(trainer, data),
                inputs=training,
                store=self.store,
                trusted=self.trusted,
            )
        )
        champion = self.registry.alias(self.problem.name, CHAMPION)
        validating: dict[str, JsonValue] = {
            "model": model.digest,
            "champion": None if champion is None else champion.model,
            "validator": settings_of(self.validator),
            **training,
        }
        verdict = runner(validate_step(lambda: self.validate(model, data), inputs=validating))
        self.remember(verdict, data.holdout)
        version = runner(
            register_step(
                lambda: self.register(model, verdict),
                inputs={"model": model.digest, "report": verdict.digest},
                registry=self.registry,
            )
        )
        return PipelineRun(
            id=runner.run,
            data=data,
            model=model,
            report=verdict,
            version=version,
            steps=runner.records(),
        )
