"""Runs: what was tried, with which parameters, what came of it, and which cannot be told apart."""

from ._comparison import RankedRun, RunComparison
from ._records import RunRecord, RunStatus
from ._run import Run
from ._runs import Runs
from ._table import RunTable
from ._trials import Folds, Trial

__all__ = [
    "Folds",
    "RankedRun",
    "Run",
    "RunComparison",
    "RunRecord",
    "RunStatus",
    "RunTable",
    "Runs",
    "Trial",
]
