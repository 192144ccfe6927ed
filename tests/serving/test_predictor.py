"""Rows are validated, predicted, routed, logged and answered."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import (
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, RidgeClassifier
from sklearn.model_selection import FixedThresholdClassifier
from sklearn.naive_bayes import GaussianNB
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier

from mldeploy.data import Dataset
from mldeploy.errors import (
    EmptyDataError,
    InvalidDataError,
    InvalidRowsError,
    PredictionFailedError,
    SchemaMismatchError,
)
from mldeploy.model import Model
from mldeploy.problem import Route, Routing
from mldeploy.serving import MemoryLog, Predictor

NOW = datetime(2013, 4, 1, 5, 15, tzinfo=UTC)
ROW = {"wind": 3.5, "hour": 7, "carrier": "AA", "score": 3.5}
SURE = Routing(certain=Route.AUTOMATIC, uncertain=Route.REVIEW, min_confidence=0.7)

MakeModel = Callable[..., Model]


class Breaking(ClassifierMixin, BaseEstimator):
    """A classifier that cannot answer."""

    def fit(self, X: Any, y: Any) -> Breaking:
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:
        raise ZeroDivisionError("no wind today")


def serve(model: Model, sink: MemoryLog | None = None) -> Predictor:
    sink = MemoryLog() if sink is None else sink
    return Predictor(model, version="late:3", deployment="late", sink=sink, clock=lambda: NOW)


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        FixedThresholdClassifier(LogisticRegression(), threshold=0.8),
        CalibratedClassifierCV(GaussianNB(), cv=3),
        RandomForestClassifier(20, random_state=0),
        ExtraTreesClassifier(20, random_state=0),
        GradientBoostingClassifier(n_estimators=10, random_state=0),
        HistGradientBoostingClassifier(max_iter=3, random_state=0),
        DecisionTreeClassifier(max_depth=3, random_state=0),
        GaussianNB(),
        LinearSVC(random_state=0),
        RidgeClassifier(),
    ],
    ids=lambda e: type(e).__name__,
)
@pytest.mark.parametrize("n_classes", [2, 3])
def test_answers_are_exactly_the_models_own(
    estimator: Any, n_classes: int, make_model: MakeModel, flights: pd.DataFrame
) -> None:
    if n_classes == 3 and isinstance(estimator, FixedThresholdClassifier):
        pytest.skip("a threshold belongs to two classes")
    target = None if n_classes == 2 else flights["hour"].to_numpy() % 3
    model = make_model(estimator, target=target)

    answers = serve(model).predict_frame(flights)

    np.testing.assert_array_equal(answers.predictions, model.predict(flights))
    scores = model.score(flights)
    assert scores is not None
    np.testing.assert_array_equal(answers.scores, scores)
    for i in (0, 1):
        row = flights.drop(columns="late").iloc[i].to_dict()
        answer = serve(model).predict(row)
        assert answer.prediction == answers.predictions[i]
        assert np.ravel(answer.score) == pytest.approx(np.ravel(scores[i]), abs=1e-12)


def test_a_regression_answers_numbers_without_a_score(
    make_model: MakeModel, flights: pd.DataFrame
) -> None:
    model = make_model(LinearRegression(), target=flights["wind"].to_numpy() * 2)

    answer = serve(model).predict(ROW)

    assert answer.prediction == pytest.approx(7.0)
    assert answer.score is None


def test_text_labels_come_back_as_text(make_model: MakeModel, flights: pd.DataFrame) -> None:
    model = make_model(target=np.where(flights["late"], "late", "on time"))
    sink = MemoryLog()

    answer = serve(model, sink).predict(ROW)

    assert answer.prediction in ("late", "on time")
    assert sink.frame()["prediction"].to_list() == [answer.prediction]


def test_an_answer_names_version_key_time_and_is_logged_with_its_features(
    make_model: MakeModel,
) -> None:
    sink, local = MemoryLog(), timezone(timedelta(hours=2))

    answer = serve(make_model(), sink).predict(ROW, key=14228, time=NOW.astimezone(local))
    (logged,) = sink.frame().to_dicts()

    assert (answer.version, answer.key, answer.time) == ("late:3", "14228", NOW)
    assert len(answer.id) == 32
    assert logged["latency_s"] > 0
    del logged["latency_s"]
    assert logged == {
        "prediction_id": answer.id, "key": "14228", "time": NOW, "deployment": "late",
        "version": "late:3", "arm": "champion", "prediction": answer.prediction,
        "score": answer.score, "route": "advice", "error": None, "wind": 3.5, "hour": 7,
        "carrier": "AA", "feature.score": 3.5,
    }  # fmt: skip


def test_every_kind_of_table_gets_the_same_answers(
    make_model: MakeModel, flights: pd.DataFrame
) -> None:
    predictor, features = serve(make_model()), flights.drop(columns="late")
    tables = [
        flights,
        pl.DataFrame(flights.to_dict("list")),
        Dataset.of(flights, target="late"),
        features.to_dict("records"),
        flights[["late", "score", "carrier", "hour", "wind"]],
    ]

    answers = [predictor.predict_frame(table) for table in tables]

    for other in answers[1:]:
        np.testing.assert_array_equal(other.predictions, answers[0].predictions)
        np.testing.assert_array_equal(other.scores, answers[0].scores)
    assert len({i for a in answers for i in a.ids}) == 5 * len(flights)


def test_a_dataset_brings_its_own_times(make_model: MakeModel, flights: pd.DataFrame) -> None:
    times = pd.date_range("2013-04-01", periods=len(flights), freq="h", tz="UTC")
    data = Dataset.of(flights.assign(at=times), target="late", time="at")

    answers = serve(make_model()).predict_frame(data)

    np.testing.assert_array_equal(answers.times, times.tz_localize(None).to_numpy())
    assert list(answers.ids) == sorted(answers.ids)


def test_only_sure_answers_are_automatic(make_model: MakeModel, flights: pd.DataFrame) -> None:
    answers = serve(make_model(routing=SURE)).predict_frame(flights)

    sure = np.maximum(answers.scores, 1 - answers.scores) >= 0.7
    np.testing.assert_array_equal(answers.routes, np.where(sure, "automatic", "review"))
    assert 0 < sure.sum() < len(flights)


def test_scores_that_are_no_probabilities_make_nothing_automatic(
    make_model: MakeModel, flights: pd.DataFrame
) -> None:
    answers = serve(make_model(LinearSVC(), routing=SURE)).predict_frame(flights)

    assert set(answers.routes) == {"review"}


def test_without_a_routing_every_answer_is_advice(make_model: MakeModel) -> None:
    assert serve(make_model()).predict(ROW).route is Route.ADVICE


def test_a_refused_row_is_counted_and_not_logged(make_model: MakeModel) -> None:
    sink = MemoryLog()
    predictor = serve(make_model(), sink)

    with pytest.raises(InvalidRowsError) as refusal:
        predictor.predict({"wind": "strong", "hour": 7.5, "carrier": "AA", "tail": 1})

    codes = {(e.column, e.code) for e in refusal.value.errors}
    assert codes == {
        ("wind", "type"), ("hour", "type"), ("tail", "unknown"), ("score", "missing"),
    }  # fmt: skip
    assert (predictor.counts.rejected, len(sink)) == (1, 0)


def test_one_bad_row_refuses_the_whole_call_and_is_named(
    make_model: MakeModel, flights: pd.DataFrame
) -> None:
    sink, bad = MemoryLog(), flights.copy()
    bad.loc[[3, 5], "wind"] = np.nan
    predictor = serve(make_model(), sink)

    with pytest.raises(InvalidRowsError) as refusal:
        predictor.predict_frame(bad)

    assert [(e.row, e.column, e.code) for e in refusal.value.errors] == [
        (3, "wind", "missing"), (5, "wind", "missing"),
    ]  # fmt: skip
    assert (predictor.counts.rejected, len(sink)) == (len(bad), 0)


def test_an_unseen_category_is_answered_unless_the_schema_is_closed(
    make_model: MakeModel,
) -> None:
    model = make_model()
    closed = model.signature.inputs.edit("carrier", closed=True)
    signature = model.signature.model_copy(update={"inputs": closed})

    assert serve(model).predict(ROW | {"carrier": "ZZ"}).version == "late:3"
    with pytest.raises(InvalidRowsError, match="'ZZ' is none of 'AA'"):
        serve(replace(model, signature=signature)).predict(ROW | {"carrier": "ZZ"})


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"times": datetime(2013, 1, 1)}, InvalidDataError, "no zone"),
        ({"times": [NOW]}, InvalidDataError, "1 values for 600 rows"),
        ({"times": [NOW] * 599 + [None]}, InvalidDataError, "missing"),
        ({"times": ["noon"] * 600}, InvalidDataError, "something else than times"),
        ({"keys": ["a"]}, InvalidDataError, "1 values for 600 rows"),
        ({"keys": [1.5] * 600}, InvalidDataError, "is a float"),
    ],
)
def test_keys_and_times_that_fit_no_row_are_refused(
    arguments: dict[str, Any], error: type[Exception], says: str, make_model: MakeModel,
    flights: pd.DataFrame,
) -> None:  # fmt: skip
    predictor = serve(make_model())

    with pytest.raises(error, match=says):
        predictor.predict_frame(flights, **arguments)
    assert predictor.counts.rejected == 600


@pytest.mark.parametrize("empty", [pd.DataFrame(), [], pl.DataFrame({"wind": []})])
def test_an_empty_table_is_refused(empty: Any, make_model: MakeModel) -> None:
    with pytest.raises((EmptyDataError, SchemaMismatchError)):
        serve(make_model()).predict_frame(empty)


def test_a_missing_column_is_named(make_model: MakeModel, flights: pd.DataFrame) -> None:
    with pytest.raises(SchemaMismatchError, match="'wind'"):
        serve(make_model()).predict_frame(flights.drop(columns="wind"))


def test_what_the_model_raises_is_logged_counted_and_typed(
    make_model: MakeModel, flights: pd.DataFrame
) -> None:
    sink = MemoryLog()
    predictor = serve(make_model(Breaking()), sink)

    with pytest.raises(PredictionFailedError, match="no wind today") as failure:
        predictor.predict_frame(flights.head(3))

    assert isinstance(failure.value.__cause__, ZeroDivisionError)
    assert predictor.counts.failed == 3
    logged = sink.frame()
    assert logged["error"].to_list() == ["ZeroDivisionError: no wind today"] * 3
    assert logged["prediction"].null_count() == logged["route"].null_count() == 3


def test_many_threads_share_a_predictor(make_model: MakeModel) -> None:
    sink = MemoryLog()
    predictor = serve(make_model(), sink)
    threads = [
        threading.Thread(target=lambda: [predictor.predict(ROW) for _ in range(25)])
        for _ in range(4)
    ]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert predictor.counts.accepted == len(sink) == 100
    assert sink.frame()["prediction_id"].n_unique() == 100


def test_long_tables_are_predicted_in_parts_with_the_same_answers(
    make_model: MakeModel, flights: pd.DataFrame
) -> None:
    model, long = make_model(), pd.concat([flights] * 40, ignore_index=True)

    answers = serve(model).predict_frame(long)

    assert len(long) > 20_000
    np.testing.assert_array_equal(answers.predictions, model.predict(long))


def test_the_callers_table_is_left_untouched(make_model: MakeModel, flights: pd.DataFrame) -> None:
    before = flights.copy(deep=True)

    serve(make_model()).predict_frame(flights)

    pd.testing.assert_frame_equal(flights, before)


def test_answers_show_themselves_and_hide_scripts(
    make_model: MakeModel, flights: pd.DataFrame
) -> None:
    script = "<script>alert(1)</script>"

    answers = serve(make_model(routing=SURE)).predict_frame(flights, keys=[script] * 600)

    for shown in (answers._repr_html_(), answers[0]._repr_html_()):
        assert script not in shown
        assert "&lt;script&gt;" in shown
    assert "600 answers" in answers._repr_html_()
    assert answers.to_frame().columns == [
        "prediction_id", "key", "time", "prediction", "score", "route", "version",
    ]  # fmt: skip
