"""Truths about texts, asked of each distinct text once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import polars as pl

_SAMPLE: Final = 16_384
"""Texts by which it is told whether they repeat."""
_MOST: Final = 65_536
"""Distinct texts up to which they are told apart by their hashes of 64 bits: two of so many share
one by chance in fewer than 2e-10 of all tables."""


def of_each_text(texts: pl.Expr, truth: Callable[[pl.Series], pl.Series]) -> pl.Expr:
    """Return whether something is true of each text, null where it is missing.

    Parameters
    ----------
    texts : polars.Expr
        Texts.
    truth : callable
        Tells of texts, each by itself, whether it is true; null for null.
    """
    return texts.map_batches(
        lambda batch: _by_distinct(batch, truth), return_dtype=pl.Boolean, is_elementwise=True
    )


def _by_distinct(texts: pl.Series, truth: Callable[[pl.Series], pl.Series]) -> pl.Series:
    some = texts.head(_SAMPLE)
    if some.n_unique() * 2 > len(some):
        return truth(texts)
    first = texts.hash().arg_unique()
    if len(first) > _MOST:
        return truth(texts)
    distinct = texts.gather(first)
    odd = distinct.filter(~truth(distinct))
    if len(odd):
        return ~texts.is_in(odd.implode())
    known = texts.is_not_null()
    return known.set(~known, None) if texts.null_count() else known
