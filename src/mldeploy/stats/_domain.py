"""Can a classifier tell current rows from reference rows? Drift of all columns together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, final

import numpy as np
import numpy.typing as npt
from threadpoolctl import threadpool_limits

from mldeploy._record import Record
from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats._arrays import Floats, Ints, check_confidence
from mldeploy.stats._delong import delong
from mldeploy.stats._estimate import Estimate
from mldeploy.stats._replicates import per_unit

MATERIAL_AUC = 0.55
"""Area below which a shift is immaterial: a normal column that moved by .18 sd."""


@final
class DomainTest(Record):
    """How well current rows can be told from reference rows they were not shown with."""

    auc: Estimate
    """Area under the ROC curve on rows held out; 0.5 when nothing tells them apart."""
    material: float
    """Area up to which a difference does not matter."""
    columns: tuple[int, ...]
    """Positions of the columns that tell them apart, the most telling first."""
    losses: tuple[float, ...]
    """Area that is lost when the values of each of `columns` are shuffled."""
    n_reference: int
    n_current: int
    """Rows of either sample that were looked at."""

    @property
    def shifted(self) -> bool:
        """Whether the two surely differ by more than what does not matter."""
        return self.auc.interval.low > self.material


def domain_classifier(
    reference: npt.ArrayLike,
    current: npt.ArrayLike,
    *,
    reference_units: npt.ArrayLike | None = None,
    current_units: npt.ArrayLike | None = None,
    categorical: Sequence[int] = (),
    material: float = MATERIAL_AUC,
    confidence: float = 0.95,
    n_folds: int = 5,
    max_rows: int = 20_000,
    estimator: Any = None,
    rng: np.random.Generator,
) -> DomainTest:
    r"""Test whether two tables differ in any way that a classifier can see.

    Columns whose own distributions stayed may still have changed together: a correlation that
    turned its sign. Tests of single columns are blind to that.

    Parameters
    ----------
    reference, current : array-like of shape (n_rows, n_columns)
        The table judged by, and the one judged; numbers, NaN where a value is missing. Values
        of a category are numbered.
    reference_units, current_units : array-like of shape (n_rows,), optional
        What the rows belong to. A unit is never both learnt from and judged on, in either
        table, or else a customer who is in one table only gives the table away. Give both, or
        neither.
    categorical : sequence of int, default=()
        Positions of the columns whose numbers are only names.
    material : float, default=0.55
        Area that does not matter, in [0.5, 1).
    confidence : float, default=0.95
        Level of the two-sided interval of the area, in (0, 1).
    n_folds : int, default=5
        Folds; each row is judged by a classifier that saw the others.
    max_rows : int, default=20000
        Rows of either table that are used at most; of units, whole ones.
    estimator : scikit-learn classifier, optional
        Shallow boosted trees by default. It must take NaN, if there is any.
    rng : numpy.random.Generator
        Source of the folds, of the rows drawn and of the shuffles.

    Returns
    -------
    DomainTest
        The area on held-out rows with its interval by `delong`, over units if there are any.

    Raises
    ------
    EmptyDataError
        If a table has no rows or no columns.
    InvalidDataError
        If the tables differ in columns, units do not fit the rows, or there are fewer rows (or
        units) of either table than folds.
    ValueError
        If `material` is no area, or there are fewer than two folds.

    Notes
    -----
    A classifier two-sample test [1]_ on unit-grouped folds. Scores are ranked within each fold,
    since the classifiers of two folds need not agree on a scale. The lower bound of the area is
    compared with `material`, so that a large sample does not make an alarm of a small shift.

    References
    ----------
    .. [1] D. Lopez-Paz and M. Oquab, "Revisiting classifier two-sample tests", ICLR 2017.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> before = rng.multivariate_normal([0, 0], [[1, 0.8], [0.8, 1]], size=800)
    >>> after = rng.multivariate_normal([0, 0], [[1, -0.8], [-0.8, 1]], size=800)
    >>> domain_classifier(before[:400], before[400:], rng=rng).shifted
    False
    >>> domain_classifier(before, after, rng=rng).shifted
    True
    """
    if not 0.5 <= material < 1:
        raise ValueError(f"{material=} is no area that does not matter; it lies in [0.5, 1)")
    if n_folds < 2:
        raise ValueError(f"{n_folds=}: rows are judged by what was learnt on others; use 2 folds")
    check_confidence(confidence)
    X, is_current, units = _joined(reference, current, reference_units, current_units)
    kept = np.concatenate(
        [_drawn(np.flatnonzero(is_current == side), units, max_rows, rng) for side in (0, 1)]
    )
    X, is_current = X[kept], is_current[kept]
    codes = np.arange(kept.size) if units is None else units[kept]
    folds = _folds(codes, is_current, n_folds=n_folds, rng=rng)
    model = _default(categorical) if estimator is None else estimator
    with threadpool_limits(limits=1, user_api="openmp"):
        scores, losses = _out_of_fold(model, X, is_current, folds, rng=rng)
    auc = delong(is_current, scores, units=None if units is None else codes, confidence=confidence)
    telling = np.argsort(-losses, kind="stable")
    telling = telling[losses[telling] > 0]
    return DomainTest(
        auc=auc,
        material=material,
        columns=tuple(telling.tolist()),
        losses=tuple(losses[telling].tolist()),
        n_reference=int((is_current == 0).sum()),
        n_current=int(is_current.sum()),
    )


def _joined(
    reference: npt.ArrayLike,
    current: npt.ArrayLike,
    reference_units: npt.ArrayLike | None,
    current_units: npt.ArrayLike | None,
) -> tuple[Floats, Ints, Ints | None]:
    """Return both tables below each other, which rows are current, and their units' numbers."""
    tables = [_table("reference", reference), _table("current", current)]
    if tables[0].shape[1] != tables[1].shape[1]:
        raise InvalidDataError(
            f"reference has {tables[0].shape[1]} columns and current {tables[1].shape[1]}; "
            "pass the same columns in the same order"
        )
    is_current = np.repeat(np.arange(2), [len(table) for table in tables])
    if reference_units is None and current_units is None:
        return np.concatenate(tables), is_current, None
    if reference_units is None or current_units is None:
        raise InvalidDataError("units are known of one table only; pass both, or neither")
    names = [np.asarray(reference_units), np.asarray(current_units)]
    for name, table in zip(names, tables, strict=True):
        if name.shape != (len(table),):
            raise InvalidDataError(f"{name.shape} units for {len(table)} rows; pass one per row")
    _, codes = np.unique(np.concatenate(names), return_inverse=True)
    return np.concatenate(tables), is_current, codes.reshape(-1)


