"""Whether ONNX bytes are a plain graph of known operators, read before any runtime sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeAlias

from mldeploy.model.compiled._refuse import refuse

_MAX_BYTES: Final = 1 << 30
_MAX_DEPTH: Final = 4
_DOMAINS: Final = (b"", b"ai.onnx", b"ai.onnx.ml")
_OPERATORS: Final = frozenset(
    {
        "Abs",
        "Add",
        "And",
        "ArgMax",
        "ArgMin",
        "ArrayFeatureExtractor",
        "Binarizer",
        "Cast",
        "Ceil",
        "Clip",
        "Compress",
        "Concat",
        "Constant",
        "ConstantOfShape",
        "Cos",
        "CumSum",
        "Div",
        "Dropout",
        "Equal",
        "Erf",
        "Exp",
        "Expand",
        "EyeLike",
        "FeatureVectorizer",
        "Flatten",
        "Floor",
        "Gather",
        "GatherElements",
        "GatherND",
        "Gemm",
        "Greater",
        "GreaterOrEqual",
        "Identity",
        "Imputer",
        "IsNaN",
        "LabelEncoder",
        "Less",
        "LessOrEqual",
        "LinearClassifier",
        "LinearRegressor",
        "Log",
        "LogSoftmax",
        "MatMul",
        "Max",
        "Mean",
        "Min",
        "Mod",
        "Mul",
        "Neg",
        "Normalizer",
        "Not",
        "OneHotEncoder",
        "Or",
        "Pad",
        "Pow",
        "Reciprocal",
        "ReduceL1",
        "ReduceL2",
        "ReduceLogSumExp",
        "ReduceMax",
        "ReduceMean",
        "ReduceMin",
        "ReduceProd",
        "ReduceSum",
        "ReduceSumSquare",
        "Relu",
        "Reshape",
        "Round",
        "SVMClassifier",
        "SVMRegressor",
        "Scaler",
        "Scan",
        "ScatterElements",
        "Shape",
        "Sigmoid",
        "Sign",
        "Sin",
        "Size",
        "Slice",
        "Softmax",
        "Softplus",
        "Split",
        "Sqrt",
        "Squeeze",
        "Sub",
        "Sum",
        "Tan",
        "Tanh",
        "TopK",
        "Transpose",
        "TreeEnsemble",
        "TreeEnsembleClassifier",
        "TreeEnsembleRegressor",
        "Unsqueeze",
        "Where",
        "ZipMap",
    }
)
"""Those that calculate; `Loop` and `If` are not among them."""

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
Field: TypeAlias = tuple[int, int | bytes]
_Reader: TypeAlias = Callable[[bytes, int], None]


def require_plain(model: bytes) -> None:
    """Refuse a model that could do more than calculate.

    Raises
    ------
    IntegrityError
        If it is too large or no ONNX model, has operators that are not known or of other
        domains, functions of its own, or data outside.
    """
    if len(model) > _MAX_BYTES:
        raise refuse(f"its ONNX model takes {len(model)} bytes of {_MAX_BYTES} allowed")
    _read(model, 0, "model", {7: _graph, 8: _opset}, plain=(1, 2, 3, 4, 5, 6, 14))


def _graph(content: bytes, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise refuse("its ONNX model nests graphs")
    _read(content, depth, "graph", {1: _node, 5: _tensor}, plain=(2, 10, 11, 12, 13))


def _node(content: bytes, depth: int) -> None:
    for number, value in _fields(content):
        if number == 4 and _text(value) not in _OPERATORS:
            raise refuse(f"its ONNX model has the operator {_text(value)[:80]!r}")
        if number == 7 and value not in _DOMAINS:
            raise refuse(f"its ONNX model has operators of {_text(value)[:80]!r}")
    _read(content, depth, "node", {5: _attribute}, plain=(1, 2, 3, 4, 6, 7))


def _attribute(content: bytes, depth: int) -> None:
    readers = {5: _tensor, 10: _tensor, 6: _graph, 11: _graph}
    _read(content, depth, "attribute", readers, plain=(1, 2, 3, 4, 7, 8, 9, 13, 14, 15, 20))


def _tensor(content: bytes, depth: int) -> None:
    _read(content, depth, "tensor", {}, plain=(1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12))


def _opset(content: bytes, depth: int) -> None:
    for number, value in _fields(content):
        if number == 1 and value not in _DOMAINS:
            raise refuse(f"its ONNX model needs operators of {_text(value)[:80]!r}")
    _read(content, depth, "list of operators", {}, plain=(1, 2))


def _read(
    content: bytes,
    depth: int,
    what: str,
    readers: Mapping[int, _Reader],
    *,
    plain: tuple[int, ...],
) -> None:
    for number, value in _fields(content):
        reader = readers.get(number)
        if reader is None and number not in plain:
            raise refuse(f"its ONNX model has a {what} with the unexpected field {number}")
        if reader is not None:
            if not isinstance(value, bytes):
                raise refuse(f"its ONNX model has a {what} that cannot be read")
            reader(value, depth + (what == "attribute"))


def _fields(content: bytes) -> Iterator[Field]:
    """Yield number and value of each field of a Protocol Buffers message."""
    at, end = 0, len(content)
    while at < end:
        key, at = _varint(content, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(content, at)
            yield key >> 3, value
            continue
        if kind == _BYTES:
            size, at = _varint(content, at)
        elif kind in (_FIXED64, _FIXED32):
            size = 8 if kind == _FIXED64 else 4
        else:
            raise refuse("its ONNX model cannot be read")
        if at + size > end:
            raise refuse("its ONNX model is cut off")
        yield key >> 3, content[at : at + size]
        at += size


def _varint(content: bytes, at: int) -> tuple[int, int]:
    number = 0
    for shift in range(0, 70, 7):
        if at >= len(content):
            raise refuse("its ONNX model is cut off")
        byte = content[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
    raise refuse("its ONNX model cannot be read")


def _text(value: int | bytes) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
