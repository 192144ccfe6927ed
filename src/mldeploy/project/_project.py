"""The composition root: it holds the parts, and no part knows it."""

from __future__ import annotations

import getpass
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias, final

import pandas as pd
import polars as pl
from sklearn.base import BaseEstimator

from mldeploy._record import Clock, utc_now
from mldeploy.assessment import DataAssessor, default_assessors
from mldeploy.data import Catalogue, Dataset, Split, dataset_for, default_split
from mldeploy.deployment import Deployer, DeploymentStatus, InProcessDeployer, Release, Rollout
from mldeploy.evidence import Approval, Report, Waiver
from mldeploy.feedback import LabelLedger
from mldeploy.governance import (
    ASSESSED,
    ApprovalDesk,
    Declarations,
    ModelCard,
    Scorecard,
    keep_report,
    model_card,
    scorecard,
)
from mldeploy.model import Compiler, Model
from mldeploy.monitoring import Monitor, default_monitors
from mldeploy.problem import Problem
from mldeploy.project._data import AssessedData, must_be_readable, must_have_features
from mldeploy.project._experiments import compare_estimators, keep_trials
from mldeploy.project._live import Live, must_be_approved
from mldeploy.project._overview import deployments_of, overview_html
from mldeploy.project._pipeline import PipelineRun
from mldeploy.project._reference import ReferenceKeeper
from mldeploy.project._releases import Releases, bundled, newest, opened
from mldeploy.project._run import WholeWay
from mldeploy.project._stated import state_problem
from mldeploy.project._steps import StepRecord, StepRunner, read_steps
from mldeploy.project._validating import Judged
from mldeploy.project._watch import alarm_names
from mldeploy.registry import CHAMPION, ModelVersion, Promotion, Registry
from mldeploy.retraining import OnAlarm, RetrainingDecision, RetrainingPolicy
from mldeploy.serving import ParquetLog, PredictionSink
from mldeploy.store import Damage, Store
from mldeploy.tracking import RunComparison, Runs
from mldeploy.training import EstimatorTrainer, Trainer
from mldeploy.validation import Validator, default_validators

Source: TypeAlias = pd.DataFrame | pl.DataFrame | pl.LazyFrame | Dataset | str | Path


