"""Delta and Iceberg tables on disk, written by their own libraries."""

from __future__ import annotations

import base64
import json
import string
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mldeploy.data import (
    DataSource,
    IncrementalReader,
    Profile,
    fingerprint_of,
    fingerprint_source,
    rows_of,
)
from mldeploy.errors import InvalidDataError, UnreadableFileError
from mldeploy.store import Store
from mldeploy.testing import DataSourceConformance

pytest.importorskip("deltalake")
pytest.importorskip("pyiceberg")

import pyroaring
from deltalake import DeltaTable
from pyiceberg.catalog import Catalog, load_catalog
from pyiceberg.table import Table

from mldeploy.integrations.delta import DeltaSource
from mldeploy.integrations.iceberg import IcebergSource

START = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: int) -> pl.DataFrame:
    hours = [START + timedelta(days=number, hours=hour) for hour in range(24)]
    carriers = ["A B", "ü/x", None, "UA"] * 6
    return pl.DataFrame({"at": hours, "carrier": carriers, "delay": [float(h) for h in range(24)]})


def test_days_are_what_the_counts_below_rely_on() -> None:
    assert day(0).height == 24
    assert day(1)["at"].min() == START + timedelta(days=1)


# --- Delta --------------------------------------------------------------------------------


def append(folder: Path, *numbers: int) -> str:
    for number in numbers:
        options = {"partition_by": ["carrier"]}
        day(number).write_delta(folder, mode="append", delta_write_options=options)
    return str(folder)


class TestDeltaSource(DataSourceConformance):
    """Among others: each part is a file, and what is new is read once."""

    @pytest.fixture
    def source(self, tmp_path: Path) -> DataSource:
        return DeltaSource(table=append(tmp_path, 0, 1), time="at", batch_rows=10)

    @pytest.fixture
    def time(self) -> str:
        return "at"

    @pytest.fixture
    def grow(self, tmp_path: Path) -> Callable[[], None]:
        return lambda: append(tmp_path, 2) and None


def test_a_delta_table_has_the_profile_and_rows_of_what_was_written(tmp_path: Path) -> None:
    source = DeltaSource(table=append(tmp_path, 0, 1, 2))
    whole = pl.concat([day(0), day(1), day(2)])

    assert Profile.of(source, progress=False) == Profile.of(whole, progress=False)
    assert rows_of(source).sort("at").equals(whole)
    assert [part.schema() for part in source.parts()] == [whole.schema] * 12
    assert fingerprint_source(source) == fingerprint_of(rows_of(source))


def test_a_pinned_version_of_delta_keeps_its_rows_and_fingerprint(tmp_path: Path) -> None:
    latest = DeltaSource(table=append(tmp_path, 0))
    first = latest.pinned()
    before = first.fingerprint()
    assert latest.fingerprint() == before
    append(tmp_path, 1)
    DeltaTable(tmp_path).delete("delay > 20")

    assert first.fingerprint() == before != latest.fingerprint()
    assert rows_of(first).sort("at").equals(day(0))
    assert rows_of(latest).height == 2 * 21


def test_rows_that_were_moved_to_other_files_are_not_new(tmp_path: Path) -> None:
    source = DeltaSource(table=append(tmp_path, 0, 1))
    before = source.position()
    append(tmp_path, 2)
    assert DeltaTable(tmp_path).optimize.compact()["numFilesRemoved"] == 12
    append(tmp_path, 3)

    new = source.increment(before, source.position(before))

    assert rows_of(new).sort("at").equals(pl.concat([day(2), day(3)]))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        # of each day, the three values of `delay` above 20 lie in the files of three carriers
        (lambda table: table.delete("delay > 20"), "DELETE of version 2 .* took 6 files away"),
        (
            lambda table: table.update({"delay": "0"}, predicate="delay > 22"),
            "UPDATE of version 2",
        ),
        (lambda table: table.restore(0), "RESTORE of version 2 .* took 4 files away"),
    ],
)
def test_only_rows_that_were_added_are_new_in_delta(
    change: Callable[[DeltaTable], object], why: str, tmp_path: Path
) -> None:
    source = DeltaSource(table=append(tmp_path, 0, 1))
    before = source.position()
    change(DeltaTable(tmp_path))

    with pytest.raises(InvalidDataError, match=why):
        source.position(before)
    with pytest.raises(InvalidDataError, match=why):
        source.increment(before, source.position())


