"""What a compiled pipeline's estimator reads is what scikit-learn's reads, to the bit."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import ColumnTransformer, make_column_selector, make_column_transformer
from sklearn.feature_selection import SelectKBest, VarianceThreshold, f_classif
from sklearn.impute import MissingIndicator, SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import (
    Binarizer,
    FunctionTransformer,
    KBinsDiscretizer,
    MaxAbsScaler,
    MinMaxScaler,
    Normalizer,
    OneHotEncoder,
    OrdinalEncoder,
    PolynomialFeatures,
    QuantileTransformer,
    RobustScaler,
    StandardScaler,
    TargetEncoder,
)

from mldeploy.model import Model
from mldeploy.model.compiled._model import CompiledModel
from mldeploy.model.compiling._tables import TableCompiler

Fit = Callable[..., Model]
Check = Callable[..., None]

NUMBERS = ["wind", "gust", "hour"]
TEXTS = ["origin", "maker"]
ORIGINS = ["EWR", "JFK", "LGA", "", "Köln", "北京"]


def training_rows() -> pl.DataFrame:
    rng = np.random.default_rng(7)
    n_rows = 240
    wind = rng.normal(10, 3, n_rows)
    return pl.DataFrame(
        {
            "wind": [None if w > 14 else w for w in wind.tolist()],
            "gust": rng.exponential(1e3, n_rows),
            "hour": rng.integers(0, 24, n_rows),
            "holiday": rng.random(n_rows) < 0.2,
            "origin": [ORIGINS[i] for i in rng.integers(0, 5, n_rows)],
            "maker": [[None, "A", "B", "C"][i] for i in rng.integers(0, 4, n_rows)],
            "y": wind + rng.normal(size=n_rows) > 10,
        },
        schema_overrides={"maker": pl.Enum(["A", "B", "C", "D"])},
    )


ROWS = training_rows()

numbers = st.one_of(
    st.none(),
    st.floats(-50, 50),
    st.sampled_from([0.0, -0.0, 1e-308, 1e15, -1e15, 1.7e308, -1.7e308]),
)
unseen = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=4)
rows = st.lists(
    st.fixed_dictionaries(
        {
            "wind": numbers,
            "gust": numbers.filter(lambda x: x is not None),
            "hour": st.one_of(st.integers(-3, 30), st.integers(-(2**63), 2**63 - 1)),
            "holiday": st.booleans(),
            "origin": st.one_of(st.sampled_from(ORIGINS), unseen),
            "maker": st.sampled_from([None, "A", "B", "C", "D"]),
        }
    ),
    min_size=1,
    max_size=6,
).map(lambda given: pl.DataFrame(given, schema={n: t for n, t in ROWS.schema.items() if n != "y"}))


def by_kind(numeric: Any, categorical: Any) -> Any:
    return ColumnTransformer([("n", numeric, NUMBERS), ("t", categorical, TEXTS)])


IMPUTED = SimpleImputer(strategy="median")
KNOWN = OneHotEncoder(handle_unknown="ignore")

ENCODINGS: dict[str, Any] = {
    "scaled and one-hot": by_kind(
        make_pipeline(IMPUTED, StandardScaler()),
        make_pipeline(SimpleImputer(strategy="most_frequent"), KNOWN),
    ),
    "ranged, dense one-hot, first left out": by_kind(
        make_pipeline(SimpleImputer(strategy="mean"), MinMaxScaler(clip=True)),
        OneHotEncoder(drop="first", sparse_output=False, handle_unknown="ignore"),
    ),
    "unseen categories refused": by_kind(
        make_pipeline(SimpleImputer(strategy="constant", fill_value=-1), RobustScaler()),
        OneHotEncoder(),
    ),
    "rare categories together": by_kind(
        IMPUTED,
        OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=50),
    ),
    "ordinal, unseen and missing as codes": by_kind(
        make_pipeline(IMPUTED, MaxAbsScaler()),
        OrdinalEncoder(
            handle_unknown="use_encoded_value", unknown_value=-1, encoded_missing_value=-2
        ),
    ),
    "ordinal, unseen refused": by_kind(
        IMPUTED,
        make_pipeline(SimpleImputer(strategy="constant", fill_value="B"), OrdinalEncoder()),
    ),
    "by the target's mean": by_kind(IMPUTED, TargetEncoder(random_state=0)),
    "with indicators": by_kind(
        SimpleImputer(add_indicator=True),
        make_pipeline(SimpleImputer(strategy="constant", fill_value="?"), KNOWN),
    ),
    "indicators alone": FeatureUnion(
        [
            ("seen", by_kind(IMPUTED, KNOWN)),
            (
                "missing",
                make_column_transformer(
                    (MissingIndicator(features="all"), ["wind", "gust"]),
                    (MissingIndicator(error_on_new=False), TEXTS),
                ),
            ),
        ]
    ),
    "placeholders": by_kind(
        make_pipeline(IMPUTED, SimpleImputer(missing_values=0, strategy="constant", fill_value=7)),
        make_pipeline(
            SimpleImputer(strategy="most_frequent"),
            SimpleImputer(missing_values="A", strategy="constant", fill_value="B"),
            KNOWN,
        ),
    ),
    "numbers as categories": make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["hour", "holiday"]),
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=99), ["hour"]),
        (make_pipeline(IMPUTED, StandardScaler()), ["wind", "gust"]),
    ),
    "bins": make_column_transformer(
        (
            make_pipeline(IMPUTED, KBinsDiscretizer(4, quantile_method="averaged_inverted_cdf")),
            ["wind", "gust"],
        ),
        (KBinsDiscretizer(2, encode="ordinal", strategy="uniform"), ["hour"]),
    ),
    "functions": make_column_transformer(
        (
            make_pipeline(IMPUTED, FunctionTransformer(np.cbrt), FunctionTransformer(np.tanh)),
            ["wind", "gust"],
        ),
        (FunctionTransformer(np.arctan), ["hour"]),
        (make_pipeline(IMPUTED, Binarizer(threshold=9.5)), ["wind"]),
    ),
    "shares of rows": make_column_transformer(
        (make_pipeline(IMPUTED, QuantileTransformer(n_quantiles=20)), ["wind", "gust"]),
    ),
    "the rest passed on": make_column_transformer(
        (KNOWN, ["origin"]), ("drop", ["maker", "wind"]), remainder="passthrough"
    ),
    "by position and mask": ColumnTransformer(
        [
            ("p", StandardScaler(), [2]),
            ("m", IMPUTED, [True, True, False, False, False, False]),
            ("n", "passthrough", slice(3, 4)),
            ("s", KNOWN, make_column_selector(pattern="origin")),
        ]
    ),
    "weighted": FeatureUnion(
        [("a", by_kind(IMPUTED, KNOWN)), ("b", by_kind(IMPUTED, KNOWN)), ("no", "drop")],
        transformer_weights={"a": 0.3},
    ),
    "chosen after one-hot and scaled sparsely": make_pipeline(
        by_kind(make_pipeline(IMPUTED, StandardScaler()), KNOWN),
        StandardScaler(with_mean=False),
        MaxAbsScaler(),
        VarianceThreshold(),
        SelectKBest(f_classif, k=6),
    ),
    "frames between the steps": make_pipeline(
        make_column_transformer(
            (IMPUTED, NUMBERS),
            (OneHotEncoder(handle_unknown="ignore", sparse_output=False), TEXTS),
            verbose_feature_names_out=False,
        ).set_output(transform="pandas"),
        make_column_transformer(
            (StandardScaler(), ["hour", "wind"]), ("passthrough", ["origin_JFK", "maker_B"])
        ),
    ),
    "normed": make_pipeline(
        make_column_transformer((IMPUTED, NUMBERS)), MaxAbsScaler(), Normalizer(norm="max")
    ),
    "products": make_pipeline(
        make_column_transformer((IMPUTED, NUMBERS)), PolynomialFeatures(3), StandardScaler()
    ),
    "products of some beside others": make_column_transformer(
        (make_pipeline(IMPUTED, PolynomialFeatures(2, interaction_only=True)), ["wind", "gust"]),
        (KNOWN, ["origin"]),
        (make_pipeline(IMPUTED, Normalizer(norm="l1")), ["wind", "hour"]),
    ),
}


@pytest.fixture(scope="module", params=sorted(ENCODINGS))
def model(request: pytest.FixtureRequest, fit: Fit) -> Model:
    return fit(make_pipeline(ENCODINGS[request.param], LogisticRegression(max_iter=5)), ROWS)


@pytest.fixture(scope="module")
def compiled(model: Model) -> CompiledModel:
    return TableCompiler().compile(model)


@pytest.mark.filterwarnings("ignore")
def test_training_rows_are_encoded_as_by_scikit_learn(
    model: Model, compiled: CompiledModel, same_inputs: Check
) -> None:
    same_inputs(model, compiled, ROWS)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=20, deadline=None)
@given(rows)
def test_any_rows_are_encoded_or_refused_as_by_scikit_learn(
    model: Model, compiled: CompiledModel, same_inputs: Check, given: pl.DataFrame
) -> None:
    same_inputs(model, compiled, given)
