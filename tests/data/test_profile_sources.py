"""A profile is the same whatever the table was read from, and there is none of half a table."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import sqlalchemy as sa

from mldeploy.data import Profile, profile_part
from mldeploy.errors import (
    DuplicateColumnsError,
    EmptyDataError,
    InvalidDataError,
    SchemaMismatchError,
    UnreadableFileError,
)

ROWS = pl.DataFrame(
    {
        "n": [1, 2, None, 2],
        "x": [0.5, None, -1.25, 0.5],
        "s": ["a", "b", "a", None],
        "b": [True, False, None, True],
        "d": [date(2013, 1, 1), date(2013, 1, 2), None, date(2013, 1, 1)],
    }
)


def profile(source: Any, **options: Any) -> Profile:
    return Profile.of(source, progress=False, **options)


def parquet(folder: Path) -> Path:
    ROWS.write_parquet(folder / "rows.parquet")
    return folder / "rows.parquet"


def folder_of_two(folder: Path) -> Path:
    ROWS[:1].write_parquet(folder / "a.parquet")
    (folder / "b").mkdir()
    ROWS[1:].write_parquet(folder / "b" / "c.pq")
    (folder / "_temporary.parquet").write_bytes(b"somebody still writes")
    (folder / "README.txt").write_text("no table")
    return folder


def glob_of_csv(folder: Path) -> str:
    ROWS[:2].write_csv(folder / "a.csv")
    ROWS[2:].write_csv(folder / "b.csv")
    return str(folder / "*.csv")


def ndjson(folder: Path) -> Path:
    ROWS.with_columns(pl.col("d").cast(pl.String)).write_ndjson(folder / "rows.ndjson")
    return folder / "rows.ndjson"


def ipc(folder: Path) -> Path:
    ROWS.write_ipc(folder / "rows.arrow")
    return folder / "rows.arrow"


SOURCES: dict[str, Callable[[Path], Any]] = {
    "polars": lambda _: ROWS,
    "query": lambda _: ROWS.lazy(),
    "pandas": lambda _: ROWS.to_pandas().assign(
        n=ROWS["n"].to_pandas().astype("Int64"), d=ROWS["d"].to_list()
    ),
    "Arrow table": lambda _: ROWS.to_arrow(),
    "Arrow stream": lambda _: ROWS.to_arrow().to_reader(),
    "Arrow batches": lambda _: ROWS.to_arrow().to_batches(max_chunksize=2),
    "frames": lambda _: (ROWS[i : i + 1] for i in range(4)),
    "Parquet file": parquet,
    "folder": folder_of_two,
    "CSV files": glob_of_csv,
    "Arrow file": ipc,
}


@pytest.mark.parametrize("kind", SOURCES)
def test_every_source_has_the_same_profile(kind: str, tmp_path: Path) -> None:
    assert profile(SOURCES[kind](tmp_path)) == profile(ROWS)


def test_lines_of_json_have_the_same_profile_but_for_dates(tmp_path: Path) -> None:
    dates = pl.DataFrame({"d": ROWS["d"].cast(pl.String)})

    found = profile(ndjson(tmp_path))

    assert [found[name] for name in "nxsb"] == [profile(ROWS)[name] for name in "nxsb"]
    assert found["d"] == profile(dates)["d"]
    assert profile(ndjson(tmp_path), types={"d": pl.Date}) == profile(ROWS)


def test_a_source_that_has_batches_is_read_by_them() -> None:
    class Ours:
        name = "ours"

        def batches(self) -> Iterator[pl.DataFrame]:
            yield from ROWS.iter_slices(3)

    assert profile(Ours()) == profile(ROWS)


def test_a_part_without_rows_changes_nothing() -> None:
    assert profile_part(ROWS).merge(profile_part(ROWS[:0])) == profile(ROWS)


def test_folders_with_a_name_and_a_value_are_a_column(tmp_path: Path) -> None:
    for month in (1, 2):
        (tmp_path / f"month={month}").mkdir()
        ROWS[:month].write_parquet(tmp_path / f"month={month}" / "rows.parquet")

    found = profile(tmp_path)

    assert found["month"].top() == {2.0: 2, 1.0: 1}
    assert found["n"].n == 3
    assert "month" not in profile(str(tmp_path / "*" / "*.parquet"))


def test_names_of_files_are_no_globs(tmp_path: Path) -> None:
    ROWS.write_parquet(tmp_path / "rows[1].parquet")

    assert profile(tmp_path) == profile(tmp_path / "rows[1].parquet") == profile(ROWS)


# --- databases ----------------------------------------------------------------------------


@pytest.fixture
def connection() -> Iterator[sa.Connection]:
    engine = sa.create_engine("sqlite://")
    with engine.connect() as opened:
        opened.execute(sa.text("CREATE TABLE t (n INTEGER, s TEXT, x REAL)"))
        rows = "(1, 'a', 0.5), (2, NULL, 3), (NULL, 'b', NULL)"
        opened.execute(sa.text(f"INSERT INTO t VALUES {rows}"))
        yield opened
    engine.dispose()


def test_the_result_of_a_query_is_profiled(connection: sa.Connection) -> None:
    found = profile(connection.execute(sa.text("SELECT * FROM t")))

    expected = pl.DataFrame({"n": [1, 2, None], "s": ["a", None, "b"], "x": [0.5, 3.0, None]})
    assert found == profile(expected)
    assert profile(connection.execute(sa.text("SELECT * FROM t WHERE n > 9"))).n_rows == 0


def test_rows_that_mix_types_are_named(connection: sa.Connection) -> None:
    mixed = "SELECT n FROM t UNION ALL SELECT 'many'"

    with pytest.raises(InvalidDataError, match="column 'n' of the result mixes int, str: row 4"):
        profile(connection.execute(sa.text(mixed)))
    with pytest.raises(DuplicateColumnsError):
        profile(connection.execute(sa.text("SELECT n, n FROM t")))


def test_decimals_and_numbers_of_a_database_are_numbers() -> None:
    class Result:
        def keys(self) -> list[str]:
            return ["price", "when"]

        def partitions(self, size: int | None = None) -> Iterator[list[tuple[object, ...]]]:
            yield [(Decimal("1.5"), datetime(2013, 1, 1, tzinfo=UTC)), (2, None), (0.25, None)]
            yield [(None, datetime(2013, 1, 2, tzinfo=UTC))]

    found = profile(Result())

    assert found["price"].top() == {0.25: 1, 1.5: 1, 2.0: 1}
    assert (found["when"].kind, found["when"].n_missing) == ("datetime", 2)


# --- text files ---------------------------------------------------------------------------


def csv(folder: Path, *rows: str, name: str = "rows.csv") -> str:
    (folder / name).write_text("\n".join(("n,s", *rows)) + "\n", encoding="utf-8")
    return str(folder / name)


MANY = [f"{i},a" for i in range(20_000)]


def test_whole_numbers_that_become_fractions_late_are_numbers(tmp_path: Path) -> None:
    found = profile(csv(tmp_path, *MANY, "0.5,b"))

    assert (found["n"].kind, found["n"].n, found["n"].minimum) == ("number", 20_001, 0.0)
    assert found["n"].counts_in_bins(edges=[0.0, 0.5, 1.0]).tolist() == [1, 1, 1, 19_998, 0]


def test_text_among_numbers_is_named_with_its_row_and_can_be_declared(tmp_path: Path) -> None:
    path = csv(tmp_path, *MANY, "many,b")

    with pytest.raises(UnreadableFileError, match="'many' stands among whole numbers") as caught:
        profile(path)

    assert (caught.value.path, caught.value.row, caught.value.column) == (path, 20_001, "n")
    assert profile(path, types={"n": pl.String})["n"].n_distinct == 20_001


def test_bytes_that_are_no_utf8_are_named_with_their_row(tmp_path: Path) -> None:
    path = csv(tmp_path, *MANY)
    with Path(path).open("ab") as opened:
        opened.write(b"1,ol\xe9\n")

    with pytest.raises(UnreadableFileError, match="byte 0xe9, which is no UTF-8") as caught:
        profile(path)

    assert (caught.value.path, caught.value.row) == (path, 20_001)


def test_a_row_with_a_field_too_many_is_named(tmp_path: Path) -> None:
    path = csv(tmp_path, *MANY, "1,New York, NY")

    with pytest.raises(UnreadableFileError, match="3 fields, and the header 2") as caught:
        profile(path)

    assert caught.value.row == 20_001


def test_a_quotation_mark_that_is_not_closed_is_named(tmp_path: Path) -> None:
    path = csv(tmp_path, "1,a", '2,"New York', "3,c", "4,d")

    with pytest.raises(UnreadableFileError, match="quotation mark is not closed") as caught:
        profile(path)

    assert caught.value.row == 2


def test_lines_that_are_no_json_are_named(tmp_path: Path) -> None:
    path = tmp_path / "rows.ndjson"
    path.write_text('{"a": 1}\n' * 3 + '{"a": 2\n', encoding="utf-8")

    with pytest.raises(UnreadableFileError, match="it is no JSON") as caught:
        profile(path)

    assert caught.value.row == 4


def test_a_header_with_a_name_twice_and_a_file_without_one_are_refused(tmp_path: Path) -> None:
    twice, empty = tmp_path / "twice.csv", tmp_path / "empty.csv"
    twice.write_text("a,a\n1,2\n")
    empty.write_text("")

    with pytest.raises(DuplicateColumnsError, match=r"columns of .*twice\.csv are called 'a'"):
        profile(twice)
    with pytest.raises(UnreadableFileError, match="empty CSV"):
        profile(empty)


# --- files that are not whole -------------------------------------------------------------


def two_files(folder: Path) -> tuple[Path, Path]:
    first, second = folder / "1.parquet", folder / "2.parquet"
    frame = pl.DataFrame({"x": range(300_000), "y": [f"N{i % 7_919}" for i in range(300_000)]})
    frame.write_parquet(first)
    frame.write_parquet(second, row_group_size=50_000)
    return first, second


def test_a_file_that_was_cut_off_is_named(tmp_path: Path) -> None:
    _, second = two_files(tmp_path)
    second.write_bytes(second.read_bytes()[:-100])

    with pytest.raises(UnreadableFileError, match=r"2\.parquet cannot be read") as caught:
        profile(tmp_path)

    assert caught.value.path == str(second)
    assert isinstance(caught.value, OSError)


def test_a_file_that_is_damaged_inside_is_named(tmp_path: Path) -> None:
    _, second = two_files(tmp_path)
    content = bytearray(second.read_bytes())
    content[2_000:60_000] = b"\x55" * 58_000
    second.write_bytes(content)

    with pytest.raises(UnreadableFileError, match=r"2\.parquet cannot be read"):
        profile(tmp_path)


class Interfering:
    """Do something to the files once the first batch has come."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
        from mldeploy.data import _scan

        original = _scan.Counting.add

        def add(counting: Any, batch: Any, threads: Any) -> None:
            nonlocal act
            original(counting, batch, threads)
            act()
            act = lambda: None  # noqa: E731

        monkeypatch.setattr(_scan.Counting, "add", add)


