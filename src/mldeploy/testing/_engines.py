"""The kit of engines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import final

import numpy as np
import polars as pl
import pytest

from mldeploy.data import (
    DataSource,
    Engine,
    FrameSource,
    fingerprint_of,
    fingerprint_source,
    profile_source,
    reduce_source,
)
from mldeploy.data.expectations import (
    Expectations,
    InRange,
    NotNull,
    SumInRange,
    Unique,
    check_source,
)
from mldeploy.errors import InvalidDataError, PartFailedError
from mldeploy.testing._conformance import Conformance


class EngineConformance(Conformance, kit=True):
    """Subclass as ``TestYourEngine`` and define the `engine` fixture."""

    @pytest.fixture
    def engine(self) -> Engine:
        """The engine on trial."""
        raise NotImplementedError(f"{type(self).__name__} must define the `engine` fixture")

    def test_it_has_what_an_engine_has(self, engine: Engine) -> None:
        """The protocol is all that is asked of a class."""
        assert isinstance(engine, Engine)

    @pytest.mark.parametrize("n_parts", [1, 2, 3, 17])
    def test_each_part_is_counted_once(self, engine: Engine, n_parts: int) -> None:
        """Whatever the shape of the tree in which results are merged."""
        parts = list(range(n_parts))
        found = engine.map_merge(_alone, parts, _together)
        assert sorted(found) == parts

    def test_profiles_are_those_of_threads(self, engine: Engine) -> None:
        """An answer does not depend on where it was found."""
        source = _source()
        assert profile_source(source, engine=engine) == profile_source(source)

    def test_fingerprints_are_those_of_the_whole(self, engine: Engine) -> None:
        """Also of a column that has no value in any part."""
        source = _source()
        assert fingerprint_source(source, engine=engine) == fingerprint_of(source.table)

    def test_findings_are_those_of_the_whole(self, engine: Engine) -> None:
        """To the row and the word, also of keys that repeat in two parts."""
        rules = Expectations(
            [
                NotNull("text"),
                InRange("number", at_most=2.0),
                Unique("whole"),
                SumInRange("whole", at_least=0),
            ]
        )
        source = _source()
        found = check_source(rules, source, engine=engine)
        assert found.findings == rules.check(source.table).findings

    def test_a_part_that_cannot_be_read_fails_the_whole(self, engine: Engine) -> None:
        """With the error of the first such part, and its facts; nothing partial comes back."""
        parts = [_Part(number=n, fails=n in (2, 4)) for n in range(6)]
        with pytest.raises(InvalidDataError, match="part 2 is truncated"):
            profile_source(_Parted(inside=parts), engine=engine)

    def test_an_exception_of_others_is_told_with_the_part(self, engine: Engine) -> None:
        """A person must be able to find the rows."""
        with pytest.raises(PartFailedError, match="ZeroDivisionError") as caught:
            reduce_source(_Parted(inside=[_Part(number=0)]), _Dividing(), engine=engine)
        assert caught.value.part == "part 0"

    def test_it_goes_on_after_a_failure(self, engine: Engine) -> None:
        """One bad table does not spoil an engine."""
        with pytest.raises(PartFailedError):
            reduce_source(_Parted(inside=[_Part(number=0)]), _Dividing(), engine=engine)
        assert profile_source(_Parted(inside=[_Part(number=0)]), engine=engine).n_rows == 3

    def test_a_source_without_rows_has_an_answer(self, engine: Engine) -> None:
        """Of no rows, in the columns of the schema."""
        empty = FrameSource(table=pl.DataFrame(schema={"x": pl.Float64}))
        assert profile_source(empty, engine=engine).n_rows == 0

    def test_results_of_some_size_come_back(self, engine: Engine) -> None:
        """The digests of a million rows are 32 MB."""
        parts = [1 << 20] * 3
        assert len(engine.map_merge(bytes, parts, _joined)) == 3 << 20


def _alone(part: int) -> tuple[int, ...]:
    return (part,)


def _together(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    return one + other


def _joined(one: bytes, other: bytes) -> bytes:
    return one + other


def _source() -> FrameSource:
    """Return rows of every kind in seven parts, the first two without some values."""
    rng, n = np.random.default_rng(0), 650
    start = datetime(2026, 1, 1, tzinfo=UTC)
    table = pl.DataFrame(
        {
            "number": rng.normal(size=n),
            "whole": rng.integers(0, 50, n),
            "text": [None] * 200 + [f"é{i % 7}" for i in range(n - 200)],
            "flag": rng.random(n) < 0.3,
            "at": [start + timedelta(minutes=i) for i in range(n)],
            "nothing": pl.Series([None] * n, dtype=pl.Float64),
        }
    )
    return FrameSource.of(table, time="at", name="of every kind", batch_rows=100)


@final
@dataclass(frozen=True, kw_only=True)
class _Part:
    """Three rows, or none that can be read."""

    number: int
    fails: bool = False

    @property
    def name(self) -> str:
        return f"part {self.number}"

    def schema(self) -> pl.Schema:
        return pl.Schema({"x": pl.Int64()})

    def batches(self) -> Iterator[pl.DataFrame]:
        yield pl.DataFrame({"x": [1, 2]})
        if self.fails:
            raise InvalidDataError(f"{self.name} is truncated")
        yield pl.DataFrame({"x": [3]})

    def fingerprint(self) -> str:
        return f"{self.number:064x}"

    def between(self, start: datetime | None, end: datetime | None) -> DataSource:
        raise InvalidDataError("it has no time")


@final
@dataclass(frozen=True, kw_only=True)
class _Parted:
    """Several parts as one source."""

    inside: Sequence[_Part] = field(default_factory=list)
    name: str = "parted"

    def schema(self) -> pl.Schema:
        return self.inside[0].schema()

    def batches(self) -> Iterator[pl.DataFrame]:
        for part in self.inside:
            yield from part.batches()

    def fingerprint(self) -> str:
        return self.inside[0].fingerprint()

    def between(self, start: datetime | None, end: datetime | None) -> DataSource:
        raise InvalidDataError("it has no time")

    def parts(self) -> Sequence[DataSource]:
        return self.inside


@final
@dataclass(frozen=True)
class _Dividing:
    """A reduction with a bug."""

    def map(self, rows: pl.DataFrame) -> float:
        return 1 / (rows.height - rows.height)

    def merge(self, one: float, other: float) -> float:
        return one + other

    def finish(self, whole: float) -> float:
        return whole
