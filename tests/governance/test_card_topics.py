"""Each question of a thorough validation is answered on the card, or listed as not done."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from mldeploy.evidence import Finding
from mldeploy.governance import ModelCard

CardOf = Callable[..., ModelCard]

ASKED = [
    ("Criteria", "CriteriaValidator", "the criteria on held-out rows"),
    ("Baselines", "BaselineValidator", "a comparison with baselines and the champion"),
    ("Slices", "SliceValidator", "slices on which it is worse"),
    ("Fairness", "FairnessValidator", "a comparison of groups of people"),
    ("Calibration", "CalibrationValidator", "whether its probabilities can be believed"),
    ("Uncertainty", "UncertaintyValidator", "sets of answers that keep a promise"),
    ("Autonomy", "AutonomyValidator", "where the model may decide by itself"),
    ("Fit", "FitValidator", "over- and underfitting, by rivals"),
    ("Ageing", "StalenessValidator", "how it ages"),
    ("Robustness", "RobustnessValidator", "noise, missing values, unseen categories"),
    ("Stability", "StabilityValidator", "other seeds, and columns left out"),
    ("Leakage", "LeakageValidator", "leaks in the fitted model"),
    ("Explanation", "ExplanationValidator", "which columns matter, and how"),
    ("Behaviour", "BehaviourValidator", "odd rows that the schema accepts"),
    ("Rehearsal", "RehearsalValidator", "a rehearsal of serving and going back"),
    ("Value", "ValueValidator", "what it is worth"),
]


def finding(check: str, **more: object) -> Finding:
    made = {"check": check, "name": "found", "verdict": "PASS", "summary": f"Told by {check}."}
    return Finding.model_validate(made | more)


def glance(card: ModelCard) -> dict[str, tuple[str, ...]]:
    (section,) = (s for s in card.sections if s.title == "At a glance")
    return {row[0]: row[1:] for row in section.rows}


def not_done(card: ModelCard) -> str:
    (section,) = (s for s in card.sections if s.title == "What was not done")
    return section.text + " ".join(" ".join(row) for row in section.rows)


def test_what_was_done_is_told_and_not_listed_as_missing(
    card_of: CardOf,
) -> None:
    card = card_of(*(finding(check) for _, check, _ in ASKED))

    assert glance(card) == {title: ("PASS", "1", f"Told by {check}.") for title, check, _ in ASKED}
    assert not_done(card) == "Nothing left out."


@pytest.mark.parametrize(("title", "check", "asks"), ASKED)
def test_what_was_not_done_is_listed_as_such(
    card_of: CardOf, title: str, check: str, asks: str
) -> None:
    card = card_of(*(finding(other) for _, other, _ in ASKED if other != check))

    assert glance(card)[title][:2] == ("not done", "0")
    assert asks in not_done(card)
    assert sum(row[0] == "not done" for row in glance(card).values()) == 1


def test_what_was_asked_without_an_answer_is_listed_with_the_reason(
    card_of: CardOf,
) -> None:
    why = "The problem names no sensitive column, so fairness was not looked at."
    card = card_of(
        finding("FairnessValidator", verdict="INSUFFICIENT", severity="info", summary=why),
        finding("CriteriaValidator"),
    )

    assert glance(card)["Fairness"][0] == "INSUFFICIENT"
    assert f"Asked, without an answer:Fairness {why}" in not_done(card)


def test_criteria_answer_the_questions_about_slices_and_baselines_too(
    card_of: CardOf,
) -> None:
    card = card_of(
        finding("CriteriaValidator", name="recall", slice="carrier=AA", criterion="f00"),
        finding("CriteriaValidator", name="roc_auc vs baseline", criterion="f01", verdict="FAIL"),
    )

    told = glance(card)
    assert (told["Slices"][0], told["Baselines"][0]) == ("PASS", "FAIL")
    assert "baselines" not in not_done(card)
    assert "fairness" not in not_done(card).lower().partition("groups of people")[0]


def test_a_remark_does_not_fail_a_question_and_a_check_of_your_own_is_named(
    card_of: CardOf,
) -> None:
    card = card_of(
        finding("RobustnessValidator"),
        finding("RobustnessValidator", verdict="FAIL", severity="info"),
        finding("NeverLow", summary="It is never low. Nor high."),
    )

    told = glance(card)
    assert told["Robustness"][0] == "PASS"
    assert told["NeverLow"] == ("PASS", "1", "It is never low.")
