"""What becomes of one raw column: a number after some steps, or a row of a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias, final

import numpy as np
import polars as pl

from mldeploy.model.compiled._kernel import Floats
from mldeploy.model.compiled._ops import Op, Scalar, applied, scalar_of
from mldeploy.model.compiled._refuse import failed, refuse
from mldeploy.model.compiled._rows import Codes, Rows

Keys: TypeAlias = tuple[str, ...] | tuple[float, ...]

_NAN: Final = float("nan")
_LONGEST_RANGE: Final = 1 << 14
"""Whole keys that span no more are looked up by position."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class NumberColumn:
    """A raw column of numbers that stays one, after some steps.

    Attributes
    ----------
    source : int
        Number of the raw column.
    ops : tuple of Op
        What is done to it, in order.
    """

    source: int
    ops: tuple[Op, ...] = ()

    @property
    def width(self) -> int:
        """Number of columns that it becomes."""
        return 1

    def prepared(self, column: pl.Series) -> Floats:
        """Return the numbers of a column."""
        with np.errstate(all="ignore"):
            return applied(self.ops, numbers_of(column))

    @cached_property
    def single(self) -> Callable[[Any], float]:
        """What returns the number of one value."""
        if not self.ops:
            return lambda value: _NAN if value is None else value
        steps = scalar_of(self.ops)
        return lambda value: steps(_NAN if value is None else float(value))


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class TableColumns:
    """A raw column whose values stand for rows of a table.

    Attributes
    ----------
    source : int
        Number of the raw column.
    ops : tuple of Op
        What is done to numbers before they are looked up.
    keys : tuple of str or of float
        The values that are known, as text or as numbers.
    rows : Rows
        Their rows, then that of other values, then that of missing ones.
    knows_others, knows_missing : bool
        Whether other values, and missing ones, have a row; else the original refuses them.
    """

    source: int
    ops: tuple[Op, ...] = ()
    keys: Keys
    rows: Rows
    knows_others: bool = True
    knows_missing: bool = True

    def __post_init__(self) -> None:
        if len(self.rows) != len(self.keys) + 2:
            raise refuse("a table has not one row for each of its keys")
        if len(set(self.keys)) != len(self.keys) or any(key != key for key in self.keys):  # noqa: PLR0124
            raise refuse("a table has a key twice")

    @property
    def width(self) -> int:
        """Number of columns that it becomes."""
        return self.rows.width

    @property
    def is_text(self) -> bool:
        """Whether its keys are text."""
        return bool(self.keys) and isinstance(self.keys[0], str)

    def prepared(self, column: pl.Series) -> Codes:
        """Return the number of the row for each value.

        Raises
        ------
        PredictionFailedError
            If the original refuses one of the values.
        """
        n_keys = len(self.keys)
        if column.dtype == pl.String or isinstance(column.dtype, pl.Enum):
            codes, missing = self._text_codes(column), column.is_null().to_numpy()
        else:
            with np.errstate(all="ignore"):
                numbers = applied(self.ops, numbers_of(column))
            codes, missing = self._number_codes(numbers), np.isnan(numbers)
        if missing.any():
            codes = np.where(missing, n_keys + 1, codes)
            if not self.knows_missing:
                raise self._refused(None)
        if not self.knows_others and (others := codes == n_keys).any():
            raise self._refused(column[int(np.flatnonzero(others)[0])])
        return codes

    def single(self, table: Mapping[Any, Any], other: Any) -> Callable[[Any], Any]:
        """Return what looks one value up in a table by key; None is the key of missing values."""
        steps: Scalar | None = scalar_of(self.ops) if self.ops else None

        def look_up(value: Any) -> Any:
            if steps is not None:
                value = steps(_NAN if value is None else float(value))
                value = None if value != value else value  # noqa: PLR0124 (NaN)
            found = table.get(value, other)
            if found is None:
                raise self._refused(value)
            return found

        return look_up

    def by_key(self, values: Sequence[Any], *, refused: Any = None) -> tuple[dict[Any, Any], Any]:
        """Return a mapping from each key to its entry, and the entry of other values."""
        table: dict[Any, Any] = dict(zip(self.keys, values, strict=False))
        table[None] = values[-1] if self.knows_missing else refused
        return table, values[-2] if self.knows_others else refused

    def _refused(self, value: object) -> Exception:
        if value is None:
            return failed("a value is missing where the model was fitted on none")
        return failed(f"{value!r} is a category that was not seen in training")

    def _text_codes(self, column: pl.Series) -> Codes:
        n_keys = len(self.keys)
        if isinstance(column.dtype, pl.Enum):
            position = {key: code for code, key in enumerate(self.keys)}
            levels = [position.get(level, n_keys) for level in column.dtype.categories.to_list()]
            lookup = np.array([*levels, n_keys], dtype=np.int32)
            physical = column.to_physical().cast(pl.Int32).fill_null(len(levels))
            codes: Codes = lookup[physical.to_numpy()]
            return codes
        if not n_keys:
            return np.zeros(len(column), np.int32)
        known = column.cast(self._enum, strict=False).to_physical()
        return known.cast(pl.Int32).fill_null(n_keys).to_numpy()

    @cached_property
    def _enum(self) -> pl.Enum:
        return pl.Enum(pl.Series(list(self.keys), dtype=pl.String))

    def _number_codes(self, numbers: Floats) -> Codes:
        keys, order, lookup = self._sorted
        if not len(keys):
            return np.zeros(len(numbers), np.int32)
        if lookup is not None:
            low, high = keys[0], keys[-1]
            inside = (numbers >= low) & (numbers <= high)
            whole = np.where(inside, numbers - low, 0).astype(np.int32)
            same = inside & (whole == numbers - low)
            return np.where(same, lookup[whole], len(keys))
        places = np.searchsorted(keys, numbers)
        places[places == len(keys)] = 0
        return np.where(keys[places] == numbers, order[places], len(keys))

    @cached_property
    def _sorted(self) -> tuple[Floats, Codes, Codes | None]:
        keys = np.array(self.keys, dtype=np.float64)
        order = np.argsort(keys).astype(np.int32)
        keys = keys[order]
        if not len(keys) or not np.isfinite(keys).all() or (keys != np.floor(keys)).any():
            return keys, order, None
        if keys[-1] - keys[0] >= _LONGEST_RANGE:
            return keys, order, None
        lookup = np.full(int(keys[-1] - keys[0]) + 1, len(keys), np.int32)
        lookup[(keys - keys[0]).astype(np.intp)] = order
        return keys, order, lookup


Column: TypeAlias = NumberColumn | TableColumns
Prepared: TypeAlias = Floats | Codes


def numbers_of(column: pl.Series) -> Floats:
    """Return a raw column as float64, with NaN where values are missing."""
    return column.cast(pl.Float64).to_numpy()
