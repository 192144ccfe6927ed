"""Tensors of the Open Inference Protocol: as JSON, and as bytes."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from mldeploy.data import Schema
from mldeploy.model import Signature
from mldeploy.serving._answers import Answers
from mldeploy.serving.http._errors import BadRequest

_DTYPES: Final = {
    "BOOL": "?", "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8",
}  # fmt: skip
_NUMBERS: Final = frozenset(_DTYPES) - {"BOOL"}
_WHOLE: Final = frozenset(name for name in _NUMBERS if not name.startswith("FP"))
_ACCEPTS: Final = {
    "integer": _NUMBERS,
    "number": _NUMBERS,
    "boolean": frozenset({"BOOL"}),
    "duration": _NUMBERS,
}
_TEXT: Final = frozenset({"BYTES"})
_DEEPEST: Final = 16


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Output:
    """One tensor of an answer."""

    datatype: str
    shape: tuple[int, ...]
    values: npt.NDArray[Any]


def tensor_type(kind: str) -> str:
    """Return the datatype of a column's tensor."""
    return {"integer": "INT64", "number": "FP64", "boolean": "BOOL", "duration": "FP64"}.get(
        kind, "BYTES"
    )


def input_columns(inputs: object, tail: bytes, schema: Schema) -> dict[str, list[Any]]:
    """Return the columns that the tensors of a request are, as plain values.

    Raises
    ------
    BadRequest
        If a tensor is unknown, there twice, malformed, of another type than its column, or of
        another length than the others.
    """
    if not isinstance(inputs, list) or not inputs:
        raise BadRequest(400, '"inputs" is no list of tensors')
    kinds = {column.name: column.kind for column in schema.columns}
    columns: dict[str, list[Any]] = {}
    rest = memoryview(tail)
    for tensor in inputs:
        if not isinstance(tensor, dict):
            raise BadRequest(400, "an input is no object")
        name, datatype = tensor.get("name"), tensor.get("datatype")
        if not isinstance(name, str) or name not in kinds:
            raise BadRequest(400, f"the model has no input {str(name)[:80]!r}")
        if name in columns:
            raise BadRequest(400, f"the input {name!r} is there twice")
        if not isinstance(datatype, str) or datatype not in (*_DTYPES, "BYTES"):
            raise BadRequest(400, f"the datatype {str(datatype)[:40]!r} of {name!r} is unknown")
        if datatype not in _ACCEPTS.get(kinds[name], _TEXT):
            raise BadRequest(
                400, f"{name!r} is a {kinds[name]} column: send {tensor_type(kinds[name])}"
            )
        count = _count(name, tensor.get("shape"))
        columns[name], rest = _values(tensor, name, datatype, count, rest)
    if rest.nbytes:
        raise BadRequest(400, f"{rest.nbytes} bytes follow that belong to no input")
    if len({len(column) for column in columns.values()}) > 1:
        raise BadRequest(400, "the inputs differ in their number of rows")
    return columns


def _count(name: str, shape: object) -> int:
    if (
        not isinstance(shape, list)
        or not 1 <= len(shape) <= _DEEPEST
        or not all(type(n) is int and 0 <= n < 2**63 for n in shape)
    ):
        raise BadRequest(400, f"the shape of {name!r} is no list of whole numbers")
    if len(shape) > 1 and math.prod(shape[1:]) != 1:
        raise BadRequest(400, f"the shape of {name!r} is not [n] or [n, 1]")
    return math.prod(shape)


def _values(
    tensor: Mapping[str, Any], name: str, datatype: str, count: int, rest: memoryview
) -> tuple[list[Any], memoryview]:
    parameters = tensor.get("parameters")
    if not isinstance(parameters, dict | None):
        raise BadRequest(400, f'"parameters" of {name!r} is no object')
    size = (parameters or {}).get("binary_data_size")
    if size is None:
        values = list(_flat(tensor.get("data"), name))
        if len(values) != count:
            raise BadRequest(400, f"{name!r} has {len(values)} values, and its shape says {count}")
        _check(values, name, datatype)
        return values, rest
    if "data" in tensor:
        raise BadRequest(400, f"{name!r} has both data and binary data")
    if type(size) is not int or not 0 <= size <= rest.nbytes:
        raise BadRequest(400, f"the binary data of {name!r} go beyond the body")
    return _from_bytes(rest[:size], name, datatype, count), rest[size:]


