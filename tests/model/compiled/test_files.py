"""A compiled model comes back from its files equal, and from no others."""

from __future__ import annotations

import io
import json
import pickle
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    KBinsDiscretizer,
    Normalizer,
    OneHotEncoder,
    PolynomialFeatures,
    StandardScaler,
)

from mldeploy.errors import IntegrityError
from mldeploy.model import Model
from mldeploy.model.compiled._model import CompiledModel
from mldeploy.model.compiling._tables import TableCompiler

Files = dict[str, bytes]

ROWS = pl.DataFrame(
    {
        "wind": [3.0, 5.0, None, 9.0, 2.0, 8.0] * 9,
        "hour": [1, 2, 3, 4, 5, 6] * 9,
        "origin": ["JFK", "LGA", "JFK", "EWR", "LGA", "Zürich"] * 9,
        "y": [0, 1, 2, 1, 2, 1] * 9,
    }
)
GIVEN = ROWS.drop("y")

pytestmark = pytest.mark.filterwarnings("ignore")


def pipeline() -> Any:
    """One with an array, or a setting, of every sort."""
    numbers = make_pipeline(SimpleImputer(), StandardScaler())
    return make_pipeline(
        make_column_transformer(
            (make_pipeline(numbers, PolynomialFeatures(2)), ["wind", "hour"]),
            (make_pipeline(SimpleImputer(), KBinsDiscretizer(3, encode="ordinal")), ["wind"]),
            (make_pipeline(numbers, Normalizer()), ["wind", "hour"]),
            (OneHotEncoder(handle_unknown="ignore"), ["origin", "hour"]),
        ),
        CalibratedClassifierCV(HistGradientBoostingClassifier(max_iter=3), cv=2),
    )


@pytest.fixture(scope="module")
def model(fit: Callable[..., Model]) -> Model:
    return fit(pipeline(), ROWS)


@pytest.fixture(scope="module")
def compiled(model: Model) -> CompiledModel:
    return TableCompiler().compile(model)


def opened(compiled: CompiledModel, files: Files, *, digest: str | None = None) -> CompiledModel:
    return CompiledModel.from_files(
        files, signature=compiled.signature, digest=digest or compiled.digest
    )


def changed(files: Files, **settings: Any) -> Files:
    stored = json.loads(files["compiled.json"])
    return {**files, "compiled.json": json.dumps({**stored, **settings}).encode()}


def with_array(files: Files, name: str, content: bytes) -> Files:
    stored = zipfile.ZipFile(io.BytesIO(files["compiled.npz"]))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for member in stored.namelist():
            archive.writestr(member, content if member == name else stored.read(member))
    return {**files, "compiled.npz": buffer.getvalue()}


