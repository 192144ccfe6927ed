"""Any sequence of promotions, rollbacks and deletions, held against a list."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from mldeploy.errors import LiveVersionError, NotFoundError
from mldeploy.evidence import Approval, Report
from mldeploy.model import Bundle
from mldeploy.registry import Registry
from mldeploy.store import Store

NAME = "late-arrivals"


class Moves(RuleBasedStateMachine):
    """The model: a stack of what served, and the set of numbers that are there."""

    bundle: Bundle
    evidence: Report

    def __init__(self) -> None:
        super().__init__()
        memory = Path("/dev/shm")
        self.folder = Path(tempfile.mkdtemp(dir=memory if memory.is_dir() else None))
        self.store = Store.open(self.folder / "mlstore")
        self.registry = Registry(self.store)
        self.there: set[int] = set()
        self.given = 0
        self.stack: list[int] = []
        self.moves: list[int] = []

    @rule()
    def register(self) -> None:
        version = self.registry.register(self.bundle, self.evidence, by="tom")
        self.given += 1
        assert version.number == self.given
        self.there.add(self.given)

    @rule(number=st.integers(1, 6))
    def promote(self, number: int) -> None:
        if number not in self.there:
            return
        version = self.registry.get(NAME, number)
        signed = Approval(
            model_name=NAME,
            number=number,
            version_digest=version.digest,
            by="ana",
            reason="x",
            at=version.created_at,
        )
        self.registry.sign_offs.approve(version, signed)
        self.registry.promote(version, approval=signed, by="ops")
        self.moves.append(number)
        if self.stack[-1:] != [number]:
            self.stack.append(number)

    @rule()
    def roll_back(self) -> None:
        kept = self.stack[:-1]
        while kept and (kept[-1] not in self.there or kept[-1] == self.stack[-1]):
            kept.pop()
        if not kept:
            with pytest.raises(NotFoundError):
                self.registry.rollback(NAME, by="ops", reason="x")
            return
        assert self.registry.rollback(NAME, by="ops", reason="x").number == kept[-1]
        self.stack = kept
        self.moves.append(kept[-1])

    @rule(number=st.integers(1, 6))
    def delete(self, number: int) -> None:
        if number not in self.there:
            return
        version = self.registry.get(NAME, number)
        if self.stack[-1:] == [number]:
            with pytest.raises(LiveVersionError):
                self.registry.delete(version, by="ops", reason="x")
            return
        self.registry.delete(version, by="ops", reason="x")
        self.there.discard(number)

    @invariant()
    def agrees(self) -> None:
        champion = self.registry.alias(NAME)
        assert (champion and champion.number) == (self.stack[-1] if self.stack else None)
        assert {v.number for v in self.registry.versions(NAME)} == self.there
        assert [m.number for m in self.registry.history(NAME)] == self.moves

    def teardown(self) -> None:
        assert self.store.verify(progress=False) == ()
        self.store.close()
        shutil.rmtree(self.folder)


def test_aliases_move_as_a_stack_of_what_served(bundle: Bundle) -> None:
    about = {"model": bundle.model_digest, "problem": bundle.problem.digest, "data": "e" * 64}
    finding = {"check": "A", "name": "f1", "verdict": "PASS", "summary": "Seen."}
    Moves.bundle = bundle
    Moves.evidence = Report.model_validate(
        {
            "step": "validate",
            "made_by": "A",
            "findings": [finding],
            "about": about,
            "started_at": "2026-03-01T00:00:00Z",
        }
    )
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        Moves,
        settings=settings(
            max_examples=12,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
