"""What a card asks of a validation, and what came of each question."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias, final

from mldeploy.evidence import Finding, Report, Severity, Verdict

Belongs: TypeAlias = Callable[[Finding], bool]


@final
@dataclass(frozen=True, kw_only=True)
class Topic:
    """One question, and the findings that answer it."""

    title: str
    asks: str
    belongs: Belongs

    def of(self, report: Report) -> tuple[Finding, ...]:
        """Return the findings of a report that answer it."""
        return tuple(f for f in report.findings if self.belongs(f))


def is_comparison(finding: Finding) -> bool:
    """Tell whether a finding holds the model against a rival on the same rows."""
    return " vs " in finding.name and not finding.name.endswith(" rival")


def _by(check: str) -> Belongs:
    return lambda finding: finding.check == check


def _criterion(finding: Finding) -> bool:
    return finding.criterion is not None and not is_comparison(finding)


def _slice(finding: Finding) -> bool:
    declared = _criterion(finding) and finding.slice is not None
    return declared or finding.check == "SliceValidator"


TOPICS: Final[tuple[Topic, ...]] = (
    Topic(
        title="Criteria",
        asks="the criteria on held-out rows",
        belongs=lambda f: _criterion(f) or f.check == "CriteriaValidator",
    ),
    Topic(
        title="Baselines",
        asks="a comparison with baselines and the champion",
        belongs=lambda f: is_comparison(f) or f.check == "BaselineValidator",
    ),
    Topic(title="Slices", asks="slices on which it is worse", belongs=_slice),
    Topic(
        title="Fairness",
        asks="a comparison of groups of people",
        belongs=_by("FairnessValidator"),
    ),
    Topic(
        title="Calibration",
        asks="whether its probabilities can be believed",
        belongs=_by("CalibrationValidator"),
    ),
    Topic(
        title="Uncertainty",
        asks="sets of answers that keep a promise",
        belongs=_by("UncertaintyValidator"),
    ),
    Topic(
        title="Autonomy",
        asks="where the model may decide by itself",
        belongs=_by("AutonomyValidator"),
    ),
    Topic(title="Fit", asks="over- and underfitting, by rivals", belongs=_by("FitValidator")),
    Topic(title="Ageing", asks="how it ages", belongs=_by("StalenessValidator")),
    Topic(
        title="Robustness",
        asks="noise, missing values, unseen categories and other units",
        belongs=_by("RobustnessValidator"),
    ),
    Topic(
        title="Stability",
        asks="other seeds, and columns left out",
        belongs=_by("StabilityValidator"),
    ),
    Topic(title="Leakage", asks="leaks in the fitted model", belongs=_by("LeakageValidator")),
    Topic(
        title="Explanation",
        asks="which columns matter, and how",
        belongs=_by("ExplanationValidator"),
    ),
    Topic(
        title="Behaviour",
        asks="odd rows that the schema accepts",
        belongs=_by("BehaviourValidator"),
    ),
    Topic(
        title="Rehearsal",
        asks="a rehearsal of serving and going back",
        belongs=_by("RehearsalValidator"),
    ),
    Topic(title="Value", asks="what it is worth", belongs=_by("ValueValidator")),
)
"""What a thorough validation answers, in the order of a card."""


@final
@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What came of one question."""

    title: str
    asks: str
    findings: tuple[Finding, ...]

    @property
    def verdict(self) -> Verdict | None:
        """What its findings come to, waived ones and remarks left out; None if not asked."""
        if not self.findings:
            return None
        if self.is_open:
            return Verdict.INSUFFICIENT
        counting = [f for f in self.findings if f.severity is not Severity.INFO]
        return Verdict.combine(
            Verdict.PASS if f.waived_by else f.verdict for f in counting or self.findings
        )

    @property
    def is_open(self) -> bool:
        """Whether it was asked, and none of its findings could say anything."""
        return bool(self.findings) and all(
            f.verdict is Verdict.INSUFFICIENT for f in self.findings
        )

    @property
    def waived_by(self) -> tuple[str, ...]:
        """Who took responsibility for what does not hold."""
        return tuple(dict.fromkeys(f.waived_by for f in self.findings if f.waived_by))

    @property
    def in_words(self) -> str:
        """The first sentence of the finding that decides, or what was not asked."""
        if not self.findings:
            return f"Not part of this validation: {self.asks}."
        wanted = self.verdict
        ranked = sorted(self.findings, key=lambda f: f.severity is Severity.INFO)
        told = next((f for f in ranked if f.verdict is wanted), ranked[0])
        first, end, _ = told.summary.partition(". ")
        return first + end.rstrip()


def outcomes(report: Report) -> Iterator[Outcome]:
    """Yield what came of each question, then of checks that belong to none."""
    claimed: set[int] = set()
    for topic in TOPICS:
        found = topic.of(report)
        claimed |= {id(f) for f in found}
        yield Outcome(title=topic.title, asks=topic.asks, findings=found)
    others: dict[str, list[Finding]] = {}
    for finding in report.findings:
        if id(finding) not in claimed:
            others.setdefault(finding.check, []).append(finding)
    for check, findings in others.items():
        yield Outcome(title=check, asks=f"what {check} asks", findings=tuple(findings))
