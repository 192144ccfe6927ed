"""A row group that is large in memory is read slice by slice."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from mldeploy.data import Profile, _scan_slices
from mldeploy.data._row_groups import n_row_groups

TABLE = pl.DataFrame(
    {"x": range(5_000), "s": [f"N{i}" * 3 for i in range(5_000)], "n": [None, 1] * 2_500}
)


@pytest.mark.parametrize(("rows", "n_groups"), [(5_000, 1), (1_000, 5), (100, 50)])
def test_the_row_groups_of_a_file_are_counted(rows: int, n_groups: int, tmp_path: Path) -> None:
    TABLE.write_parquet(tmp_path / "t.parquet", row_group_size=rows)

    assert n_row_groups(str(tmp_path / "t.parquet")) == n_groups


def test_row_groups_of_nested_tables_written_by_arrow_are_counted(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    nested = TABLE.with_columns(pair=pl.struct("x", "s"), some=pl.concat_list("x", "x"))
    parquet.write_table(nested.to_arrow(), tmp_path / "t.parquet", row_group_size=250)

    assert n_row_groups(str(tmp_path / "t.parquet")) == 20


@pytest.mark.parametrize("content", [b"", b"PAR1", b"\x19" * 40, b"\xff" * 9 + b"\x09\0\0\0PAR1"])
def test_what_is_no_footer_has_one_row_group(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(content)

    assert n_row_groups(str(tmp_path / "t.parquet")) == 1


@pytest.mark.parametrize("slice_bytes", [1, 20_000])
def test_slices_hold_each_row_once_and_make_the_same_profile(
    slice_bytes: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = TABLE[:300] if slice_bytes == 1 else TABLE
    table.write_parquet(tmp_path / "t.parquet")
    monkeypatch.setattr(_scan_slices, "_WHOLE_BYTES", 0)
    monkeypatch.setattr(_scan_slices, "_SLICE_BYTES", slice_bytes)
    query = pl.scan_parquet(tmp_path / "t.parquet")

    slices = list(_scan_slices.slices_of(query, table.height, 1.0, str(tmp_path / "t.parquet")))

    assert len(slices) > 1
    assert pl.concat([part.collect() for part in slices]).equals(table)
    found = Profile.of(tmp_path / "t.parquet", progress=False)
    assert found == Profile.of(table, progress=False)


def test_small_row_groups_are_read_at_once(tmp_path: Path) -> None:
    TABLE.write_parquet(tmp_path / "t.parquet")
    query = pl.scan_parquet(tmp_path / "t.parquet")

    assert list(_scan_slices.slices_of(query, 5_000, 8.0, str(tmp_path / "t.parquet"))) == [query]
