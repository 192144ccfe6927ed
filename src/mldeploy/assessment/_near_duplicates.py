"""Rows that are nearly another: in spelling, in rounding, or but for one column."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import polars as pl

from mldeploy.assessment._say import holds, skipped
from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity, Verdict

_DIGITS = 6
_MOST_COLUMNS, _LEAST_COLUMNS = 100, 4
_CHANCE = 0.001


def near_duplicates(check: str, dataset: Dataset) -> Iterator[Finding]:
    """Yield rows that repeat another but for spelling and rounding, or but for one column.

    Texts are compared without case and spaces, numbers to six significant digits. A column is
    the only difference of rows that agree in all others, exactly; rows of fewer than four
    columns, or mostly repeated ones, are alike by chance and are not looked at.
    """
    table = dataset.polars()
    if not _LEAST_COLUMNS <= table.width <= _MOST_COLUMNS:
        why = f"{table.width:,} columns; {_LEAST_COLUMNS} to {_MOST_COLUMNS} are compared"
        yield skipped(check, "near_duplicates", why)
        return
    exact = table.select(pl.struct(pl.all()).is_first_distinct().alias("\x00first"))
    distinct = table.filter(exact["\x00first"])
    plain = distinct.select(_plain(name, dtype) for name, dtype in distinct.schema.items())
    near = int((~plain.select(pl.struct(pl.all()).is_first_distinct()).to_series()).sum())
    if near:
        yield _spelt(check, near, len(dataset))
    else:
        yield holds(check, "near_duplicates", "No two rows differ in spelling or rounding only.")
    yield from _but_one(check, dataset, distinct)


def _plain(name: str, dtype: pl.DataType) -> pl.Expr:
    column = pl.col(name)
    if dtype == pl.String or isinstance(dtype, pl.Categorical | pl.Enum):
        text = column.cast(pl.String).str.to_lowercase()
        return text.str.replace_all(r"\s+", " ").str.strip_chars()
    if dtype.is_float():
        return column.round_sig_figs(_DIGITS)
    return column


def _spelt(check: str, count: int, n: int) -> Finding:
    return Finding(
        check=check,
        name="near_duplicates",
        verdict=Verdict.FAIL,
        severity=Severity.WARNING,
        summary=f"{count:,} of {n:,} rows repeat another but for case, spaces or rounding.",
        action="Write texts and numbers in one way first, then drop the repeats.",
        estimate=count / n,
        n=n,
        details={"count": count},
    )


def _but_one(check: str, dataset: Dataset, distinct: pl.DataFrame) -> Iterator[Finding]:
    """Compare hashes of rows that leave out one column each: a sum less its own."""
    hashes = distinct.select(
        pl.struct(name).hash(seed).alias(name) for seed, name in enumerate(distinct.columns)
    )
    own = {name: hashes[name].to_numpy() for name in hashes.columns}
    mixed = {name: _mixed(h) for name, h in own.items()}
    total = np.add.reduce(list(mixed.values()))
    counts = {}
    for name, h in mixed.items():
        left: pl.Series = pl.Series("left", total - h)
        counts[name] = left.len() - left.n_unique()
    name = max(counts, key=lambda c: counts[c])
    count, n = counts[name], len(dataset)
    role = _role(dataset, name)
    if count <= max(_CHANCE * n, 2) or count > n / 2:
        summary = f"No column is the only difference of more than {_CHANCE:.1%} of the rows."
        yield holds(check, "differ_in_one_column", summary, n=n)
        return
    yield Finding(
        check=check,
        name="differ_in_one_column",
        verdict=Verdict.FAIL,
        severity=Severity.INFO,
        summary=f"{count:,} of {n:,} rows repeat another in all columns but {name!r}{role}.",
        action="If it only tells records of one event apart, count each event once.",
        estimate=count / n,
        n=n,
        column=name,
        details={"count": count},
    )


def _mixed(
    hashes: np.ndarray[tuple[int], np.dtype[np.uint64]],
) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Spread the bits once more (splitmix64), so that sums of hashes do not collide."""
    x = hashes.astype(np.uint64)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed: np.ndarray[tuple[int], np.dtype[np.uint64]] = x ^ (x >> np.uint64(31))
    return mixed


def _role(dataset: Dataset, name: str) -> str:
    roles = dataset.roles
    for role in ("target", "time", "unit", "weight"):
        if getattr(roles, role) == name:
            return f", the {role}"
    return ""
