"""What cannot be compiled is named; what the original refuses, the compiled model refuses."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier, VotingClassifier
from sklearn.impute import KNNImputer, SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import (
    FunctionTransformer,
    OneHotEncoder,
    OrdinalEncoder,
    StandardScaler,
)

from mldeploy.errors import NotCompilableError, PredictionFailedError
from mldeploy.model import Model
from mldeploy.model.compiling._tables import TableCompiler

Fit = Callable[..., Model]

ROWS = pl.DataFrame(
    {
        "wind": [3.0, 5.0, None, 9.0, 2.0, 8.0] * 5,
        "hour": [1, 2, 3, 4, 5, 6] * 5,
        "origin": ["JFK", "LGA", "JFK", "EWR", "LGA", "EWR"] * 5,
        "y": [False, True, False, True, False, True] * 5,
    }
)


class Doubled(TransformerMixin, BaseEstimator):
    def fit(self, X: object, y: object = None) -> Doubled:
        self.n_features_in_ = 1
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(X) * 2


def test_every_unknown_step_is_named_at_once(fit: Fit) -> None:
    pipeline = make_pipeline(
        make_column_transformer(
            (KNNImputer(), ["wind"]),
            (Doubled(), ["hour"]),
            (OneHotEncoder(), ["origin"]),
        ),
        FunctionTransformer(np.nan_to_num),
        VotingClassifier([("a", LogisticRegression())]),
    )
    model = fit(pipeline, ROWS)

    with pytest.raises(NotCompilableError, match="the original serves instead") as caught:
        TableCompiler().compile(model)

    assert [step.partition(":")[0] for step in caught.value.steps] == ["KNNImputer", "Doubled"]


@pytest.mark.parametrize(
    ("estimator", "reason"),
    [
        (FunctionTransformer(np.nan_to_num), "it calls nan_to_num"),
        (FunctionTransformer(np.square), "square of 'hour', which is of type int"),
        (FunctionTransformer(lambda X: X), "it calls .*lambda"),
    ],
)
def test_functions_that_are_not_known_to_be_exact_are_refused(
    estimator: FunctionTransformer, reason: str, fit: Fit
) -> None:
    model = fit(make_pipeline(estimator, LinearRegression()), numbers())

    with pytest.raises(NotCompilableError, match=reason):
        TableCompiler().compile(model)


def numbers() -> pl.DataFrame:
    return pl.DataFrame({"hour": [1, 2, 3, 4], "y": [1.0, 2.5, 3.0, 4.5]})


def test_a_time_is_not_read_and_says_so(fit: Fit) -> None:
    day = pl.datetime_range(pl.datetime(2026, 1, 1), pl.datetime(2026, 1, 4), eager=True)
    rows = numbers().with_columns(day.alias("day"))
    encoder = make_column_transformer(
        (OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1), ["day"]),
        ("passthrough", ["hour"]),
    )
    model = fit(make_pipeline(encoder, LinearRegression()), rows)

    with pytest.raises(NotCompilableError, match="'day', which is of kind datetime"):
        TableCompiler().compile(model)


def test_a_time_that_nobody_reads_is_no_obstacle(fit: Fit) -> None:
    day = pl.datetime_range(pl.datetime(2026, 1, 1), pl.datetime(2026, 1, 4), eager=True)
    rows = numbers().with_columns(day.alias("day"))
    model = fit(
        make_pipeline(make_column_transformer(("passthrough", ["hour"])), LinearRegression()), rows
    )

    compiled = TableCompiler().compile(model)

    prediction, score = compiled.score_row((2, rows["day"][1]))
    assert prediction == pytest.approx(model.predict(rows)[1], abs=1e-12)
    assert score is None


def test_an_unseen_category_fails_where_the_encoder_refuses_it(fit: Fit) -> None:
    encoder = make_column_transformer(
        (OneHotEncoder(), ["origin"]), (SimpleImputer(), ["wind", "hour"])
    )
    compiled = TableCompiler().compile(fit(make_pipeline(encoder, LogisticRegression()), ROWS))

    with pytest.raises(PredictionFailedError, match="'BOS' is a category that was not seen"):
        compiled.score_row((3.0, 1, "BOS"))
    with pytest.raises(PredictionFailedError, match="'BOS' is a category that was not seen"):
        compiled.score_frame(ROWS.drop("y").with_columns(origin=pl.lit("BOS")))
    assert compiled.score_row((3.0, 1, "EWR"))[0] in (False, True)


def test_a_missing_number_fails_where_the_model_refuses_it(fit: Fit) -> None:
    rows = ROWS.drop("origin").fill_null(0.0)
    model = fit(make_pipeline(StandardScaler(), LogisticRegression()), rows)
    nullable = model.signature.inputs.edit("wind", nullable=True)
    signature = model.signature.model_copy(update={"inputs": nullable})
    model = Model(
        estimator=model.estimator,
        signature=signature,
        provenance=model.provenance,
        problem=model.problem,
    )
    compiled = TableCompiler().compile(model)

    with pytest.raises(PredictionFailedError, match="Input contains NaN"):
        compiled.score_row((None, 1))
    with pytest.raises(PredictionFailedError, match="Input contains NaN"):
        compiled.score_frame(pl.DataFrame({"wind": [1.0, None], "hour": [1, 2]}))


@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_number_beyond_float32_fails_in_forests_as_in_scikit_learn(fit: Fit) -> None:
    rows = ROWS.select("hour", "y").with_columns(pl.col("hour").cast(pl.Float64))
    model = fit(RandomForestClassifier(3, random_state=0), rows)
    compiled = TableCompiler().compile(model)

    with pytest.raises(ValueError, match="too large"):
        model.predict(pl.DataFrame({"hour": [1e39]}))
    with pytest.raises(PredictionFailedError, match="too large"):
        compiled.score_row((1e39,))
    assert compiled.score_row((3e38,))[0] == model.predict(pl.DataFrame({"hour": [3e38]}))[0]
