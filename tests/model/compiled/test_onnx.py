"""ONNX answers like the estimator, and ONNX bytes do nothing but calculate."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper
from sklearn.cluster import KMeans
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.gaussian_process import GaussianProcessClassifier, GaussianProcessRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.svm import SVC, SVR, LinearSVC

from mldeploy.errors import IntegrityError, NotCompilableError, PredictionFailedError
from mldeploy.model.compiled import _trees_onnx
from mldeploy.model.compiled._onnx import OnnxKernel
from mldeploy.model.compiling._onnx import onnx_kernels

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 3))
AMOUNT = X[:, 0] + X[:, 1] ** 2
TWO, THREE = (AMOUNT > 0.5).astype(int), np.digitize(AMOUNT, [0, 1])


def fitted(estimator: Any, y: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(X, y)


def compiled(estimator: Any) -> OnnxKernel:
    (kernel,) = onnx_kernels(estimator, X.shape[1])
    assert isinstance(kernel, OnnxKernel)
    return OnnxKernel.restore(kernel.spec(), kernel.arrays())


@pytest.mark.parametrize(
    ("estimator", "y", "method", "tolerance"),
    [
        (KNeighborsClassifier(), THREE, "predict_proba", 0),
        (KNeighborsRegressor(), AMOUNT, "predict", 1e-12),
        (MLPClassifier(max_iter=20), TWO, "predict_proba", 1e-12),
        (MLPRegressor(max_iter=20), AMOUNT, "predict", 1e-12),
        (GaussianNB(), THREE, "predict_proba", 1e-12),
        (QuadraticDiscriminantAnalysis(), THREE, "predict_proba", 1e-12),
        (GaussianProcessRegressor(alpha=0.1), AMOUNT, "predict", 1e-9),
        (LinearSVC(), TWO, "decision_function", 1e-12),
        (LinearSVC(), THREE, "decision_function", 1e-12),
        (SVC(), TWO, "decision_function", 1e-4),
        (SVC(), THREE, "decision_function", 1e-4),
        (SVR(), AMOUNT, "predict", 1e-4),
    ],
    ids=lambda value: type(value).__name__,
)
def test_answers_are_those_of_the_estimator(
    estimator: Any, y: Any, method: str, tolerance: float
) -> None:
    """Support vector machines are float32 in ONNX Runtime; the others are float64."""
    kernel = compiled(fitted(estimator, y))

    original = np.asarray(getattr(estimator, method)(X)).reshape(len(X), -1)

    assert (kernel.n_inputs, kernel.n_outputs) == (3, original.shape[1])
    np.testing.assert_allclose(kernel(X), original, rtol=0, atol=tolerance)
    np.testing.assert_allclose(kernel(X[:1]), original[:1], rtol=0, atol=tolerance)
    assert kernel(X[:0]).shape == (0, kernel.n_outputs)
    assert kernel.breakpoints() == {}


@pytest.mark.parametrize(
    ("estimator", "y", "reason"),
    [
        (KernelRidge(), AMOUNT, "KernelRidge: skl2onnx does not translate it"),
        (GaussianProcessClassifier(), TWO, "operator 'Solve'"),
        (KMeans(2), None, "neither a classifier nor a regressor"),
    ],
)
def test_what_cannot_be_translated_is_named(estimator: Any, y: Any, reason: str) -> None:
    with pytest.raises(NotCompilableError, match=reason):
        onnx_kernels(fitted(estimator, y), X.shape[1])


def model_of(
    nodes: list[Any],
    *,
    initializers: list[Any] | None = None,
    opsets: dict[str, int] | None = None,
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("X", TensorProto.DOUBLE, [None, 3])],
        [helper.make_tensor_value_info("Y", TensorProto.DOUBLE, [None, 3])],
        initializers or [],
    )
    ids = [helper.make_opsetid(d, v) for d, v in (opsets or {"": 20, "ai.onnx.ml": 3}).items()]
    return helper.make_model(graph, opset_imports=ids, ir_version=10)


def kernel_of(model: onnx.ModelProto, **changed: Any) -> OnnxKernel:
    settings: dict[str, Any] = {"output": "Y", "n_inputs": 3, "n_outputs": 3} | changed
    return OnnxKernel(model.SerializeToString(), **settings)


def negated(**attributes: Any) -> Any:
    return helper.make_node("Neg", ["X"], ["Y"], **attributes)


def test_plain_model_calculates() -> None:
    assert kernel_of(model_of([negated()]))(np.ones((2, 3))).tolist() == [[-1] * 3] * 2
    assert kernel_of(model_of([negated()]), n_outputs=1)(np.ones((1, 3))).tolist() == [[-1]]


def with_outside_data() -> onnx.ModelProto:
    tensor = numpy_helper.from_array(np.zeros(3), "zeros")
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")
    return model_of([helper.make_node("Add", ["X", "zeros"], ["Y"])], initializers=[tensor])


def with_function() -> onnx.ModelProto:
    model = model_of([negated()])
    model.functions.add(name="f", domain="")
    return model


def with_nested_graphs(depth: int) -> onnx.ModelProto:
    node = helper.make_node("Neg", ["X"], ["Y"])
    for _ in range(depth):
        graph = helper.make_graph([node], "inner", [], [])
        node = helper.make_node("Scan", ["X"], ["Y"], body=graph, num_scan_inputs=1)
    return model_of([node])


@pytest.mark.parametrize(
    ("model", "reason"),
    [
        (model_of([helper.make_node("Loop", ["X"], ["Y"])]), "operator 'Loop'"),
        (model_of([helper.make_node("Neg", ["X"], ["Y"], domain="evil")]), "operators of 'evil'"),
        (model_of([negated()], opsets={"": 20, "com.microsoft": 1}), "com.microsoft"),
        (with_outside_data(), "tensor with the unexpected field 13"),
        (with_function(), "model with the unexpected field 25"),
        (with_nested_graphs(9), "nests graphs"),
    ],
)
def test_model_that_could_do_more_is_refused_before_the_runtime_sees_it(
    model: onnx.ModelProto, reason: str
) -> None:
    with pytest.raises(IntegrityError, match=reason):
        kernel_of(model)


def test_operators_inside_nested_graphs_are_read_as_well() -> None:
    graph = helper.make_graph([helper.make_node("Loop", ["X"], ["Y"])], "inner", [], [])
    with pytest.raises(IntegrityError, match="operator 'Loop'"):
        kernel_of(model_of([helper.make_node("Scan", ["X"], ["Y"], body=graph)]))


@pytest.mark.parametrize(
    "changed",
    [
        {"output": "Z"},
        {"output": None},
        {"n_inputs": 0},
        {"n_outputs": -1},
        {"n_outputs": True},
        {"n_inputs": "3"},
    ],
)
def test_settings_that_do_not_fit_are_refused(changed: dict[str, Any]) -> None:
    kernel = kernel_of(model_of([negated()]))
    with pytest.raises(IntegrityError):
        OnnxKernel.restore(kernel.spec() | changed, kernel.arrays())(np.ones((1, 3)))


def test_fewer_columns_than_promised_are_a_failure() -> None:
    with pytest.raises(PredictionFailedError):
        kernel_of(model_of([negated()]), n_outputs=4)(np.ones((1, 3)))


def test_rows_that_the_runtime_refuses_are_a_failure() -> None:
    with pytest.raises(PredictionFailedError):
        kernel_of(model_of([negated()]), n_inputs=5)(np.ones((1, 5)))


CONTENT = model_of([negated()]).SerializeToString()


@given(
    st.lists(st.tuples(st.integers(0, len(CONTENT) - 1), st.integers(0, 255)), max_size=4),
    st.integers(0, len(CONTENT)),
)
def test_damaged_bytes_are_refused_or_answer(changes: list[tuple[int, int]], end: int) -> None:
    content = bytearray(CONTENT)
    for position, byte in changes:
        content[position] = byte
    try:
        kernel = OnnxKernel(bytes(content[:end]), output="Y", n_inputs=3, n_outputs=3)
        assert kernel(np.ones((2, 3))).shape == (2, 3)
    except (IntegrityError, PredictionFailedError):
        pass


@given(st.binary(max_size=200))
def test_noise_is_refused(noise: bytes) -> None:
    with pytest.raises(IntegrityError):
        OnnxKernel(noise, output="Y", n_inputs=3, n_outputs=3)(np.ones((1, 3)))


@given(st.lists(st.integers(0, 2**63 - 1)))
def test_many_numbers_are_packed_as_each_alone(numbers: list[int]) -> None:
    packed = _trees_onnx._varints(np.array(numbers, dtype=np.uint64))

    assert packed == b"".join(map(_trees_onnx._varint, numbers))
