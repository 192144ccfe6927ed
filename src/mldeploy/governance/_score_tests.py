"""The 28 tests of the ML Test Score, and what would answer each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

DATA, MODEL, INFRASTRUCTURE, MONITORING = "data", "model", "infrastructure", "monitoring"


@final
@dataclass(frozen=True, kw_only=True)
class ScoreTest:
    """One test of the rubric.

    Attributes
    ----------
    id : str
        Section and number, such as ``"data 1"``.
    title : str
        What must hold.
    action : str
        What earns the point.
    can_be_declared : bool
        Whether somebody's word counts where the store shows nothing.
    """

    id: str
    title: str
    action: str
    can_be_declared: bool = False

    @property
    def section(self) -> str:
        """The section that it counts for."""
        return self.id.partition(" ")[0]


def _section(name: str, *rows: tuple[str, str] | tuple[str, str, bool]) -> list[ScoreTest]:
    return [
        ScoreTest(id=f"{name} {i}", title=row[0], action=row[1], can_be_declared=len(row) > 2)
        for i, row in enumerate(rows, 1)
    ]


TESTS: Final[tuple[ScoreTest, ...]] = (
    *_section(
        DATA,
        ("What is expected of features is written as a schema", "Register a version."),
        ("Every feature is of use", "Validate with StabilityValidator, which leaves columns out."),
        ("No feature costs too much", "Assess with FeatureCostAssessor.", True),
        ("Features keep to what is required of them", "Assess the data."),
        ("Personal data is guarded", "Assess with SensitiveAssessor."),
        ("A new feature can be added quickly", "Declare how long it took last.", True),
        ("The code that makes features is tested", "Declare where its tests run.", True),
    ),
    *_section(
        MODEL,
        ("What is trained is reviewed and kept in version control",
         "Commit before training, and have somebody else approve the version."),
        ("Figures offline go with those online", "Monitor with labels.", True),
        ("Settings were searched", "Train with SearchTrainer.", True),
        ("It is known how the model ages", "Validate with StalenessValidator."),
        ("A simpler model is not better", "Validate with BaselineValidator or FitValidator."),
        ("It is good enough on every slice that matters",
         "Give criteria slices, or validate with SliceValidator."),
        ("It treats groups of people alike",
         "Validate with FairnessValidator, or declare why nobody is concerned.", True),
    ),
    *_section(
        INFRASTRUCTURE,
        ("Training can be repeated", "Train from committed code, and with StabilityValidator."),
        ("The code of the model has unit tests", "Declare where they run.", True),
        ("The whole way runs as one", "Use project.run; again whenever something changes."),
        ("A model is validated before it serves", "Validate; what does not pass cannot serve."),
        ("One answer can be followed step by step",
         "Register with golden rows, and validate with ExplanationValidator."),
        ("A model meets little traffic first", "Deploy with Canary, beside a champion."),
        ("One can go back", "Validate with RehearsalValidator, or promote a second version."),
    ),
    *_section(
        MONITORING,
        ("Changes of what it depends on are noticed", "Declare what tells you of them.", True),
        ("What holds of inputs is watched", "Monitor with DataQualityMonitor."),
        ("Features are the same in training and service",
         "Register with golden rows, so that what serves is held against the original."),
        ("The model is not too old", "Monitor, and validate with StalenessValidator."),
        ("Figures stay finite", "Validate with RobustnessValidator."),
        ("It has not become slow or large", "Monitor with LatencyMonitor."),
        ("Its answers have not become worse", "Monitor with labels."),
    ),
)  # fmt: skip
"""After E. Breck, S. Cai, E. Nielsen, M. Salib and D. Sculley, "The ML test score: a rubric for ML
production readiness and technical debt reduction", IEEE Big Data 2017, sections II to V."""
