"""Samples that keep units whole, the same ones on every machine and on every day."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy._record import digest_of
from mldeploy.data._data_source import DataSource, SupportsParts
from mldeploy.data._dataset import Dataset
from mldeploy.data._fingerprint import digest_rows, encode
from mldeploy.errors import InvalidDataError


@final
@dataclass(frozen=True, kw_only=True)
class UnitSample:
    """A share of the units of a table, each with all of its rows or with none.

    Whether a unit is in depends on its value and the salt alone: not on other rows, their order,
    their number, the machine, or the type that holds the value. So samples of two tables by one
    unit fit together, tomorrow's sample continues today's, and a larger share holds a smaller.

    Attributes
    ----------
    share : float
        Share of the units, above 0 and at most 1; the sample has about as many.
    salt : str, default=""
        Another salt draws other units. Splits that are to be independent have salts of their
        own.

    Examples
    --------
    >>> rows = pl.DataFrame({"plane": [f"N{i // 10}" for i in range(1000)]})
    >>> sample = UnitSample(share=0.2).take(Dataset.of(rows, unit="plane"))
    >>> sample.n_rows, sample.table["plane"].value_counts()["count"].unique().to_list()
    (230, [10])
    """

    share: float
    salt: str = ""

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise InvalidDataError(f"{self.share=} is no share; pass one above 0 and at most 1")

    def take(self, dataset: Dataset) -> Dataset:
        """Return the rows of the units that are drawn; rows without a unit are one unit.

        Raises
        ------
        InvalidDataError
            If the dataset declares no unit.
        EmptyDataError
            If no unit is drawn.
        """
        if dataset.roles.unit is None:
            raise InvalidDataError(
                "the dataset declares no unit; pass unit= to Dataset.of, so that rows that belong "
                "together stay together"
            )
        return dataset.filter(pl.lit(self.draws(dataset.table[dataset.roles.unit])))

    def source(self, source: DataSource, *, unit: str) -> DataSource:
        """Return the rows of a source whose units are drawn, larger than memory.

        Raises
        ------
        InvalidDataError
            If the source has no such column.
        """
        if unit not in source.schema():
            raise InvalidDataError(
                f"{source.name or 'the source'} has no column {unit!r}; it has "
                f"{source.schema().names()[:20]}"
            )
        return _SampledSource(whole=source, unit=unit, sample=self)

    def draws(self, units: pl.Series) -> pl.Series:
        """Return for each value whether it is drawn.

        Parameters
        ----------
        units : polars.Series
            Values of any kind; missing ones are one unit.

        Returns
        -------
        polars.Series
            Of booleans, of the same length.
        """
        distinct = units.drop_nulls().unique()
        drawn = _places(distinct, self.salt) < self.share
        table = pl.DataFrame([distinct.alias("unit"), pl.Series("drawn", drawn, dtype=pl.Boolean)])
        found = units.to_frame("unit").join(table, on="unit", how="left", maintain_order="left")
        return found["drawn"].fill_null(_place(_head("", self.salt)) < self.share)


def _places(units: pl.Series, salt: str) -> npt.NDArray[np.float64]:
    """Return a place in [0, 1) for each unit, uniform over units."""
    kind, cells = encode(units)
    head = _head(kind, salt)
    return np.array([_place(head + digest) for digest in digest_rows([cells], len(units))])


def _head(kind: str, salt: str) -> bytes:
    return hashlib.sha256(f"{kind}\x00{salt}".encode()).digest()


def _place(content: bytes) -> float:
    return int.from_bytes(hashlib.sha256(content).digest()[:8], "big") / 2.0**64


@final
@dataclass(frozen=True, kw_only=True)
class _SampledSource:
    whole: DataSource
    unit: str
    sample: UnitSample

    @property
    def name(self) -> str:
        return self.whole.name

    def schema(self) -> pl.Schema:
        return self.whole.schema()

    def batches(self) -> Iterator[pl.DataFrame]:
        for batch in self.whole.batches():
            drawn = batch.filter(self.sample.draws(batch[self.unit]))
            if drawn.height:
                yield drawn

    def fingerprint(self) -> str:
        asked = [self.whole.fingerprint(), self.unit, self.sample.share, self.sample.salt]
        return digest_of(asked)

    def between(self, start: datetime | None, end: datetime | None) -> DataSource:
        inside = self.whole.between(start, end)
        return _SampledSource(whole=inside, unit=self.unit, sample=self.sample)

    def parts(self) -> Sequence[DataSource]:
        parts = self.whole.parts() if isinstance(self.whole, SupportsParts) else [self.whole]
        return [_SampledSource(whole=p, unit=self.unit, sample=self.sample) for p in parts]