def _flat(data: object, name: str, depth: int = 0) -> Iterator[Any]:
    if not isinstance(data, list) or depth > _DEEPEST:
        raise BadRequest(400, f"the data of {name!r} are no list")
    for value in data:
        if isinstance(value, list):
            yield from _flat(value, name, depth + 1)
        else:
            yield value


def _check(values: Sequence[Any], name: str, datatype: str) -> None:
    kinds = set(map(type, values)) - {type(None)}
    allowed: set[type] = {bool} if datatype == "BOOL" else {str} if datatype == "BYTES" else {int}
    if datatype.startswith("FP"):
        allowed.add(float)
    if strange := kinds - allowed:
        found = ", ".join(sorted(kind.__name__ for kind in strange))
        raise BadRequest(400, f"{name!r} is {datatype}, and holds values of type {found}")
    if datatype in _WHOLE:
        info = np.iinfo(_DTYPES[datatype])
        if any(value is not None and not info.min <= value <= info.max for value in values):
            raise BadRequest(400, f"{name!r} holds a number that is no {datatype}")


def _from_bytes(data: memoryview, name: str, datatype: str, count: int) -> list[Any]:
    if datatype == "BYTES":
        return _texts(bytes(data), name, count)
    dtype = np.dtype(_DTYPES[datatype])
    if data.nbytes != count * dtype.itemsize:
        raise BadRequest(
            400, f"{name!r} has {data.nbytes} bytes, and its shape says {count * dtype.itemsize}"
        )
    if datatype == "BOOL" and any(byte > 1 for byte in bytes(data)):
        raise BadRequest(400, f"{name!r} holds bytes that are neither 0 nor 1")
    values: list[Any] = np.frombuffer(data, dtype).tolist()
    return values


def _texts(data: bytes, name: str, count: int) -> list[str]:
    texts, place = [], 0
    try:
        while place < len(data):
            (length,) = struct.unpack_from("<I", data, place)
            place += 4
            if place + length > len(data):
                raise BadRequest(400, f"a text of {name!r} goes beyond its data")
            texts.append(data[place : place + length].decode())
            place += length
    except (struct.error, UnicodeDecodeError):
        raise BadRequest(400, f"{name!r} holds no texts in UTF-8 after their lengths") from None
    if len(texts) != count:
        raise BadRequest(400, f"{name!r} has {len(texts)} texts, and its shape says {count}")
    return texts


def outputs_of(answers: Answers, signature: Signature) -> dict[str, Output]:
    """Return an answer as tensors."""
    n_rows = len(answers)
    kind = {"b": "BOOL", "i": "INT64", "f": "FP64"}.get(answers.predictions.dtype.kind, "BYTES")
    outputs = {"prediction": Output(datatype=kind, shape=(n_rows,), values=answers.predictions)}
    if answers.scores is not None and signature.probabilistic:
        scores = np.asarray(answers.scores, dtype=np.float64)
        outputs["score"] = Output(datatype="FP64", shape=scores.shape, values=scores)
    for name, texts in (("prediction_id", answers.ids), ("route", answers.routes)):
        values = np.array([str(text) for text in texts], dtype=object)
        outputs[name] = Output(datatype="BYTES", shape=(n_rows,), values=values)
    return outputs


def binary_of(output: Output) -> bytes:
    """Return the bytes of a tensor: little-endian, row-major."""
    if output.datatype == "BYTES":
        encoded = [str(value).encode() for value in output.values.ravel().tolist()]
        return b"".join(struct.pack("<I", len(text)) + text for text in encoded)
    return np.ascontiguousarray(output.values, dtype=_DTYPES[output.datatype]).tobytes()
