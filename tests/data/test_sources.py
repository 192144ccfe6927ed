"""Sources: what they read, and what they refuse."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pandas as pd
import polars as pl
import pytest

from mldeploy.data import (
    Dataset,
    DataSource,
    FileSource,
    FrameSource,
    QuerySource,
    fingerprint_of,
    fingerprint_source,
    rows_of,
    source_of,
)
from mldeploy.errors import DuplicateColumnsError, InvalidDataError, SchemaMismatchError
from mldeploy.testing import DataSourceConformance

START = datetime(2026, 1, 1, tzinfo=UTC)


def day(number: int, n: int = 24) -> pl.DataFrame:
    hours = [START + timedelta(days=number, hours=hour) for hour in range(n)]
    return pl.DataFrame(
        {"at": hours, "origin": ["JFK", None] * (n // 2), "delay": [0.5 * h for h in range(n)]}
    )


def write(frame: pl.DataFrame, path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    match path.suffix:
        case ".parquet":
            frame.write_parquet(path, row_group_size=5)
        case ".csv":
            frame.write_csv(path)
        case _:
            frame.write_ndjson(path)
    return path


class TestFrameSource(DataSourceConformance):
    @pytest.fixture
    def source(self) -> DataSource:
        return FrameSource.of(pl.concat([day(0), day(1)]), time="at", batch_rows=10)

    @pytest.fixture
    def time(self) -> str:
        return "at"


class TestQuerySource(DataSourceConformance):
    @pytest.fixture
    def source(self, tmp_path: Path) -> DataSource:
        write(day(0), tmp_path / "a.parquet")
        write(day(1), tmp_path / "b.parquet")
        query = pl.scan_parquet(tmp_path / "*.parquet").filter(pl.col("delay") > 1)
        return QuerySource(query=query, time="at", batch_rows=10)

    @pytest.fixture
    def time(self) -> str:
        return "at"


class FolderConformance(DataSourceConformance, kit=True):
    suffix = ".parquet"
    types: dict[str, pl.DataType] = {}  # noqa: RUF012 (a constant of each class)

    @pytest.fixture
    def source(self, tmp_path: Path) -> DataSource:
        write(day(0), tmp_path / f"2026/day-0{self.suffix}")
        write(day(1), tmp_path / f"2026/day-1{self.suffix}")
        return FileSource(pattern=str(tmp_path), time="at", types=self.types, batch_rows=10)

    @pytest.fixture
    def time(self) -> str:
        return "at"

    @pytest.fixture
    def grow(self, tmp_path: Path) -> Callable[[], None]:
        return lambda: (
            [write(day(n), tmp_path / f"2026/day-{n}{self.suffix}") for n in (2, 3)] and None
        )


class TestFolderOfParquet(FolderConformance):
    suffix = ".parquet"


class TestFolderOfCsv(FolderConformance):
    suffix = ".csv"


class TestFolderOfJsonLines(FolderConformance):
    suffix = ".ndjson"
    types = {"at": pl.Datetime("us", "UTC")}  # noqa: RUF012 (a constant of the class)


def test_a_table_is_the_same_data_in_memory_in_files_and_in_a_query(tmp_path: Path) -> None:
    whole = pl.concat([day(n) for n in range(3)])
    for number in range(3):
        write(day(number), tmp_path / f"{number}.parquet")
    sources = [
        source_of(pd.DataFrame(whole.to_dict(as_series=False))),
        source_of(whole),
        source_of(whole.lazy()),
        source_of(Dataset.of(whole)),
        source_of(tmp_path),
        source_of(f"{tmp_path}/*.parquet"),
    ]

    assert {fingerprint_source(source) for source in sources} == {fingerprint_of(whole)}


def test_a_source_is_taken_as_it_is_and_not_renamed() -> None:
    source = FrameSource.of(day(0))

    assert source_of(source) is source
    with pytest.raises(InvalidDataError, match="is a source already"):
        source_of(source, time="at")


def test_files_of_whole_numbers_and_of_fractions_are_numbers(tmp_path: Path) -> None:
    write(pl.DataFrame({"x": [1, 2]}), tmp_path / "a.csv")
    write(pl.DataFrame({"x": [0.5]}), tmp_path / "b.csv")

    assert rows_of(source_of(tmp_path)).to_dict(as_series=False) == {"x": [1.0, 2.0, 0.5]}


def test_a_folder_with_two_types_for_a_column_is_refused_with_the_file(tmp_path: Path) -> None:
    write(pl.DataFrame({"x": [1]}), tmp_path / "a.parquet")
    write(pl.DataFrame({"x": ["one"]}), tmp_path / "b.parquet")

    with pytest.raises(SchemaMismatchError, match=r"'x' is String in .*b\.parquet, and Int64 in"):
        source_of(tmp_path).schema()


def test_a_file_that_lacks_a_column_is_named(tmp_path: Path) -> None:
    write(pl.DataFrame({"x": [1], "y": [1]}), tmp_path / "a.parquet")
    write(pl.DataFrame({"x": [1]}), tmp_path / "b.parquet")

    with pytest.raises(SchemaMismatchError, match=r"'y' is missing from .*b\.parquet"):
        list(source_of(tmp_path).batches())


def test_a_truncated_file_is_refused_with_its_name(tmp_path: Path) -> None:
    for number in range(2):
        write(day(number), tmp_path / f"{number}.parquet")
    whole = (tmp_path / "1.parquet").read_bytes()
    (tmp_path / "1.parquet").write_bytes(whole[: len(whole) // 2])

    with pytest.raises(InvalidDataError, match=r"1\.parquet cannot be read"):
        fingerprint_source(tmp_path)


def test_a_file_that_vanishes_between_two_batches_is_an_error(tmp_path: Path) -> None:
    for number in range(2):
        write(day(number), tmp_path / f"{number}.parquet")
    batches = source_of(tmp_path).batches()
    next(batches)
    (tmp_path / "1.parquet").unlink()

    with pytest.raises(InvalidDataError, match=r"1\.parquet cannot be read"):
        list(batches)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_an_error(tmp_path: Path) -> None:
    write(day(0), tmp_path / "a.parquet").chmod(0)

    with pytest.raises(InvalidDataError, match=r"a\.parquet cannot be read"):
        list(source_of(tmp_path).batches())


def test_bytes_that_are_no_text_are_refused_with_the_file(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"name\n\xff\xfe\n")

    with pytest.raises(InvalidDataError, match=r"a\.csv cannot be read"):
        list(source_of(tmp_path).batches())


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,x\n1,2\n")

    with pytest.raises(DuplicateColumnsError):
        source_of(tmp_path).schema()


def test_files_that_somebody_still_writes_are_left_out(tmp_path: Path) -> None:
    write(day(0), tmp_path / "a.parquet")
    (tmp_path / "_b.parquet").write_bytes(b"half")
    (tmp_path / ".c.parquet").write_bytes(b"half")

    assert source_of(tmp_path).files() == ("a.parquet",)  # type: ignore[attr-defined]


def test_no_file_an_unknown_kind_and_a_url_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.xlsx").write_bytes(b"")

    for pattern in (str(tmp_path / "none.parquet"), str(tmp_path / "a.xlsx"), str(tmp_path)):
        with pytest.raises(InvalidDataError):
            source_of(pattern).schema()
    with pytest.raises(InvalidDataError, match="QuerySource"):
        source_of("s3://bucket/a.parquet")


def test_times_of_files_without_a_zone_are_those_of_the_zone_given(tmp_path: Path) -> None:
    """New York is five hours behind UTC in January."""
    write(pl.DataFrame({"at": [datetime(2026, 1, 1, 12)]}), tmp_path / "a.parquet")

    with pytest.raises(InvalidDataError, match="no time zone"):
        list(source_of(tmp_path, time="at").batches())
    source = source_of(tmp_path, time="at", timezone="America/New_York")
    noon = datetime(2026, 1, 1, 17, tzinfo=UTC)

    assert rows_of(source)["at"].to_list() == [noon]
    assert rows_of(source.between(noon, None)).height == 1
    assert rows_of(source.between(None, noon)).height == 0


def test_a_file_that_changed_after_it_was_read_is_no_increment(tmp_path: Path) -> None:
    source = FileSource(pattern=str(tmp_path))
    write(day(0), tmp_path / "a.parquet")
    old = source.position()
    write(day(0, 26), tmp_path / "a.parquet")

    with pytest.raises(InvalidDataError, match=r"a\.parquet changed after it was read"):
        source.position(old)


def test_a_file_that_went_and_came_back_is_not_new(tmp_path: Path) -> None:
    source = FileSource(pattern=str(tmp_path))
    write(day(0), tmp_path / "a.parquet")
    first = source.position()
    (tmp_path / "a.parquet").unlink()
    without = source.position(first)
    write(day(0), tmp_path / "a.parquet")

    assert source.position(without) == without == first


def test_files_that_were_read_are_not_read_again_to_see_what_is_new(tmp_path: Path) -> None:
    """A file whose size and time of change are as before is not opened: it could not be."""
    source = FileSource(pattern=str(tmp_path))
    path = write(day(0), tmp_path / "a.parquet")
    old = source.position()
    facts, size = path.stat(), path.stat().st_size
    path.write_bytes(b"x" * size)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns))

    assert source.position(old) == old
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + 1))
    with pytest.raises(InvalidDataError, match="changed after it was read"):
        source.position(old)


def test_a_file_that_was_only_touched_is_the_same(tmp_path: Path) -> None:
    source = FileSource(pattern=str(tmp_path))
    path = write(day(0), tmp_path / "a.parquet")
    old = source.position()
    os.utime(path, ns=(1, 1))

    assert source.position(old) == old


def test_an_increment_whose_file_is_replaced_is_not_read(tmp_path: Path) -> None:
    source = FileSource(pattern=str(tmp_path))
    write(day(0), tmp_path / "a.parquet")
    new = source.increment(None, source.position())
    write(day(1), tmp_path / "a.parquet")

    with pytest.raises(InvalidDataError, match="not the file that was found before"):
        rows_of(new)


def test_a_folder_that_is_empty_yet_is_a_beginning(tmp_path: Path) -> None:
    source = FileSource(pattern=str(tmp_path))

    assert source.position() == {}
    write(day(0), tmp_path / "a.parquet")
    assert rows_of(source.increment({}, source.position())).height == 24