def test_a_file_that_vanishes_in_mid_scan_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, second = two_files(tmp_path)
    Interfering(monkeypatch, second.unlink)

    with pytest.raises(UnreadableFileError, match="there is no such file") as caught:
        profile(tmp_path)

    assert caught.value.path == str(second)


def test_a_file_that_is_written_to_in_mid_scan_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = two_files(tmp_path)
    Interfering(monkeypatch, lambda: os.utime(first, (1, 1)))

    with pytest.raises(UnreadableFileError, match=r"1\.parquet .* it changed while"):
        profile(first)


def test_a_file_that_is_replaced_in_mid_scan_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = two_files(tmp_path)
    Interfering(monkeypatch, lambda: str(second.replace(first)))

    with pytest.raises(UnreadableFileError, match=r"1\.parquet cannot be read"):
        profile(first)


def test_whoever_interrupts_gets_no_profile_and_the_next_scan_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, _ = two_files(tmp_path)

    def interrupt() -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        Interfering(patched, interrupt)
        with pytest.raises(KeyboardInterrupt):
            profile(first)

    assert profile(first).n_rows == 300_000


@pytest.mark.skipif(not hasattr(os, "setuid"), reason="users are numbers on POSIX only")
def test_a_file_that_may_not_be_read_is_named(tmp_path: Path) -> None:
    """Root may read everything, so a process of another user looks."""
    path = parquet(tmp_path)
    path.chmod(0o600)
    code = f"""
        import os
        from mldeploy.data import Profile
        from mldeploy.data import _scan_table
        from mldeploy.errors import UnreadableFileError
        if os.getuid() == 0:
            os.setuid(65534)
        else:
            os.chmod({str(path)!r}, 0)
        try:
            Profile.of({str(path)!r}, progress=False)
        except UnreadableFileError as error:
            print(error)
    """
    for folder in [tmp_path, *tmp_path.parents[:3]]:
        if folder.stat().st_uid == os.getuid() and folder != Path("/tmp"):
            folder.chmod(0o755)

    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True
    )

    assert "rows.parquet cannot be read: permission denied" in run.stdout


