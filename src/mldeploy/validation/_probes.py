"""Probes that are ready to use: noise, missing and unseen values, wrong units, declared ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt
import pandas as pd
from typing_extensions import override

from mldeploy.evidence import Severity
from mldeploy.validation._probe import Expects, Probe

Array: TypeAlias = npt.NDArray[Any]
_UNSEEN = "value that nobody has seen"
_FEW_VALUES = 20


@final
@dataclass(frozen=True, kw_only=True)
class NoiseProbe(Probe):
    """Add a little noise to every number: decisions should stay.

    Attributes
    ----------
    share : float
        Standard deviation of the noise, as a share of the column's.
    """

    share: float = 0.01
    expects: Expects = Expects.SAME
    at_most: float = 0.05
    severity: Severity = Severity.WARNING

    def __post_init__(self) -> None:
        if self.share <= 0:
            raise ValueError(f"{self.share=}: noise has a size")

    @override
    def _change(self, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame | None:
        names = [n for n in numbers_in(rows) if rows[n].nunique() > _FEW_VALUES]
        noisy = {n: _moved(rows[n], self.share * spread_of(rows[n]), rng) for n in names}
        return _with(rows, noisy) if names else None


@final
@dataclass(frozen=True, kw_only=True)
class MissingProbe(Probe):
    """Take a value away from each row, from a column at random: something must be answered."""

    expects: Expects = Expects.ANSWERED
    at_most: float = 0.01
    severity: Severity = Severity.WARNING

    @override
    def _change(self, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame | None:
        hits = _one_column_each(rows, list(rows.columns), rng)
        return _with(rows, {name: _nullable(rows[name]).mask(hit) for name, hit in hits})


@final
@dataclass(frozen=True, kw_only=True)
class UnseenProbe(Probe):
    """Write into each row, in a column of text, what the model has not seen."""

    expects: Expects = Expects.ANSWERED
    at_most: float = 0.01
    severity: Severity = Severity.WARNING

    @override
    def _change(self, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame | None:
        names = _texts(rows)
        hits = _one_column_each(rows, names, rng)
        unseen = {name: rows[name].astype(object).mask(hit, _UNSEEN) for name, hit in hits}
        return _with(rows, unseen) if names else None


@final
@dataclass(frozen=True, kw_only=True)
class UnitProbe(Probe):
    """Multiply a number of each row, as somebody does who takes metres for kilometres.

    What should happen is that the schema refuses it. A failure is a decision that changed
    without anybody noticing: set ranges in the schema, and make them strict.

    Attributes
    ----------
    factor : float
        By how much.
    """

    factor: float = 1000.0
    expects: Expects = Expects.SAME
    at_most: float = 0.05
    severity: Severity = Severity.INFO

    @override
    def _change(self, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame | None:
        names = numbers_in(rows)
        times = {
            name: like(rows[name].where(~hit, rows[name] * self.factor), rows[name])
            for name, hit in _one_column_each(rows, names, rng)
        }
        return _with(rows, times) if names else None


@final
@dataclass(frozen=True, kw_only=True)
class InvarianceProbe(Probe):
    """Give rows the values of other rows in columns that should make no difference.

    Attributes
    ----------
    columns : sequence of str
        Such as a name, or a sensitive column among the features.
    """

    columns: Sequence[str]
    expects: Expects = Expects.SAME
    at_most: float = 0.05
    severity: Severity = Severity.WARNING

    def __post_init__(self) -> None:
        object.__setattr__(self, "columns", tuple(self.columns))
        if not self.columns:
            raise ValueError("an invariance is one towards columns; name at least one")

    @override
    def _change(self, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame | None:
        names = [name for name in self.columns if name in rows.columns]
        dealt = rows.iloc[rng.permutation(len(rows))].set_axis(rows.index)
        return rows.assign(**{name: dealt[name] for name in names}) if names else None


@final
@dataclass(frozen=True, kw_only=True)
class DirectionProbe(Probe):
    """Move a number, which should move the answer one way only.

    Attributes
    ----------
    column : str
        The number.
    by : float
        How far, in its unit.
    """

    column: str
    by: float
    expects: Expects = Expects.NOT_LOWER
    at_most: float = 0.01
    severity: Severity = Severity.WARNING

    def __post_init__(self) -> None:
        if self.by == 0:
            raise ValueError(f"{self.by=} changes nothing")

    @override
    def _change(self, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame | None:
        if self.column not in numbers_in(rows):
            return None
        return rows.assign(**{self.column: like(rows[self.column] + self.by, rows[self.column])})


def numbers_in(rows: pd.DataFrame) -> list[str]:
    """Return the names of the columns of numbers; booleans are none."""
    return [
        str(n)
        for n in rows.columns
        if pd.api.types.is_numeric_dtype(rows[n]) and not pd.api.types.is_bool_dtype(rows[n])
    ]


def _texts(rows: pd.DataFrame) -> list[str]:
    return [
        str(n)
        for n in rows.columns
        if isinstance(rows[n].dtype, pd.CategoricalDtype)
        or pd.api.types.is_string_dtype(rows[n])
        or (rows[n].dtype == object and rows[n].dropna().map(lambda v: isinstance(v, str)).all())
    ]


def spread_of(column: pd.Series) -> float:
    """Return the standard deviation of the finite values; 0 where there are none."""
    values = column.to_numpy(float, na_value=np.nan)
    values = values[np.isfinite(values)]
    return float(values.std()) if values.size else 0.0


def _moved(column: pd.Series, sd: float, rng: np.random.Generator) -> pd.Series:
    return like(column + sd * rng.normal(size=len(column)), column)


def like(changed: pd.Series, column: pd.Series) -> pd.Series:
    """Return numbers in the column's own type, whole ones rounded; wider where it holds less."""
    if not pd.api.types.is_integer_dtype(column):
        return changed.astype(column.dtype)
    try:
        return changed.round().astype(column.dtype)
    except (TypeError, ValueError, OverflowError):
        return changed.astype(float)


def _nullable(column: pd.Series) -> pd.Series:
    """Return a column that can hold a missing value."""
    if pd.api.types.is_bool_dtype(column):
        return column.astype("boolean")
    if pd.api.types.is_integer_dtype(column):
        return column.astype("Int64")
    return column


def _with(rows: pd.DataFrame, changed: Mapping[str, pd.Series]) -> pd.DataFrame:
    """Return rows with some columns changed: at once, since thousands one by one take minutes."""
    columns = {name: changed.get(str(name), column) for name, column in rows.items()}
    return pd.DataFrame(columns, index=rows.index)


def _one_column_each(
    rows: pd.DataFrame, names: Sequence[str], rng: np.random.Generator
) -> list[tuple[str, Array]]:
    """Draw a column for each row; return for each column that was drawn which rows drew it."""
    if not names:
        return []
    drawn = rng.integers(0, len(names), len(rows))
    return [(names[i], drawn == i) for i in np.unique(drawn)]
