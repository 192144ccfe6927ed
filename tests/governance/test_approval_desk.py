"""A second person approves, and a waiver says what it waives, why and until when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from mldeploy.errors import ApprovalError, NotFoundError, PromotionError
from mldeploy.evidence import Finding, Verdict
from mldeploy.governance import ApprovalDesk
from mldeploy.model import Bundle
from mldeploy.registry import ModelVersion, Registry

Register = Callable[..., tuple[ModelVersion, Bundle]]

FAILED = Finding(check="A", name="f1", slice="OO", verdict="FAIL", summary="Too low.")
PASSED = Finding(check="A", name="roc_auc", verdict="PASS", summary="It holds.")


def test_a_second_person_approves_and_the_version_is_promoted(
    desk: ApprovalDesk, registry: Registry, register: Register, clock: Any
) -> None:
    version, _ = register()

    approval = desk.approve(version, by="ana", reason="looked at carriers")

    assert approval.at == clock()
    assert registry.sign_offs.approvals(version) == (approval,)
    assert registry.promote(version, approval=approval, by="ops").approval == approval.digest


def test_what_did_not_pass_is_not_approved_until_it_is_waived(
    desk: ApprovalDesk, registry: Registry, register: Register, clock: Any
) -> None:
    version, _ = register(FAILED, PASSED)
    with pytest.raises(ApprovalError, match=r"says FAIL \(f1\)"):
        desk.approve(version, by="ana", reason="x")

    until = clock() + timedelta(days=1)
    desk.waive(version, by="bea", reason="new carrier", until=until, name="f1", slice="OO")
    approval = desk.approve(version, by="ana", reason="x")
    assert registry.evidence(version, at=clock()).verdict is Verdict.PASS

    clock.now = until
    with pytest.raises(ApprovalError, match="says FAIL"):
        desk.approve(version, by="eva", reason="x")
    with pytest.raises(PromotionError, match="says FAIL"):
        registry.promote(version, approval=approval, by="ops")


@pytest.mark.parametrize(
    ("name", "slice_"), [("recall", None), ("roc_auc", None), ("f1", "AA"), ("", None)]
)
def test_a_waiver_of_nothing_is_refused(
    desk: ApprovalDesk,
    registry: Registry,
    register: Register,
    clock: Any,
    name: str,
    slice_: str | None,
) -> None:
    """Neither a finding that is not there, nor one that holds."""
    version, _ = register(FAILED, PASSED)
    until = clock() + timedelta(days=1)

    with pytest.raises(NotFoundError, match="those that do not hold are: f1"):
        desk.waive(version, by="bea", reason="x", until=until, name=name, slice=slice_)
    assert registry.sign_offs.waivers(version) == ()


def test_a_waiver_that_is_over_or_without_zone_is_refused(
    desk: ApprovalDesk, register: Register, clock: Any
) -> None:
    version, _ = register(FAILED)

    with pytest.raises(ApprovalError, match="ended already"):
        desk.waive(version, by="bea", reason="x", until=clock(), name="f1")
    with pytest.raises(ApprovalError, match="has no zone"):
        desk.waive(version, by="bea", reason="x", until=datetime(2030, 1, 1), name="f1")
    with pytest.raises(ApprovalError, match="ended already"):
        desk.self_approval(by="bea", reason="x", until=clock())


def test_who_trained_it_approves_only_with_a_waiver(
    desk: ApprovalDesk, registry: Registry, register: Register, clock: Any
) -> None:
    version, _ = register()
    with pytest.raises(ApprovalError, match="trained the model"):
        desk.approve(version, by="tom", reason="x")

    until = clock() + timedelta(days=1)
    waiver = desk.self_approval(by="bea", reason="he is alone", until=until)
    approval = desk.approve(version, by="tom", reason="x", waiver=waiver)
    assert registry.promote(version, approval=approval, by="tom").number == 1

    clock.now = until
    with pytest.raises(ApprovalError, match="ended on"):
        desk.approve(version, by="tom", reason="again", waiver=waiver)
