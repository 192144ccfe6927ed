"""Two tables against each other, column by column, ranked by consequence."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, TypeAlias, final

import polars as pl

from mldeploy._record import Record
from mldeploy.data._bins import comparable
from mldeploy.data._column_drift import ColumnDrift, ComparedColumn, judged
from mldeploy.data._dataset import Dataset
from mldeploy.data._drift_html import drift_body, drift_text
from mldeploy.data._implied import implied_changes
from mldeploy.data._profile import Profile
from mldeploy.data._source import SupportsArrow, read_table
from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.evidence import Finding, Report, Severity, Verdict, html_fragment, html_page

if TYPE_CHECKING:
    from pathlib import Path

    import pandas as pd

Table: TypeAlias = (
    "Profile | Dataset | pd.DataFrame | pl.DataFrame | pl.LazyFrame | SupportsArrow | str | Path"
)


@final
class DriftReport(Record):
    """How the columns of a current table differ from a reference's; the weightiest first.

    Attributes
    ----------
    n_reference, n_current : int
        Rows of the two tables.
    target : str or None
        The column by which consequences are ranked.
    alpha, epsilon, floor : float
        What was asked for; see `of`.
    columns : tuple of ColumnDrift
        Columns of both tables: those that drifted first, then by implied change of the target,
        then by share of rows moved.
    added, removed : tuple of str
        Columns of the current table only, and of the reference only.
    retyped : tuple of str
        Columns that hold values of another sort now.

    Examples
    --------
    >>> reference = pl.DataFrame({"wind": range(1000), "origin": ["JFK", "LGA"] * 500})
    >>> current = reference.with_columns(pl.col("wind") * 1.852)
    >>> report = DriftReport.of(reference, current)
    >>> [(c.column, c.changes[0].name) for c in report.drifted]
    [('wind', 'scale')]
    >>> report.columns[0].summary
    'Values are as if multiplied by 1.85: another unit?'
    """

    n_reference: int
    n_current: int
    target: str | None
    alpha: float
    epsilon: float
    floor: float
    columns: tuple[ColumnDrift, ...]
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    retyped: tuple[str, ...] = ()

    @classmethod
    def of(
        cls,
        reference: Table,
        current: Table,
        *,
        target: str | None = None,
        alpha: float = 0.01,
        epsilon: float = 0.02,
        floor: float = 0.03,
        n_bins: int = 10,
    ) -> DriftReport:
        """Compare two tables, or the profiles of two tables.

        Parameters
        ----------
        reference, current : Profile, Dataset, frame or path
            The table that is judged by, and the one judged.
        target : str, optional
            The column whose change would matter, for ranking; a `Dataset`'s own by default. It
            needs the reference's rows, so it is not asked of a profile.
        alpha : float, default=0.01
            Chance that a report has any change, where nothing changed and rows are independent.
        epsilon : float, default=0.02
            Largest population stability index that does not matter, in nats.
        floor : float, default=0.03
            Smallest share of moved rows that matters, in [0, 1].
        n_bins : int, default=10
            Bins of numbers and times, at quantiles of the reference.

        Returns
        -------
        DriftReport
            With every column of either table.

        Raises
        ------
        EmptyDataError
            If a table has no rows.
        InvalidDataError
            If `target` is no column of the reference.
        ValueError
            If `alpha` is no chance, or another setting is negative.

        Notes
        -----
        A column's distribution changed if both its effect is large enough to matter and the
        test of `psi_test` says that it is not chance. Four rules find what distances overlook:
        missing values, new values, absurd values, stuck values. Holm's correction runs over all
        tests of all columns. The consequence of a change is what it implies for the target if
        everything else stayed as it was: each bin's change of share times the target's mean in
        it. For rows that come in clumps (weather, sessions) every test that takes rows as
        independent alarms too often; `DriftMonitor` asks past windows.
        """
        if not 0 < alpha < 1 or epsilon < 0 or not 0 <= floor < 1 or n_bins < 2:
            raise ValueError(
                f"{alpha=} must lie in (0, 1), {epsilon=} be at least 0, {floor=} lie in [0, 1) "
                f"and {n_bins=} be at least 2"
            )
        rows, before = _profiled(reference)
        now = _profiled(current)[1]
        if not before.n_rows or not now.n_rows:
            raise EmptyDataError("a table without rows cannot be compared; pass one with rows")
        target = target or (reference.roles.target if isinstance(reference, Dataset) else None)
        if target is not None and target not in before:
            raise InvalidDataError(f"there is no target {target!r} in the reference")
        both = [c.name for c in before.columns if c.name in now]
        compared = [
            ComparedColumn.of(before[name], now[name], n_bins=n_bins, epsilon=epsilon)
            for name in both
            if comparable(before[name], now[name])
        ]
        implied = {}
        if rows is not None and target is not None:
            pairs = [(c.reference.name, c.bins, *c.shares) for c in compared]
            implied = implied_changes(rows, target, pairs)
        columns = judged(compared, alpha=alpha, floor=floor, implied=implied)
        return cls(
            n_reference=before.n_rows,
            n_current=now.n_rows,
            target=target if implied else None,
            alpha=alpha,
            epsilon=epsilon,
            floor=floor,
            columns=tuple(sorted(columns, key=_rank)),
            added=tuple(name for name in now.names if name not in before),
            removed=tuple(name for name in before.names if name not in now),
            retyped=tuple(name for name in both if not comparable(before[name], now[name])),
        )

    @property
    def drifted(self) -> tuple[ColumnDrift, ...]:
        """The columns that changed beyond chance and by enough to matter."""
        return tuple(column for column in self.columns if column.drifted)

    def __getitem__(self, name: str) -> ColumnDrift:
        for column in self.columns:
            if column.column == name:
                return column
        raise InvalidDataError(f"there is no column {name!r} in both tables")

    def to_report(self, *, at: datetime) -> Report:
        """Return the changes as findings of severity *warning*, to be waived, merged or stored.

        Parameters
        ----------
        at : datetime
            When the tables were compared, with a zone.
        """
        schema = {"missing_column": self.removed, "other_type": self.retyped}
        findings = [
            Finding(
                check="DriftReport",
                name=name,
                verdict=Verdict.FAIL,
                severity=Severity.WARNING,
                summary=f"{column} is not in the current table as it was in the reference.",
                action="Look at its source.",
                column=column,
            )
            for name, columns in schema.items()
            for column in columns
        ]
        findings += [f for column in self.columns for f in _findings(column, self.floor)]
        return Report(step="drift", made_by="DriftReport", findings=tuple(findings), started_at=at)

    def to_frame(self) -> pd.DataFrame:
        """Return one row for each column, in order, as a pandas DataFrame."""
        import pandas as pd  # noqa: PLC0415 - heavy, and only wanted here

        left_out = {"changes", "labels", "reference", "current"}
        rows = [
            {
                **column.model_dump(exclude=left_out),
                "drifted": column.drifted,
                "changes": ", ".join(change.name for change in column.changes),
            }
            for column in self.columns
        ]
        return pd.DataFrame(rows)

    def to_html(self) -> str:
        """Return a self-contained page that runs no script; names and values are escaped."""
        return html_page("Drift", f"<h1>Drift</h1>{drift_body(self)}")

    def to_text(self) -> str:
        """Return a table for the terminal."""
        return drift_text(self)

    def __str__(self) -> str:
        return self.to_text()

    def _repr_html_(self) -> str:
        return html_fragment(drift_body(self))


def _profiled(table: Table) -> tuple[pl.DataFrame | None, Profile]:
    if isinstance(table, Profile):
        return None, table
    rows = table.table if isinstance(table, Dataset) else read_table(table)
    return rows, Profile.of(rows)


def _rank(column: ColumnDrift) -> tuple[bool, float, float, str]:
    return not column.drifted, -(column.implied or 0.0), -column.moved_share, column.column


def _findings(column: ColumnDrift, floor: float) -> list[Finding]:
    changes = column.changes
    return [
        Finding(
            check="DriftReport",
            name=name,
            verdict=Verdict.FAIL if changes else Verdict.PASS,
            severity=Severity.WARNING if changes else Severity.INFO,
            summary=summary,
            action="Look at its source, and whether the metrics hold." if changes else "",
            estimate=column.moved_share,
            n=column.n_current,
            threshold=floor,
            column=column.column,
            details={
                "psi": column.psi,
                "p_value_adjusted": column.p_value,
                "implied": column.implied,
            },
        )
        for name, summary in (
            [(c.name, c.summary) for c in changes] or [("drift", column.summary)]
        )
    ]
