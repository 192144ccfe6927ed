"""What an estimator becomes: columns, kernels behind them, and how they answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, final

import numpy as np

from mldeploy.model.compiled._average import Average, Linked
from mldeploy.model.compiled._dense import Take
from mldeploy.model.compiled._kernel import Kernel
from mldeploy.model.compiled._link import Decision, Link
from mldeploy.model.compiling._wires import Table, Wire

Planner: TypeAlias = Callable[[Any, Table], "Plan"]


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """How an estimator answers.

    Attributes
    ----------
    wires : tuple of Wire
        The columns that the first kernel reads.
    kernels : tuple of Kernel
        What is computed of them.
    link : Link
        What the outputs are: where an estimator knows probabilities, how to get them.
    decision : Decision
        How the estimator decides.
    threshold : float
        For `Decision.THRESHOLD`.
    threshold_class : int
        For `Decision.THRESHOLD`.
    has_margin : bool
        Whether the estimator has a `decision_function`, and the outputs are what it returns.
    """

    wires: tuple[Wire, ...]
    kernels: tuple[Kernel, ...]
    link: Link
    decision: Decision
    threshold: float = 0.5
    threshold_class: int = 1
    has_margin: bool = False

    @property
    def n_outputs(self) -> int:
        """Number of outputs of the last kernel."""
        return self.kernels[-1].n_outputs

    def shares(self) -> Plan:
        """Return the plan that ends with probabilities, one column for each class."""
        if self.link in (Link.PROBABILITIES, Link.IDENTITY):
            return self
        kernels = (*self.kernels, Linked(link=self.link, width=self.n_outputs))
        return replace(
            self,
            kernels=kernels,
            link=Link.PROBABILITIES,
            decision=Decision.LARGEST_SHARE,
            has_margin=False,
        )

    def then(self, *kernels: Kernel) -> Plan:
        """Return the plan with more kernels at its end."""
        return replace(self, kernels=(*self.kernels, *kernels))


def averaged(
    members: Sequence[Plan], *, weights: Sequence[float], link: Link, decision: Decision
) -> Plan:
    """Return the plan of a mean of several estimators.

    Parameters
    ----------
    members : sequence of Plan
        Each with columns of its own.
    weights : sequence of float
        What each counts for.
    link : Link
        What the mean is.
    decision : Decision
        How it decides.
    """
    if len(members) == 1:
        return replace(members[0], link=link, decision=decision, has_margin=False)
    unique = {id(wire): wire for member in members for wire in member.wires}
    place = {known: position for position, known in enumerate(unique)}
    wires = tuple(unique.values())
    chains: list[tuple[Kernel, ...]] = []
    for member in members:
        own = np.array([place[id(wire)] for wire in member.wires], dtype=np.int64)
        takes_all = own.tolist() == list(range(len(wires)))
        first = () if takes_all else (Take(columns=own, width=len(wires)),)
        chains.append((*first, *member.kernels))
    kernel = Average(members=tuple(chains), weights=np.array(weights, dtype=np.float64))
    return Plan(wires=wires, kernels=(kernel,), link=link, decision=decision)
