"""Compiled models answer as scikit-learn does: the same labels, and scores within 1e-9."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from lightgbm import LGBMClassifier
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import TransformedTargetRegressor, make_column_transformer
from sklearn.decomposition import PCA, TruncatedSVD
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import (
    AdaBoostClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
    StackingClassifier,
    StackingRegressor,
    VotingClassifier,
    VotingRegressor,
)
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import (
    ElasticNet,
    GammaRegressor,
    HuberRegressor,
    Lasso,
    LinearRegression,
    LogisticRegression,
    LogisticRegressionCV,
    PoissonRegressor,
    RANSACRegressor,
    Ridge,
    RidgeClassifier,
    SGDClassifier,
    SGDRegressor,
    TweedieRegressor,
)
from sklearn.model_selection import (
    FixedThresholdClassifier,
    GridSearchCV,
    TunedThresholdClassifierCV,
)
from sklearn.naive_bayes import GaussianNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    OneHotEncoder,
    OrdinalEncoder,
    PowerTransformer,
    StandardScaler,
)
from sklearn.svm import LinearSVC, LinearSVR
from sklearn.tree import DecisionTreeClassifier

from mldeploy.model import Model
from mldeploy.model.compiled._model import CompiledModel
from mldeploy.problem import Task

Fit = Callable[..., Model]
Same = Callable[..., CompiledModel]

NUMBERS, TEXTS = ["wind", "gust", "hour"], ["origin", "maker"]

pytestmark = pytest.mark.filterwarnings("ignore")


def table(seed: int, n_rows: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    wind = rng.normal(10, 3, n_rows)
    origins = ["EWR", "JFK", "LGA", "Köln"] if seed else ["EWR", "JFK", "LGA"]
    return pl.DataFrame(
        {
            "wind": [None if w > 14 else w for w in wind.tolist()],
            "gust": rng.exponential(1e3, n_rows),
            "hour": rng.integers(0, 24, n_rows),
            "origin": [origins[i] for i in rng.integers(0, len(origins), n_rows)],
            "maker": [[None, "A", "B", "C"][i] for i in rng.integers(0, 4, n_rows)],
            "noise": rng.normal(size=n_rows),
        },
        schema_overrides={"maker": pl.Enum(["A", "B", "C", "D"])},
    )


SEEN, NEW = table(0, 300), table(1, 120)


def with_target(kind: str) -> pl.DataFrame:
    signal = SEEN["hour"] / 8 + SEEN["noise"] + (SEEN["origin"] == "JFK").cast(pl.Float64)
    level = signal.to_numpy()
    y: Any = {
        "yes or no": np.where(level > 2, "yes", "no"),
        "true or false": level > 2,
        "three": np.digitize(level, [1, 2.5]) - 1,
        "positive number": np.exp(level),
        "number": level * 40 - 3,
    }[kind]
    return SEEN.drop("noise").with_columns(pl.Series("y", y))


def encoding() -> Any:
    return make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
        (OneHotEncoder(handle_unknown="ignore", sparse_output=False), TEXTS),
    )


CLASSIFIERS: dict[str, Any] = {
    "logistic": LogisticRegression(),
    "logistic, no intercept": LogisticRegression(fit_intercept=False),
    "logistic, chosen": LogisticRegressionCV(Cs=2, cv=2),
    "stochastic, log": SGDClassifier(loss="log_loss", random_state=0),
    "stochastic, hinge": SGDClassifier(random_state=0),
    "ridge": RidgeClassifier(),
    "margin": LinearSVC(),
    "discriminant": LinearDiscriminantAnalysis(),
    "bayes": GaussianNB(),
    "most frequent": DummyClassifier(),
    "prior": DummyClassifier(strategy="prior"),
    "network": MLPClassifier((5, 4), max_iter=30, random_state=0),
    "network, tanh": MLPClassifier((5,), activation="tanh", max_iter=30, random_state=0),
    "calibrated margin": CalibratedClassifierCV(LinearSVC(), cv=3),
    "calibrated forest": CalibratedClassifierCV(
        RandomForestClassifier(5, random_state=0), method="isotonic", cv=3
    ),
    "calibrated once": CalibratedClassifierCV(
        LogisticRegression(), method="isotonic", cv=2, ensemble=False
    ),
    "votes": VotingClassifier(
        [("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=3))],
        voting="soft",
        weights=[1, 2],
    ),
    "stacked": StackingClassifier(
        [("a", LogisticRegression()), ("b", DecisionTreeClassifier(max_depth=3))], cv=2
    ),
    "stacked margins": StackingClassifier(
        [("a", LinearSVC()), ("b", GaussianNB())],
        GradientBoostingClassifier(n_estimators=5),
        cv=2,
        passthrough=True,
    ),
    "searched": GridSearchCV(LogisticRegression(), {"C": [0.1, 1.0]}, cv=2),
    "forest": RandomForestClassifier(7, random_state=0),
    "boosted": GradientBoostingClassifier(n_estimators=7),
    "boosted histograms": HistGradientBoostingClassifier(max_iter=7),
    "adaptive": AdaBoostClassifier(n_estimators=7),
}
REGRESSORS: dict[str, Any] = {
    "least squares": LinearRegression(),
    "ridge": Ridge(),
    "lasso": Lasso(),
    "elastic net": ElasticNet(),
    "huber": HuberRegressor(),
    "stochastic": SGDRegressor(random_state=0),
    "support": LinearSVR(),
    "consensus": RANSACRegressor(random_state=0),
    "mean": DummyRegressor(),
    "network": MLPRegressor(
        hidden_layer_sizes=(5,), activation="logistic", max_iter=20, random_state=0
    ),
    "forest": RandomForestRegressor(7, random_state=0),
    "stacked": StackingRegressor([("a", Ridge()), ("b", LinearRegression())], cv=2),
    "mean of two": VotingRegressor([("a", Ridge()), ("b", HistGradientBoostingRegressor())]),
    "of a logarithm": TransformedTargetRegressor(
        Ridge(), func=np.arcsinh, inverse_func=np.sinh, check_inverse=False
    ),
    "of a scaled target": TransformedTargetRegressor(Ridge(), transformer=StandardScaler()),
    "of a ranged target": TransformedTargetRegressor(Lasso(), transformer=MinMaxScaler()),
}
POSITIVE: dict[str, Any] = {
    "poisson": PoissonRegressor(),
    "gamma": GammaRegressor(),
    "tweedie": TweedieRegressor(power=1.5),
    "network of a logarithm": MLPRegressor(
        "poisson", hidden_layer_sizes=(4,), max_iter=20, random_state=0
    ),
    "normal": TweedieRegressor(power=0),
    "boosted poisson": HistGradientBoostingRegressor(loss="poisson", max_iter=7),
}


@pytest.mark.parametrize("name", sorted(CLASSIFIERS))
@pytest.mark.parametrize("kind", ["yes or no", "three"])
def test_classifiers_answer_as_the_original(
    name: str, kind: str, fit: Fit, same_answers: Same
) -> None:
    model = fit(make_pipeline(encoding(), CLASSIFIERS[name]), with_target(kind))

    same_answers(model, pl.concat([SEEN, NEW]))


@pytest.mark.parametrize("name", sorted(REGRESSORS))
def test_regressors_answer_as_the_original(name: str, fit: Fit, same_answers: Same) -> None:
    model = fit(make_pipeline(encoding(), REGRESSORS[name]), with_target("number"))

    same_answers(model, pl.concat([SEEN, NEW]))


@pytest.mark.parametrize("name", sorted(POSITIVE))
def test_regressors_of_positive_numbers_answer_as_the_original(
    name: str, fit: Fit, same_answers: Same
) -> None:
    model = fit(make_pipeline(encoding(), POSITIVE[name]), with_target("positive number"))

    same_answers(model, pl.concat([SEEN, NEW]))


WHOLE: dict[str, Any] = {
    "logistic, liblinear": make_pipeline(encoding(), LogisticRegression(solver="liblinear")),
    "calibrated pipelines": CalibratedClassifierCV(
        make_pipeline(encoding(), LogisticRegression()), cv=2
    ),
    "calibrated pipelines of trees": CalibratedClassifierCV(
        make_pipeline(encoding(), HistGradientBoostingClassifier(max_iter=5)),
        cv=2,
        method="isotonic",
    ),
    "searched pipelines": GridSearchCV(
        make_pipeline(encoding(), LogisticRegression()), {"logisticregression__C": [1.0]}, cv=2
    ),
    "a fixed threshold": FixedThresholdClassifier(
        make_pipeline(encoding(), LogisticRegression()), threshold=0.3
    ),
    "a threshold of margins": FixedThresholdClassifier(
        make_pipeline(encoding(), LinearSVC()), threshold=-0.2, response_method="decision_function"
    ),
    "a tuned threshold": TunedThresholdClassifierCV(
        make_pipeline(encoding(), GaussianNB()), cv=2, scoring="balanced_accuracy"
    ),
    "principal components": make_pipeline(encoding(), PCA(3, whiten=True), LogisticRegression()),
    "singular vectors": make_pipeline(
        encoding(), TruncatedSVD(3), StandardScaler(), LogisticRegression()
    ),
    "powers": make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(), PowerTransformer()), NUMBERS),
        ),
        LogisticRegression(),
    ),
    "functions": make_pipeline(
        make_column_transformer(
            (FunctionTransformer(np.log1p), ["gust", "hour"]),
            (SimpleImputer(add_indicator=True), ["wind"]),
        ),
        StandardScaler(),
        LogisticRegression(),
    ),
    "ordinal codes for trees that know missing values": make_pipeline(
        make_column_transformer(
            ("passthrough", NUMBERS),
            (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=np.nan), TEXTS),
        ),
        HistGradientBoostingClassifier(max_iter=7, categorical_features=[3, 4]),
    ),
}


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_pipelines_answer_as_the_original(name: str, fit: Fit, same_answers: Same) -> None:
    model = fit(WHOLE[name], with_target("yes or no"))

    same_answers(model, pl.concat([SEEN, NEW]))


def test_categories_of_pandas_reach_the_trees_as_their_own_codes(
    fit: Fit, same_answers: Same
) -> None:
    rows = with_target("three").drop("origin")
    model = fit(HistGradientBoostingClassifier(max_iter=9), rows)
    assert model.estimator.is_categorical_.tolist() == [False, False, False, True]

    same_answers(model, pl.concat([SEEN, NEW]))


@pytest.mark.parametrize("kind", ["yes or no", "three"])
def test_categories_of_pandas_reach_lightgbm_as_its_own_codes(
    kind: str, fit: Fit, same_answers: Same
) -> None:
    rows = with_target(kind).with_columns(pl.col("origin").cast(pl.Enum(["LGA", "JFK", "EWR"])))
    new = NEW.with_columns(pl.col("origin").cast(rows.schema["origin"], strict=False))

    same_answers(fit(LGBMClassifier(n_estimators=9, verbose=-1), rows), new)


def test_labels_may_be_booleans(fit: Fit, same_answers: Same) -> None:
    for estimator in (LogisticRegression(), RandomForestClassifier(3), RidgeClassifier()):
        same_answers(fit(make_pipeline(encoding(), estimator), with_target("true or false")), NEW)


def test_a_bare_estimator_is_compiled_too(fit: Fit, same_answers: Same) -> None:
    rows = with_target("number").select("gust", "hour", "y")

    same_answers(fit(LinearRegression(), rows), NEW)


def test_a_frozen_estimator_is_what_it_holds(fit: Fit, same_answers: Same) -> None:
    rows = with_target("yes or no").select("gust", "hour", "y")
    inner = LogisticRegression().fit(rows.select("gust", "hour").to_pandas(), rows["y"])
    model = fit(CalibratedClassifierCV(FrozenEstimator(inner)), rows)

    same_answers(model, NEW)


def test_the_score_is_of_the_positive_class_even_if_it_comes_first(
    fit: Fit, same_answers: Same
) -> None:
    for estimator in (LogisticRegression(), LinearSVC(), GaussianNB()):
        model = fit(make_pipeline(encoding(), estimator), with_target("yes or no"))
        signature = model.signature.model_copy(update={"positive": "no"})
        turned = Model(
            estimator=model.estimator,
            signature=signature,
            provenance=model.provenance,
            problem=model.problem,
        )

        same_answers(turned, NEW)


def test_two_classes_of_a_multiclass_task_have_two_scores(fit: Fit, same_answers: Same) -> None:
    for estimator in (LogisticRegression(), RandomForestClassifier(3), LinearSVC()):
        model = fit(
            make_pipeline(encoding(), estimator), with_target("yes or no"), task=Task.MULTICLASS
        )

        same_answers(model, NEW)


def test_numbers_far_from_zero_keep_their_digits(fit: Fit, same_answers: Same) -> None:
    """Times in seconds since 1970, one second apart: folding scale into weight loses 1e-7."""
    seconds = 1.7e9 + np.arange(200.0)
    rows = pl.DataFrame({"t": seconds, "y": (np.arange(200) % 7 < 3)})

    same_answers(fit(make_pipeline(StandardScaler(), LogisticRegression()), rows), rows)


@pytest.mark.parametrize("last", [LogisticRegression(max_iter=5), GaussianNB()])
def test_hundreds_of_categories_are_not_kept_as_a_square(
    last: Any, fit: Fit, same_answers: Same
) -> None:
    """600 one-hot categories: 602 rows of 600 columns take 2.9 MB as they are, 30 kB so."""
    rng = np.random.default_rng(3)
    tails = [f"N{i}" for i in range(600)]
    rows = pl.DataFrame({"tail": tails * 2, "y": rng.random(1200) < 0.5})
    model = fit(
        make_pipeline(OneHotEncoder(handle_unknown="ignore", sparse_output=False), last), rows
    )

    compiled = same_answers(model, pl.DataFrame({"tail": [*tails[::7], "new", "N1"]}))

    assert sum(map(len, compiled.to_files().values())) < 80_000
