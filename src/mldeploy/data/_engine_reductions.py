"""What engines are asked most: the profile of a table, and its fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import polars as pl

from mldeploy.data._column_profile import MAX_DISTINCT
from mldeploy.data._data_source import DataSource
from mldeploy.data._dataset import Dataset
from mldeploy.data._engine import Engine
from mldeploy.data._engine_run import reduce_source
from mldeploy.data._fingerprint import (
    digest_rows,
    encode,
    kind_of_values,
    no_values,
    whole_digest,
)
from mldeploy.data._profile import Profile
from mldeploy.data._source import TableLike
from mldeploy.data._sources import source_of
from mldeploy.errors import InvalidDataError


@final
@dataclass(frozen=True, kw_only=True)
class ProfileReduction:
    """The profile of a table, from the profiles of its parts.

    Attributes
    ----------
    limit : int
        Most distinct values of a column to count exactly.
    """

    limit: int = MAX_DISTINCT

    def map(self, rows: pl.DataFrame) -> Profile:
        """Summarise some rows."""
        return Profile.of(rows, limit=self.limit, progress=False)

    def merge(self, one: Profile, other: Profile) -> Profile:
        """Return the profile of both."""
        return one.merge(other)

    def finish(self, whole: Profile) -> Profile:
        """Return the profile."""
        return whole


@final
@dataclass(frozen=True)
class RowDigests:
    """Digests of rows in any order, and the columns that hold a value in one of them."""

    chunks: tuple[bytes, ...]
    known: frozenset[str]


@final
@dataclass(frozen=True, kw_only=True)
class Fingerprint:
    """What digesting a table came to.

    Attributes
    ----------
    value : str or None
        64 hexadecimal digits; None if some columns turned out to hold no value.
    empty : frozenset of str
        Those columns. Their kind is part of the digest of each row: name them as empty, and ask
        again.
    """

    value: str | None
    empty: frozenset[str] = frozenset()


@final
@dataclass(frozen=True, kw_only=True)
class FingerprintReduction:
    """The fingerprint of a table from the digests of its rows: 32 bytes for each are held.

    Attributes
    ----------
    kinds : mapping of str to str
        Kind of each column: ``"empty"`` for one that holds no value in the whole table.
    """

    kinds: Mapping[str, str]

    def map(self, rows: pl.DataFrame) -> RowDigests:
        """Digest some rows."""
        if odd := sorted(set(self.kinds) ^ set(rows.columns)):
            raise InvalidDataError(f"the columns {odd} are not in every part of the table")
        cells, known = [], set()
        for name, kind in sorted(self.kinds.items()):
            found, encoded = encode(rows[name])
            if found == "empty":
                encoded = no_values(kind, rows.height)
            elif found != kind:
                raise InvalidDataError(f"column {name!r} holds {found}, and {kind} elsewhere")
            else:
                known.add(name)
            cells.append(encoded)
        digests = b"".join(digest_rows(cells, rows.height))
        return RowDigests((digests,) if digests else (), frozenset(known))

    def merge(self, one: RowDigests, other: RowDigests) -> RowDigests:
        """Return the digests of both."""
        return RowDigests(one.chunks + other.chunks, one.known | other.known)

    def finish(self, whole: RowDigests) -> Fingerprint:
        """Return the fingerprint, or which columns must be known as empty to tell it."""
        empty = {n for n, kind in self.kinds.items() if kind != "empty"} - whole.known
        if empty:
            return Fingerprint(value=None, empty=frozenset(empty))
        digests = [c[at : at + 32] for c in whole.chunks for at in range(0, len(c), 32)]
        return Fingerprint(value=whole_digest(self.kinds, digests))


def profile_source(
    source: DataSource | TableLike | Dataset,
    *,
    engine: Engine | None = None,
    limit: int = MAX_DISTINCT,
) -> Profile:
    """Summarise every column of a source, part by part.

    Parameters
    ----------
    source : DataSource, or any table
        What is read.
    engine : Engine, optional
        Where it runs; threads of this process by default.
    limit : int, default=65536
        Most distinct values of a column to count exactly.

    Returns
    -------
    Profile
        That of the whole, whatever the engine.

    Raises
    ------
    InvalidDataError
        If a part cannot be read, or has other columns.

    Examples
    --------
    >>> profile_source(pl.DataFrame({"x": [1.0, 2.0]}))["x"].mean
    1.5
    """
    return reduce_source(source, ProfileReduction(limit=limit), engine=engine)


def fingerprint_source(
    source: DataSource | TableLike | Dataset, *, engine: Engine | None = None
) -> str:
    """Digest the values of a source, part by part: what `fingerprint_of` says of the whole.

    Parameters
    ----------
    source : DataSource, or any table
        What is read; twice if a column turns out to hold no value at all.
    engine : Engine, optional
        Where it runs; threads of this process by default.

    Returns
    -------
    str
        64 hexadecimal digits, the same for the same values in any parts, order or format.

    Raises
    ------
    InvalidDataError
        If a part cannot be read, or has other columns.

    Examples
    --------
    >>> from mldeploy.data import fingerprint_of
    >>> rows = pl.DataFrame({"x": [1.0, 2.0]})
    >>> fingerprint_source(rows) == fingerprint_of(rows)
    True
    """
    whole = source_of(source)
    kinds = {name: kind_of_values(dtype) for name, dtype in whole.schema().items()}
    found = reduce_source(whole, FingerprintReduction(kinds=kinds), engine=engine)
    if found.value is None:
        kinds |= dict.fromkeys(found.empty, "empty")
        found = reduce_source(whole, FingerprintReduction(kinds=kinds), engine=engine)
    if found.value is None:
        raise InvalidDataError(f"{whole.name or 'the source'} changed while it was read")
    return found.value
