"""What is new is read once, whatever is killed in between."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import polars as pl
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from mldeploy.data import (
    CursorSource,
    DataSource,
    FileSource,
    FrameSource,
    IncrementalReader,
    rows_of,
)
from mldeploy.errors import AlreadyExistsError, IntegrityError, InvalidDataError
from mldeploy.store import Store, Transaction, tables
from mldeploy.testing import DataSourceConformance

START = datetime(2026, 1, 1, tzinfo=UTC)


class KilledError(BaseException):
    """The process ends here."""


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "mlstore") as opened:
        yield opened


def put(folder: Path, number: int) -> None:
    folder.mkdir(exist_ok=True)
    rows = pl.DataFrame({"x": [10 * number, 10 * number + 1]})
    rows.write_parquet(folder / f"{number:03}.parquet")


def reader_of(store: Store, folder: Path) -> IncrementalReader:
    return IncrementalReader(store, FileSource(pattern=str(folder)), name="daily", by="ana")


def keep(tx: Transaction, rows: list[int]) -> None:
    """Keep rows in a table of the store that has no key to refuse what comes twice."""
    values = [{"run": "r", "key": "x", "value": float(x), "at": tx.now} for x in rows]
    tx.connection.execute(sa.insert(tables.run_metrics), values)


def kept(store: Store) -> list[int]:
    with store.read() as connection:
        return sorted(int(x) for x in connection.scalars(sa.select(tables.run_metrics.c.value)))


def die_if(now: bool) -> None:
    if now:
        raise KilledError


class TestCursorSource(DataSourceConformance):
    """The rows grow by files, which the query must look for anew."""

    @pytest.fixture
    def source(self, tmp_path: Path) -> DataSource:
        self._write(tmp_path, 0, 30)
        query = partial(pl.scan_parquet, tmp_path / "*.parquet")
        return CursorSource(query=query, cursor="id", time="at", batch_rows=10)

    @pytest.fixture
    def time(self) -> str:
        return "at"

    @pytest.fixture
    def grow(self, tmp_path: Path) -> Callable[[], None]:
        return lambda: self._write(tmp_path, 30, 37)

    def _write(self, folder: Path, start: int, end: int) -> None:
        times = [START + timedelta(minutes=i) for i in range(start, end)]
        events = pl.DataFrame({"id": range(start, end), "at": times})
        events.write_parquet(folder / f"{start:03}.parquet")


def test_only_what_is_new_is_read_and_the_ledger_keeps_both_steps(
    store: Store, tmp_path: Path
) -> None:
    reader, folder = reader_of(store, tmp_path / "inbox"), tmp_path / "inbox"
    put(folder, 1)
    first = reader.read()
    assert first is not None
    reader.confirm(first)
    assert reader.read() is None
    put(folder, 2)
    second = reader_of(store, folder).read()
    assert second is not None

    assert [rows_of(new.source)["x"].to_list() for new in (first, second)] == [[10, 11], [20, 21]]
    assert (first.number, second.number) == (1, 2)
    assert [e.kind for e in store.ledger.events(subject="daily")] == [
        "source.taken", "source.read", "source.taken",
    ]  # fmt: skip
    assert store.verify() == ()


def test_what_was_taken_and_not_confirmed_is_handed_out_again_as_it_was(
    store: Store, tmp_path: Path
) -> None:
    """Also when more has come since: the increment was written down before."""
    put(tmp_path / "inbox", 1)
    first = reader_of(store, tmp_path / "inbox").read()
    put(tmp_path / "inbox", 2)
    again = reader_of(store, tmp_path / "inbox").read()

    assert first is not None
    assert again is not None
    assert first.id == again.id
    assert rows_of(again.source)["x"].to_list() == [10, 11]


steps = st.lists(
    st.sampled_from(["grow", "read", "die before", "die within", "die after"]), max_size=12
)


@given(steps)
@settings(max_examples=25, deadline=None)
def test_each_row_is_kept_once_wherever_the_reader_dies(what: list[str]) -> None:
    with TemporaryDirectory() as place, Store.open(Path(place) / "mlstore") as store:
        folder, n_files = Path(place) / "inbox", 0
        folder.mkdir()
        for step in [*what, "read", "read"]:
            if step == "grow":
                n_files += 1
                put(folder, n_files)
                continue
            reader = reader_of(store, folder)
            new = reader.read()
            if new is None or step == "die before":
                continue
            try:
                with store.write() as tx:
                    keep(tx, rows_of(new.source)["x"].to_list())
                    reader.confirm(new, tx)
                    die_if(step == "die within")
            except KilledError:
                continue

        expected = [10 * n + i for n in range(1, n_files + 1) for i in range(2)]
        assert kept(store) == expected
        assert store.verify() == ()


def test_a_process_that_is_killed_before_its_commit_has_read_nothing(
    store: Store, tmp_path: Path
) -> None:
    put(tmp_path / "inbox", 1)
    program = f"""
