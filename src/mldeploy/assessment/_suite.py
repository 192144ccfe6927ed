"""Several assessors as one, and those that are used when nobody chooses."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from tqdm import tqdm
from typing_extensions import override

from mldeploy._record import Clock, utc_now
from mldeploy.assessment._adequacy import AdequacyAssessor
from mldeploy.assessment._base import DataAssessor
from mldeploy.assessment._duplicates import DuplicatesAssessor
from mldeploy.assessment._leakage import LeakageAssessor
from mldeploy.assessment._missing import MissingAssessor
from mldeploy.assessment._schema import SchemaAssessor
from mldeploy.assessment._share import asked_for
from mldeploy.assessment._timeliness import TimelinessAssessor
from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Problem

_WEIGHT = {Severity.BLOCKER: 0, Severity.WARNING: 1, Severity.INFO: 2}
_WORST_FIRST = {Verdict.FAIL: 0, Verdict.INSUFFICIENT: 1, Verdict.PASS: 2}


@final
@dataclass(frozen=True)
class AssessorSuite(DataAssessor):
    """Several assessors as one; the findings come by their consequence.

    What blocks comes first, then warnings, then what holds, then what is for the record:
    among it what was not checked, and why.

    Attributes
    ----------
    assessors : tuple of DataAssessor
        At least one.
    """

    assessors: tuple[DataAssessor, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "assessors", tuple(self.assessors))
        if not self.assessors:
            raise ValueError("a suite needs at least one assessor")

    @override
    def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        findings: list[Finding] = []
        steps = tqdm(self.assessors, desc="assess", delay=1, leave=False)
        for assessor in steps:
            findings += assessor.assess(dataset, problem).findings
        yield from sorted(findings, key=_consequence)


def _consequence(finding: Finding) -> tuple[bool, int, int]:
    for_the_record = finding.severity is Severity.INFO
    settled = for_the_record or finding.verdict is Verdict.PASS
    return settled, _WEIGHT[finding.severity], _WORST_FIRST[finding.verdict]


def default_assessors(problem: Problem, *, clock: Clock = utc_now) -> AssessorSuite:
    """Return the assessors that suit a problem.

    Parameters
    ----------
    problem : Problem
        Without a prediction time nothing is judged by its age, unless a criterion asks for it.
    clock : Clock, default=utc_now
        Tells the time by which the age of rows is judged.

    Returns
    -------
    AssessorSuite
        Schema, missing values, duplicates, leakage and adequacy; timeliness where rows have a
        time.
    """
    assessors: list[DataAssessor] = [
        SchemaAssessor(),
        MissingAssessor(),
        DuplicatesAssessor(),
        LeakageAssessor(),
        AdequacyAssessor(),
    ]
    if problem.prediction_time is not None or asked_for(problem, "age"):
        assessors.append(TimelinessAssessor(clock=clock))
    return AssessorSuite(tuple(assessors))
