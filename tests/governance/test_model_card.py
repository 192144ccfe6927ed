"""The card says what the record says, and no name can break out of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from mldeploy.errors import IntegrityError
from mldeploy.evidence import Finding
from mldeploy.governance import ApprovalDesk, ModelCard, model_card
from mldeploy.model import Bundle
from mldeploy.registry import ModelVersion, Registry

Register = Callable[..., tuple[ModelVersion, Bundle]]

HOSTILE = '</td><script>alert(1)</script>|\n| x | <img src="https://evil.example/x"> [a](http://e)'
SECTIONS = (
    *("What it is for", "At a glance", "What must hold", "How it was made", "What was found"),
    *("Known limits", "What was not done", "Who signed", "Where it served"),
)


def text_of(card: ModelCard, title: str) -> str:
    (section,) = (s for s in card.sections if s.title == title)
    return "\n".join([section.text, *(" ".join(row) for row in section.rows)])


def test_every_section_says_what_the_record_says(
    desk: ApprovalDesk, registry: Registry, register: Register, clock: Any
) -> None:
    failed = Finding(check="SliceValidator", name="f1", verdict="FAIL", summary="Low for OO.")
    version, bundle = register(failed)
    until = clock() + timedelta(days=1)
    desk.waive(version, by="bea", reason="new carrier", until=until, name="f1")
    waiver = desk.self_approval(by="eva", reason="alone", until=until)
    approval = desk.approve(version, by="tom", reason="looked", waiver=waiver)
    registry.promote(version, approval=approval, by="ops", reason="go")

    card = model_card(registry, version, bundle, at=clock())

    assert tuple(s.title for s in card.sections) == SECTIONS
    for title, said in {
        "What it is for": "Which flights land late.",
        "What must hold": "roc_auc at least 0.7",
        "How it was made": "with uncommitted changes",
        "At a glance": "Slices PASS (waived by bea) 1 Low for OO.",
        "What was found": "FAIL (waived by bea)",
        "Known limits": "Low for OO.",
        "Who signed": "waived the second person until 2026-03-02 eva  alone",
        "Where it served": "champion is late-arrivals:1",
    }.items():
        assert said in text_of(card, title)
    assert str(card.verdict) == "PASS"
    assert str(model_card(registry, version, bundle, at=until).verdict) == "FAIL"
    for shown in (card.to_html(), card._repr_html_()):
        assert all(title in shown for title in SECTIONS)
    assert all(f"## {title}" in card.to_markdown() for title in SECTIONS)
    assert ModelCard.model_validate_json(card.to_json()) == card


def test_the_card_says_whether_the_compiled_model_is_equal_and_serves(
    registry: Registry, register: Register, clock: Any
) -> None:
    compiled, original = (
        text_of(model_card(registry, *register(compiled=tried), at=clock()), "How it was made")
        for tried in (True, False)
    )

    assert re.search(
        r"Compiled The model compiled by tables is equal to the original, and serves\. On "
        r"[0-9]+ rows the largest difference of a score is \S+\.",
        compiled,
    )
    assert "Compiled Not tried; the original serves." in original


def test_what_was_not_done_lists_the_checks_that_are_missing(
    registry: Registry, register: Register, clock: Any
) -> None:
    version, bundle = register()

    said = text_of(model_card(registry, version, bundle, at=clock()), "What was not done")

    assert "over- and underfitting" in said
    assert "baselines" in said
    assert "criteria on held-out rows" not in said


def test_hostile_names_break_out_of_neither_format(
    desk: ApprovalDesk, registry: Registry, register: Register, clock: Any
) -> None:
    finding = Finding(check="A", name=HOSTILE, column=HOSTILE, verdict="PASS", summary=HOSTILE)
    version, bundle = register(finding, statement=HOSTILE, owner=HOSTILE, trained_by=HOSTILE)
    desk.approve(version, by=f"not {HOSTILE}", reason=HOSTILE)

    card = model_card(registry, version, bundle, at=clock())

    page, markdown = card.to_html(), card.to_markdown()
    assert "<script" not in page
    assert "<img" not in page
    assert not re.search(r"<[^>]*(src|href)=", page)
    assert "default-src 'none'" in page
    assert "<" not in markdown
    assert "](http" not in markdown
    for section in card.sections:
        table = list(section.rows)
        if table:
            part = markdown.split(f"## {section.title}\n\n")[1].split("\n\n## ")[0]
            lines = [line for line in part.splitlines() if line.startswith("| ")]
            assert len(lines) == len(table) + 2
            bars = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
            assert bars == {len(section.headers) + 1}


def test_a_card_is_not_made_from_the_bundle_of_another_version(
    registry: Registry, register: Register, clock: Any
) -> None:
    version, _ = register()
    _, other = register(statement="Something else.")

    with pytest.raises(IntegrityError, match="its problem is not that of late-arrivals:1"):
        model_card(registry, version, other, at=clock())


def test_two_cards_differ_in_the_lines_that_changed(
    registry: Registry, register: Register, clock: Any
) -> None:
    first = model_card(registry, *register(), at=clock())
    failed = Finding(check="SliceValidator", name="f1", verdict="FAIL", summary="Low for OO.")
    second = model_card(registry, *register(failed), at=clock())

    told = second.diff(first)
    changed = {(section, line): (was, now) for section, line, was, now in told.rows}

    assert second.diff(second).rows == ()
    assert changed["", "Validation"] == (str(first.verdict), str(second.verdict))
    assert changed["Known limits", "f1"][0] == ""
    assert "Low for OO." in changed["Known limits", "f1"][1]
    assert ("What it is for", "Owner") not in changed
    assert told.title in told.to_html()
    assert "| Was | Is |" in told.to_markdown()


def test_machines_read_the_metadata_of_the_hub(
    registry: Registry, register: Register, clock: Any
) -> None:
    """What follows each name is JSON, which is YAML: no text can end it."""
    found = Finding(check="C", name="roc_auc", verdict="PASS", summary="s", estimate=0.8)
    version, bundle = register(found)

    shown = model_card(registry, version, bundle, at=clock()).to_hugging_face()

    _, head, body = shown.split("---\n", 2)
    fields = {k: json.loads(v) for k, v in (line.split(": ", 1) for line in head.splitlines())}
    assert fields["pipeline_tag"] == "tabular-classification"
    assert fields["library_name"] == "sklearn"
    (entry,) = fields["model-index"]
    assert entry["name"] == "late-arrivals"
    assert {"type": "roc_auc", "value": 0.8, "name": "roc_auc"} in entry["results"][0]["metrics"]
    assert body.lstrip().startswith("# ")


def test_the_hubs_own_reader_accepts_the_card(
    registry: Registry, register: Register, clock: Any
) -> None:
    """Offline: its classes parse and check the metadata; nothing is asked of the Hub."""
    hub = pytest.importorskip("huggingface_hub")
    found = Finding(check="C", name="roc_auc", verdict="PASS", summary="s", estimate=0.8)
    version, bundle = register(found)

    card = hub.ModelCard(model_card(registry, version, bundle, at=clock()).to_hugging_face())

    assert card.data.model_name == "late-arrivals"
    assert 0.8 in [result.metric_value for result in card.data.eval_results]
    assert card.data.pipeline_tag == "tabular-classification"