import os
from pathlib import Path
from tests.data.test_increments import keep, reader_of, rows_of, Store
store = Store.open({str(store.root)!r})
reader = reader_of(store, Path({str(tmp_path / "inbox")!r}))
new = reader.read()
with store.write() as tx:
    keep(tx, rows_of(new.source)["x"].to_list())
    reader.confirm(new, tx)
    os.kill(os.getpid(), 9)
"""
    root = Path(__file__).parents[2]
    run = subprocess.run([sys.executable, "-c", program], cwd=root, check=False)
    assert run.returncode == -9
    assert kept(store) == []
    reader = reader_of(store, tmp_path / "inbox")
    new = reader.read()
    assert new is not None
    with store.write() as tx:
        keep(tx, rows_of(new.source)["x"].to_list())
        reader.confirm(new, tx)

    assert kept(store) == [10, 11]
    assert reader.read() is None


def test_two_processes_that_take_the_same_keep_it_once(store: Store, tmp_path: Path) -> None:
    put(tmp_path / "inbox", 1)
    readers = [reader_of(store, tmp_path / "inbox") for _ in range(4)]
    refused: list[AlreadyExistsError] = []
    together = threading.Barrier(len(readers))

    def work(reader: IncrementalReader) -> None:
        new = reader.read()
        together.wait()
        assert new is not None
        try:
            with store.write() as tx:
                keep(tx, rows_of(new.source)["x"].to_list())
                reader.confirm(new, tx)
        except AlreadyExistsError as error:
            refused.append(error)

    threads = [threading.Thread(target=work, args=(reader,)) for reader in readers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert kept(store) == [10, 11]
    assert len(refused) == 3


def test_a_position_that_was_edited_is_noticed(store: Store, tmp_path: Path) -> None:
    put(tmp_path / "inbox", 1)
    reader = reader_of(store, tmp_path / "inbox")
    reader.read()
    with store.write() as tx:
        tx.connection.execute(sa.update(tables.readings).values(pending={}))

    with pytest.raises(IntegrityError):
        reader.read()


def test_a_file_that_changed_after_it_was_read_stops_the_reader(
    store: Store, tmp_path: Path
) -> None:
    put(tmp_path / "inbox", 1)
    reader = reader_of(store, tmp_path / "inbox")
    new = reader.read()
    assert new is not None
    reader.confirm(new)
    pl.DataFrame({"x": [7]}).write_parquet(tmp_path / "inbox" / "001.parquet")

    with pytest.raises(InvalidDataError, match="changed after it was read"):
        reader.read()


def test_what_cannot_say_what_is_new_and_a_reader_without_a_name_are_refused(
    store: Store, tmp_path: Path
) -> None:
    frame = FrameSource.of(pl.DataFrame({"x": [1]}))
    with pytest.raises(InvalidDataError, match="cannot say what is new"):
        IncrementalReader(store, frame, name="daily", by="ana")  # type: ignore[arg-type]
    with pytest.raises(InvalidDataError, match="a reader has a name"):
        IncrementalReader(store, FileSource(pattern=str(tmp_path)), name=" ", by="ana")


def test_rows_that_come_behind_the_cursor_are_refused_and_not_overlooked() -> None:
    rows = pl.DataFrame({"id": [1, 2, 5]})
    before = CursorSource(query=rows.lazy, cursor="id").position()
    late = pl.concat([rows, pl.DataFrame({"id": [4, 6]})])
    after = CursorSource(query=late.lazy, cursor="id", name="events")

    assert before == {"upto": 5, "n_rows": 3}
    with pytest.raises(InvalidDataError, match="events has 4 rows up to 5, and had 3"):
        after.position(before)


def test_a_cursor_is_whole_numbers_or_times_and_always_known() -> None:
    times = pl.DataFrame({"at": [START, START + timedelta(hours=1)]})
    source = CursorSource(query=times.lazy, cursor="at")
    since = {"upto": START.isoformat(), "n_rows": 1}

    assert rows_of(source.increment(since, source.position()))["at"].to_list() == [
        START + timedelta(hours=1)
    ]
    for query, why in (
        (pl.LazyFrame({"id": ["a"]}), "is String"),
        (pl.LazyFrame({"x": [1]}), "is None"),
        (pl.LazyFrame({"id": [1, None]}), "1 rows of the query have no 'id'"),
    ):
        with pytest.raises(InvalidDataError, match=why):
            CursorSource(query=query.clone, cursor="id").position()
    empty = pl.LazyFrame(schema={"id": pl.Int64})
    assert CursorSource(query=empty.clone, cursor="id").position() == {}
