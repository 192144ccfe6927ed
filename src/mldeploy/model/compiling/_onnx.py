"""Estimators that skl2onnx translates (extra ``compile``)."""

from __future__ import annotations

import warnings
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sklearn.base import is_classifier, is_regressor

from mldeploy.errors import IntegrityError, MissingExtraError
from mldeploy.model.compiled._kernel import Kernel
from mldeploy.model.compiled._onnx import OnnxKernel
from mldeploy.model.compiling._trees_unsupported import unsupported

if TYPE_CHECKING:
    from onnx import ModelProto

_OPSETS: Final = {"": 20, "ai.onnx.ml": 3}
_OPTIONS_FOR_SHARES: Final[tuple[dict[str, bool], ...]] = ({"zipmap": False}, {})
_OPTIONS: Final[tuple[dict[str, bool], ...]] = (
    {"zipmap": False, "raw_scores": True},
    {"raw_scores": True},
    {},
)


def onnx_kernels(estimator: Any, n_inputs: int) -> list[Kernel]:
    """Return the kernel of a fitted estimator, translated with float64 wherever ONNX can.

    Some operators of ONNX calculate in float32; whether that is near enough is for parity to
    say.

    Parameters
    ----------
    estimator : estimator
        Fitted, alone: not a pipeline.
    n_inputs : int
        Number of columns that it was fitted on.

    Returns
    -------
    list of Kernel
        One, which returns a regressor's predictions, a classifier's probabilities or, where
        it knows none, its decision function: one column for two classes.

    Raises
    ------
    MissingExtraError
        If skl2onnx is not installed.
    NotCompilableError
        If skl2onnx does not translate it.
    """
    _require_installed(estimator)
    classifies = is_classifier(estimator)
    if not classifies and not is_regressor(estimator):
        raise unsupported(estimator, "it is neither a classifier nor a regressor")
    has_shares = classifies and hasattr(estimator, "predict_proba")
    n_classes = len(estimator.classes_) if classifies else 1
    n_outputs = 1 if n_classes == 2 and not has_shares else n_classes
    reasons = []
    for translate in (_in_float64, _in_float32):
        try:
            model = translate(estimator, n_inputs, has_shares=has_shares)
            output = model.graph.output[-1].name
            content = model.SerializeToString()
            kernel = OnnxKernel(content, output=output, n_inputs=n_inputs, n_outputs=n_outputs)
            _try(kernel)
        except IntegrityError as error:
            reasons.append(error.what)
        except Exception as error:  # noqa: BLE001 (whatever a translator raises is the reason)
            first_line = str(error).strip().partition("\n")[0]
            reasons.append(first_line[:300] or type(error).__name__)
        else:
            return [kernel]
    raise unsupported(estimator, f"skl2onnx does not translate it ({reasons[0]})")


def _require_installed(estimator: Any) -> None:
    if not all(find_spec(name) for name in ("onnx", "onnxruntime", "skl2onnx")):
        raise MissingExtraError(type(estimator).__name__, extra="compile")


def _in_float64(estimator: Any, n_inputs: int, *, has_shares: bool) -> ModelProto:
    from skl2onnx.common.data_types import DoubleTensorType  # noqa: PLC0415 (an extra)

    return _translated(estimator, ("X", DoubleTensorType([None, n_inputs])), has_shares=has_shares)


def _in_float32(estimator: Any, n_inputs: int, *, has_shares: bool) -> ModelProto:
    """Translate for operators that know no float64: the input is rounded first."""
    from onnx import TensorProto, helper  # noqa: PLC0415 (an extra)
    from skl2onnx.common.data_types import FloatTensorType  # noqa: PLC0415 (an extra)

    rounded = "X_rounded"
    model = _translated(
        estimator, (rounded, FloatTensorType([None, n_inputs])), has_shares=has_shares
    )
    del model.graph.input[:]
    model.graph.input.append(
        helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, n_inputs])
    )
    model.graph.node.insert(0, helper.make_node("Cast", ["X"], [rounded], to=TensorProto.FLOAT))
    return model


def _translated(estimator: Any, entry: tuple[str, Any], *, has_shares: bool) -> ModelProto:
    from skl2onnx import convert_sklearn  # noqa: PLC0415 (an extra)

    error: NameError | None = None
    for options in _OPTIONS_FOR_SHARES if has_shares else _OPTIONS:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                translated: ModelProto = convert_sklearn(
                    estimator,
                    initial_types=[entry],
                    options={id(estimator): dict(options)} if options else None,
                    target_opset=dict(_OPSETS),
                )
                return translated
        except NameError as unknown_option:
            error = unknown_option
    raise error if error is not None else AssertionError


def _try(kernel: OnnxKernel) -> None:
    """Answer once: some translations do not run."""
    rows = np.random.default_rng(0).normal(size=(3, kernel.n_inputs))
    if not np.isfinite(kernel(rows)).all():
        raise ValueError("its ONNX model answers with numbers that are not finite")