def test_a_folder_with_other_columns_or_kinds_is_refused_with_the_file(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1], "b": [1]}).write_parquet(tmp_path / "1.parquet")
    other = tmp_path / "2.parquet"

    pl.DataFrame({"a": [1]}).write_parquet(other)
    with pytest.raises(SchemaMismatchError, match=r"2\.parquet lacks 'b'") as caught:
        profile(tmp_path)
    assert (caught.value.missing, caught.value.path) == (("b",), str(other))

    pl.DataFrame({"a": [1], "b": [1], "c": [1]}).write_parquet(other)
    with pytest.raises(SchemaMismatchError, match=r"1\.parquet lacks 'c'"):
        profile(tmp_path)

    pl.DataFrame({"a": [1], "b": ["x"]}).write_parquet(other)
    with pytest.raises(SchemaMismatchError, match=r"'b' of .*2\.parquet is of kind"):
        profile(tmp_path)

    pl.DataFrame({"b": [0.5], "a": [None]}).write_parquet(other)
    assert (profile(tmp_path)["b"].kind, profile(tmp_path)["a"].n_missing) == ("number", 1)


def test_text_files_of_other_kinds_are_refused_with_the_file(tmp_path: Path) -> None:
    csv(tmp_path, "1,a", name="1.csv")
    csv(tmp_path, "one,a", name="2.csv")

    with pytest.raises(InvalidDataError, match=r"2\.csv does not go with the files before it"):
        profile(tmp_path)


