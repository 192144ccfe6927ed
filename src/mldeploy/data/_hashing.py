"""Hashes of numbers and texts, many at once and the same on every machine."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

Hashes: TypeAlias = npt.NDArray[np.uint64]
Whole: TypeAlias = npt.NDArray[np.int64]

_M: Final = np.uint64(0xC6A4_A793_5BD1_E995)
_R: Final = np.uint64(47)
_EIGHT: Final = np.uint64(8)
_LONG: Final = 1_024


def hashes_of_numbers(values: npt.NDArray[np.float64]) -> Hashes:
    """Hash numbers by their bits; -0.0 is 0.0.

    The finaliser of SplitMix64 [1]_: each bit of a number changes about half of the hash's.

    References
    ----------
    .. [1] G. L. Steele, D. Lea and C. H. Flood, "Fast splittable pseudorandom number
       generators", OOPSLA 2014.
    """
    return mixed((values + 0.0).view(np.uint64))


def hashes_of_whole_numbers(values: npt.NDArray[np.int64] | npt.NDArray[np.uint64]) -> Hashes:
    """Hash whole numbers like the same number as a float, and those that no float holds apart."""
    floats = values.astype(np.float64)
    hashes = hashes_of_numbers(floats)
    large = np.abs(floats) >= 2.0**53
    if large.any():
        low = values[large].astype(np.uint64) & np.uint64(0x7FF)
        rounded = np.array([int(v) & 0x7FF for v in floats[large].tolist()], np.uint64)
        odd = low != rounded
        hashes[np.flatnonzero(large)[odd]] ^= mixed(low[odd] + np.uint64(1))
    return hashes


def mixed(bits: Hashes) -> Hashes:
    """Spread 64 bits evenly."""
    with np.errstate(over="ignore"):
        z = bits + np.uint64(0x9E37_79B9_7F4A_7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58_476D_1CE4_E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D0_49BB_1331_11EB)
        return z ^ (z >> np.uint64(31))


def hashes_of_texts(texts: pl.Series | Sequence[str]) -> Hashes:
    """Hash texts without nulls by their UTF-8 bytes.

    MurmurHash64A of seed 0 [1]_ up to 1,024 bytes; BLAKE2b, its first 64 bits, above.

    References
    ----------
    .. [1] A. Appleby, MurmurHash2, https://github.com/aappleby/smhasher, public domain.
    """
    if isinstance(texts, pl.Series):
        content = (texts.str.join("").item() or "").encode()
        lengths = texts.str.len_bytes().to_numpy().astype(np.int64)
    else:
        encoded = [text.encode() for text in texts]
        content = b"".join(encoded)
        lengths = np.array([len(text) for text in encoded], np.int64)
    starts = np.cumsum(lengths) - lengths
    long = np.flatnonzero(lengths > _LONG)
    hashes = murmur(content, starts, np.where(lengths > _LONG, 0, lengths))
    for at in long.tolist():
        piece = memoryview(content)[starts[at] : starts[at] + lengths[at]]
        hashes[at] = int.from_bytes(blake2b(piece, digest_size=8).digest(), "little")
    return hashes


def murmur(content: bytes, at: Whole, lengths: Whole) -> Hashes:
    """Hash pieces of `content`, 8 bytes of all of them at a time."""
    padded = content + bytes(8)
    words = np.ndarray(len(content) + 1, dtype="<u8", buffer=padded, strides=(1,))
    n_words = lengths >> 3
    with np.errstate(over="ignore"):
        hashes = lengths.astype(np.uint64) * _M
        active = np.flatnonzero(n_words > 0)
        step = 0
        while active.size:
            hashes[active] = (hashes[active] ^ _scrambled(words[at[active] + 8 * step])) * _M
            step += 1
            active = active[n_words[active] > step]
        tail = np.flatnonzero(lengths & 7)
        n_bits = (lengths[tail] & 7).astype(np.uint64) * _EIGHT
        kept = (np.uint64(1) << n_bits) - np.uint64(1)
        hashes[tail] = (hashes[tail] ^ (words[at[tail] + 8 * n_words[tail]] & kept)) * _M
        hashes = (hashes ^ (hashes >> _R)) * _M
        return hashes ^ (hashes >> _R)


def _scrambled(words: Hashes) -> Hashes:
    words = words.astype(np.uint64) * _M
    return (words ^ (words >> _R)) * _M
