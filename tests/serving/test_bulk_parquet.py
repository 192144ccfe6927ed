"""Files of Parquet put behind each other say what they said, to every reader."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mldeploy.serving._bulk_parquet import append_parquet
from mldeploy.serving._bulk_thrift import read_struct, write_struct

SCHEMA: dict[str, Any] = {
    "truth": pl.Boolean,
    "small": pl.Int8,
    "whole": pl.Int64,
    "large": pl.UInt64,
    "real": pl.Float64,
    "text": pl.String,
    "bytes": pl.Binary,
    "day": pl.Date,
    "time": pl.Time,
    "zoned": pl.Datetime("us", "America/New_York"),
    "local": pl.Datetime("ns"),
    "took": pl.Duration("ms"),
    "list": pl.List(pl.Float64),
    "pair": pl.Struct({"a": pl.Int32, "b": pl.String}),
    "level": pl.Enum(["é", "b"]),
    "amount": pl.Decimal(12, 2),
    "nothing": pl.Null,
}
moments = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "truth": st.booleans(),
    "small": st.integers(-128, 127),
    "whole": st.integers(-(2**63), 2**63 - 1),
    "large": st.integers(0, 2**64 - 1),
    "real": st.floats(allow_nan=False),
    "text": st.text(max_size=5),
    "bytes": st.binary(max_size=5),
    "day": st.dates(date(1900, 1, 1), date(2200, 1, 1)),
    "time": st.times(),
    "local": moments,
    "took": st.timedeltas(timedelta(-999), timedelta(999)),
    "list": st.lists(st.floats(allow_nan=False), max_size=3),
    "level": st.sampled_from(["é", "b"]),
}
rows = st.lists(
    st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()}),
    max_size=6,
)


def frame_of(given: list[dict[str, Any]]) -> pl.DataFrame:
    schema = {name: SCHEMA[name] for name in VALUES}
    frame = pl.DataFrame(given, schema=schema, orient="row", strict=False)
    n = pl.Series(range(frame.height), dtype=pl.Int64)
    return frame.with_columns(
        zoned=n.cast(pl.Datetime("us")).dt.replace_time_zone("America/New_York"),
        pair=pl.struct(a=n.cast(pl.Int32), b=n.cast(pl.String)),
        amount=n.cast(pl.Decimal(12, 2)),
        nothing=pl.lit(None),
    ).select(*SCHEMA)


def joined(folder: Path, frames: list[pl.DataFrame], **settings: Any) -> Path:
    parts = [folder / f"part-{number}.parquet" for number in range(len(frames))]
    for part, frame in zip(parts, frames, strict=True):
        frame.write_parquet(part, **settings)
    with (folder / "whole.parquet").open("wb") as file:
        assert append_parquet(parts, file)
    return folder / "whole.parquet"


@settings(max_examples=20, deadline=None)
@given(st.lists(rows, min_size=1, max_size=4), st.sampled_from(["snappy", "zstd", "uncompressed"]))
def test_parts_become_one_file_with_all_their_values(
    tmp_path_factory: pytest.TempPathFactory, given: list[list[dict[str, Any]]], compression: str
) -> None:
    frames = [frame_of(part) for part in given]

    path = joined(tmp_path_factory.mktemp("join"), frames, compression=compression)

    expected = pl.concat(frames)
    assert pl.read_parquet(path).equals(expected)
    assert pl.read_parquet(path).schema == expected.schema
    assert (
        pl.scan_parquet(path)
        .filter(pl.col("whole") > 0)
        .collect()
        .equals(expected.filter(pl.col("whole") > 0))
    )
    with pq.ParquetFile(path) as file:
        assert file.read(columns=["text"])["text"].to_pylist() == expected["text"].to_list()
        assert file.metadata.num_rows == expected.height


def test_many_row_groups_are_found_each_at_its_place(tmp_path: Path) -> None:
    frames = [
        pl.DataFrame({"n": range(40 * k, 40 * (k + 1)), "t": [f"t{k}"] * 40}) for k in range(50)
    ]

    path = joined(tmp_path, frames, row_group_size=7)

    assert pl.read_parquet(path)["n"].to_list() == list(range(2000))
    with pq.ParquetFile(path) as file:
        assert file.num_row_groups == 300
        assert file.read_row_group(299)["n"].to_pylist() == [1995, 1996, 1997, 1998, 1999]
        assert file.metadata.row_group(299).column(0).statistics.min == 1995


def test_parts_of_other_columns_are_left_to_others(tmp_path: Path) -> None:
    pl.DataFrame({"n": [1]}).write_parquet(tmp_path / "a.parquet")
    pl.DataFrame({"n": ["1"]}).write_parquet(tmp_path / "b.parquet")

    with (tmp_path / "whole.parquet").open("wb") as file:
        assert not append_parquet([tmp_path / "a.parquet", tmp_path / "b.parquet"], file)


def test_what_is_no_parquet_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.parquet").write_bytes(b"PAR1 nothing")

    with (tmp_path / "whole.parquet").open("wb") as file, pytest.raises(ValueError, match="is no"):
        append_parquet([tmp_path / "a.parquet"], file)


@given(st.binary(max_size=40))
def test_bytes_that_are_no_struct_are_refused(content: bytes) -> None:
    try:
        struct = read_struct(content)
    except ValueError:
        return
    assert read_struct(write_struct(struct)) == struct
