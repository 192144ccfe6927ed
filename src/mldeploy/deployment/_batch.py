"""Score tables by the versions that are in service."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from typing_extensions import override

from mldeploy._record import Clock
from mldeploy.deployment._base import Deployer, Release
from mldeploy.deployment._by_traffic import TrafficDeployment, in_memory
from mldeploy.deployment._rollout import Rollout
from mldeploy.serving import BulkSummary, PredictionSink, SqlTable, score_table

Place = str | Path | SqlTable


@final
class BatchDeployment(TrafficDeployment):
    """Two versions at most that share the rows of whole tables; see `BatchDeployer`.

    It answers single rows and frames too, as an `InProcessDeployment` does.
    """

    def __init__(
        self,
        candidate: Release,
        *,
        champion: Release | None,
        rollout: Rollout,
        sink: Callable[[str], PredictionSink],
        clock: Clock,
        random_state: int = 0,
        name: str | None = None,
    ) -> None:
        self._sink_of = sink
        super().__init__(
            candidate,
            champion=champion,
            rollout=rollout,
            clock=clock,
            random_state=random_state,
            deployment_id=name,
        )

    def run(
        self,
        source: Place,
        target: Place,
        *,
        key: str | None = None,
        keep: Sequence[str] = (),
        quarantine: str | Path | None = None,
        log: bool = True,
        resume: bool = False,
        work: str | Path | None = None,
        storage_options: Mapping[str, str] | None = None,
        n_threads: int = 2,
        progress: bool = True,
    ) -> BulkSummary:
        """Answer every row of a table, each by the version that the traffic gives it to.

        The split of the traffic is that of the moment when the job begins; a job is not resumed
        with another one.

        Parameters
        ----------
        source, target : str, Path or SqlTable
            Parquet, CSV or Arrow files, objects, or tables of a database.
        key : str, optional
            Column that says what each row is about, and by which rows are given to a version.
        keep : sequence of str
            Columns to hand on as they are.
        quarantine : path, optional
            File for rows that the schema refuses; without one, the first of them ends the job.
        log : bool, default=True
            Write every prediction to the deployment's log too, by which a rollout is decided and
            monitors look. Without it, the answers are the only record.
        resume : bool, default=False
            Go on with the job that began this target.
        work : path, optional
            Folder for what is unfinished.
        storage_options : mapping of str to str, optional
            What polars needs to reach an object store.
        n_threads : int, default=2
            Pieces to score at the same time.
        progress : bool, default=True
            Show a progress bar if it takes longer than a second.

        Returns
        -------
        BulkSummary
            Rows, time and memory.

        Raises
        ------
        DeploymentError
            If the deployment was stopped.
        InvalidRowsError, JobUnfinishedError, JobChangedError, StoreFullError
            As `score_table`, which says more.
        """
        self._must_run()
        return score_table(
            source,
            target,
            self.traffic,
            key=key,
            keep=keep,
            quarantine=quarantine,
            log=self.sink if log else None,
            deployment=self.id,
            resume=resume,
            work=work,
            storage_options=storage_options,
            n_threads=n_threads,
            progress=progress,
            clock=self._clock,
        )

    @override
    def _open_sink(self, deployment: str) -> PredictionSink:
        return self._sink_of(deployment)


@final
@dataclass(frozen=True, kw_only=True)
class BatchDeployer(Deployer):
    """Score tables, in a job of every night or whenever one arrives.

    Attributes
    ----------
    name : str, optional
        Identifier of its deployments, such as ``"nightly"``; by default each has one of its
        own. A job that logs is only resumed by a deployment of the same name.
    sink : callable, optional
        Called with the id of the deployment, returns where predictions are logged; in memory
        when None. For large tables, and for jobs that shall be resumed without logging a row
        twice, return a `BulkLog`.
    random_state : int
        Seed of the assignment of single requests without a key. Rows of a table without a key
        are assigned by their number, alike in every run.
    """

    name: str | None = None
    sink: Callable[[str], PredictionSink] = in_memory
    random_state: int = 0

    @override
    def _deploy(
        self, candidate: Release, *, champion: Release | None, rollout: Rollout, clock: Clock
    ) -> BatchDeployment:
        return BatchDeployment(
            candidate,
            champion=champion,
            rollout=rollout,
            sink=self.sink,
            clock=clock,
            random_state=self.random_state,
            name=self.name,
        )
