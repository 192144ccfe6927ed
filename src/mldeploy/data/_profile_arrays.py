"""Arrays of numbers in records: read-only, compared by value, and short and exact as text.

Sorted numbers are written as the differences of neighbours, in groups of 7 bits, in Base64: two
to four characters for most of them, and the same text on every machine.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import pydantic

from mldeploy._record import Record

_UNSIGNED: Final = np.uint64
_ALL_BUT_SIGN: Final = np.int64(0x7FFF_FFFF_FFFF_FFFF)
_LARGEST_WHOLE: Final = 2.0**53
_N_GROUPS: Final = 10


class ArrayRecord(Record):
    """A record that holds arrays; equal if every field is."""

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        return all(
            _same(getattr(self, name), getattr(other, name)) for name in type(self).model_fields
        )

    def __hash__(self) -> int:
        return hash(self.to_json())


def _same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray):
        return bool(np.array_equal(one, other))  # type: ignore[arg-type]
    return one == other


def ordered(values: npt.NDArray[np.float64]) -> npt.NDArray[np.int64]:
    """Return the bits of numbers as integers of the same order; its own inverse but for types."""
    bits = np.ascontiguousarray(values).view(np.int64)
    return bits ^ ((bits >> np.int64(63)) & _ALL_BUT_SIGN)


def unordered(keys: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the numbers whose `ordered` bits are `keys`."""
    return (keys ^ ((keys >> np.int64(63)) & _ALL_BUT_SIGN)).view(np.float64)


# --- as text ------------------------------------------------------------------------------


def pack(numbers: npt.NDArray[np.uint64]) -> str:
    """Write whole numbers of at least 0 as Base64 of groups of 7 bits, lowest first."""
    lengths = np.ones(numbers.size, np.int64)
    for group in range(1, _N_GROUPS):
        lengths += numbers >= _UNSIGNED(1 << (7 * group))
    starts = np.cumsum(lengths) - lengths
    out = np.zeros(int(lengths.sum()), np.uint8)
    for group in range(_N_GROUPS):
        reach = lengths > group
        if not reach.any():
            break
        bits = (numbers[reach] >> _UNSIGNED(7 * group)).astype(np.uint8) & np.uint8(127)
        goes_on = (lengths[reach] > group + 1).astype(np.uint8) << np.uint8(7)
        out[starts[reach] + group] = bits | goes_on
    return base64.b64encode(out.tobytes()).decode("ascii")


def unpack(text: str) -> npt.NDArray[np.uint64]:
    """Read what `pack` wrote.

    Raises
    ------
    ValueError
        If the text was not written by `pack`.
    """
    try:
        read = np.frombuffer(base64.b64decode(text, validate=True), np.uint8)
    except binascii.Error as error:
        raise ValueError(f"packed numbers are no Base64: {error}") from error
    ends = np.flatnonzero(read < 128)
    starts = np.concatenate([[0], ends[:-1] + 1]).astype(np.int64)[: ends.size]
    lengths = ends - starts + 1
    if (ends[-1] + 1 if ends.size else 0) != read.size or (lengths > _N_GROUPS).any():
        raise ValueError("packed numbers are cut off or damaged")
    numbers = np.zeros(ends.size, np.uint64)
    for group in range(int(lengths.max(initial=0))):
        reach = lengths > group
        bits = (read[starts[reach] + group] & np.uint8(127)).astype(np.uint64)
        numbers[reach] |= bits << _UNSIGNED(7 * group)
    return numbers


def _write_values(values: npt.NDArray[np.float64]) -> str:
    """Write increasing numbers: `w` for whole ones, else `b` and how many low bits all lack."""
    bound = _LARGEST_WHOLE
    if ((values == np.floor(values)) & (np.abs(values) <= bound)).all():
        return "w" + pack(_steps(values.astype(np.int64)))
    keys = ordered(values)
    low = np.bitwise_or.reduce(values.view(np.int64))
    shift = (int(low) & -int(low)).bit_length() - 1 if low else 0
    return f"b{shift}:" + pack(_steps(keys >> np.int64(shift)))