@pytest.mark.parametrize(
    ("name", "said"),
    [("nothing.parquet", "no file matches"), ("rows.xlsx", "ends in .xlsx")],
)
def test_paths_that_name_no_table_are_refused(name: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "rows.xlsx").write_bytes(b"PK")

    with pytest.raises(InvalidDataError, match=said):
        profile(tmp_path / name)


def test_files_of_two_formats_are_refused(tmp_path: Path) -> None:
    ROWS.write_csv(tmp_path / "a.csv")
    ROWS.write_parquet(tmp_path / "a.parquet")

    with pytest.raises(InvalidDataError, match="csv and parquet files"):
        profile(tmp_path)


def test_names_that_are_used_inside_are_names_like_others() -> None:
    names = ["", " ", "n", "n of it", "text", "value", "weight"]
    frame = pl.DataFrame({name: ["a"] for name in names}).with_columns(weight=2.0)

    assert profile(frame, weight="weight").names == tuple(sorted(names))
    assert profile(frame).n_rows == 1


# --- what is no table ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("source", "error", "said"),
    [
        (3, InvalidDataError, "a int is not a table"),
        ({"a": [1]}, InvalidDataError, "a dict is not a table"),
        ([], EmptyDataError, "no batch to profile"),
        ([ROWS, 3], InvalidDataError, "a int is no batch of rows"),
        ([ROWS, ROWS.drop("s")], SchemaMismatchError, "batch 2 of the stream lacks 's'"),
        ([ROWS, ROWS.with_columns(s=1)], SchemaMismatchError, "kind integer and string"),
        (ROWS.lazy().select("z"), InvalidDataError, "the query cannot be read"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), DuplicateColumnsError, "'a'"),
        (pa.table([[1], [2]], names=["a", "a"]), DuplicateColumnsError, "'a'"),
        (pd.DataFrame({"a": [1, "x"]}), InvalidDataError, "mixes int, str: row 1"),
        (
            pl.DataFrame({"a.b": [1], "a": [{"b": 1}]}),
            DuplicateColumnsError,
            "several columns are called 'a.b'",
        ),
        (
            pl.DataFrame({"o": pl.Series([object()], dtype=pl.Object)}),
            InvalidDataError,
            "column 'o' of the table holds Object",
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_is_no_table_is_refused(source: Any, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        profile(source)


def test_a_limit_that_lists_nothing_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="at least 1"):
        profile(ROWS, limit=0)


def test_a_table_without_rows_or_columns_has_a_profile() -> None:
    assert profile(ROWS[:0]).n_rows == 0
    assert profile(ROWS[:0]).names == profile(ROWS).names
    assert profile(pl.DataFrame()).columns == ()


@pytest.mark.slow
def test_the_profile_of_the_flights_is_what_polars_says_of_them() -> None:
    flights = real_flights()

    found = profile(flights)

    for column in flights:
        ours, known = found[column.name], column.drop_nulls()
        assert (ours.n_missing, ours.n_distinct) == (column.null_count(), known.n_unique())
        assert ours.is_exact
        if column.dtype.is_numeric():
            assert (ours.minimum, ours.maximum) == (known.min(), known.max())
            assert ours.mean == pytest.approx(known.mean(), rel=1e-12)
            assert ours.std == pytest.approx(known.std(), rel=1e-12)
            median = known.quantile(0.5, interpolation="lower")
            assert ours.quantile(0.5) == median


def real_flights() -> pl.DataFrame:
    """The 336,776 flights with their 19 columns, read by the loader of the example."""
    place = Path(__file__).resolve().parents[2] / "examples" / "flights.py"
    spec = importlib.util.spec_from_file_location("flights_of_the_example", place)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    table = module._flights_csv(module._data_folder())
    return pl.read_csv(table, null_values="NA", infer_schema_length=None)


def test_a_bar_shows_how_far_a_scan_is_and_goes_when_it_is_done(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It waits for a second, so that short scans show nothing."""
    from mldeploy.data import _scan

    Profile.of(ROWS)
    assert capsys.readouterr().err == ""

    monkeypatch.setattr(_scan, "tqdm", partial(_scan.tqdm, mininterval=0))
    monkeypatch.setattr(_scan, "_DELAY", 0)
    Profile.of(ROWS)
    assert "profile: 100%" in capsys.readouterr().err


@pytest.mark.slow
def test_ten_thousand_columns_are_counted() -> None:
    wide = pl.DataFrame({f"c{i}": [i, i + 1, None] for i in range(10_000)})

    found = profile(wide)

    assert len(found.columns) == 10_000
    assert found["c9999"].top() == {9_999.0: 1, 10_000.0: 1}
