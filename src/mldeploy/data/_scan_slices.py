"""Large files in slices of rows, since a row group is otherwise held as a whole."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import polars as pl

from mldeploy.data._row_groups import n_row_groups

_WHOLE_BYTES: Final = 1 << 29
"""A row group that is no larger in memory is read at once."""

_SLICE_BYTES: Final = 1 << 27
_PROBED_BYTES: Final = 1 << 24
_PROBED_ROWS: Final = 64
_N_PROBES: Final = 4


def slices_of(
    query: pl.LazyFrame, height: int, bytes_on_disk: float, path: str
) -> Iterator[pl.LazyFrame]:
    """Yield a Parquet file's rows as queries, all at once if its row groups are small.

    What a slice reads is about 128 MB in memory, beside the column's compressed bytes in its row
    group.

    Parameters
    ----------
    query : polars.LazyFrame
        The rows of the file.
    height : int
        How many there are.
    bytes_on_disk : float
        Bytes of a row in the file.
    path : str
        The file.
    """
    n_groups = max(n_row_groups(path), 1)
    a_row = max(bytes_on_disk, _bytes_in_memory(query, height, bytes_on_disk))
    if a_row * height / n_groups <= _WHOLE_BYTES:
        yield query
        return
    n_rows = max(int(_SLICE_BYTES / a_row), 1)
    for start in range(0, height, n_rows):
        yield query.slice(start, n_rows)


def _bytes_in_memory(query: pl.LazyFrame, height: int, bytes_on_disk: float) -> float:
    """Return the bytes of a row, from a few rows out of each stretch of the file."""
    n_rows = min(_PROBED_ROWS, max(int(_PROBED_BYTES / max(bytes_on_disk, 1)), 1))
    if height <= n_rows * _N_PROBES:
        return 0.0
    found = 0.0
    for number in range(_N_PROBES):
        found += query.slice(height * number // _N_PROBES, n_rows).collect().estimated_size()
    return found / (n_rows * _N_PROBES)
