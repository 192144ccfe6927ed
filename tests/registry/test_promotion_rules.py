"""What may be registered and promoted, and who may say so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from mldeploy.errors import (
    ApprovalError,
    IntegrityError,
    LiveVersionError,
    NotFoundError,
    PromotionError,
)
from mldeploy.evidence import Approval, Finding, Report, Verdict, Waiver
from mldeploy.model import Bundle
from mldeploy.registry import CHAMPION, SELF_APPROVAL, ModelVersion, Registry

NAME = "late-arrivals"
MakeReport = Callable[..., Report]
MakeApproval = Callable[..., Approval]
Approved = Callable[[], tuple[ModelVersion, Approval]]


@pytest.mark.parametrize(
    ("about", "complaint"),
    [
        ({"model": "f" * 64}, "another model"),
        ({"problem": "f" * 64}, "another problem"),
        ({"data": ""}, "does not name the data"),
    ],
)
def test_a_report_about_something_else_is_not_registered(
    registry: Registry, bundle: Bundle, report: MakeReport, about: dict[str, str], complaint: str
) -> None:
    other = report(bundle, about={**report(bundle).about, **about})

    with pytest.raises(PromotionError, match=complaint):
        registry.register(bundle, other, by="tom")
    assert registry.names() == ()


def test_the_report_of_another_step_is_not_registered(
    registry: Registry, bundle: Bundle, report: MakeReport
) -> None:
    with pytest.raises(PromotionError, match="of the step 'assess'"):
        registry.register(bundle, report(bundle, step="assess"), by="tom")


def test_a_bundle_changed_after_it_was_opened_is_not_registered(
    registry: Registry, bundle: Bundle, report: MakeReport, tmp_path: Path
) -> None:
    folder = tmp_path / "changed"
    folder.mkdir()
    for file in bundle.directory.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    opened = Bundle.open(folder)
    assert (opened.problem.name, opened.provenance.trained_by) == (NAME, "tom")  # now read
    (folder / "model.skops").write_bytes(b"evil")

    with pytest.raises(IntegrityError, match=r"model\.skops"):
        registry.register(opened, report(opened), by="tom")
    assert registry.names() == ()


@pytest.mark.parametrize("verdict", ["FAIL", "INSUFFICIENT"])
def test_what_did_not_pass_is_not_promoted_until_it_is_waived(
    registry: Registry,
    bundle: Bundle,
    report: MakeReport,
    approval: MakeApproval,
    clock: Any,
    verdict: str,
) -> None:
    version = registry.register(bundle, report(bundle, verdict), by="tom")
    signed = approval(version)
    registry.sign_offs.approve(version, signed)
    with pytest.raises(PromotionError, match=f"says {verdict}"):
        registry.promote(version, approval=signed, by="ops")

    until = clock() + timedelta(days=1)
    waiver = Waiver(by="bea", reason="known", until=until, name="roc_auc")
    registry.sign_offs.waive(version, waiver)
    assert registry.promote(version, approval=signed, by="ops").number == 1

    clock.now = until
    with pytest.raises(PromotionError, match=f"says {verdict}"):
        registry.promote(version, "challenger", approval=signed, by="ops")
    assert version.verdict is Verdict(verdict)


def test_a_report_that_calls_its_own_findings_waived_is_not_believed(
    registry: Registry, bundle: Bundle, report: MakeReport, clock: Any
) -> None:
    failed = Finding(check="A", name="f1", verdict="FAIL", summary="Low.", waived_by="tom")
    claimed = report(bundle, findings=(failed,))
    assert claimed.passed

    assert registry.register(bundle, claimed, by="tom").verdict is Verdict.FAIL

    until = clock() + timedelta(days=1)
    waived = claimed.waive([Waiver(by="bea", reason="ok", until=until, name="f1")], at=clock())
    version = registry.register(bundle, waived, by="tom")
    assert version.verdict is Verdict.PASS
    assert not registry.evidence(version, at=until).passed


def test_an_approval_must_be_of_this_version_and_kept(
    registry: Registry, bundle: Bundle, report: MakeReport, approval: MakeApproval
) -> None:
    one = registry.register(bundle, report(bundle), by="tom")
    two = registry.register(bundle, report(bundle), by="tom")
    registry.sign_offs.approve(one, approval(one))

    with pytest.raises(PromotionError, match="is of late-arrivals:1"):
        registry.promote(two, approval=approval(one), by="ops")
    with pytest.raises(PromotionError, match="other bytes"):
        registry.promote(two, approval=approval(two, version_digest=one.digest), by="ops")
    with pytest.raises(PromotionError, match="not in the store"):
        registry.promote(two, approval=approval(two), by="ops")
    with pytest.raises(ApprovalError, match="is of late-arrivals:1"):
        registry.sign_offs.approve(two, approval(one))
    assert registry.alias(NAME) is None


@pytest.mark.parametrize("by", ["tom", "TOM", "\uff54\uff4f\uff4d", " tom "])
def test_nobody_approves_their_own_model(
    registry: Registry, bundle: Bundle, report: MakeReport, approval: MakeApproval, by: str
) -> None:
    version = registry.register(bundle, report(bundle), by="ops")

    with pytest.raises(ApprovalError, match="trained the model"):
        registry.sign_offs.approve(version, approval(version, by=by))
    with pytest.raises(PromotionError, match="trained the model"):
        registry.promote(version, approval=approval(version, by=by), by="ops")


def test_a_waiver_of_the_second_person_counts_until_it_ends(
    registry: Registry, bundle: Bundle, report: MakeReport, approval: MakeApproval, clock: Any
) -> None:
    version = registry.register(bundle, report(bundle), by="tom")
    until = clock() + timedelta(days=1)
    waiver = Waiver(by="bea", reason="alone", until=until, name=SELF_APPROVAL)
    own = approval(version, by="tom", self_approval_waiver=waiver)
    other = waiver.model_copy(update={"name": "roc_auc"})
    with pytest.raises(ApprovalError, match="not one of the second person"):
        registry.sign_offs.approve(
            version, approval(version, by="tom", self_approval_waiver=other)
        )

    registry.sign_offs.approve(version, own)
    assert registry.promote(version, approval=own, by="tom").approval == own.digest

    clock.now = until
    with pytest.raises(PromotionError, match="ended on"):
        registry.promote(version, "challenger", approval=own, by="tom")


def test_a_version_made_up_by_the_caller_is_refused_everywhere(
    registry: Registry,
    bundle: Bundle,
    other_bundle: Bundle,
    report: MakeReport,
    approved: Approved,
) -> None:
    passing, _ = approved()
    failing = registry.register(other_bundle, report(other_bundle, "FAIL"), by="tom")
    forged = failing.model_copy(update={"report": passing.report, "model": passing.model})
    signed = Approval(
        model_name=NAME,
        number=2,
        version_digest=forged.digest,
        by="ana",
        reason="x",
        at=passing.created_at,
    )

    for use in (
        lambda: registry.sign_offs.approve(forged, signed),
        lambda: registry.promote(forged, approval=signed, by="ops"),
        lambda: registry.open_bundle(forged),
        lambda: registry.report(forged),
        lambda: registry.delete(forged, by="ops", reason="x"),
    ):
        with pytest.raises(NotFoundError, match="is another than the one given"):
            use()


@pytest.mark.parametrize("alias", ["", "3", "a@b", "a b", "<script>"])
def test_an_alias_is_a_word(registry: Registry, approved: Approved, alias: str) -> None:
    version, signed = approved()

    with pytest.raises(PromotionError, match="cannot be an alias"):
        registry.promote(version, alias, approval=signed, by="ops")


def test_who_acts_must_be_said(registry: Registry, bundle: Bundle, report: MakeReport) -> None:
    with pytest.raises(ApprovalError, match="by= is empty"):
        registry.register(bundle, report(bundle), by=" ")


def test_history_tells_each_move_and_rollback_returns_to_what_served(
    registry: Registry, approved: Approved
) -> None:
    for _ in range(3):
        version, signed = approved()
        registry.promote(version, approval=signed, by="ops", reason=f"try {version.number}")
    registry.promote(version, "challenger", approval=signed, by="ops")

    assert registry.rollback(NAME, by="ops", reason="slow").number == 2
    assert registry.rollback(NAME, by="ops", reason="slow").number == 1
    with pytest.raises(NotFoundError, match="nothing that is still there served"):
        registry.rollback(NAME, by="ops", reason="slow")

    moves = registry.history(NAME, CHAMPION)
    assert [(m.previous, m.number, m.is_rollback) for m in moves] == [
        (None, 1, False),
        (1, 2, False),
        (2, 3, False),
        (3, 2, True),
        (2, 1, True),
    ]
    assert moves[0].approval
    assert not moves[-1].approval
    assert len(registry.history(NAME)) == 6
    assert registry.get(NAME).number == 1
    assert registry.get(NAME, "challenger").number == 3


def test_rollback_passes_over_what_was_deleted(registry: Registry, approved: Approved) -> None:
    versions = []
    for _ in range(3):
        version, signed = approved()
        versions.append(version)
        registry.promote(version, approval=signed, by="ops")
    registry.delete(versions[1], by="ops", reason="bad")

    assert registry.rollback(NAME, by="ops", reason="slow") == versions[0]


def test_what_serves_is_not_deleted_and_numbers_are_not_reused(
    registry: Registry, approved: Approved
) -> None:
    (one, signed), (two, _) = approved(), approved()
    registry.promote(one, approval=signed, by="ops")

    with pytest.raises(LiveVersionError, match="is champion"):
        registry.delete(one, by="ops", reason="old")
    registry.delete(two, by="ops", reason="bad")

    with pytest.raises(NotFoundError, match="was deleted"):
        registry.get(NAME, 2)
    with pytest.raises(NotFoundError, match="was deleted"):
        registry.open_bundle(two)
    assert registry.report(two).passed
    assert [v.number for v in registry.versions(NAME)] == [1]
    assert approved()[0].number == 3


def test_names_are_those_that_have_versions(registry: Registry, approved: Approved) -> None:
    assert registry.names() == ()
    version, _ = approved()
    assert registry.names() == (NAME,)
    registry.delete(version, by="ops", reason="bad")
    assert registry.names() == ()


def test_a_registered_model_answers_as_before(
    registry: Registry, approved: Approved, tmp_path: Path
) -> None:
    version, _ = approved()

    opened = registry.open_bundle(registry.get(NAME, 1), target=tmp_path / "out")

    assert opened.model_digest == version.model
    assert opened.load_model().digest == version.model
