"""Which rows have judged which models: kept in the ledger, so that looks can be counted."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Final, final

import sqlalchemy as sa

from mldeploy._record import Record, digest_of
from mldeploy.errors import IntegrityError
from mldeploy.evidence import Report, Verdict
from mldeploy.registry._rules import evidence_complaint
from mldeploy.registry._uploads import keep_report
from mldeploy.store import Event, Store, tables

_KIND: Final = "model.validated"
_SKETCH: Final = 128
"""Row digests kept of a table: the share of rows in common is then known within 0.04."""
_SHARED: Final = 0.5
"""Share of the rows from which on rows count as those that were looked at before."""


@final
class Look(Record):
    """One model, judged on one set of rows, as the ledger has it.

    Attributes
    ----------
    sequence : int
        Number of its event in the ledger.
    at, by : datetime, str
        When, and who asked.
    name : str
        The problem's name.
    model, problem, data, report : str
        Digests of the candidate, the problem, the rows and the report.
    champion : str, optional
        Digest of the model that it was compared with.
    verdict : Verdict
        What it came to.
    n_rows : int
        Labelled rows that were looked at.
    sketch : tuple of int
        The smallest digests of those rows, by which they are known again in another table.
    key : str
        Digest of everything that the report depends on.
    """

    sequence: int
    at: datetime
    by: str
    name: str
    model: str
    problem: str
    data: str
    report: str
    champion: str | None
    verdict: Verdict
    n_rows: int
    sketch: tuple[int, ...]
    key: str

    def shares(self, sketch: Sequence[int], n_rows: int) -> float:
        """Return about which share of `n_rows` rows were among those that were looked at.

        Parameters
        ----------
        sketch : sequence of int
            As `sketch_of` makes it of those rows.
        n_rows : int
            How many they are.

        Notes
        -----
        The Jaccard index from the smallest hashes of the union: A. Broder, "On the resemblance
        and containment of documents", 1997.
        """
        union = sorted({*self.sketch, *sketch})[:_SKETCH]
        common = len(set(union) & set(self.sketch) & set(sketch))
        jaccard = common / max(len(union), 1)
        shared = jaccard * (self.n_rows + n_rows) / (1 + jaccard)
        return min(1.0, shared / n_rows)


def sketch_of(digests: Sequence[int]) -> tuple[int, ...]:
    """Return the smallest of the digests of rows, by which the rows are known again.

    Examples
    --------
    >>> sketch_of([7, 3, 3, 5])
    (3, 5, 7)
    """
    return tuple(sorted(set(digests))[:_SKETCH])


@final
class Evaluations:
    """Which rows have judged which models, in the order of the ledger.

    Parameters
    ----------
    store : Store
        Where it is kept; reports lie in a sealed table, and each look is an event.
    """

    def __init__(self, store: Store) -> None:
        self._store = store

    def looks(self, *, data: str | None = None) -> tuple[Look, ...]:
        """Return every look, or those at one set of rows, oldest first.

        Parameters
        ----------
        data : str, optional
            Fingerprint of the rows.

        Raises
        ------
        IntegrityError
            If an event was edited.
        """
        return tuple(map(_look, self._store.ledger.events(kind=_KIND, subject=data)))

    def count(self, *, model: str, problem: str, sketch: Sequence[int], n_rows: int) -> int:
        """Return the how-manieth model it is that these rows judge.

        A model and a problem that the rows judged before keep the place that they had: looking
        at the same thing again tells nothing new. Another bar for the same model is a new look.

        Parameters
        ----------
        model, problem : str
            Digests of what is to be judged.
        sketch : sequence of int
            As `sketch_of` makes it of the rows.
        n_rows : int
            How many they are.
        """
        seen: list[tuple[str, str]] = []
        for look in self.looks():
            pair = (look.model, look.problem)
            if pair in seen or look.shares(sketch, n_rows) < _SHARED:
                continue
            if pair == (model, problem):
                break
            seen.append(pair)
        return len(seen) + 1

    def find(self, key: str, *, data: str) -> Report | None:
        """Return the report that was made before from the same things, verified.

        Raises
        ------
        IntegrityError
            If the report, or what the ledger says of it, was edited.
        """
        for look in reversed(self.looks(data=data)):
            if look.key == key:
                return self._report(look)
        return None

    def record(
        self,
        report: Report,
        *,
        name: str,
        key: str,
        sketch: Sequence[int],
        n_rows: int,
        n_looks: int,
        by: str,
    ) -> bool:
        """Keep a report with its event, unless others looked at the rows in the meantime.

        Parameters
        ----------
        report : Report
            Of a validation.
        name : str
            The problem's name.
        key : str
            Digest of everything that it depends on.
        sketch, n_rows
            As of `count`.
        n_looks : int
            What `count` said before the validation.
        by : str
            Who asked.

        Returns
        -------
        bool
            Whether it was kept. If not, its intervals allow for too few looks: judge again.
        """
        about = report.about
        with self._store.write() as tx:
            pair = {"model": about["model"], "problem": about["problem"]}
            if self.count(**pair, sketch=sketch, n_rows=n_rows) != n_looks:
                return False
            keep_report(tx, self._store.ledger, report, subject=name)
            tx.record(
                _KIND,
                subject=about["data"],
                actor=by,
                details={
                    **pair,
                    "name": name,
                    "champion": about.get("champion"),
                    "report": report.digest,
                    "verdict": str(report.verdict),
                    "n_rows": n_rows,
                    "sketch": list(sketch),
                    "key": key,
                },
                rows=[(tables.reports, {"digest": report.digest})],
            )
        return True

    def complaint(self, report: Report, *, model: str, problem: str) -> str | None:
        """Say what keeps a report from being evidence about a model; None if nothing does.

        It must have been made here, about this model and problem by their digests, and must not
        be overtaken by a later validation that failed.
        """
        bare = _bare(report).digest
        if not any(look.report == bare for look in self.looks(data=report.about.get("data"))):
            return (
                "it is not a report that a validation in this store has made, or it was changed "
                "since; call project.validate, and register what it returns"
            )
        other = evidence_complaint(report, model=model, problem=problem)
        return other or self.superseded(report)

    def superseded(self, report: Report) -> str | None:
        """Say which later validation of the same model failed; None if none did."""
        about, bare = report.about, _bare(report).digest
        mine = 0
        for look in self.looks():
            if (look.model, look.problem) != (about.get("model"), about.get("problem")):
                continue
            if look.report == bare:
                mine = look.sequence
            elif mine and look.verdict is Verdict.FAIL:
                return (
                    f"a later validation of the same model, on {look.at:%Y-%m-%d %H:%M}, failed; "
                    "mend the model, or validate it again"
                )
        return None

    def _report(self, look: Look) -> Report:
        table = tables.reports
        with self._store.read() as connection:
            query = sa.select(table).where(table.c.digest == look.report)
            row = connection.execute(query).mappings().first()
            what = f"the report of event {look.sequence}"
            if row is None:
                raise IntegrityError(f"{what}, which is gone,")
            self._store.ledger.check_row(connection, table, row)
        if (found := digest_of(row["json"])) != look.report:
            raise IntegrityError(what, expected=look.report, found=found)
        return Report.model_validate(row["json"])


def _bare(report: Report) -> Report:
    """Return a report as it was made, without what was waived since."""
    findings = tuple(f.model_copy(update={"waived_by": None}) for f in report.findings)
    return report.model_copy(update={"findings": findings, "waivers": ()})


def _look(event: Event) -> Look:
    details: Mapping[str, object] = event.details
    known = dict(_known(details))
    return Look.model_validate(
        {
            **known,
            "sequence": event.sequence,
            "at": event.time,
            "by": event.actor,
            "data": event.subject,
        }
    )


def _known(details: Mapping[str, object]) -> Iterator[tuple[str, object]]:
    for name in Look.model_fields:
        if name in details:
            yield name, details[name]
