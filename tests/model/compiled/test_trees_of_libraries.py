"""Compiled trees give the bits that their library gives, at and next to every threshold."""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import catboost
import lightgbm
import numpy as np
import numpy.typing as npt
import pytest
import xgboost
from sklearn.ensemble import (
    AdaBoostClassifier,
    AdaBoostRegressor,
    BaggingClassifier,
    BaggingRegressor,
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from mldeploy.errors import NotCompilableError
from mldeploy.model.compiled._kernel import Kernel
from mldeploy.model.compiled._trees import TreeKernel
from mldeploy.model.compiling._trees import tree_kernels, tree_transform

Floats = npt.NDArray[np.float64]
Raw = Callable[[Any, Floats], npt.NDArray[Any]]

rng = np.random.default_rng(0)
X = rng.normal(size=(400, 5))
X[:, 3], X[:, 4] = rng.integers(0, 12, 400), rng.integers(0, 4, 400)
X[:, 2] *= rng.random(400) < 0.5
AMOUNT = np.abs(X[:, 0] + X[:, 1] * X[:, 2] + np.sin(3 * X[:, 3]) + rng.normal(size=400))
TWO, THREE = (AMOUNT > 1).astype(int), np.digitize(AMOUNT, [0.6, 1.4])
GAPS = np.where(rng.random(X.shape) < 0.1, np.nan, X)
CATEGORICAL = [3, 4]


def quietly(estimator: Any, data: Floats, y: npt.NDArray[Any], **settings: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(data, y, **settings)


def troubling_rows(kernel: Kernel, *, missing: bool, infinite: bool) -> Floats:
    """Return rows with values at and next to thresholds, tiny, unknown, missing and infinite."""
    rng = np.random.default_rng(1)
    odd = [0.0, -0.0, 1e-35, -1e-35, float(np.float32(1e-35)), 1e-40, 5e-324, -5e-324, 0.3]
    odd += [-0.5, -1.0, 11.7, 50.0, 1e6]
    if missing:
        odd.append(np.nan)
    if infinite:
        odd += [np.inf, -np.inf]
    rows = []
    for column in range(X.shape[1]):
        edges = kernel.breakpoints().get(column, np.empty(0))
        edges = edges[np.isfinite(edges)]
        edges = rng.choice(edges, min(60, len(edges)), replace=False) if len(edges) else edges
        near = [edges, np.nextafter(edges, np.inf), np.nextafter(edges, -np.inf), np.array(odd)]
        for value in np.concatenate(near).tolist():
            row = X[rng.integers(len(X))].copy()
            row[column] = value
            rows.append(row)
    return np.concatenate([np.array(rows), X, *([GAPS] if missing else [])])


def compiled(estimator: Any) -> TreeKernel:
    kernels = tree_kernels(estimator, X.shape[1])
    assert kernels is not None
    (kernel,) = kernels
    assert isinstance(kernel, TreeKernel)
    return TreeKernel.restore(kernel.spec(), kernel.arrays())


def assert_same_bits(
    estimator: Any, raw: Raw, *, missing: bool = True, infinite: bool = False
) -> None:
    kernel = compiled(estimator)
    rows = troubling_rows(kernel, missing=missing, infinite=infinite)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        original = np.asarray(raw(estimator, rows)).reshape(len(rows), -1)
    answers = kernel(rows)
    assert np.array_equal(answers, original)
    assert np.array_equal(
        np.concatenate([kernel(rows[i : i + 1]) for i in range(50)]), answers[:50]
    )


def shares(estimator: Any, rows: Floats) -> npt.NDArray[Any]:
    return np.asarray(estimator.predict_proba(rows))


def predictions(estimator: Any, rows: Floats) -> npt.NDArray[Any]:
    return np.asarray(estimator.predict(rows))


@pytest.mark.parametrize("data", [X, GAPS], ids=["complete", "with gaps"])
@pytest.mark.parametrize(
    ("estimator", "y", "raw"),
    [
        (DecisionTreeClassifier(), THREE, shares),
        (DecisionTreeRegressor(max_depth=4), AMOUNT, predictions),
        (RandomForestClassifier(10), THREE, shares),
        (RandomForestClassifier(10, max_depth=4), TWO, shares),
        (RandomForestRegressor(10), AMOUNT, predictions),
        (ExtraTreesClassifier(10, max_leaf_nodes=40), THREE, shares),
        (ExtraTreesRegressor(10), AMOUNT, predictions),
        (BaggingClassifier(n_estimators=8, max_features=0.5), THREE, shares),
        (BaggingRegressor(n_estimators=8), AMOUNT, predictions),
    ],
    ids=lambda value: type(value).__name__,
)
def test_trees_and_forests_of_scikit_learn(
    estimator: Any, y: npt.NDArray[Any], raw: Raw, data: Floats
) -> None:
    estimator = estimator.set_params(random_state=0)
    assert_same_bits(quietly(estimator, data, y), raw, missing=data is GAPS)
    assert tree_transform(estimator) == "identity"


@pytest.mark.parametrize("data", [X, GAPS], ids=["complete", "with gaps"])
@pytest.mark.parametrize("categorical", [None, CATEGORICAL], ids=["numbers", "categories"])
@pytest.mark.parametrize(
    ("estimator", "y", "transform"),
    [
        (HistGradientBoostingClassifier(max_iter=20), TWO, "logistic"),
        (HistGradientBoostingClassifier(max_iter=8), THREE, "softmax"),
        (HistGradientBoostingRegressor(max_iter=10), AMOUNT, "identity"),
        (
            HistGradientBoostingRegressor(
                loss="poisson", max_iter=5, max_leaf_nodes=None, min_samples_leaf=1
            ),
            AMOUNT,
            "exp",
        ),
    ],
    ids=["two classes", "three classes", "squared error", "poisson, deep"],
)
def test_histogram_gradient_boosting(
    estimator: Any,
    y: npt.NDArray[Any],
    transform: str,
    categorical: list[int] | None,
    data: Floats,
) -> None:
    estimator = estimator.set_params(categorical_features=categorical)
    quietly(estimator, data, y)
    assert_same_bits(estimator, lambda e, rows: e._raw_predict(rows), infinite=categorical is None)
    assert tree_transform(estimator) == transform


@pytest.mark.parametrize(
    ("estimator", "y", "transform"),
    [
        (GradientBoostingClassifier(n_estimators=20), TWO, "logistic"),
        (GradientBoostingClassifier(n_estimators=10), THREE, "softmax"),
        (
            GradientBoostingClassifier(loss="exponential", n_estimators=10),
            TWO,
            "logistic of twice",
        ),
        (GradientBoostingRegressor(n_estimators=10), AMOUNT, "identity"),
        (GradientBoostingRegressor(n_estimators=10, init="zero"), AMOUNT, "identity"),
    ],
)
def test_gradient_boosting(estimator: Any, y: npt.NDArray[Any], transform: str) -> None:
    def raw(estimator: Any, rows: Floats) -> npt.NDArray[Any]:
        return np.asarray(estimator._raw_predict(rows.astype(np.float32)))

    assert_same_bits(quietly(estimator, X, y), raw, missing=False)
    assert tree_transform(estimator) == transform


@pytest.mark.parametrize("y", [TWO, THREE], ids=["two classes", "three classes"])
def test_adaptive_boosting_votes(y: npt.NDArray[Any]) -> None:
    estimator = quietly(
        AdaBoostClassifier(DecisionTreeClassifier(max_depth=2), n_estimators=9), X, y
    )

    votes = compiled(estimator)(X)

    decision = estimator.decision_function(X)
    ours = votes[:, 1] - votes[:, 0] if len(estimator.classes_) == 2 else votes
    assert np.array_equal(ours, decision)
    assert tree_transform(estimator) == "votes"


@pytest.mark.parametrize("data", [X, GAPS], ids=["complete", "with gaps"])
@pytest.mark.parametrize("categorical", ["auto", CATEGORICAL], ids=["numbers", "categories"])
@pytest.mark.parametrize(
    ("settings", "y", "transform"),
    [
        ({"n_estimators": 20}, TWO, "logistic"),
        ({"n_estimators": 10, "zero_as_missing": True}, TWO, "logistic"),
        ({"n_estimators": 10, "use_missing": False}, TWO, "logistic"),
        ({"n_estimators": 4, "num_leaves": 200, "min_child_samples": 1}, TWO, "logistic"),
        ({"n_estimators": 6}, THREE, "softmax"),
    ],
    ids=["plain", "zero is missing", "no missing", "deep", "three classes"],
)
def test_lightgbm(
    settings: dict[str, Any],
    y: npt.NDArray[Any],
    transform: str,
    categorical: Any,
    data: Floats,
) -> None:
    estimator = lightgbm.LGBMClassifier(verbose=-1, n_jobs=1, **settings)
    quietly(estimator, data, y, categorical_feature=categorical)
    assert_same_bits(
        estimator, lambda e, rows: e.booster_.predict(rows, raw_score=True), infinite=True
    )
    assert tree_transform(estimator) == transform


@pytest.mark.parametrize("data", [X, GAPS], ids=["complete", "with gaps"])
@pytest.mark.parametrize(
    "categories",
    [
        {},
        {"feature_types": [*"qqqcc"], "enable_categorical": True},
        {"feature_types": [*"qqqcc"], "enable_categorical": True, "max_cat_to_onehot": 1},
    ],
    ids=["numbers", "one category a node", "sets of categories"],
)
@pytest.mark.parametrize(
    ("kind", "settings", "y", "transform"),
    [
        (xgboost.XGBClassifier, {"n_estimators": 12}, TWO, "logistic"),
        (xgboost.XGBClassifier, {"n_estimators": 5, "max_depth": 9}, THREE, "softmax"),
        (xgboost.XGBRegressor, {"n_estimators": 8}, AMOUNT, "identity"),
        (xgboost.XGBRegressor, {"n_estimators": 5, "objective": "count:poisson"}, AMOUNT, "exp"),
        (xgboost.XGBRFRegressor, {"n_estimators": 6}, AMOUNT, "identity"),
    ],
)
def test_xgboost(
    kind: Any,
    settings: dict[str, Any],
    y: npt.NDArray[Any],
    transform: str,
    categories: dict[str, Any],
    data: Floats,
) -> None:
    estimator = quietly(kind(n_jobs=1, **settings, **categories), data, y)
    assert_same_bits(estimator, lambda e, rows: e.predict(rows, output_margin=True))
    assert tree_transform(estimator) == transform


def test_xgboost_that_stopped_early_answers_with_its_best_rounds() -> None:
    estimator = xgboost.XGBRegressor(
        n_estimators=60, early_stopping_rounds=2, learning_rate=1, n_jobs=1
    )
    quietly(estimator, X, AMOUNT, eval_set=[(X[:100], -AMOUNT[:100])], verbose=False)
    assert estimator.best_iteration + 1 < estimator.get_booster().num_boosted_rounds()
    assert_same_bits(estimator, predictions)


@pytest.mark.parametrize("data", [X, GAPS], ids=["complete", "with gaps"])
@pytest.mark.parametrize(
    ("settings", "y", "transform"),
    [
        ({"iterations": 20}, TWO, "logistic"),
        ({"iterations": 5, "depth": 8}, TWO, "logistic"),
        ({"iterations": 8, "nan_mode": "Max"}, THREE, "softmax"),
    ],
    ids=["plain", "deep", "missing last"],
)
def test_catboost(
    settings: dict[str, Any], y: npt.NDArray[Any], transform: str, data: Floats
) -> None:
    estimator = catboost.CatBoostClassifier(
        verbose=0, allow_writing_files=False, thread_count=1, **settings
    )
    quietly(estimator, data, y)
    kernel = compiled(estimator)
    rows = troubling_rows(kernel, missing=data is GAPS, infinite=False)
    original = estimator.predict(rows, prediction_type="RawFormulaVal").reshape(len(rows), -1)
    np.testing.assert_allclose(kernel(rows), original, rtol=0, atol=1e-12)
    assert tree_transform(estimator) == transform


def bagged_lines() -> Any:
    return quietly(BaggingClassifier(LogisticRegression(), n_estimators=2), X, TWO)


def two_answers() -> Any:
    return quietly(RandomForestRegressor(2), X, np.stack([AMOUNT, AMOUNT], axis=1))


def averaged_boosting() -> Any:
    estimator = lightgbm.LGBMRegressor(
        boosting_type="rf", bagging_freq=1, bagging_fraction=0.5, n_estimators=2, verbose=-1
    )
    return quietly(estimator, X, AMOUNT)


def linear_leaves() -> Any:
    return quietly(lightgbm.LGBMRegressor(linear_tree=True, n_estimators=2, verbose=-1), X, AMOUNT)


def dropped_trees() -> Any:
    return quietly(xgboost.XGBRegressor(booster="dart", n_estimators=2), X, AMOUNT)


def minus_one_is_missing() -> Any:
    return quietly(xgboost.XGBRegressor(missing=-1, n_estimators=2), X, AMOUNT)


def asymmetric_trees() -> Any:
    estimator = catboost.CatBoostRegressor(
        iterations=2, grow_policy="Lossguide", verbose=0, allow_writing_files=False
    )
    return quietly(estimator, X, AMOUNT)


def boosting_from_a_model() -> Any:
    estimator = GradientBoostingClassifier(init=LogisticRegression(), n_estimators=2)
    return quietly(estimator, X, TWO)


@pytest.mark.parametrize(
    ("fit", "reason"),
    [
        (bagged_lines, "LogisticRegression"),
        (two_answers, "2 outputs"),
        (averaged_boosting, "averaged"),
        (linear_leaves, "linear"),
        (dropped_trees, "dart"),
        (minus_one_is_missing, "missing values"),
        (asymmetric_trees, "not symmetric"),
        (boosting_from_a_model, "starts from a LogisticRegression"),
    ],
)
def test_what_cannot_be_followed_is_refused_with_the_reason(
    fit: Callable[[], Any], reason: str
) -> None:
    with pytest.raises(NotCompilableError, match=reason):
        tree_kernels(fit(), X.shape[1])


def test_estimators_without_trees_are_left_to_others() -> None:
    for estimator in (LogisticRegression(), AdaBoostRegressor()):
        assert tree_kernels(quietly(estimator, X, TWO), X.shape[1]) is None


LEAN = """
import io, sys
import numpy as np
from mldeploy.model.compiled._trees import TreeKernel
arrays = dict(np.load(sys.argv[1], allow_pickle=False))
kernel = TreeKernel.restore({"kind": "trees"}, arrays)
print(kernel(np.zeros((1, 5))).tolist())
print(sorted({"sklearn", "pandas", "scipy", "lightgbm", "onnx", "skl2onnx"} & set(sys.modules)))
print("onnxruntime" in sys.modules)
"""


def test_process_that_only_answers_loads_no_library_of_the_model(tmp_path: Path) -> None:
    estimator = quietly(HistGradientBoostingClassifier(max_iter=5), X, TWO)
    arrays: dict[str, Any] = compiled(estimator).arrays()
    np.savez(tmp_path / "trees.npz", **arrays)

    output = subprocess.run(
        [sys.executable, "-c", LEAN, str(tmp_path / "trees.npz")],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.splitlines()

    assert output == [str(estimator._raw_predict(np.zeros((1, 5))).tolist()), "[]", "False"]


WITHOUT_EXTRA = """
import sys
import numpy as np
sys.modules["onnxruntime"] = None
from mldeploy.model.compiled._trees import TreeKernel
kernel = TreeKernel.restore({"kind": "trees"}, dict(np.load(sys.argv[1], allow_pickle=False)))
X = np.load(sys.argv[2])
np.save(sys.argv[3], np.concatenate([kernel(X), kernel(X[:1])]))
"""


def test_deep_trees_answer_the_same_without_the_extra(tmp_path: Path) -> None:
    estimator = quietly(RandomForestRegressor(5, random_state=0), X, AMOUNT)
    arrays: dict[str, Any] = compiled(estimator).arrays()
    files = [tmp_path / name for name in ("trees.npz", "rows.npy", "answers.npy")]
    np.savez(files[0], **arrays)
    np.save(files[1], X)

    subprocess.run([sys.executable, "-c", WITHOUT_EXTRA, *map(str, files)], check=True)

    original = estimator.predict(np.concatenate([X, X[:1]]))
    assert np.array_equal(np.load(files[2])[:, 0], original)