def test_another_table_at_the_same_place_is_not_a_longer_one(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    before = DeltaSource(table=append(first, 0)).position()
    source = DeltaSource(table=append(second, 0, 1))

    with pytest.raises(InvalidDataError, match="was made anew"):
        source.position(before)
    with pytest.raises(InvalidDataError, match="no position of a Delta table"):
        source.increment({"upto": 3}, source.position())


def test_a_delta_column_that_came_later_is_missing_before(tmp_path: Path) -> None:
    pl.DataFrame({"x": [1]}).write_delta(tmp_path)
    more = pl.DataFrame({"x": [2], "y": ["b"]})
    more.write_delta(tmp_path, mode="append", delta_write_options={"schema_mode": "merge"})
    source = DeltaSource(table=str(tmp_path))

    assert rows_of(source).sort("x").rows() == [(1, None), (2, "b")]
    assert all(part.schema() == source.schema() for part in source.parts())


def rewrite_log(folder: Path, change: Callable[[dict[str, Any]], None]) -> None:
    """Change what the first commit of a table says, as another writer would have said it."""
    log = folder / "_delta_log" / f"{0:020}.json"
    actions = [json.loads(line) for line in log.read_text().splitlines()]
    for action in actions:
        change(action)
    log.write_text("\n".join(json.dumps(action) for action in actions))


def strike_out(action: dict[str, Any]) -> None:
    """Strike rows 1 and 2 out by an inline deletion vector, as Delta's protocol lays it down."""
    if "protocol" in action:
        features = {"readerFeatures": ["deletionVectors"], "writerFeatures": ["deletionVectors"]}
        action["protocol"] = {"minReaderVersion": 3, "minWriterVersion": 7, **features}
    if "add" in action:
        bitmap = pyroaring.BitMap([1, 2]).serialize()
        vector = struct.pack("<iqi", 1681511377, 1, 0) + bitmap
        vector += b"\0" * (-len(vector) % 4)
        own, z85 = string.digits + string.ascii_uppercase + string.ascii_lowercase, string.digits
        own += "!#$%&()*+-;<=>?@^_`{|}~"
        z85 += string.ascii_lowercase + string.ascii_uppercase + ".-:+=^!/*?&<>()[]{}@%$#"
        told = base64.b85encode(vector).decode().translate(str.maketrans(own, z85))
        action["add"]["deletionVector"] = {
            "storageType": "i", "pathOrInlineDv": told, "sizeInBytes": len(vector),
            "cardinality": 2,
        }  # fmt: skip


def test_rows_that_are_struck_out_by_a_deletion_vector_are_not_read(tmp_path: Path) -> None:
    pl.DataFrame({"x": [0, 1, 2, 3]}).write_delta(tmp_path)
    rewrite_log(tmp_path, strike_out)
    source = DeltaSource(table=str(tmp_path))

    assert rows_of(source)["x"].to_list() == [0, 3]
    assert fingerprint_source(source) == fingerprint_of(rows_of(source))
    before = source.position()
    pl.DataFrame({"x": [4]}).write_delta(tmp_path, mode="append")
    with pytest.raises(InvalidDataError, match="strikes rows out without writing files"):
        source.increment(before, source.position())


def test_files_whose_columns_have_other_names_are_refused(tmp_path: Path) -> None:
    def rename(action: dict[str, Any]) -> None:
        if "protocol" in action:
            action["protocol"] = {"minReaderVersion": 2, "minWriterVersion": 5}

    rewrite_log(Path(append(tmp_path, 0)), rename)

    with pytest.raises(InvalidDataError, match="columnMapping"):
        DeltaSource(table=str(tmp_path)).schema()


def test_no_delta_table_and_no_such_version_are_told_apart(tmp_path: Path) -> None:
    for nothing in (tmp_path, tmp_path / "gone"):
        with pytest.raises(UnreadableFileError, match="there is no Delta table") as caught:
            DeltaSource(table=str(nothing)).schema()
        assert caught.value.path == str(nothing)
    table = append(tmp_path / "here", 0)

    with pytest.raises(UnreadableFileError, match="does not hold version 9"):
        next(DeltaSource(table=table, version=9).batches())


def test_files_that_were_vacuumed_are_named(tmp_path: Path) -> None:
    first = DeltaSource(table=append(tmp_path, 0)).pinned()
    table = DeltaTable(tmp_path)
    table.delete("delay > 20")
    table.vacuum(0, dry_run=False, enforce_retention_duration=False)

    with pytest.raises(InvalidDataError, match=r"No such file .*\.parquet"):
        rows_of(first)
    with pytest.raises(InvalidDataError, match=r"No such file .*\.parquet"):
        Profile.of(first, progress=False)


def test_an_incremental_reader_hands_out_each_version_once(tmp_path: Path) -> None:
    source = DeltaSource(table=append(tmp_path / "lake", 0))
    with Store.open(tmp_path / "store") as store:
        reader = IncrementalReader(store, source, name="daily", by="ana")
        first = reader.read()
        assert first is not None
        assert rows_of(first.source).height == 24
        reader.confirm(first)
        append(tmp_path / "lake", 1)
        second = reader.read()
        assert second is not None
        reader.confirm(second)

        assert rows_of(second.source).sort("at").equals(day(1))
        assert reader.read() is None


# --- Iceberg ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("lake")
    return {"type": "sql", "uri": f"sqlite:///{folder}/catalogue", "warehouse": str(folder)}


@pytest.fixture(scope="module")
def catalogue(settings: dict[str, str]) -> Iterator[Catalog]:
    with load_catalog("lake", **settings) as opened:
        opened.create_namespace("operations")
        make(opened, "operations.shared")
        yield opened


def make(catalogue: Catalog, name: str) -> Table:
    table = catalogue.create_table(name, day(0).to_arrow().schema)
    table.append(day(0).to_arrow())
    table.append(day(1).to_arrow())
    return table


@pytest.fixture
def written(catalogue: Catalog) -> Iterator[Table]:
    """A table of two days that the test may change."""
    yield make(catalogue, "operations.flights")
    catalogue.drop_table("operations.flights")


@pytest.fixture
def flights(written: Table, settings: dict[str, str]) -> IcebergSource:
    return IcebergSource(table="operations.flights", catalog="lake", properties=settings)


class TestIcebergSource(DataSourceConformance):
    """It has no parts."""

    @pytest.fixture
    def source(self, catalogue: Catalog, settings: dict[str, str]) -> DataSource:
        return IcebergSource(
            table="operations.shared", catalog="lake", properties=settings, time="at",
            batch_rows=10,
        )  # fmt: skip

    @pytest.fixture
    def time(self) -> str:
        return "at"

    @pytest.fixture
    def grow(self, catalogue: Catalog) -> Callable[[], None]:
        table = catalogue.load_table("operations.shared")
        return lambda: table.append(day(2).to_arrow())


def test_an_iceberg_table_has_the_profile_and_rows_of_what_was_written(
    written: Table, flights: IcebergSource
) -> None:
    whole = pl.concat([day(0), day(1)])
    as_file = IcebergSource(table=written.metadata_location)

    assert Profile.of(flights, progress=False) == Profile.of(whole, progress=False)
    assert rows_of(flights).sort("at").equals(whole)
    assert rows_of(as_file).sort("at").equals(whole)
    assert as_file.position() == flights.position()


def test_a_pinned_snapshot_of_iceberg_keeps_its_rows_and_fingerprint(
    written: Table, flights: IcebergSource
) -> None:
    pinned = flights.pinned()
    before = pinned.fingerprint()
    written.delete("delay > 20")

    assert pinned.fingerprint() == before != flights.fingerprint()
    assert rows_of(pinned).height == 48
    assert rows_of(flights).height == 2 * 21
    with pytest.raises(InvalidDataError, match="changed rows that were read"):
        flights.position(pinned.position())


def test_an_iceberg_table_that_was_put_back_is_no_longer_one(
    written: Table, flights: IcebergSource
) -> None:
    first = written.snapshots()[0].snapshot_id
    later = flights.position()
    written.manage_snapshots().rollback_to_snapshot(first).commit()

    with pytest.raises(InvalidDataError, match="the table was put back"):
        flights.position(later)
    assert rows_of(flights).sort("at").equals(day(0))


def test_an_iceberg_table_without_rows_is_empty_and_grows(
    catalogue: Catalog, settings: dict[str, str]
) -> None:
    table = catalogue.create_table("operations.new", day(0).to_arrow().schema)
    source = IcebergSource(table="operations.new", catalog="lake", properties=settings)
    before = source.position()
    assert rows_of(source).is_empty()
    assert source.schema() == day(0).schema
    with pytest.raises(InvalidDataError, match="has no snapshot yet"):
        source.pinned()
    table.append(day(0).to_arrow())

    assert rows_of(source.increment(before, source.position(before))).height == 24


def test_no_iceberg_table_and_no_such_snapshot_are_told_apart(
    flights: IcebergSource, settings: dict[str, str], tmp_path: Path
) -> None:
    gone = IcebergSource(table="operations.gone", catalog="lake", properties=settings)
    nowhere = IcebergSource(table=str(tmp_path / "gone.metadata.json"))
    for source in (gone, nowhere):
        with pytest.raises(UnreadableFileError, match="there is no Iceberg table") as caught:
            source.schema()
        assert caught.value.path == source.table
    other = IcebergSource(table=flights.table, catalog="lake", properties=settings, snapshot=7)

    with pytest.raises(UnreadableFileError, match="does not hold snapshot 7"):
        next(other.batches())
