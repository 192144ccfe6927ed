"""Do rows occur twice, with other labels, or in the data that the model is judged by?"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import polars as pl
from typing_extensions import override

from mldeploy.assessment._base import DataAssessor
from mldeploy.assessment._near_duplicates import near_duplicates
from mldeploy.assessment._say import holds, skipped
from mldeploy.assessment._share import asked_for, estimate_share, rows_asked_about
from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Judge, Problem


@final
@dataclass(frozen=True, kw_only=True)
class DuplicatesAssessor(DataAssessor):
    """Count rows that repeat another one, exactly or nearly; and rows that a second table holds.

    Attributes
    ----------
    reference : Dataset, optional
        Data that must not share rows or units with those assessed: the training data, when
        the data to judge by are assessed, or the other way round.
    """

    reference: Dataset | None = None

    @override
    def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        check = type(self).__name__
        for criterion in asked_for(problem, "duplicate_share"):
            part = rows_asked_about(criterion, dataset)
            if part is None:
                yield skipped(check, criterion.metric.name, f"no row is in {criterion.where}")
                continue
            flags = _repeats(part.polars(), criterion.columns or part.columns)
            share = estimate_share(flags, units=part.units(), confidence=criterion.confidence)
            yield Judge(check=check).judge_estimate(criterion, share, n_rows=len(part))
        yield _duplicates(check, dataset)
        yield from near_duplicates(check, dataset)
        yield from _conflicts(check, dataset)
        if self.reference is not None:
            yield from overlap(self.reference, dataset)


def _repeats(
    table: pl.DataFrame, columns: Sequence[str]
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Tell which rows repeat an earlier one."""
    chosen = table.select(columns)
    first = chosen.select(pl.struct(pl.all()).is_first_distinct()).to_series()
    return np.asarray(~first.to_numpy(), dtype=bool)


def _duplicates(check: str, dataset: Dataset) -> Finding:
    flags = _repeats(dataset.polars(), dataset.columns)
    count = int(flags.sum())
    share = estimate_share(flags, units=dataset.units())
    return Finding(
        check=check,
        name="duplicate_rows",
        verdict=Verdict.FAIL if count else Verdict.PASS,
        severity=Severity.WARNING if count else Severity.BLOCKER,
        summary=f"{count:,} of {len(dataset):,} rows repeat an earlier row in every column."
        if count
        else "No row repeats another in every column.",
        action="Drop them, unless two events may look alike; else the model is judged by rows "
        "it has learnt."
        if count
        else "",
        estimate=share.value,
        interval=share.interval,
        n=len(dataset),
        details={"count": count} | ({"example_row": int(flags.argmax())} if count else {}),
    )


def _conflicts(check: str, dataset: Dataset) -> Iterator[Finding]:
    target = dataset.roles.target
    if target is None or not dataset.features:
        yield skipped(check, "conflicting_labels", "there is no target, or no feature")
        return
    seen = [*dict.fromkeys([*dataset.features, *filter(None, [dataset.roles.time])])]
    labelled = dataset.polars().filter(pl.col(target).is_not_null())
    rows = labelled.select(
        seen=pl.struct(seen).hash(0), again=pl.struct(seen).hash(1), label=pl.col(target)
    )
    groups = rows.group_by("seen", "again").agg(n=pl.len(), labels=pl.col("label").n_unique())
    odd = groups.filter(pl.col("labels") > 1)
    count = int(odd["n"].sum())
    if not count:
        yield holds(check, "conflicting_labels", "Rows that look alike have the same label.")
        return
    yield Finding(
        check=check,
        name="conflicting_labels",
        verdict=Verdict.FAIL,
        severity=Severity.WARNING,
        summary=f"{count:,} rows in {odd.height:,} groups are alike in every feature but have "
        "different labels.",
        action="See whether a label was recorded wrongly; if chance decides, no model can be "
        "right about them.",
        estimate=count / max(labelled.height, 1),
        n=labelled.height,
        column=target,
        details={"count": count, "groups": odd.height},
    )


def overlap(train: Dataset, test: Dataset) -> Iterator[Finding]:
    """Yield what two datasets share that must have nothing in common: rows, and units.

    Parameters
    ----------
    train, test : Dataset
        What is learnt from, and what is judged by. Rows are compared in the features and the
        time that both have, without the label.

    Yields
    ------
    Finding
        ``row_overlap``, and ``unit_overlap`` if both declare a unit. Shared units block; shared
        rows block if the data have a time or a unit, and are else a warning, since rows of few
        features may be alike by chance.

    Examples
    --------
    >>> train = Dataset.of(pl.DataFrame({"x": [1, 2], "y": [0, 1]}), target="y")
    >>> test = Dataset.of(pl.DataFrame({"x": [2, 3], "y": [0, 1]}), target="y")
    >>> [(f.name, f.estimate) for f in overlap(train, test)]
    [('row_overlap', 0.5)]
    """
    check = DuplicatesAssessor.__name__
    columns = [c for c in test.features if c in train.columns]
    if (time := test.roles.time) is not None and time in train.columns:
        columns = [*dict.fromkeys([*columns, time])]
    if not columns:
        yield skipped(check, "row_overlap", "the two have no column in common")
    else:
        named = test.roles.time is not None or test.roles.unit is not None
        yield _shared(check, "row_overlap", "rows", train, test, columns, blocks=named)
    unit = test.roles.unit
    if unit is not None and unit in train.columns:
        yield _shared(check, "unit_overlap", "rows' units", train, test, [unit], blocks=True)


def _shared(
    check: str,
    name: str,
    what: str,
    train: Dataset,
    test: Dataset,
    columns: list[str],
    *,
    blocks: bool,
) -> Finding:
    common = _common(train, test, columns)
    count, whole = common.height, [c for c in test.columns if c in train.columns]
    entire = _common(train, test, whole).height if count and name == "row_overlap" else None
    beside = f", {entire:,} of them in every column" if entire else ""
    return Finding(
        check=check,
        name=name,
        verdict=Verdict.FAIL if count else Verdict.PASS,
        severity=Severity.BLOCKER if blocks or not count else Severity.WARNING,
        summary=f"{count:,} of {len(test):,} {what} are also in the training data{beside}.",
        action="Split by unit or time (mldeploy.data.default_split), so that nothing is judged "
        "by what was learnt."
        if count
        else "",
        estimate=count / len(test),
        n=len(test),
        column=columns[0] if name == "unit_overlap" else None,
        details={"count": count}
        | ({} if entire is None else {"in_every_column": entire})
        | ({"example_row": int(common["\x00row"].min())} if count else {}),  # type: ignore[arg-type]
    )


def _common(train: Dataset, test: Dataset, columns: list[str]) -> pl.DataFrame:
    """Return the rows of the test data that the training data have too, in some columns."""
    known = train.polars().select(columns).unique()
    asked = test.polars().select(columns).with_row_index("\x00row")
    return asked.join(known, on=columns, how="semi", nulls_equal=True)
