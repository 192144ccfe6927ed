"""Do features say the same as others?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt
import polars as pl
from typing_extensions import override

from mldeploy.assessment._base import DataAssessor
from mldeploy.assessment._outcome import Floats, numbers_of, some_rows
from mldeploy.assessment._say import holds, skipped, some
from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Problem

_ROWS, _FEW, _COLUMNS = 20_000, 50, 500


@final
@dataclass(frozen=True, kw_only=True)
class CollinearityAssessor(DataAssessor):
    """Look for features that other features already say.

    It warns of a column that is a copy of another, in its values or but for their names
    (`same_column`), and tells for the record which numbers the others explain by a linear
    formula (`collinear`): predictions do not suffer from that, coefficients and importances do.

    Attributes
    ----------
    max_explained : float, default=0.9
        Largest share of a number's variance, R², that the other numbers may explain, in (0, 1);
        0.9 is a variance inflation factor of 10.
    random_state : int, default=0
        Seed of the 20,000 rows, at most, that R² is computed on.

    Notes
    -----
    R² of every number by all others is one less the inverse of the diagonal of the inverse
    correlation matrix [1]_; missing values are filled by the median. Numbers that are exact
    formulas of others have an R² of 1.

    References
    ----------
    .. [1] D. A. Belsley, E. Kuh and R. E. Welsch, "Regression Diagnostics", Wiley, 1980.

    Examples
    --------
    >>> from mldeploy.problem import Criterion
    >>> problem = Problem(name="p", statement="What is y?", target="y", positive=True,
    ...                   criteria=[Criterion("accuracy", at_least=0.7)])
    >>> table = pl.DataFrame({"a": [3, 1, 2] * 30, "b": [3, 1, 2] * 30, "y": [True] * 90})
    >>> found = CollinearityAssessor().assess(Dataset.of(table, target="y"), problem).alarms[0]
    >>> found.column, found.details["same_as"]
    ('b', 'a')
    """

    max_explained: float = 0.9
    random_state: int = 0

    def __post_init__(self) -> None:
        if not 0 < self.max_explained < 1:
            raise ValueError(f"{self.max_explained=} lies not in (0, 1)")

    @override
    def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        check = type(self).__name__
        if len(dataset) < _FEW or not 1 < len(dataset.features) <= _COLUMNS:
            why = f"{len(dataset):,} rows and {len(dataset.features):,} features"
            yield skipped(check, "collinear", f"{why}; {_FEW} rows and 2 to {_COLUMNS} are needed")
            return
        copies = _copies(dataset)
        for column, other in copies.items():
            yield _same(check, column, other, len(dataset))
        rng = np.random.default_rng(self.random_state)
        part = some_rows(dataset, _ROWS, rng).polars()
        names = [c for c in dataset.features if c not in copies and part[c].dtype.is_numeric()]
        explained = _explained(part, names)
        odd = {c: r for c, r in explained.items() if r > self.max_explained}
        for column, (r_squared, partner) in _with_partner(part, odd).items():
            yield _collinear(check, column, r_squared, partner, self.max_explained, part.height)
        if not copies and not odd:
            summary = f"None of {len(dataset.features):,} features is said by the others."
            yield holds(check, "collinear", summary, n=len(dataset))


def _copies(dataset: Dataset) -> dict[str, str]:
    """Return columns with the column before them that has the same values, or one for each."""
    found: dict[str, str] = {}
    seen: dict[bytes, str] = {}
    for name in dataset.features:
        column = dataset.polars()[name]
        if column.null_count() == len(column) or column.n_unique() < 2:
            continue
        codes = _codes(column)
        key = np.ascontiguousarray(codes).tobytes()
        if key in seen:
            found[name] = seen[key]
        else:
            seen[key] = name
    return found


def _codes(column: pl.Series) -> npt.NDArray[np.uint32]:
    """Number the values so that names do not matter: as they first occur, or by their order.

    Columns in which most values occur once are all alike in the first sense.
    """
    if column.n_unique() > len(column) / 2:
        return column.rank("dense").fill_null(0).cast(pl.UInt32).to_numpy()
    first = pl.DataFrame({"v": column}).with_row_index("i").select(pl.col("i").min().over("v"))
    return first["i"].to_numpy()


def _explained(table: pl.DataFrame, names: list[str]) -> dict[str, float]:
    columns = {c: x for c in names if (x := _standardised(table[c])) is not None}
    if len(columns) < 2 or table.height <= 2 * len(columns):
        return {}
    X = np.column_stack(list(columns.values()))
    correlation = X.T @ X / X.shape[0]
    inverse = np.linalg.pinv(correlation, rcond=1e-12, hermitian=True)
    factors = np.diag(inverse).copy()
    residual = 1 - np.diag(correlation @ inverse)
    r_squared = 1 - 1 / np.maximum(factors, 1.0)
    r_squared[residual > 1e-6] = 1.0
    return dict(zip(columns, r_squared.tolist(), strict=True))


def _standardised(column: pl.Series) -> Floats | None:
    x = numbers_of(column)
    known = np.isfinite(x)
    if not known.any():
        return None
    x = np.where(known, x, np.median(x[known]))
    scale = float(np.abs(x).max())
    x = x / scale if scale > 0 else x
    centred, spread = x - x.mean(), float(x.std())
    standardised: Floats | None = centred / spread if spread > 1e-12 else None
    return standardised


def _with_partner(
    table: pl.DataFrame, odd: dict[str, float]
) -> dict[str, tuple[float, list[str]]]:
    """Return each column with those of the others that it is most correlated with."""
    columns = {c: _standardised(table[c]) for c in odd}
    found = {}
    for name, r_squared in odd.items():
        mine = columns[name]
        assert mine is not None
        strength = {
            c: abs(float(mine @ x)) / mine.size
            for c, x in columns.items()
            if c != name and x is not None
        }
        best = sorted(strength, key=lambda c: -strength[c])[:3]
        found[name] = (r_squared, best)
    return found


def _same(check: str, column: str, other: str, n: int) -> Finding:
    return Finding(
        check=check,
        name="same_column",
        verdict=Verdict.FAIL,
        severity=Severity.WARNING,
        summary=f"It says in every row what {other!r} says.",
        action="Drop one of the two: they share one importance, and cost twice.",
        n=n,
        column=column,
        details={"same_as": other},
    )


def _collinear(
    check: str, column: str, r_squared: float, partners: list[str], limit: float, n: int
) -> Finding:
    by = f", above all {some(partners)}" if partners else ""
    return Finding(
        check=check,
        name="collinear",
        verdict=Verdict.FAIL,
        severity=Severity.INFO,
        summary=f"A linear formula of the other numbers explains {r_squared:.1%} of it{by}.",
        action="Predictions do not suffer; read its coefficient and importance with the others'.",
        estimate=r_squared,
        threshold=limit,
        n=n,
        column=column,
    )
