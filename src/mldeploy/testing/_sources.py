"""The kit of data sources."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime

import polars as pl
import pytest

from mldeploy.data import (
    DataSource,
    SupportsIncrements,
    SupportsParts,
    fingerprint_of,
    fingerprint_source,
    rows_of,
)
from mldeploy.errors import InvalidDataError
from mldeploy.testing._conformance import Conformance
from mldeploy.testing._rules import copy_by_pickle


class DataSourceConformance(Conformance, kit=True):
    """Subclass as ``TestYourSource`` and define the `source` fixture, and `time` if it has one.

    The source holds some rows, and better more than one batch of them.
    """

    @pytest.fixture
    def source(self) -> DataSource:
        """The source on trial."""
        raise NotImplementedError(f"{type(self).__name__} must define the `source` fixture")

    @pytest.fixture
    def time(self) -> str | None:
        """Column that the source's windows are cut by; None for a source without one."""
        return None

    @pytest.fixture
    def grow(self) -> Callable[[], None] | None:
        """What makes the source longer, if it is one that says what is new."""
        return None

    def test_it_has_what_a_source_has(self, source: DataSource) -> None:
        """The protocol is all that is asked of a class."""
        assert isinstance(source, DataSource)
        assert isinstance(source.name, str)

    def test_batches_have_the_schema_and_rows(self, source: DataSource) -> None:
        """An empty batch says nothing, and a batch of other types fails far from here."""
        batches = list(source.batches())
        assert batches
        for batch in batches:
            assert batch.schema == source.schema()
            assert batch.height

    def test_reading_again_yields_the_same_rows(self, source: DataSource) -> None:
        """In the same order, in a copy as well."""
        rows = rows_of(source)
        assert rows_of(source).equals(rows)
        assert rows_of(copy_by_pickle(source)).equals(rows)

    def test_a_reader_that_stops_early_does_no_harm(self, source: DataSource) -> None:
        """Two readers do not take each other's rows either."""
        first, second = source.batches(), source.batches()
        one, other = next(first), next(second)
        assert one.equals(other)
        del first
        assert rows_of(source).height >= one.height

    def test_fingerprint_is_sha256_and_stays(self, source: DataSource) -> None:
        """A copy of the source is the same data."""
        found = source.fingerprint()
        assert len(bytes.fromhex(found)) == 32
        assert source.fingerprint() == found
        assert copy_by_pickle(source).fingerprint() == found

    def test_parts_hold_each_row_once_in_order(self, source: DataSource) -> None:
        """What is read in several places is what is read in one."""
        if not isinstance(source, SupportsParts):
            pytest.skip("the source has no parts")
        parts = [copy_by_pickle(part) for part in source.parts()]
        assert all(part.schema() == source.schema() for part in parts)
        assert pl.concat([rows_of(part) for part in parts]).equals(rows_of(source))
        assert fingerprint_source(source) == fingerprint_of(rows_of(source))

    def test_windows_are_closed_on_the_left_and_open_on_the_right(
        self, source: DataSource, time: str | None
    ) -> None:
        """So that windows that follow each other hold each row once."""
        moments = _moments(source, time)
        at = moments[len(moments) // 2]
        before, after = (rows_of(source.between(*w))[str(time)] for w in ((None, at), (at, None)))
        assert sorted([*before, *after]) == moments
        assert before.is_empty() or before.max() < at  # type: ignore[operator]
        assert after.min() == at
        inside = rows_of(source.between(moments[0], None).between(None, at))[str(time)]
        assert sorted(inside) == sorted(before)

    def test_a_window_without_rows_is_empty(self, source: DataSource, time: str | None) -> None:
        """It has the columns all the same."""
        at = _moments(source, time)[0]
        nothing = source.between(at, at)
        assert list(nothing.batches()) == []
        assert rows_of(nothing).schema == source.schema()

    def test_a_window_has_another_fingerprint(self, source: DataSource, time: str | None) -> None:
        """It holds other rows."""
        moments = _moments(source, time)
        assert source.between(None, moments[-1]).fingerprint() != source.fingerprint()

    def test_a_bound_without_a_zone_is_refused(self, source: DataSource, time: str | None) -> None:
        """Nobody can say which rows are meant."""
        with pytest.raises(InvalidDataError):
            source.between(datetime(2026, 1, 1), None)  # noqa: DTZ001 (on trial)

    def test_what_is_new_is_read_once(
        self, source: DataSource, grow: Callable[[], None] | None
    ) -> None:
        """And the same question has the same answer later, when there is more."""
        if not isinstance(source, SupportsIncrements) or grow is None:
            pytest.skip("the source does not say what is new, or the kit cannot make it grow")
        old, rows = source.position(), rows_of(source)
        assert rows_of(source.increment(old, source.position())).is_empty()
        grow()
        new = json.loads(json.dumps(source.position()))
        assert new != old
        assert rows_of(source.increment(None, old)).equals(rows)
        added = rows_of(source.increment(old, new))
        assert not added.is_empty()
        assert rows_of(source).height == rows.height + added.height
        assert rows_of(source.increment(old, new)).equals(added)


def _moments(source: DataSource, time: str | None) -> list[datetime]:
    if time is None:
        pytest.skip("the source declares no time")
    return sorted(rows_of(source)[time].drop_nulls())
