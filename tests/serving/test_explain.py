"""What each column contributed to an answer, against Shapley values worked out otherwise."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeRegressor

from mldeploy.data import Dataset
from mldeploy.errors import EmptyDataError, InvalidRowsError
from mldeploy.model import CompiledModel, Model, TableCompiler
from mldeploy.problem import Criterion, Problem, Task
from mldeploy.serving import Contribution, Explanation, explain
from mldeploy.training import EstimatorTrainer

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
RNG = np.random.default_rng(0)
WIND, HOUR = RNG.gamma(2.0, 5.0, 200).round(2), RNG.integers(5, 24, 200)
TABLE = pl.DataFrame(
    {
        "wind": pl.Series(WIND).set(pl.Series(RNG.uniform(size=200) < 0.1), None),
        "hour": HOUR,
        "carrier": RNG.choice(["AA", "OO", "UA"], 200),
    }
)
USUAL = TABLE[::10]
ROW = {"wind": 31.5, "hour": 22, "carrier": "OO"}


def train(estimator: Any, y: Any, task: Task = Task.BINARY, table: pl.DataFrame = TABLE) -> Model:
    criterion = (
        Criterion("mean_absolute_error", at_most=1e9)
        if task is Task.REGRESSION
        else Criterion("accuracy", at_least=0.0)
    )
    problem = Problem(
        name="demo", statement="Which?", target="y", task=task, criteria=[criterion],
        positive=max(y) if task is Task.BINARY else None,
    )  # fmt: skip
    data = Dataset.of(table.with_columns(y=pl.Series(y)), target="y")
    trainer = EstimatorTrainer(estimator, baselines={})
    return trainer.train(data, problem, by="ana", clock=lambda: NOON)


def pipeline(estimator: Any) -> Pipeline:
    return make_pipeline(
        make_column_transformer(
            (make_pipeline(SimpleImputer(), StandardScaler()), ["wind", "hour"]),
            (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["carrier"]),
        ),
        estimator,
    )


@pytest.fixture(scope="module")
def forest() -> Model:
    late = np.where(WIND + HOUR > 24, "late", "on time")
    return train(pipeline(RandomForestClassifier(10, max_depth=5, random_state=0)), late)


@pytest.fixture(scope="module")
def compiled_forest(forest: Model) -> CompiledModel:
    return TableCompiler().compile(forest)


def amounts(explanation: Explanation) -> dict[str, float]:
    return {c.column: c.amount for c in explanation.contributions}


def shapley(
    value: Callable[[pl.DataFrame], np.ndarray], row: Mapping[str, Any], usual: pl.DataFrame
) -> dict[str, float]:
    """Return Shapley values from their definition: every set of the other columns, weighted."""
    names = usual.columns

    def worth(known: tuple[str, ...]) -> float:
        own = [pl.lit(row[n], dtype=usual.schema[n]).alias(n) for n in known]
        return float(value(usual.with_columns(own)).mean())

    found = {}
    for name in names:
        others = [n for n in names if n != name]
        found[name] = sum(
            math.factorial(len(s)) * math.factorial(len(others) - len(s))
            / math.factorial(len(names)) * (worth((*s, name)) - worth(s))
            for size in range(len(names))
            for s in itertools.combinations(others, size)
        )  # fmt: skip
    return found


# --- where the values are known -----------------------------------------------------------


def test_a_weighted_sum_is_explained_exactly() -> None:
    """Each column contributes its weight times how far it is from the mean of the background."""
    numbers = TABLE.select("hour", wind=pl.col("wind").fill_null(7.0))
    y = (numbers["wind"] * 2.0 - numbers["hour"] * 0.5).to_numpy()
    model = train(Ridge(), y, Task.REGRESSION, numbers)
    usual = numbers[::10]
    wind, hour = ROW["wind"], ROW["hour"]

    for each in (model, TableCompiler().compile(model)):
        found = explain(each, {"wind": wind, "hour": hour}, usual, n_permutations=4)
        by_hand = {
            "hour": model.estimator.coef_[0] * (hour - usual["hour"].mean()),
            "wind": model.estimator.coef_[1] * (wind - usual["wind"].mean()),
        }
        assert amounts(found) == pytest.approx(by_hand, abs=1e-9)
        assert max(c.error for c in found.contributions) < 1e-9


def test_a_margin_behind_encoders_is_explained_exactly() -> None:
    """One-hot columns and imputed values are functions of one raw column: sums over columns."""
    model = train(pipeline(LinearSVC()), np.where(WIND + HOUR > 24, "late", "no"))

    found = explain(TableCompiler().compile(model), ROW, USUAL, n_permutations=4)

    assert found.unit == "decision value of y = no"
    assert amounts(found) == pytest.approx(shapley(model.score, ROW, USUAL), abs=1e-9)


def test_of_two_columns_that_matter_only_together_each_gets_half() -> None:
    """A product of two zeros and ones: from (0, 0) to (1, 1) it gains 1, and neither alone."""
    corners = pl.DataFrame({"a": [0, 0, 1, 1] * 5, "b": [0, 1, 0, 1] * 5, "c": list(range(20))})
    y = (corners["a"] * corners["b"]).cast(pl.Float64).to_numpy()
    model = train(DecisionTreeRegressor(random_state=0), y, Task.REGRESSION, corners)
    nobody = pl.DataFrame({"a": [0], "b": [0], "c": [3]})

    found = explain(model, {"a": 1, "b": 1, "c": 17}, nobody)

    assert (found.answer, found.base) == (1.0, 0.0)
    assert amounts(found) == {"a": 0.5, "b": 0.5, "c": 0.0}


def test_sampled_values_agree_with_the_definition(compiled_forest: CompiledModel) -> None:
    exact = shapley(lambda frame: compiled_forest.score_frame(frame)[1], ROW, USUAL)  # type: ignore[arg-type, return-value]

    found = explain(compiled_forest, ROW, USUAL, n_permutations=2_000)

    for contribution in found.contributions:
        off = abs(contribution.amount - exact[contribution.column])
        assert off <= 4.5 * contribution.error + 1e-12
        assert contribution.error < 0.01


# --- laws ---------------------------------------------------------------------------------


@given(
    st.none() | st.floats(0, 60), st.integers(0, 23), st.sampled_from(["AA", "OO", "ZZ"]),
    st.integers(0, 9),
)  # fmt: skip
def test_contributions_sum_to_the_answer_less_the_base(
    compiled_forest: CompiledModel, wind: float | None, hour: int, carrier: str, seed: int
) -> None:
    row = {"wind": wind, "hour": hour, "carrier": carrier}

    found = explain(compiled_forest, row, USUAL, n_permutations=80, random_state=seed)

    _, scores = compiled_forest.score_frame(compiled_forest.signature.inputs.parse_rows([row])[0])
    assert scores is not None
    assert found.answer == pytest.approx(float(scores[0]), abs=1e-12)
    assert sum(amounts(found).values()) == pytest.approx(found.answer - found.base, abs=1e-12)


def test_the_original_is_explained_as_the_compiled_model_is(
    forest: Model, compiled_forest: CompiledModel
) -> None:
    one, two = (explain(model, ROW, USUAL) for model in (forest, compiled_forest))

    assert amounts(one) == pytest.approx(amounts(two), abs=1e-12)
    assert (one.prediction, one.unit, one.n_background) == (two.prediction, two.unit, 20)


def test_the_same_question_gets_the_same_explanation(compiled_forest: CompiledModel) -> None:
    first, again, other = (
        explain(compiled_forest, ROW, USUAL, random_state=seed) for seed in (0, 0, 1)
    )

    assert first == again
    assert first != other


def test_a_row_of_the_background_alone_is_no_surprise(compiled_forest: CompiledModel) -> None:
    usual = USUAL[:1]

    found = explain(compiled_forest, usual.row(0, named=True), usual)

    assert found.answer == found.base
    assert set(amounts(found).values()) == {0.0}


# --- what is explained --------------------------------------------------------------------


def test_the_probability_of_the_positive_class_is_explained(forest: Model) -> None:
    found = explain(forest, ROW, USUAL)

    assert found.unit == "probability of y = on time"
    assert found.prediction == "late"
    assert found.answer < 0.5 < found.base


def test_of_several_classes_the_answered_one_is_explained() -> None:
    band = np.array(["high", "low", "mid"])[np.searchsorted([10, 17], HOUR) - 1]
    model = train(pipeline(LogisticRegression()), band, Task.MULTICLASS)

    found = explain(model, ROW, USUAL)

    shares = model.score(pl.DataFrame([ROW]))
    assert shares is not None
    assert found.unit == f"probability of y = {found.prediction}"
    assert found.answer == pytest.approx(shares.max(), abs=1e-12)
    assert found.largest(1)[0].column == "hour"


def test_a_wide_row_is_explained_with_fewer_background_rows() -> None:
    wide = pl.DataFrame(RNG.normal(size=(60, 400)), schema=[f"c{i}" for i in range(400)])
    model = train(Ridge(), wide["c7"].to_numpy() * 3.0, Task.REGRESSION, wide)

    found = explain(TableCompiler().compile(model), wide.row(0, named=True), wide)

    assert found.n_background == 12
    assert found.largest(1)[0].column == "c7"
    assert sum(amounts(found).values()) == pytest.approx(found.answer - found.base, abs=1e-9)


# --- refusals -----------------------------------------------------------------------------


def test_a_row_that_the_schema_refuses_is_not_explained(compiled_forest: CompiledModel) -> None:
    with pytest.raises(InvalidRowsError) as error:
        explain(compiled_forest, {**ROW, "hour": "late"}, USUAL)

    assert [(e.column, e.code) for e in error.value.errors] == [("hour", "type")]


def test_without_a_background_nothing_is_explained(compiled_forest: CompiledModel) -> None:
    with pytest.raises(EmptyDataError):
        explain(compiled_forest, ROW, USUAL.clear())


# --- shown --------------------------------------------------------------------------------

HOSTILE = "</text><script>alert(1)</script>"


def test_names_and_values_break_out_of_neither_chart_nor_table() -> None:
    contribution = Contribution(column=HOSTILE, value=HOSTILE, amount=0.25, error=0.0)
    shown = Explanation(
        prediction=HOSTILE, answer=0.5, base=0.25, unit=f"probability of {HOSTILE}",
        contributions=(contribution,), n_background=1, n_permutations=4,
    )._repr_html_()  # fmt: skip

    assert "<script" not in shown
    assert "&lt;/text&gt;&lt;script&gt;" in shown


def test_the_largest_contributions_are_shown_and_the_others_summed() -> None:
    contributions = tuple(
        Contribution(
            column=f"c{i}", value=None if i else 1.5, amount=(-1) ** i * i / 100, error=0.0
        )
        for i in range(30)
    )
    shown = Explanation(
        prediction=1.0, answer=0.15, base=0.3, unit="predicted y",
        contributions=contributions, n_background=20, n_permutations=200,
    )  # fmt: skip
    page = shown._repr_html_()

    assert [c.column for c in shown.largest(3)] == ["c29", "c28", "c27"]
    assert page.count("<rect") == 20
    assert "10 other columns" in page
    assert "missing" in page
    assert Explanation.model_validate_json(shown.to_json()) == shown
