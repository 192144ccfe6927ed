"""A number for each row that depends on its values alone."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.data._fingerprint import digest_rows, encode


def row_digests(frame: pl.DataFrame) -> npt.NDArray[np.uint64]:
    """Digest each row to 64 bits, whatever the order of rows and columns.

    By them rows can be dealt out, or known again elsewhere, in a way that nobody chooses: there
    is no seed to try until the outcome pleases.

    Parameters
    ----------
    frame : polars.DataFrame
        A frame as `to_polars` returns it.

    Returns
    -------
    ndarray of uint64 of shape (n_rows,)
        The first 8 bytes of the SHA-256 of each row's values; equal rows have equal numbers.

    Examples
    --------
    >>> one = pl.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    >>> row_digests(one).tolist() == row_digests(one.select("b", "a")).tolist()
    True
    """
    columns = sorted(frame.get_columns(), key=lambda column: column.name)
    digests = digest_rows([encode(column)[1] for column in columns], frame.height)
    packed = b"".join(digest[:8] for digest in digests)
    return np.frombuffer(packed, dtype=">u8").astype(np.uint64)
