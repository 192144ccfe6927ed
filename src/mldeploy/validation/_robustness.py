"""How answers change when rows are changed on purpose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt
from tqdm import tqdm
from typing_extensions import override

from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.model import Model
from mldeploy.problem import Problem
from mldeploy.stats import Estimate, bootstrap_ratio, rows_needed, wilson
from mldeploy.validation._asked import Tried, tried
from mldeploy.validation._looks import LookingValidator
from mldeploy.validation._nearest_flip import nearest_flips
from mldeploy.validation._probe import Probe
from mldeploy.validation._probes import MissingProbe, NoiseProbe, UnitProbe, UnseenProbe
from mldeploy.validation._shuffled import drawn

Array: TypeAlias = npt.NDArray[Any]
_FEWEST_UNITS = 5


@final
@dataclass(frozen=True, kw_only=True)
class Example:
    """A row whose right answer everybody knows: a test of minimum functionality.

    Attributes
    ----------
    row : mapping of str to value
        The features.
    answer : bool, int, float or str
        What must be answered.
    within : float
        By how much a number may differ.
    """

    row: Mapping[str, Any]
    answer: Any
    within: float = 0.0


def default_probes() -> tuple[Probe, ...]:
    """Return the probes that suit any table: noise, missing and unseen values, wrong units."""
    return (NoiseProbe(), MissingProbe(), UnseenProbe(), UnitProbe())


@final
@dataclass(frozen=True, kw_only=True)
class RobustnessValidator(LookingValidator):
    """Change rows on purpose, and count the answers that do what they may not.

    Each probe's share of failures is judged on its interval. Decisions are also searched for
    the smallest change of a row's numbers that turns them, and examples that everybody knows
    must all be answered rightly.

    Attributes
    ----------
    probes : sequence of Probe
        What is changed, and what may follow.
    examples : sequence of Example
        Rows whose answers are known.
    tolerance : float
        How far a number may move and still count as the same, in standard deviations of all
        answers.
    flip_size : float
        A change of all numbers within this many standard deviations should turn few decisions.
    max_flips : float
        Share of decisions that it may turn.
    confidence : float
        Two-sided confidence of each interval.
    n_looks : int
        As of `CriteriaValidator`.
    max_rows, max_flip_rows : int
        Rows that are probed, and rows that are searched; of the latter 0 for no search.
    random_state : int
        Seed of the draws.

    Examples
    --------
    >>> from mldeploy.validation import DirectionProbe
    >>> RobustnessValidator(probes=[DirectionProbe(column="debt", by=100.0)]).max_rows
    2000
    """

    probes: Sequence[Probe] = field(default_factory=default_probes)
    examples: Sequence[Example] = ()
    tolerance: float = 0.1
    flip_size: float = 0.05
    max_flips: float = 0.25
    confidence: float = 0.95
    max_rows: int = 2_000
    max_flip_rows: int = 200
    random_state: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "probes", tuple(self.probes))
        object.__setattr__(self, "examples", tuple(self.examples))
        if self.tolerance <= 0 or self.flip_size <= 0:
            raise ValueError(f"{self.tolerance=}, {self.flip_size=}: both are above 0")
        if not 0 < self.max_flips < 1 or not 0.5 < self.confidence < 1:
            raise ValueError(f"{self.max_flips=}, {self.confidence=}: a share, and a confidence")
        if self.max_rows < 50 or self.max_flip_rows < 0:
            raise ValueError(f"{self.max_rows=}, {self.max_flip_rows=}: probe 50 rows or more")

    @override
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        if self.examples:
            yield self._examples(model)
        dataset = drawn(dataset, self.max_rows, np.random.default_rng(self.random_state))
        X, units = dataset.pandas(model.signature.features), dataset.units()
        for number, probe in enumerate(tqdm(self.probes, desc="probes", delay=1, leave=False)):
            rng = np.random.default_rng([self.random_state, number])
            found = tried(probe, model, X, tolerance=self.tolerance, rng=rng)
            yield self._judged(probe, found, units)
        if self.max_flip_rows and problem.task.is_classification:
            yield self._flips(model, dataset)

    def _judged(self, probe: Probe, found: Tried, units: Array | None) -> Finding:
        name = type(probe).__name__
        if found.why_not:
            return self._open(name, found.why_not, probe.severity)
        of_units = None if units is None else units[found.rows]
        share = self._share(found.failed, of_units)
        if share is None:
            return self._open(name, f"only {len(found.failed)} rows were changed", probe.severity)
        verdict = _verdict(share, probe.at_most)
        more = None
        if verdict is Verdict.INSUFFICIENT:
            total = rows_needed(share, threshold=probe.at_most, n=len(found.failed))
            more = None if total is None else max(total - len(found.failed), 1)
        return Finding(
            check=type(self).__name__,
            name=name,
            verdict=verdict,
            severity=probe.severity,
            summary=(
                f"{found.failed.sum():,} of {len(found.failed):,} changed rows: "
                f"{found.told}. {found.n_refused:,} were refused by the schema."
            ),
            action=_action(verdict, more),
            estimate=share.value,
            interval=share.interval,
            n=share.n,
            threshold=probe.at_most,
            column=found.column,
            rows_needed=more,
            details={
                "n_refused": found.n_refused,
                "changed_decisions": found.turned,
                "probe": str(probe),
                "error": found.error or None,
            },
        )

    def _share(self, failed: Array, units: Array | None) -> Estimate | None:
        if not len(failed):
            return None
        if units is None:
            return wilson(int(failed.sum()), len(failed), confidence=self._level(self.confidence))
        if len(np.unique(units)) < _FEWEST_UNITS:
            return None
        return bootstrap_ratio(
            failed.astype(float),
            np.ones(len(failed)),
            units=units,
            n_resamples=1000,
            confidence=self._level(self.confidence),
            rng=np.random.default_rng(self.random_state),
        )

    def _flips(self, model: Model, dataset: Dataset) -> Finding:
        rng = np.random.default_rng([self.random_state, 1_000])
        rows = drawn(dataset, self.max_flip_rows, rng)
        try:
            found = nearest_flips(model, rows.pandas(model.signature.features), rng=rng)
        except Exception as error:  # noqa: BLE001 - whatever the model raises is told
            why = f"the model raised {type(error).__name__}: {error}"
            return self._open("nearest_flip", why, Severity.WARNING)
        if found is None:
            return self._open("nearest_flip", "the model reads no numbers", Severity.INFO)
        units = rows.units()
        share = self._share(found.distance <= self.flip_size, units)
        if share is None:
            return self._open("nearest_flip", "there are too few units", Severity.INFO)
        finite = found.distance[np.isfinite(found.distance)]
        return Finding(
            check=type(self).__name__,
            name="nearest_flip",
            verdict=_verdict(share, self.max_flips),
            severity=Severity.INFO,
            summary=(
                f"Changes of all numbers within {self.flip_size:g} standard deviations turn "
                f"{share.value:.0%} of decisions."
            ),
            action="" if share.value <= self.max_flips else "Let people decide near the border.",
            estimate=share.value,
            interval=share.interval,
            n=share.n,
            threshold=self.max_flips,
            details={
                "median_distance": float(np.median(finite)) if finite.size else None,
                "never_turned": float(np.isinf(found.distance).mean()),
                "most_alone": max(found.columns, key=lambda n: found.columns[n], default=None),
            },
        )

    def _examples(self, model: Model) -> Finding:
        import pandas as pd  # noqa: PLC0415 - only where there are examples

        wrong = []
        for number, example in enumerate(self.examples):
            try:
                said = model.predict(pd.DataFrame([dict(example.row)]))[0]
                right = said == example.answer or abs(said - example.answer) <= example.within
            except Exception as error:  # noqa: BLE001 - whatever the model raises is told
                said, right = f"{type(error).__name__}: {error}", False
            if not right:
                wrong.append(f"example {number + 1} gives {said}, not {example.answer}")
        n = len(self.examples)
        return Finding(
            check=type(self).__name__,
            name="minimum_functionality",
            verdict=Verdict.FAIL if wrong else Verdict.PASS,
            summary="; ".join(wrong[:5]) or f"All {n} examples are answered rightly.",
            action="Teach it these cases, or handle them outside of it." if wrong else "",
            estimate=len(wrong) / n,
            n=n,
            threshold=0.0,
        )

    def _open(self, name: str, why: str, severity: Severity) -> Finding:
        return Finding(
            check=type(self).__name__,
            name=name,
            verdict=Verdict.INSUFFICIENT,
            severity=severity,
            summary=f"It could not be tried: {why}.",
            action="Name a column that the model reads, or leave it out.",
        )


def _verdict(share: Estimate, at_most: float) -> Verdict:
    if share.interval.high <= at_most:
        return Verdict.PASS
    return Verdict.FAIL if share.interval.low > at_most else Verdict.INSUFFICIENT


def _action(verdict: Verdict, more: int | None) -> str:
    if verdict is Verdict.FAIL:
        return (
            "Let the schema refuse such rows, teach the model with such rows, or constrain it; or "
            "accept more failures."
        )
    return f"About {more:,} more rows would settle it." if more else ""
