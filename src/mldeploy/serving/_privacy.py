"""Sensitive columns: hashed or left out before anything touches the disk."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, TypeAlias, final

import polars as pl

from mldeploy.serving._batch import LOG_COLUMNS, constant

_logger = logging.getLogger(__name__)

_NEVER: Final = frozenset({"prediction_id", "time", "deployment", "version", "arm", "latency_s"})
"""Columns that rollouts, labels and readers cannot do without, and that say nothing private."""

_SHORTEST, _LONGEST = 16, 64


@final
@dataclass(frozen=True)
class HashColumn:
    """Log a keyed hash instead of the value: equal values stay equal, and joins work.

    Without the key nobody can find the values by trying them out; with it anybody can. Keep it
    where the labels that are to be joined are made, and nowhere near the log.

    Parameters
    ----------
    key : bytes
        Secret of 16 to 64 bytes.

    Examples
    --------
    >>> rule = HashColumn(b"sixteen bytes or")
    >>> rule.of("N14228") == rule.of("N14228"), len(rule.of("N14228"))
    (True, 32)
    """

    key: bytes = field(repr=False)

    def __post_init__(self) -> None:
        if not _SHORTEST <= len(self.key) <= _LONGEST:
            raise ValueError(
                f"a key has {_SHORTEST} to {_LONGEST} bytes, not {len(self.key)}; "
                "secrets.token_bytes(32) makes one"
            )

    def of(self, value: object) -> str:
        """Return what the log holds for a value: 32 hexadecimal digits (BLAKE2b, keyed).

        Text is hashed as UTF-8, everything else as its text.
        """
        return hashlib.blake2b(str(value).encode(), digest_size=16, key=self.key).hexdigest()


@final
@dataclass(frozen=True)
class DropColumn:
    """Leave a feature out of the log; of the log's own columns, the values."""


ColumnRule: TypeAlias = HashColumn | DropColumn


@final
class Protection:
    """Apply rules to rows on their way to the disk.

    Parameters
    ----------
    rules : mapping of str to HashColumn or DropColumn
        By the name that a column has in the log; see `logged_name`.
    """

    def __init__(self, rules: Mapping[str, ColumnRule]) -> None:
        if needed := sorted(_NEVER & rules.keys()):
            raise ValueError(f"the log cannot be read without {', '.join(needed)}; keep it")
        self.rules = MappingProxyType(dict(rules))
        self._unseen = set(rules).difference(LOG_COLUMNS)
        self._guards_features = bool(self._unseen)

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return rows as they may be written."""
        if not self.rules:
            return rows
        self._warn_about_unknown(rows)
        for name, rule in self.rules.items():
            if name not in rows.columns:
                continue
            if isinstance(rule, HashColumn):
                rows = rows.with_columns(_hashed(rows[name], rule))
            elif name in LOG_COLUMNS:
                rows = rows.with_columns(pl.lit(None, dtype=rows.schema[name]).alias(name))
            else:
                rows = rows.drop(name)
        return rows.with_columns(_kind_of_error()) if self._guards_features else rows

    def _warn_about_unknown(self, rows: pl.DataFrame) -> None:
        for name in sorted(self._unseen - set(rows.columns)):
            _logger.warning(
                "the prediction log is to protect %r, and the rows have no such column: %s",
                name,
                ", ".join(rows.columns),
            )
        self._unseen.clear()


def _hashed(column: pl.Series, rule: HashColumn) -> pl.Series:
    distinct = column.drop_nulls().unique()
    if distinct.is_empty():
        return constant(column.name, None, len(column))
    hashes = pl.Series([rule.of(value) for value in distinct.to_list()], dtype=pl.String)
    return column.replace_strict(distinct, hashes, default=None, return_dtype=pl.String)


def _kind_of_error() -> pl.Expr:
    """Keep the type of an exception; its text may quote a sensitive value."""
    kind = pl.col("error").str.extract(r"^(\w+)")
    return (kind + ": (withheld, the log has sensitive columns)").alias("error")
