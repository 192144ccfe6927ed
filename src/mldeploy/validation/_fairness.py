"""Fairness between the groups of sensitive columns, and between their intersections."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, final

import numpy as np
from typing_extensions import override

from mldeploy.data import Dataset
from mldeploy.errors import InvalidProblemError
from mldeploy.evidence import Finding, Severity
from mldeploy.model import Model
from mldeploy.problem import Problem
from mldeploy.stats import holm, looks_p_values
from mldeploy.validation._fairness_pairs import Divided, Paired, pairs_of
from mldeploy.validation._fairness_rates import Rates
from mldeploy.validation._fairness_say import cannot_tell, found, no_groups, undefined
from mldeploy.validation._fairness_terms import Fairness
from mldeploy.validation._looks import LookingValidator
from mldeploy.validation._slice_cuts import Cut, cuts_of


@final
@dataclass(frozen=True, kw_only=True)
class FairnessValidator(LookingValidator):
    """Tell whether rates are alike in the groups of sensitive columns, whatever the model reads.

    The columns need not be inputs of the model. Every group is compared with each larger one;
    the ratio of their rates FAILs when it is beyond the declared one *and* chance does not
    explain that, all comparisons of the report taken together; it holds when the whole interval
    lies within. Between these it is INSUFFICIENT, and the finding, which is the smaller group's,
    says how many more rows of it would tell.

    Attributes
    ----------
    definitions : tuple of Fairness or str
        What is asked for; those that suit the task.
    columns : tuple of str, optional
        By default the problem's sensitive columns.
    min_ratio : float
        The smaller rate must be at least this share of the larger.
    confidence : float
        That no finding FAILs by chance, and that all intervals hold together.
    severity : Severity
        Of what does not hold.
    n_bins : int
        Parts into which numbers of many values, such as ages, are cut.
    max_levels : int
        Groups of a column that are looked at, the largest ones.
    max_order : int
        Columns that are crossed at most.
    min_rows : int
        Rows that a group must have; those with fewer are INSUFFICIENT.
    max_named : int
        Intersections that are named, for each definition and crossing; the worst that FAIL.
    n_looks : int
        As of `CriteriaValidator`.

    Notes
    -----
    Pairs are tested by the score statistic of a ratio with Holm's correction. By points alone,
    37 to 80 % of fair models break the four-fifths rule. 0.8 is that rule (29 CFR 1607.4 D).

    Examples
    --------
    >>> FairnessValidator(definitions=["equal_opportunity"], min_ratio=0.9).definitions
    (<Fairness.EQUAL_OPPORTUNITY: 'equal_opportunity'>,)
    """

    definitions: Sequence[Fairness | str] = tuple(Fairness)
    columns: Sequence[str] | None = None
    min_ratio: float = 0.8
    confidence: float = 0.95
    severity: Severity = Severity.WARNING
    n_bins: int = 4
    max_levels: int = 20
    max_order: int = 2
    min_rows: int = 30
    max_named: int = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "definitions", tuple(Fairness(d) for d in self.definitions))
        object.__setattr__(self, "severity", Severity(self.severity))
        if self.columns is not None:
            object.__setattr__(self, "columns", tuple(self.columns))
        if not self.definitions or self.columns == ():
            raise ValueError("fairness needs a definition and a column; name at least one of each")
        if not 0 < self.min_ratio < 1:
            raise ValueError(f"{self.min_ratio=}: a smaller rate's share lies in (0, 1)")
        if not 0.5 < self.confidence < 1:
            raise ValueError(f"{self.confidence=}: a confidence lies in (0.5, 1)")
        if self.n_bins < 2 or self.max_levels < 2 or self.max_order < 1 or self.min_rows < 5:
            raise ValueError(
                f"{self.n_bins=}, {self.max_levels=}, {self.max_order=}, {self.min_rows=}: cut a "
                "column in two or more, cross one or more, and ask for five rows or more"
            )

    @override
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        check, columns = type(self).__name__, self._columns(dataset, problem)
        if not columns:
            yield no_groups(check, self.severity, asked=False)
            return
        asked = [(Fairness(d), Fairness(d).rates_for(problem.task)) for d in self.definitions]
        yield from (undefined(check, d, problem.task) for d, rates in asked if not rates)
        divided = self._divided(dataset, columns)
        if not divided:
            yield no_groups(check, self.severity, asked=True)
            return
        rows = model.scored_rows(dataset)
        names = dict.fromkeys(rate for _, rates in asked for rate in rates)
        pairs = [
            pair
            for rate in (Rates.of(name, rows) for name in names)
            for cut in divided
            for pair in pairs_of(rate, cut, self.min_ratio)
        ]
        tested = self._tested(pairs)
        for definition, rates in asked:
            for cut in divided if rates else ():
                of_cut = [p for p in tested if p.cut == cut.name and p.rate in rates]
                yield from found(self, definition, cut, of_cut)
        yield from (cannot_tell(self, cut) for cut in divided if cut.small)

    def _columns(self, dataset: Dataset, problem: Problem) -> tuple[str, ...]:
        columns = tuple(problem.sensitive if self.columns is None else self.columns)
        if missing := [name for name in columns if name not in dataset.columns]:
            raise InvalidProblemError(
                f"fairness is asked for by {', '.join(map(repr, missing))}, which the data does "
                "not have; keep sensitive columns beside the features, not among them"
            )
        return columns

    def _divided(self, dataset: Dataset, columns: tuple[str, ...]) -> list[Divided]:
        cuts = cuts_of(dataset, columns, n_bins=self.n_bins, max_levels=self.max_levels)
        crossed = [
            _crossed(several)
            for order in range(1, self.max_order + 1)
            for several in combinations(cuts, order)
        ]
        return [Divided.of(cut, n_columns=n, min_rows=self.min_rows) for n, cut in crossed]

    def _tested(self, pairs: list[Paired]) -> list[Paired]:
        """Hold each pair against the bound, at a level that all pairs and looks share."""
        adjusted = holm(looks_p_values(self.n_looks, [pair.p_value for pair in pairs]))
        confidence = self._level(self.confidence, len(pairs))
        return [
            pair.judged(p, 1 - self.confidence, confidence=confidence)
            for pair, p in zip(pairs, adjusted.tolist(), strict=True)
        ]


def _crossed(cuts: Sequence[Cut]) -> tuple[int, Cut]:
    """Cross cuts; what is too rare in one of them is too rare in all."""
    first, *others = cuts
    for other in others:
        rare = (first.codes == len(first.names) - 1) | (other.codes == len(other.names) - 1)
        codes: Any = first.codes * len(other.names) + other.codes
        names = [f"{a} & {b}" for a in first.names for b in other.names]
        first = Cut(
            column=f"{first.column} & {other.column}",
            names=(*names, ""),
            codes=np.where(rare, len(names), codes),
        )
    return len(cuts), first