def _read_values(text: str) -> npt.NDArray[np.float64]:
    if text.startswith("w"):
        return np.cumsum(_unstepped(unpack(text[1:]))).astype(np.float64)
    shift, colon, packed = text.removeprefix("b").partition(":")
    if not (text.startswith("b") and colon and shift.isdecimal() and int(shift) < 64):
        raise ValueError("packed values start with neither `w` nor `b`")
    high = np.cumsum(_unstepped(unpack(packed)))
    low = np.where(high < 0, np.int64((1 << int(shift)) - 1), np.int64(0))
    return unordered((high << np.int64(int(shift))) | low)


def _steps(numbers: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
    """Return the first number with its sign as the lowest bit, then the differences."""
    if not numbers.size:
        return np.zeros(0, np.uint64)
    first = int(numbers[0])
    signed = (abs(first) << 1) - (first < 0)
    differences = np.diff(numbers.view(np.uint64))
    return np.concatenate([np.array([signed], np.uint64), differences])


def _unstepped(steps: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    numbers = steps.view(np.int64).copy()
    if numbers.size:
        signed = int(steps[0])
        numbers[0] = -((signed + 1) >> 1) if signed & 1 else signed >> 1
    return numbers


def _write_counts(counts: npt.NDArray[np.int64]) -> str:
    return pack(counts.astype(np.uint64))


def _read_counts(text: str) -> npt.NDArray[np.int64]:
    return unpack(text).view(np.int64)


def _write_hashes(hashes: npt.NDArray[np.uint64]) -> str:
    return pack(np.diff(hashes, prepend=_UNSIGNED(0)))


def _read_hashes(text: str) -> npt.NDArray[np.uint64]:
    return np.cumsum(unpack(text), dtype=np.uint64)


def _write_weights(weights: npt.NDArray[np.float64]) -> str:
    return base64.b64encode(weights.astype("<f8").tobytes()).decode("ascii")


def _read_weights(text: str) -> npt.NDArray[np.float64]:
    try:
        return np.frombuffer(base64.b64decode(text, validate=True), "<f8").astype(np.float64)
    except binascii.Error as error:
        raise ValueError(f"weights are no Base64: {error}") from error


def _valid(value: Any, dtype: type[np.generic], read: Any) -> npt.NDArray[Any]:
    if isinstance(value, Mapping) or (not isinstance(value, str) and np.ndim(value) != 1):
        raise ValueError("give a list of numbers, or their packed text")
    array = read(value) if isinstance(value, str) else np.array(value, dtype=dtype)
    array.setflags(write=False)
    return array


def _field(dtype: type[np.generic], read: Any, write: Any) -> tuple[Any, ...]:
    return (
        pydantic.PlainValidator(partial(_valid, dtype=dtype, read=read)),
        pydantic.PlainSerializer(write, return_type=str),
        pydantic.WithJsonSchema({"type": "string"}),
    )


_VALUES = _field(np.float64, _read_values, _write_values)
_COUNTS = _field(np.int64, _read_counts, _write_counts)
_WEIGHTS = _field(np.float64, _read_weights, _write_weights)
_HASHES = _field(np.uint64, _read_hashes, _write_hashes)

Values: TypeAlias = Annotated[npt.NDArray[np.float64], _VALUES[0], _VALUES[1], _VALUES[2]]
"""Numbers without NaN, in increasing order."""

Counts: TypeAlias = Annotated[npt.NDArray[np.int64], _COUNTS[0], _COUNTS[1], _COUNTS[2]]
"""Whole numbers of at least 0."""

Hashes: TypeAlias = Annotated[npt.NDArray[np.uint64], _HASHES[0], _HASHES[1], _HASHES[2]]
"""Whole numbers of at least 0, in increasing order."""

Weights: TypeAlias = Annotated[npt.NDArray[np.float64], _WEIGHTS[0], _WEIGHTS[1], _WEIGHTS[2]]
"""Numbers of at least 0, in any order."""
