"""Identifiers of predictions that sort by time."""

from __future__ import annotations

import os

import numpy as np
import numpy.typing as npt


def new_ids(times: npt.NDArray[np.datetime64]) -> list[str]:
    """Return one identifier for each time: a UUID of version 7 without hyphens.

    Parameters
    ----------
    times : ndarray of shape (n,), datetime64[us]
        When each prediction was asked for; identifiers sort by its milliseconds.

    Returns
    -------
    list of str, length n
        32 hexadecimal digits each: 48 bits of time, 74 random ones, version and variant [1]_.

    References
    ----------
    .. [1] K. Davis et al., "Universally Unique IDentifiers", RFC 9562, 2024, section 5.7.

    Examples
    --------
    >>> new_ids(np.array(["2013-01-01T05:15"], dtype="datetime64[us]"))[0][:13]
    '013bf488bc207'
    """
    stamps = (times.astype("datetime64[ms]").astype(np.int64) & (2**48 - 1)).tolist()
    digits = os.urandom(10 * len(stamps)).hex()
    return [
        f"{stamp:012x}7{digits[i : i + 3]}{_VARIANT[digits[i + 3]]}{digits[i + 4 : i + 19]}"
        for stamp, i in zip(stamps, range(0, 20 * len(stamps), 20), strict=True)
    ]


_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}


def new_id(microseconds: int) -> str:
    """Return one identifier, as `new_ids` does for many.

    Parameters
    ----------
    microseconds : int
        When the prediction was asked for, since 1970 in UTC.

    Examples
    --------
    >>> new_id(1_357_017_300_000_000)[:13]
    '013bf488bc207'
    """
    digits = os.urandom(10).hex()
    stamp = (microseconds // 1000) & (2**48 - 1)
    return f"{stamp:012x}7{digits[:3]}{_VARIANT[digits[3]]}{digits[4:19]}"
