"""What a validation found is drawn on the card, with the same figures as a table."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from datetime import datetime, timedelta

from mldeploy.evidence import Finding
from mldeploy.governance import ModelCard, model_card
from mldeploy.model import Bundle
from mldeploy.problem import Criterion
from mldeploy.registry import ModelVersion, Registry
from mldeploy.stats import Interval, reliability_curve
from mldeploy.validation import AgeQuality, Latencies, PartialDependence, RiskCoverage

Register = Callable[..., tuple[ModelVersion, Bundle]]
CardOf = Callable[..., ModelCard]
HOSTILE = '</svg></figure><script>alert(1)</script><img src=x onerror="x">'


def measured(check: str, name: str, estimate: float, **more: object) -> Finding:
    made = {
        "check": check, "name": name, "verdict": "PASS", "summary": "s", "estimate": estimate,
        "interval": Interval(low=estimate - 0.05, high=estimate + 0.05, confidence=0.95),
        "threshold": 0.5, "n": 1200,
    }  # fmt: skip
    return Finding.model_validate(made | more)


def criterion(name: str, estimate: float, bound: float = 0.5, **more: object) -> Finding:
    margin = abs(estimate - bound)
    details = {"margin": margin if more.get("verdict", "PASS") == "PASS" else -margin}
    return measured(
        "CriteriaValidator", name, estimate, threshold=bound, criterion="f0", details=details,
        **more,
    )  # fmt: skip


def everything(text: str = "x") -> list[Finding]:
    """Return a finding for each kind of picture."""
    reliability = reliability_curve([0, 0, 1, 1], [0.1, 0.2, 0.7, 0.9], n_bins=2)
    risk = RiskCoverage(
        coverage=(0.5, 1.0), error=(0.05, 0.1), low=(0.0, 0.05), high=(0.1, 0.2),
        max_error=0.08, chosen=0.75,
    )  # fmt: skip
    ages = AgeQuality(
        metric="f1", unit="", ages=(timedelta(0), timedelta(days=30)), excess=(0.0, 0.02),
        low=(0.0, 0.01), high=(0.0, 0.03), fitted=(0.0, 0.02), tolerance=0.01, n=6,
        period=timedelta(days=15), period_interval=None,
    )  # fmt: skip
    moves = PartialDependence(
        column=text, values=(1.0, 2.0), mean=(0.1, 0.9), low=(0, 0.5), high=(0.2, 1), answer="late"
    )
    kinds = moves.model_copy(update={"values": ("AA", text)})
    return [
        criterion("f1", 0.8),
        criterion("f1", 0.7, slice=text),
        measured("BaselineValidator", "f1 vs baseline", 0.1, threshold=0.0),
        measured("ValueValidator", "value", 12.0, threshold=0.0, unit="EUR"),
        measured("SliceValidator", "f1 gap", 0.1, slice=text, verdict="FAIL"),
        measured("FairnessValidator", "equal_opportunity", 0.9, slice=text, threshold=0.8),
        measured("CalibrationValidator", "calibration_error", 0.06,
                 details={"reliability": reliability.to_json()}),
        measured("UncertaintyValidator", "coverage", 0.9, slice=text),
        measured("AutonomyValidator", "automatic_share", 0.7,
                 details={"certain": "automatic", "uncertain": "review",
                          "risk_coverage": risk.to_json()}),
        measured("FitValidator", "f1 vs simpler rival", 0.02),
        measured("StalenessValidator", "retraining_period", 2e6, unit="s", interval=None,
                 details={"age_quality": ages.to_json()}),
        measured("RobustnessValidator", "NoiseProbe", 0.02, column=text),
        measured("BehaviourValidator", "order", 0.02, threshold=0.0, interval=None,
                 verdict="FAIL"),
        measured("RehearsalValidator", "rehearsal", 1.0, threshold=None,
                 details={"latencies": Latencies.of([0.001, 0.003]).to_json()}),
        measured("RehearsalValidator", "latency_p99", 0.003, threshold=0.02, unit="s"),
        measured("StabilityValidator", "seeds", 0.02),
        measured("StabilityValidator", "ablation", 0.02, column=text),
        measured("LeakageValidator", "leaking_columns", 0.7, column=text),
        measured("ExplanationValidator", "importance", 0.2, column=text, threshold=None,
                 details={"partial_dependence": moves.to_json()}),
        measured("ExplanationValidator", "importance", 0.1, column="k", threshold=None,
                 details={"partial_dependence": kinds.to_json()}),
    ]  # fmt: skip


def figures(page: str) -> list[ET.Element]:
    """Return the figures of a page; they are well-formed XML."""
    parts = page.split("<figure>")[1:]
    return [ET.fromstring(f"<figure>{part.split('</figure>')[0]}</figure>") for part in parts]


def test_each_kind_of_evidence_is_drawn_under_its_question(
    card_of: CardOf,
) -> None:
    drawn = figures(card_of(*everything()).to_html())

    assert [f.findtext("figcaption/h3") for f in drawn] == [
        *("Criteria", "Baselines", "Value", "Slices", "Fairness"),
        *("Calibration", "Calibration"),
        *("Uncertainty", "Autonomy", "Fit", "Ageing", "Robustness", "Behaviour"),
        *(
            "Stability",
            "Stability",
            "Leakage",
            "Rehearsal",
            "Explanation",
            "Explanation",
            "Explanation",
        ),
    ]


def test_each_picture_is_announced_described_and_told_as_a_table(
    card_of: CardOf,
) -> None:
    for figure in figures(card_of(*everything()).to_html()):
        (svg,) = figure.iter("svg")
        assert svg.get("role") == "img"
        assert svg.findtext("title")
        assert svg.findtext("desc")
        assert len(list(figure.iter("tr"))) >= 2
        assert all(cell.get("scope") == "col" for cell in figure.iter("th"))


def test_the_table_says_what_is_drawn(card_of: CardOf) -> None:
    card = card_of(*everything("AA"))
    tables = {
        figure.findtext("figcaption/h3"): [
            tuple(cell.text for cell in row) for row in figure.find("details/table/tbody") or ()
        ]
        for figure in figures(card.to_html())[::-1]
    }

    assert tables["Criteria"] == [
        ("f1", "0.8 [0.75, 0.85]", "0.5", "1,200", "PASS"),
        ("f1 · AA", "0.7 [0.65, 0.75]", "0.5", "1,200", "PASS"),
    ]
    assert tables["Autonomy"] == [
        ("0.5", "0.05 [0, 0.1]", "0.08", "-"),
        ("0.75", "-", "-", "0.2"),
        ("1", "0.1 [0.05, 0.2]", "0.08", "-"),
    ]
    assert tables["Value"] == [
        ("value", "12 EUR [11.95 EUR, 12.05 EUR]", "0 EUR", "1,200", "PASS")
    ]
    assert tables["Behaviour"] == [("order", "0.02", "0", "1,200", "FAIL")]
    assert tables["Rehearsal"][0] == ("0.05", "1.1", "20")  # 1 ms and a twentieth of 2
    assert tables["Rehearsal"][-1] == ("0.99", "2.98", "20")
    assert tables["Ageing"][1] == ("30", "0.02 [0.01, 0.03]", "0.02", "0.01")


def test_hostile_names_stay_inside_their_pictures(card_of: CardOf) -> None:
    tame, hostile = (card_of(*everything(text)).to_html() for text in ("x", HOSTILE))

    assert len(figures(hostile)) == len(figures(tame))
    assert "<script" not in hostile
    assert "<img" not in hostile
    assert HOSTILE in "".join(figures(hostile)[0].itertext())


def test_figures_of_one_metric_share_a_scale_only_with_their_like(
    card_of: CardOf,
) -> None:
    """Shares above a bound, shares below one, minutes, and large numbers: four charts."""
    card = card_of(
        criterion("f1", 0.8), criterion("recall", 0.7), criterion("brier", 0.1, 0.2),
        criterion("mean_absolute_error", 4.0, 5.0, unit="min"), criterion("gain", 9e4, 8e4),
    )  # fmt: skip
    below = [f for f in figures(card.to_html()) if "brier" in "".join(f.itertext())]

    assert len(figures(card.to_html())) == 4
    shade = next(e for e in below[0].iter("rect"))
    assert float(shade.get("x", "nan")) == 200.0  # from the left edge up to the bound


def test_of_many_groups_those_that_fail_are_drawn_and_the_page_stays_small(
    card_of: CardOf,
) -> None:
    fine = [measured("FairnessValidator", "parity", 0.9, slice=f"g{i}") for i in range(600)]
    bad = measured("FairnessValidator", "parity", 0.4, slice="worst", verdict="FAIL")
    page = card_of(*fine, bad, *everything()).to_html()

    (drawn,) = (f for f in figures(page) if f.findtext("figcaption/h3") == "Fairness")
    assert "(24 of 602, the worst)" in (drawn.findtext("svg/title") or "")
    assert "parity · worst" in [e.text for e in drawn.iter("text")]
    assert len(page) < 500_000


def test_a_card_without_figures_and_one_that_was_stored_show_themselves(
    card_of: CardOf,
) -> None:
    plain = card_of(Finding(check="A", name="a", verdict="PASS", summary="s"))
    card = card_of(*everything())

    assert "<svg" not in plain.to_html()
    assert ModelCard.model_validate_json(card.to_json()).to_html() == card.to_html()
    older = {k: v for k, v in json.loads(card.to_json()).items() if k != "report"}
    assert "<svg" not in ModelCard.model_validate(older).to_html()


def test_two_versions_with_different_criteria_are_shown_side_by_side(
    registry: Registry, register: Register, clock: Callable[[], datetime]
) -> None:
    """The bound of roc_auc rose, recall is new, brier is gone."""
    old = [Criterion("roc_auc", at_least=0.7), Criterion("brier", at_most=0.2)]
    new = [Criterion("roc_auc", at_least=0.8), Criterion("recall", at_least=0.6)]
    first = model_card(
        registry,
        *register(criterion("roc_auc", 0.75, 0.7), criterion("brier", 0.1, 0.2), criteria=old),
        at=clock(),
    )
    failed = criterion("roc_auc", 0.78, 0.8, verdict="INSUFFICIENT")
    second = model_card(
        registry, *register(failed, criterion("recall", 0.7, 0.6), criteria=new), at=clock()
    )

    told = second.diff(first)
    lines = {(section, line): (was, is_) for section, line, was, is_ in told.rows}

    assert lines["What must hold", "roc_auc"] == (
        "roc_auc at least 0.7 | 95% | blocker",
        "roc_auc at least 0.8 | 95% | blocker",
    )
    assert lines["What must hold", "recall"][0] == ""
    assert lines["What must hold", "brier"][1] == ""
    assert "new" in told.text
    page = told.to_html()
    names = [e.text for f in figures(page) for e in f.iter("text")]
    assert [n for n in names if n and " · " in n] == [
        *("roc_auc · 1", "roc_auc · 2", "recall · 2", "brier · 1"),
    ]
    assert "default-src 'none'" in page
    assert '<span class="tag INSUFFICIENT">' in page
