"""A model asked about rows before and after a change, as a server would ask it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from mldeploy.data import Schema, to_polars
from mldeploy.errors import InvalidRowsError, SchemaMismatchError
from mldeploy.model import Model
from mldeploy.problem import Task
from mldeploy.validation._probe import Expects, Probe

Array: TypeAlias = npt.NDArray[Any]
_N_ONE_BY_ONE = 64
_CLOSE = 1e-9


@final
@dataclass(frozen=True, kw_only=True)
class Tried:
    """What came of a probe.

    Attributes
    ----------
    rows : ndarray of int of shape (n_changed,)
        Positions of the rows that were changed, those that the schema refused among them.
    failed : ndarray of bool of shape (n_changed,)
        Whether the answer did what it may not.
    n_refused : int
        How many the schema refused.
    turned : float, optional
        Share of the answers that changed, among those that were given.
    column : str, optional
        The column that was changed, if it was one.
    told : str
        What the failures are, in words.
    error : str
        What the model raised, if it did.
    why_not : str
        Why nothing came of it; empty otherwise.
    """

    rows: Array
    failed: Array
    n_refused: int = 0
    turned: float | None = None
    column: str | None = None
    told: str = ""
    error: str = ""
    why_not: str = ""


_TOLD = {
    Expects.SAME: "another answer than before",
    Expects.NOT_LOWER: "a lower answer than before",
    Expects.NOT_HIGHER: "a higher answer than before",
    Expects.ANSWERED: "no finite answer",
}


def tried(
    probe: Probe, model: Model, X: pd.DataFrame, *, tolerance: float, rng: np.random.Generator
) -> Tried:
    """Change rows as a probe says, and hold the answers against those before."""
    after = probe.changed(X, rng=rng)
    if after is None:
        return _nothing("it does not apply to what the model reads")
    differs = _differing(X, after)
    rows = np.flatnonzero(_any(differs.values(), len(X)))
    if not rows.size:
        return _nothing("it changed no row")
    if probe.expects in {Expects.NOT_LOWER, Expects.NOT_HIGHER} and not _has_order(model):
        return _nothing("the answers have no higher and lower")
    before, changed = X.iloc[rows], after.iloc[rows]
    accepted = _accepted(changed, model.signature.inputs)
    answers, error = _answers(model, changed, accepted)
    if error and probe.expects is not Expects.ANSWERED:
        return _nothing(f"the model raised {error}")
    if error:
        few = rng.permutation(len(rows))[:_N_ONE_BY_ONE]
        rows, before, changed = rows[few], before.iloc[few], changed.iloc[few]
        accepted = accepted[few]
        answers = _one_by_one(model, changed, accepted)
    old, _ = _answers(model, before, np.ones(len(rows), bool))
    failed, turned = _compared(probe.expects, old, answers, accepted, tolerance)
    touched = list(differs)
    return Tried(
        rows=rows,
        failed=failed,
        n_refused=int((~accepted).sum()),
        turned=turned,
        column=touched[0] if len(touched) == 1 else None,
        told=_TOLD[probe.expects],
        error=error,
    )


@final
@dataclass(frozen=True, kw_only=True)
class _Answers:
    """Decisions, and numbers that have an order; NaN where nothing was answered."""

    decisions: Array
    values: Array
    is_number: bool


def _nothing(why: str) -> Tried:
    return Tried(rows=np.zeros(0, int), failed=np.zeros(0, bool), why_not=why)


def _differing(before: pd.DataFrame, after: pd.DataFrame) -> dict[str, Array]:
    """Return for each column with another value which rows have one; missing equals missing."""
    pairs = zip(before.items(), after.items(), strict=True)
    masks = {str(name): _unlike(old, new) for (name, old), (_, new) in pairs}
    return {name: mask for name, mask in masks.items() if mask.any()}


def _unlike(before: pd.Series, after: pd.Series) -> Array:
    old, new = before.to_numpy(), after.to_numpy()
    if old.dtype == new.dtype and old.dtype.kind in "biuf":
        differs: Array = (old != new) & ~(np.isnan(old) & np.isnan(new))
        return differs
    same = (before.astype(object) == after.astype(object)) & before.notna() & after.notna()
    return ~(same | (before.isna() & after.isna())).to_numpy(bool)


def _any(masks: Iterable[Array], n: int) -> Array:
    found = np.zeros(n, bool)
    for mask in masks:
        found |= mask
    return found


def _has_order(model: Model) -> bool:
    task = model.signature.task
    scored = model.signature.probabilistic or hasattr(model.estimator, "decision_function")
    return task is Task.REGRESSION or (task is Task.BINARY and scored)


def _accepted(rows: pd.DataFrame, schema: Schema) -> Array:
    """Return which rows the schema accepts; the rest never reaches the model."""
    table, accepted = to_polars(rows), np.ones(len(rows), bool)
    while accepted.any():
        left = np.flatnonzero(accepted)
        try:
            schema.enforce(table[left])
        except InvalidRowsError as error:
            accepted[left[[e.row for e in error.errors]]] = False
        except SchemaMismatchError:
            accepted[:] = False
        else:
            break
    return accepted


def _answers(model: Model, rows: pd.DataFrame, accepted: Array) -> tuple[_Answers, str]:
    """Return the answers to accepted rows in the schema's types, or what the model raised."""
    n, numeric = len(rows), model.signature.task is Task.REGRESSION
    decisions, values = np.full(n, None, object), np.full(n, np.nan)
    if accepted.any():
        asked = model.signature.inputs.enforce(to_polars(rows)[np.flatnonzero(accepted)])
        try:
            said, score = np.asarray(model.predict(asked)), model.score(asked)
        except Exception as error:  # noqa: BLE001 - whatever the model raises is told
            return _Answers(decisions=decisions, values=values, is_number=numeric), (
                f"{type(error).__name__}: {error}"
            )
        decisions[accepted] = said.tolist()
        if numeric:
            values[accepted] = said.astype(float)
        elif score is not None:
            values[accepted] = score if score.ndim == 1 else score.max(axis=1)
        else:
            values[accepted] = 0.0
    return _Answers(decisions=decisions, values=values, is_number=numeric), ""


def _one_by_one(model: Model, rows: pd.DataFrame, accepted: Array) -> _Answers:
    parts = [
        _answers(model, rows.iloc[i : i + 1], accepted[i : i + 1])[0] for i in range(len(rows))
    ]
    return _Answers(
        decisions=np.concatenate([p.decisions for p in parts]),
        values=np.concatenate([p.values for p in parts]),
        is_number=parts[0].is_number,
    )


def _compared(
    expects: Expects, old: _Answers, new: _Answers, accepted: Array, tolerance: float
) -> tuple[Array, float | None]:
    """Return which rows failed, and the share of answers that changed."""
    silent = accepted & ~np.isfinite(new.values)
    answered = accepted & ~silent
    if old.is_number:
        spread = float(np.nanstd(old.values))
        other = np.abs(new.values - old.values) > tolerance * max(spread, _CLOSE)
    else:
        other = new.decisions != old.decisions
    other &= answered
    rise = np.where(answered, new.values - old.values, 0.0)
    broken = {
        Expects.SAME: other,
        Expects.NOT_LOWER: rise < -_CLOSE,
        Expects.NOT_HIGHER: rise > _CLOSE,
        Expects.ANSWERED: np.zeros(len(other), bool),
    }[expects]
    turned = float(other[answered].mean()) if answered.any() else None
    return np.asarray(silent | broken, bool), turned
