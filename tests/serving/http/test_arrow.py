"""Arrow streams and files as strangers send them: read, or refused, and never more than that."""

from __future__ import annotations

import io
import struct
from datetime import UTC, datetime
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mldeploy.serving.http._arrow import file_of_frame, frame_of, stream_of_frame
from mldeploy.serving.http._errors import BadRequest

FRAME = pl.DataFrame(
    {
        "n": [1, 2, None],
        "x": [1.5, None, 2.5],
        "s": ["a", "bb", "a text of more than twelve characters"],
        "b": [True, None, False],
        "c": pl.Series(["u", "v", "u"], dtype=pl.Categorical),
        "t": pl.Series([datetime(2013, 1, 31, 17, 45, tzinfo=UTC)] * 3),
    }
)
LEVELS = {"oldest": pl.CompatLevel.oldest(), "newest": pl.CompatLevel.newest()}
COMPRESSIONS = ("uncompressed", "lz4", "zstd")


def written(
    frame: pl.DataFrame, *, is_file: bool, compression: Any, level: str = "oldest"
) -> bytes:
    buffer = io.BytesIO()
    write = frame.write_ipc if is_file else frame.write_ipc_stream
    write(buffer, compression=compression, compat_level=LEVELS[level])
    return buffer.getvalue()


def read(
    body: bytes, *, is_file: bool = False, max_bytes: int = 10**6, max_rows: int = 100
) -> pl.DataFrame:
    return frame_of(body, is_file=is_file, max_bytes=max_bytes, max_rows=max_rows)


def refusal(body: bytes, **more: Any) -> tuple[int, str]:
    with pytest.raises(BadRequest) as caught:
        read(body, **more)
    return caught.value.status, caught.value.reason


def height_or_status(body: bytes, *, is_file: bool) -> tuple[int, bool]:
    """Return the number of rows and True, or the status that refuses them and False."""
    try:
        return read(body, is_file=is_file).height, True
    except BadRequest as error:
        return error.status, False


SEEDS = [
    (written(FRAME, is_file=is_file, compression=compression, level=level), is_file)
    for is_file in (False, True)
    for compression in COMPRESSIONS
    for level in LEVELS
]


@pytest.mark.parametrize(("body", "is_file"), SEEDS)
def test_what_polars_writes_is_read(body: bytes, is_file: bool) -> None:
    assert read(body, is_file=is_file).equals(FRAME)


@pytest.mark.parametrize("is_file", [False, True])
def test_what_pyarrow_writes_is_read(is_file: bool) -> None:
    pa = pytest.importorskip("pyarrow")
    table = pa.table({"n": [1, 2], "s": pa.array(["u", "v"]).dictionary_encode()})
    sink = pa.BufferOutputStream()
    with (pa.ipc.new_file if is_file else pa.ipc.new_stream)(sink, table.schema) as writer:
        writer.write_table(table)

    found = read(sink.getvalue().to_pybytes(), is_file=is_file)

    assert found["n"].to_list() == [1, 2]
    assert found["s"].cast(pl.String).to_list() == ["u", "v"]


@pytest.mark.parametrize("is_file", [False, True])
def test_what_is_written_is_read_by_pyarrow(is_file: bool) -> None:
    """Texts are plain ones: views are understood by the newest readers only."""
    pa = pytest.importorskip("pyarrow")
    body = (file_of_frame if is_file else stream_of_frame)(FRAME.select("n", "s"))

    table = (pa.ipc.open_file if is_file else pa.ipc.open_stream)(body).read_all()

    assert table.schema.field("s").type == pa.large_string()
    assert table.to_pydict() == FRAME.select("n", "s").to_dict(as_series=False)


@pytest.mark.parametrize("is_file", [False, True])
@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_rows_and_bytes_are_counted_before_they_are_made(is_file: bool, compression: str) -> None:
    """A million equal numbers are 8 MB, and 30 to 40 kB compressed."""
    many = pl.DataFrame({"n": pl.zeros(1_000_000, dtype=pl.Int64, eager=True)})
    body = written(many, is_file=is_file, compression=compression)

    status, reason = refusal(body, is_file=is_file, max_rows=999_999, max_bytes=10**8)
    assert (status, "rows are over the 999,999 allowed" in reason) == (413, True)
    status, reason = refusal(body, is_file=is_file, max_rows=10**6, max_bytes=7_999_999)
    assert (status, "larger than a body may be" in reason) == (413, True)
    assert read(body, is_file=is_file, max_rows=10**6, max_bytes=8_000_128).height == 10**6


@pytest.mark.parametrize("claim", [2**50, 2**63 - 1, 10**6 + 1])
def test_a_claim_of_petabytes_is_not_believed(claim: int) -> None:
    body = written(FRAME.select("n"), is_file=False, compression="zstd")
    place = body.rindex(struct.pack("<q", 24))

    forged = body[:place] + struct.pack("<q", claim) + body[place + 8 :]

    assert refusal(forged) == (413, "the columns are larger than a body may be")


@pytest.mark.parametrize(
    "strange",
    [
        pl.Series("n", [[1], [2]]),
        pl.Series("n", [{"a": 1}]),
        pl.Series("n", [b"bytes"]),
        pl.Series("n", [[[[[[[1]]]]]]]),
    ],
)
@pytest.mark.parametrize("is_file", [False, True])
def test_columns_that_are_not_plain_are_refused(strange: pl.Series, is_file: bool) -> None:
    body = written(strange.to_frame(), is_file=is_file, compression="uncompressed")

    status, reason = refusal(body, is_file=is_file)

    assert (status, reason[:32]) == (400, "a column is of another type than")


@pytest.mark.parametrize(("body", "is_file"), SEEDS)
def test_a_table_that_is_cut_short_is_refused_or_ends_at_a_whole_batch(
    body: bytes, is_file: bool
) -> None:
    for end in range(len(body)):
        found = height_or_status(body[:end], is_file=is_file)

        assert found in ((400, False), *([] if is_file else [(0, True), (3, True)]))


@settings(max_examples=400)
@given(st.data())
def test_no_bytes_do_more_than_be_refused(data: st.DataObject) -> None:
    body, is_file = data.draw(st.sampled_from(SEEDS))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body) - 1))
        instead = data.draw(
            st.sampled_from([b"\xff" * 4, b"\xff\xff\xff\x7f", b"\0" * 4, b"\0\0\0\x80"])
            | st.binary(min_size=0, max_size=8)
        )
        n_gone = data.draw(st.sampled_from([len(instead), 0, 4]))
        body = body[:place] + instead + body[place + n_gone :]

    number, is_read = height_or_status(body, is_file=is_file)

    assert number <= 100 if is_read else number in (400, 413)


@given(st.binary(max_size=200), st.booleans())
def test_what_is_no_arrow_at_all_is_refused(body: bytes, is_file: bool) -> None:
    assert refusal(body, is_file=is_file)[0] == 400
