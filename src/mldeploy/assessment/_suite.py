"""Several assessors as one, and those that are used when nobody chooses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import final

from tqdm import tqdm
from typing_extensions import override

from mldeploy._record import Clock, utc_now
from mldeploy.assessment._adequacy import AdequacyAssessor
from mldeploy.assessment._balance import BalanceAssessor
from mldeploy.assessment._base import DataAssessor
from mldeploy.assessment._change import ChangeAssessor
from mldeploy.assessment._collinear import CollinearityAssessor
from mldeploy.assessment._consequence import ranked
from mldeploy.assessment._cost import FeatureCost, FeatureCostAssessor
from mldeploy.assessment._duplicates import DuplicatesAssessor
from mldeploy.assessment._label_quality import LabelQualityAssessor
from mldeploy.assessment._leakage import LeakageAssessor
from mldeploy.assessment._missing import MissingAssessor
from mldeploy.assessment._representative import RepresentativenessAssessor
from mldeploy.assessment._say import skipped
from mldeploy.assessment._schema import SchemaAssessor
from mldeploy.assessment._sensitive import SensitiveAssessor
from mldeploy.assessment._share import asked_for
from mldeploy.assessment._timeliness import TimelinessAssessor
from mldeploy.assessment._values import ValuesAssessor
from mldeploy.data import Dataset
from mldeploy.evidence import Finding
from mldeploy.problem import Problem


@final
@dataclass(frozen=True)
class AssessorSuite(DataAssessor):
    """Several assessors as one; the findings come by their consequence.

    What blocks comes first, then warnings, each by how many of the problem's criteria they put
    in doubt (named in the finding's details as ``in_doubt``), then what holds, then what is for
    the record: among it what was not checked, and why.

    Attributes
    ----------
    assessors : tuple of DataAssessor
        At least one.
    left_out : mapping of str to str
        Assessors that are not among them, and why: told for the record.
    """

    assessors: tuple[DataAssessor, ...]
    left_out: Mapping[str, str] = field(default_factory=dict)

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
        for name, why in self.left_out.items():
            findings.append(skipped(type(self).__name__, name, why))
        yield from ranked(findings, problem)


def default_assessors(
    problem: Problem,
    *,
    reference: Dataset | None = None,
    population: Dataset | None = None,
    sources: Mapping[str, FeatureCost] | None = None,
    clock: Clock = utc_now,
) -> AssessorSuite:
    """Return the assessors that suit a problem, and why others were left out.

    Parameters
    ----------
    problem : Problem
        Without a prediction time nothing is judged by its age, unless a criterion asks for it;
        of numbers nobody asks for balance or wrong classes.
    reference : Dataset, optional
        Data that are trusted, by which these are compared: see `ChangeAssessor`.
    population : Dataset, optional
        Rows like those that the model will meet: see `RepresentativenessAssessor`.
    sources : mapping of str to FeatureCost, optional
        What features take in production: see `FeatureCostAssessor`.
    clock : Clock, default=utc_now
        Tells the time by which the age of rows is judged.

    Returns
    -------
    AssessorSuite
        Schema, missing values, duplicates, impossible values, copies, personal data and proxies,
        leakage and adequacy; balance and label quality of classes; timeliness where rows have a
        time; representativeness, change and cost where what they need is given.

    Examples
    --------
    >>> from mldeploy.problem import Criterion
    >>> problem = Problem(name="price", statement="What is it worth?", target="price",
    ...                   task="regression",
    ...                   criteria=[Criterion("mean_absolute_error", at_most=9)])
    >>> print(*default_assessors(problem).left_out, sep="\\n")
    BalanceAssessor
    LabelQualityAssessor
    TimelinessAssessor
    RepresentativenessAssessor
    ChangeAssessor
    FeatureCostAssessor
    """
    assessors: list[DataAssessor] = [
        SchemaAssessor(),
        MissingAssessor(),
        DuplicatesAssessor(),
        ValuesAssessor(),
        CollinearityAssessor(),
        SensitiveAssessor(),
        LeakageAssessor(),
        AdequacyAssessor(),
    ]
    left_out = {}
    if problem.task.is_classification:
        assessors += [BalanceAssessor(), LabelQualityAssessor()]
    else:
        for name in (BalanceAssessor.__name__, LabelQualityAssessor.__name__):
            left_out[name] = "the target is a number, not a class"
    if problem.prediction_time is not None or asked_for(problem, "age"):
        assessors.append(TimelinessAssessor(clock=clock))
    else:
        left_out[TimelinessAssessor.__name__] = "the problem has no prediction time"
    if population is not None or problem.weight is not None:
        assessors.append(RepresentativenessAssessor(population=population))
    else:
        left_out[RepresentativenessAssessor.__name__] = "no population and no weight is declared"
    if reference is not None:
        assessors.append(ChangeAssessor(reference=reference))
    else:
        left_out[ChangeAssessor.__name__] = "no reference was given"
    if sources is not None:
        assessors.append(FeatureCostAssessor(sources=sources))
    else:
        left_out[FeatureCostAssessor.__name__] = "no cost of a feature is declared"
    return AssessorSuite(tuple(assessors), left_out)
