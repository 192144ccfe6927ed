"""Runs: what was tried, with which parameters, and what came of it."""

from ._records import RunRecord, RunStatus
from ._run import Run
from ._runs import Runs

__all__ = ["Run", "RunRecord", "RunStatus", "Runs"]
