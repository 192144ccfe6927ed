"""Labels that a client sends to a server, on their way into the store."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import final

from mldeploy.feedback import LabelLedger
from mldeploy.problem import Problem
from mldeploy.serving import Label
from mldeploy.store import Store


@final
class LabelKeeper:
    """Keep labels in the store of a problem, opened with the first of them.

    Parameters
    ----------
    folder : Path
        The store.
    problem : Problem
        What the labels are of.
    """

    def __init__(self, folder: Path, problem: Problem) -> None:
        self._folder, self._problem = folder, problem
        self._ledger: LabelLedger | None = None

    def __call__(self, labels: Sequence[Label]) -> None:
        """Keep labels, all or none of them."""
        if self._ledger is None:
            self._ledger = LabelLedger(Store.open(self._folder), problem=self._problem)
        rows = [{n: v for n, v in vars(one).items() if v is not None} for one in labels]
        self._ledger.record(rows, by="http", progress=False)