@final
class Project:
    """One problem with everything that is done about it, in one folder.

    Parameters
    ----------
    problem : Problem
        What is decided, and what "good" means.
    store : Store, str or Path, default="mlstore"
        Where everything is kept; a folder is enough.
    assessor : DataAssessor, optional
        What judges the data; the default suits the problem.
    trainer : callable, optional
        Turns an estimator into a `Trainer`; `EstimatorTrainer` by default.
    validator : Validator, optional
        What judges the model; the default suits the problem.
    deployer : Deployer, optional
        What serves; in this process by default, logging to the store.
    monitor : Monitor, optional
        What judges the service; the default suits the problem.
    split : Split, optional
        How rows to learn from and rows to judge by are told apart: by time where there is one,
        else by unit, else at random.
    retraining : RetrainingPolicy, optional
        When to train anew; on alarms about a criterion by default.
    compilers : sequence of Compiler, optional
        What tries to compile a model that is registered; by default all that mldeploy has.
    trusted : sequence of str
        Types that this process trusts when it loads models, beyond scikit-learn's own.
    by : str, optional
        Who acts; the user's login name by default.
    clock : Clock, default=utc_now
        Tells the time.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from sklearn.linear_model import LogisticRegression
    >>> from mldeploy.problem import Criterion, Problem
    >>> problem = Problem(name="demo", statement="Is y likely?", target="y", positive=1,
    ...                   criteria=[Criterion("accuracy", at_least=0.65)])
    >>> frame = pd.DataFrame({"x": [i / 1000 for i in range(1000)]})
    >>> frame["y"] = (frame["x"] > frame.index * 37 % 100 / 100).astype(int)
    >>> with tempfile.TemporaryDirectory() as folder, Project(problem, store=folder) as project:
    ...     model = project.train(LogisticRegression(C=100), project.data(frame[::2]))
    ...     report = project.validate(model, project.data(frame[1::2]))
    ...     version = project.register(model, report)
    >>> str(report.verdict), version.label
    ('PASS', 'demo:1')
    """

    def __init__(
        self,
        problem: Problem,
        *,
        store: Store | str | Path = "mlstore",
        assessor: DataAssessor | None = None,
        trainer: Callable[[BaseEstimator], Trainer] | None = None,
        validator: Validator | None = None,
        deployer: Deployer | None = None,
        monitor: Monitor | None = None,
        split: Split | None = None,
        retraining: RetrainingPolicy | None = None,
        compilers: Sequence[Compiler] | None = None,
        trusted: Sequence[str] = (),
        by: str | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self.problem = problem
        self.by = by or getpass.getuser()
        self.clock = clock
        self.store = store if isinstance(store, Store) else Store.open(store, clock=clock)
        state_problem(self.store, problem, by=self.by)
        self.registry = Registry(self.store)
        self.labels = LabelLedger(self.store, problem=problem)
        self.catalogue = Catalogue(self.store)
        self.runs = Runs(self.store, actor=self.by)
        self.desk = ApprovalDesk(self.registry, clock=clock)
        self.declarations = Declarations(self.store, problem.name, clock=clock)
        self.assessor = assessor or default_assessors(problem, clock=clock)
        self.trainer = trainer or (lambda estimator: EstimatorTrainer(estimator=estimator))
        self.validator = validator or default_validators(problem)
        self.monitor_suite = monitor or default_monitors(problem)
        self.retraining = retraining or OnAlarm(names=alarm_names(problem))
        self._deployer = deployer or InProcessDeployer(sink=self._open_log)
        self._split = split
        self._compilers = compilers
        self._trusted = tuple(trusted)
        self._references = ReferenceKeeper(self.store)
        self._judged = Judged(
            evaluations=self.registry.evaluations, problem=problem, by=self.by, clock=clock
        )
        self._releases = Releases(self.registry, trusted)

    # --- from data to a version -----------------------------------------------------------

    def data(self, source: Source, *, name: str = "") -> Dataset:
        """Return a table as a dataset with the problem's roles, without assessing it.

        Raises
        ------
        InvalidProblemError
            If the table lacks a column that the problem speaks of.
        InvalidDataError
            If it is no table, or holds no column to learn from.
        """
        dataset = dataset_for(source, self.problem, name=name)
        must_have_features(dataset)
        return dataset

    def assess(self, source: Source, *, name: str = "") -> AssessedData:
        """Ask whether this data may carry this problem.

        Parameters
        ----------
        source : DataFrame, Dataset or path
            pandas, polars, or a Parquet or CSV file.
        name : str
            What the data is called in reports.

        Returns
        -------
        AssessedData
            The dataset, the findings, and the rows to learn from and to judge by.
        """
        dataset = self.data(source, name=name)
        report = self.assessor.assess(dataset, self.problem, clock=self.clock)
        keep_report(self.store, ASSESSED, report, subject=self.problem.name, by=self.by)
        split = self._split or default_split(dataset)
        return AssessedData(dataset=dataset, report=report, split=split)

    def train(self, estimator: BaseEstimator | Trainer, data: AssessedData | Dataset) -> Model:
        """Fit an estimator, with baselines beside it, and record the run.

        Parameters
        ----------
        estimator : scikit-learn estimator or Trainer
            It is cloned, never changed.
        data : AssessedData or Dataset
            Of assessed data the rows to learn from; of a dataset all rows.

        Raises
        ------
        UnfitDataError
            If a blocking finding of the assessment failed and is not waived.
        """
        if isinstance(data, AssessedData):
            data.must_be_fit()
        dataset = data.train if isinstance(data, AssessedData) else data
        trainer = estimator if isinstance(estimator, Trainer) else self.trainer(estimator)
        parameters: dict[str, Any] = {"trainer": type(trainer).__qualname__}
        with self.runs.start(f"{self.problem.name}/train", parameters=parameters) as run:
            model = trainer.train(dataset, self.problem, by=self.by, clock=self.clock)
            run.log_metric("seconds", model.provenance.duration.total_seconds())
            run.log_metric("rows", model.provenance.n_rows)
            keep_trials(self.runs, model, name=f"{self.problem.name}/trial", parent=run.id)
        return model

    def compare(
        self,
        estimators: Mapping[str, BaseEstimator],
        data: AssessedData | Dataset,
        *,
        scoring: str,
        n_folds: int = 5,
    ) -> RunComparison:
        """Score estimators on the same folds, and say who cannot be told apart from the best.

        `scoring` is a scorer of scikit-learn; rows are cut by time, unit or at random as the
        roles say. Each estimator becomes a run; see `mldeploy.training.score_on_folds`.
        """
        dataset = data.train if isinstance(data, AssessedData) else data
        return compare_estimators(
            self.runs, estimators, dataset, self.problem,
            scoring=scoring, n_folds=n_folds, split=self._split,
        )  # fmt: skip

    def validate(
        self, model: Model, data: AssessedData | Dataset, *, champion: Model | None = None
    ) -> Report:
        """Ask whether a model may ship: every criterion, on rows that it has not seen.

        What was judged before on the same things is found again, verified. Each further model
        that the same rows judge has wider intervals, see `mldeploy.stats.looks_confidence`;
        `registry.evaluations.looks` lists who looked at which rows.

        Parameters
        ----------
        model : Model
            The candidate.
        data : AssessedData or Dataset
            Of assessed data the rows to judge by; of a dataset all rows.
        champion : Model, optional
            What it is compared with; the registry's champion by default.

        Raises
        ------
        SchemaMismatchError
            If the rows lack a column that the model reads.
        InvalidRowsError
            If a column is of another type than the model reads.
        """
        dataset = data.holdout if isinstance(data, AssessedData) else data
        must_be_readable(dataset, model)
        rival = champion or self._champion_model()
        report = self._judged.validate(model, dataset, self.validator, champion=rival)
        self._references.remember(report, dataset)
        return report

    def register(self, model: Model, report: Report) -> ModelVersion:
        """Keep a model with the evidence about it as the next version.

        Whatever the verdict: what failed is kept as well, and cannot be promoted. The model is
        compiled, and held against the original on the rows behind the report; what is proven
        equal serves, and `Bundle.compiled_report` says what came of it.

        Raises
        ------
        PromotionError
            If the report is about another model or problem, was not made by `validate`, was
            changed since, or a later validation of the model failed.
        """
        self._judged.must_be_evidence(report, model)
        golden = self._references.rows(report)
        with bundled(model, report, golden=golden, compilers=self._compilers) as bundle:
            version = self.registry.register(bundle, report, by=self.by)
        self._references.keep(version, report)
        return version

    # --- signatures -----------------------------------------------------------------------

    def approve(
        self, version: ModelVersion, *, by: str, reason: str, waiver: Waiver | None = None
    ) -> Approval:
        """Keep somebody's word that a version may serve; see `ApprovalDesk.approve`."""
        return self.desk.approve(version, by=by, reason=reason, waiver=waiver)

    def waive(
        self,
        version: ModelVersion,
        *,
        by: str,
        reason: str,
        until: datetime,
        name: str,
        slice: str | None = None,  # noqa: A002 - the field's word
    ) -> Waiver:
        """Keep somebody's decision to go on although a check did not hold."""
        return self.desk.waive(version, by=by, reason=reason, until=until, name=name, slice=slice)

    def promote(
        self, version: ModelVersion, alias: str = CHAMPION, *, reason: str = ""
    ) -> Promotion:
        """Let an alias name a version; it must be approved and its evidence must pass.

        Raises
        ------
        PromotionError
            If it is not.
        """
        approval = must_be_approved(self.registry, version, at=self.clock())
        return self.registry.promote(version, alias, approval=approval, by=self.by, reason=reason)

    def card(self, version: ModelVersion) -> ModelCard:
        """Return the model card, made from the record alone."""
        with opened(self.registry, version) as bundle:
            return model_card(self.registry, version, bundle, at=self.clock())

    def scorecard(self, version: ModelVersion | None = None) -> Scorecard:
        """Return the ML Test Score of a version: the champion, or the newest, by default.

        What the store cannot know can be declared with `declarations.declare`.
        """
        scored = version or newest(self.registry, self.problem.name, CHAMPION)
        with opened(self.registry, scored) as bundle:
            return scorecard(
                self.store, self.registry, scored, bundle, self.declarations, at=self.clock()
            )

    # --- service --------------------------------------------------------------------------

    def deploy(self, version: ModelVersion, *, rollout: Rollout | None = None) -> Live:
        """Put an approved version into service.

        If another version is the champion, traffic moves by the rollout, and the champion's
        place is taken when the rollout completes; call `Live.advance` to let it decide.
        Without one, the version serves everything at once.

        Raises
        ------
        PromotionError
            If the version is not approved, or its validation did not pass.
        """
        must_be_approved(self.registry, version, at=self.clock())
        served = self.registry.alias(version.name, CHAMPION)
        beside = served if served is not None and served != version else None
        deployment = self._deployer.deploy(
            self.release(version),
            champion=None if beside is None else self.release(beside),
            rollout=rollout,
            clock=self.clock,
        )
        return Live(
            deployment,
            store=self.store,
            registry=self.registry,
            labels=self.labels,
            load=self.release,
            version=version,
            by=self.by,
            clock=self.clock,
        )

    def release(self, version: ModelVersion) -> Release:
        """Return a version with its model in memory; loaded once, verified before.

        Raises
        ------
        IntegrityError
            If a file is not what was registered.
        UntrustedTypesError
            If the model holds types that this project does not trust.
        """
        return self._releases(version)

    def monitor(
        self,
        live: Live,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
        as_of: datetime | None = None,
    ) -> Report:
        """Ask whether a deployment is still fit: the same criteria, now as alarms.

        Parameters
        ----------
        live : Live
            What serves.
        start, end : datetime, optional
            The slice of time to look at: by default what has matured since the last one, or the
            last 24 hours that should have their labels.
        as_of : datetime, optional
            Now.
        """
        now = as_of or self.clock()
        last = end or now - self.problem.label_delay
        first = start or live.watch.until or last - timedelta(days=1)
        return live.check(
            self.monitor_suite,
            start=first,
            end=last,
            as_of=now,
            reference=self._references.reference(live.version, self.release(live.version).model),
        )

    def decide_retraining(self, live: Live) -> RetrainingDecision:
        """Ask the retraining policy whether to train anew; nothing is done about it."""
        model = self.release(live.version).model
        decision = self.retraining.decide(live.watch.situation(model, now=self.clock()))
        if decision.retrain:
            live.note_retraining(decision)
        return decision

    # --- the whole way --------------------------------------------------------------------

    def run(
        self, source: Source, estimator: BaseEstimator | Trainer, *, resume: str | None = None
    ) -> PipelineRun:
        """Go from data to a registered version; what was done before is not done again.

        Approval and deployment are left to people: call `approve` and `deploy` with the version.

        Parameters
        ----------
        source : DataFrame, Dataset or path
            The data.
        estimator : scikit-learn estimator or Trainer
            What is fitted.
        resume : str, optional
            A run whose step failed; its finished steps are kept.

        Raises
        ------
        StepFailedError
            If a step raises; it names the run to resume.
        """
        runner = StepRunner(self.store, run=resume, actor=self.by)
        dataset = self.data(source)
        way = WholeWay(
            problem=self.problem,
            store=self.store,
            registry=self.registry,
            assessor=self.assessor,
            validator=self.validator,
            split=self._split or default_split(dataset),
            trusted=self._trusted,
            train=self.train,
            validate=self.validate,
            register=self.register,
            remember=self._references.remember,
            clock=self.clock,
        )
        trainer = estimator if isinstance(estimator, Trainer) else self.trainer(estimator)
        done = way.go(runner, dataset, trainer)
        keep_report(self.store, ASSESSED, done.data.report, subject=self.problem.name, by=self.by)
        return done

    def steps(self, run: str | None = None) -> tuple[StepRecord, ...]:
        """Return the recorded steps of one run, or of all."""
        return read_steps(self.store, run=run)

    # --- the record -----------------------------------------------------------------------

    def history(self, alias: str | None = None) -> tuple[Promotion, ...]:
        """Return how aliases moved: who, when, from what, on whose word."""
        return self.registry.history(self.problem.name, alias)

    def deployments(self) -> tuple[DeploymentStatus, ...]:
        """Return the deployments of this problem as they were last recorded, oldest first."""
        return deployments_of(self.store, self.problem.name)

    def verify(self) -> tuple[Damage, ...]:
        """Check all that is stored; empty when everything is what was written."""
        return self.store.verify()

    def close(self) -> None:
        """Close the store's connections."""
        self.store.close()

    def __enter__(self) -> Project:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _champion_model(self) -> Model | None:
        version = self.registry.alias(self.problem.name, CHAMPION)
        return None if version is None else self.release(version).model

    def _open_log(self, deployment: str) -> PredictionSink:
        return ParquetLog(self.store.predictions, deployment=deployment)

    def _repr_html_(self) -> str:
        return overview_html(self.problem, self.store, self.registry)
