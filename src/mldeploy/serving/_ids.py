"""Identifiers of predictions that sort by time."""

from __future__ import annotations

import os
from functools import lru_cache
from typing import Final

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
    stamps = times.astype("datetime64[ms]").astype(np.int64) & _STAMP
    tails = _random_tails(len(stamps))
    if len(stamps) and (stamps == stamps[0]).all():
        digits = f"{stamps[0]:012x}"
        return [digits + tail for tail in tails]
    return [f"{stamp:012x}{tail}" for stamp, tail in zip(stamps.tolist(), tails, strict=True)]


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
    try:
        return _time_digits(microseconds // 1000) + _tails.pop()
    except IndexError:
        _tails.extend(_random_tails(_AT_ONCE))
        return new_id(microseconds)


@lru_cache(maxsize=64)
def _time_digits(milliseconds: int) -> str:
    return f"{milliseconds & _STAMP:012x}"


def _random_tails(n: int) -> list[str]:
    """Return what follows the time: version, variant and 74 random bits."""
    noise = np.frombuffer(os.urandom(10 * n), dtype=np.uint8).reshape(n, 10).copy()
    noise[:, 0] = noise[:, 0] & 0x0F | 0x70
    noise[:, 2] = noise[:, 2] & 0x3F | 0x80
    digits = noise.tobytes().hex()
    return [digits[i : i + 20] for i in range(0, 20 * n, 20)]


_STAMP: Final = 2**48 - 1
_AT_ONCE: Final = 256
_tails: Final[list[str]] = []
"""Drawn ahead, since asking the system costs more than all the rest; never shared by a fork."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_tails.clear)