def npy(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def names(files: Files) -> list[str]:
    return zipfile.ZipFile(io.BytesIO(files["compiled.npz"])).namelist()


def test_what_is_read_answers_as_what_was_written(compiled: CompiledModel) -> None:
    files = compiled.to_files()
    back = opened(compiled, files)

    assert back.to_files() == files
    for first, second in zip(back.score_frame(GIVEN), compiled.score_frame(GIVEN), strict=True):
        np.testing.assert_array_equal(first, second)


def test_files_of_another_model_are_refused(compiled: CompiledModel) -> None:
    with pytest.raises(IntegrityError, match="compiled from another model"):
        opened(compiled, compiled.to_files(), digest="0" * 64)


def test_other_classes_are_refused(compiled: CompiledModel) -> None:
    signature = compiled.signature.model_copy(update={"classes": (0, 1, 3)})

    with pytest.raises(IntegrityError, match="other classes"):
        CompiledModel.from_files(compiled.to_files(), signature=signature, digest=compiled.digest)


@pytest.mark.parametrize("missing", ["compiled.json", "compiled.npz"])
def test_a_missing_file_is_refused(compiled: CompiledModel, missing: str) -> None:
    files = compiled.to_files()
    del files[missing]

    with pytest.raises(IntegrityError, match=f"lacks {missing}"):
        opened(compiled, files)


@pytest.mark.parametrize("name", ["compiled.json", "compiled.npz"])
@settings(max_examples=40, deadline=None)
@given(st.data())
def test_truncated_files_are_refused(
    compiled: CompiledModel, name: str, data: st.DataObject
) -> None:
    files = compiled.to_files()
    n_bytes = data.draw(st.integers(0, len(files[name]) - 1))

    with pytest.raises(IntegrityError):
        opened(compiled, {**files, name: files[name][:n_bytes]})


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_settings_of_any_other_kind_are_refused_or_answer(
    compiled: CompiledModel, data: st.DataObject
) -> None:
    """Wherever a value is put in the settings, nothing but the typed error is raised."""
    files = compiled.to_files()
    stored = json.loads(files["compiled.json"])
    places = list(_places(stored))
    holder, key = data.draw(st.sampled_from(places))
    holder[key] = data.draw(
        st.one_of(
            st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(),
            st.sampled_from([[], {}, "linear", "append", [[]], -1, 10**9]),
        )
    )  # fmt: skip

    try:
        back = opened(compiled, {**files, "compiled.json": json.dumps(stored).encode()})
    except IntegrityError:
        return
    labels, _ = back.score_frame(GIVEN)
    assert set(labels.tolist()) <= {0, 1, 2}


def _places(value: Any) -> Any:
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(items):
        yield value, key
        if isinstance(inner, dict | list):
            yield from _places(inner)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_arrays_of_any_other_shape_type_or_value_are_refused_or_answer(
    compiled: CompiledModel, data: st.DataObject
) -> None:
    files = compiled.to_files()
    name = data.draw(st.sampled_from(names(files)))
    array = np.load(io.BytesIO(zipfile.ZipFile(io.BytesIO(files["compiled.npz"])).read(name)))
    kind = data.draw(st.sampled_from(["shape", "type", "value", "shorter", "empty"]))
    if kind == "shape":
        array = array[None]
    elif kind == "type":
        array = array.astype(data.draw(st.sampled_from(["f4", ">f8", "i2", "U3", "c16"])))
    elif kind == "value" and array.size:
        array = array.copy()
        place = data.draw(st.integers(0, array.size - 1))
        wild = st.integers(-(2**31), 2**31 - 1) if array.dtype.kind in "iu" else st.floats()
        value = data.draw(st.booleans() if array.dtype.kind == "b" else wild)
        try:
            array.flat[place] = value
        except OverflowError:
            return
    else:
        array = array[: 0 if kind == "empty" else max(len(array) - 1, 0)]

    try:
        back = opened(compiled, with_array(files, name, npy(array)))
    except IntegrityError:
        return
    with np.errstate(all="ignore"):
        try:
            labels, _ = back.score_frame(GIVEN)
        except ArithmeticError:
            return
    assert set(labels.tolist()) <= {0, 1, 2}


class Bomb:
    def __reduce__(self) -> Any:
        return (pytest.fail, ("a stored object was executed",))


def test_pickled_objects_are_never_opened(compiled: CompiledModel) -> None:
    files = compiled.to_files()
    array = np.empty(1, dtype=object)
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "|O", "fortran_order": False, "shape": (1,)}
    )
    content = header.getvalue() + pickle.dumps([Bomb(), array])

    for name in names(files)[:3]:
        with pytest.raises(IntegrityError, match="Python objects"):
            opened(compiled, with_array(files, name, content))


def test_an_archive_that_would_fill_the_memory_is_refused(compiled: CompiledModel) -> None:
    files = compiled.to_files()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(names(files)[0], bytes(200_000_000))

    assert len(buffer.getvalue()) < 300_000
    with pytest.raises(IntegrityError, match="would unpack"):
        opened(compiled, {**files, "compiled.npz": buffer.getvalue()})


def test_settings_nested_beyond_reason_are_refused(compiled: CompiledModel) -> None:
    files = compiled.to_files()
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000

    with pytest.raises(IntegrityError, match="no JSON"):
        opened(compiled, {**files, "compiled.json": deep})


def test_an_unknown_kernel_or_format_is_refused(compiled: CompiledModel) -> None:
    files = compiled.to_files()

    with pytest.raises(IntegrityError, match=r"unknown kernel 'os\.system'"):
        opened(compiled, changed(files, kernels=[{"kind": "os.system"}]))
    with pytest.raises(IntegrityError, match="its format is 2"):
        opened(compiled, changed(files, format=2))


@pytest.mark.parametrize("last", [LogisticRegression(), MLPClassifier((3,), max_iter=5)])
def test_other_kernels_come_back_too(last: Any, fit: Callable[..., Model]) -> None:
    numbers = make_column_transformer((SimpleImputer(), ["wind", "hour"]))
    compiled = TableCompiler().compile(fit(make_pipeline(numbers, last), ROWS))

    back = opened(compiled, compiled.to_files())

    assert back.score_row((1.0, 2, "JFK")) == compiled.score_row((1.0, 2, "JFK"))
