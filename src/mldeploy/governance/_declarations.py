"""What a store cannot know of a project, and somebody answers for."""

from __future__ import annotations

from datetime import datetime
from typing import final

import pydantic

from mldeploy._record import Clock, Record, utc_now
from mldeploy.errors import ApprovalError, NotFoundError
from mldeploy.governance._score_tests import TESTS
from mldeploy.store import Store

_KIND = "scorecard.declared"


@final
class Declaration(Record):
    """Somebody's word that a test of the scorecard is done outside of the store.

    Attributes
    ----------
    test : str
        Which, such as ``"data 7"``.
    by, reason : str
        Who says so, and what is done.
    evidence : str
        Where it can be seen: an address, a file, a digest.
    is_repeated : bool
        Whether it runs by itself again and again (one point), rather than once by hand (a half).
    until : datetime
        When it has to be said anew, with a zone.
    """

    test: str
    by: str = pydantic.Field(min_length=1)
    reason: str = pydantic.Field(min_length=1)
    evidence: str = pydantic.Field(min_length=1)
    is_repeated: bool
    until: pydantic.AwareDatetime


@final
class Declarations:
    """Declarations about a problem, kept in the ledger.

    Parameters
    ----------
    store : Store
        Where they are kept.
    problem : str
        Name of the problem.
    clock : Clock, default=utc_now
        Tells the time.
    """

    def __init__(self, store: Store, problem: str, *, clock: Clock = utc_now) -> None:
        self._store = store
        self._problem = problem
        self._clock = clock

    def declare(
        self,
        test: str,
        *,
        by: str,
        reason: str,
        evidence: str,
        until: datetime,
        is_repeated: bool = False,
    ) -> Declaration:
        """Keep somebody's word about a test; a later one takes the place of an earlier.

        Parameters
        ----------
        test : str
            Which, such as ``"data 7"``.
        by, reason : str
            Who says so, and what is done.
        evidence : str
            Where it can be seen: an address, a file, a digest.
        until : datetime
            When it has to be said anew, with a zone.
        is_repeated : bool, default=False
            Whether it runs by itself again and again.

        Raises
        ------
        NotFoundError
            If the scorecard has no such test, or its answer lies in the store.
        ApprovalError
            If `until` is past or has no zone, or somebody, a reason or evidence is missing.
        """
        known = {t.id: t for t in TESTS}
        if test not in known or not known[test].can_be_declared:
            names = ", ".join(t.id for t in TESTS if t.can_be_declared)
            raise NotFoundError(f"{test!r} cannot be declared; these can: {names}")
        if until.tzinfo is None or until <= self._clock():
            raise ApprovalError(f"{until} is past or has no zone; say until when it holds")
        try:
            made = Declaration(
                test=test, by=by, reason=reason, evidence=evidence,
                is_repeated=is_repeated, until=until,
            )  # fmt: skip
        except pydantic.ValidationError as error:
            raise ApprovalError("say who declares it, why, and where it can be seen") from error
        with self._store.write() as tx:
            details = {"declaration": made.to_jsonable()}
            tx.record(_KIND, subject=self._problem, actor=by, details=details)
        return made

    def valid(self) -> dict[str, Declaration]:
        """Return the declarations that hold now, by test."""
        now, found = self._clock(), {}
        for event in self._store.ledger.events(kind=_KIND, subject=self._problem):
            made = Declaration.model_validate(event.details["declaration"])
            found[made.test] = made
        return {test: made for test, made in found.items() if made.until > now}