def _table(name: str, values: npt.ArrayLike) -> Floats:
    try:
        table = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"{name} holds what is no number: {error}") from error
    if table.ndim != 2:
        raise InvalidDataError(f"{name} has {table.ndim} dimensions; pass rows and columns")
    if table.size == 0:
        raise EmptyDataError(f"{name} has shape {table.shape}; pass at least a row and a column")
    if np.isinf(table).any():
        table = np.where(np.isinf(table), np.sign(table) * np.finfo(np.float64).max, table)
    return table


def _drawn(rows: Ints, units: Ints | None, max_rows: int, rng: np.random.Generator) -> Ints:
    """Return as many of the rows as allowed; of units whole ones, at least one."""
    if rows.size <= max_rows:
        return rows
    if units is None:
        return np.sort(rng.choice(rows, max_rows, replace=False))
    distinct, codes, sizes = np.unique(units[rows], return_inverse=True, return_counts=True)
    order = rng.permutation(distinct.size)
    kept = np.zeros(distinct.size, dtype=bool)
    kept[order] = np.cumsum(sizes[order]) <= max_rows
    kept[order[0]] = True
    return rows[kept[codes.reshape(-1)]]


def _folds(codes: Ints, is_current: Ints, *, n_folds: int, rng: np.random.Generator) -> Ints:
    """Return each row's fold; units stay together, and each fold gets units of both tables."""
    _, codes = np.unique(codes, return_inverse=True)
    n_units = int(codes.max()) + 1
    share = per_unit(codes, is_current.astype(np.float64), n=n_units) / np.bincount(codes)
    of_unit = np.empty(n_units, dtype=np.intp)
    # Units of one table only, and those of both, are dealt out by turns.
    kinds = np.where(share == 0, 0, np.where(share == 1, 1, 2))
    order = np.lexsort((rng.random(n_units), kinds))
    of_unit[order] = np.arange(n_units) % n_folds
    folds: Ints = of_unit[codes]
    for side, name in ((0, "reference"), (1, "current")):
        if np.unique(folds[is_current == side]).size < n_folds:
            raise InvalidDataError(
                f"{name} has too few rows (or units) for {n_folds} folds; use fewer folds, or a "
                "longer window"
            )
    return folds


def _default(categorical: Sequence[int]) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415 - slow to import

    return HistGradientBoostingClassifier(
        max_iter=50,
        max_leaf_nodes=8,
        min_samples_leaf=20,
        l2_regularization=1.0,
        early_stopping=False,
        categorical_features=list(categorical) or None,
        random_state=0,
    )


def _out_of_fold(
    estimator: Any, X: Floats, is_current: Ints, folds: Ints, *, rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return each row's rank among its fold's scores, and the area lost without each column."""
    from sklearn.base import clone  # noqa: PLC0415 - slow to import

    scores, losses = np.empty(len(X)), np.zeros(X.shape[1])
    for fold in range(int(folds.max()) + 1):
        held_out = folds == fold
        # Boosted trees refuse a column without any value.
        empty = np.isnan(X[~held_out]).all(axis=0)
        table = np.where(empty, 0.0, X) if empty.any() else X
        model = clone(estimator).fit(table[~held_out], is_current[~held_out])
        inside, y = table[held_out], is_current[held_out]
        said = model.predict_proba(inside)[:, 1]
        scores[held_out] = _ranks(said)
        losses += _losses(model, inside, y, said, rng=rng) * (len(y) / len(X))
    return scores, losses


def _losses(model: Any, X: Floats, y: Ints, said: Floats, *, rng: np.random.Generator) -> Floats:
    losses, full = np.zeros(X.shape[1]), delong(y, said).value
    for column in range(X.shape[1]):
        shuffled = X.copy()
        shuffled[:, column] = rng.permutation(shuffled[:, column])
        losses[column] = full - delong(y, model.predict_proba(shuffled)[:, 1]).value
    return losses


def _ranks(values: Floats) -> Floats:
    """Return the share of values below each, ties counted half."""
    ordered = np.sort(values)
    below = np.searchsorted(ordered, values, side="left")
    up_to = np.searchsorted(ordered, values, side="right")
    ranks: Floats = (below + up_to) / (2 * values.size)
    return ranks
