"""A compiled model that differs anywhere is found out; one that does not passes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression, SGDClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mldeploy.evidence import Report, Verdict
from mldeploy.model import CompiledModel, Model, TableCompiler, prove
from mldeploy.model.compiled._columns import NumberColumn, TableColumns
from mldeploy.model.compiled._link import Decision
from mldeploy.model.compiled._rows import Rows
from mldeploy.model.compiled._trees import TreeKernel
from mldeploy.model.compiling._asked import Asked
from mldeploy.model.compiling._gap import Yardstick, yardstick
from mldeploy.problem import Task

Train = Callable[..., Model]


def flights(n: int = 300, *, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    wind, hour = rng.gamma(2.0, 5.0, n).round(2), rng.integers(5, 24, n)
    carrier = rng.choice(["AA", "OO", "UA"], n)
    late = rng.uniform(size=n) < 1 / (1 + np.exp(-(wind - 10) / 4 - (hour - 14) / 5))
    return pl.DataFrame(
        {
            "wind": pl.Series(wind).set(pl.Series(rng.uniform(size=n) < 0.1), None),
            "hour": hour,
            "carrier": carrier,
            "y": np.where(late, "late", "on time"),
        }
    )


FLIGHTS = flights()
ROWS = FLIGHTS.drop("y")


def pipeline(estimator: Any, *, unknown: str = "ignore", scaled: bool = True) -> Pipeline:
    numbers = [SimpleImputer(), StandardScaler()] if scaled else [SimpleImputer()]
    return make_pipeline(
        make_column_transformer(
            (make_pipeline(*numbers), ["wind", "hour"]),
            (OneHotEncoder(handle_unknown=unknown, sparse_output=False), ["carrier"]),
        ),
        estimator,
    )


def compiled(model: Model) -> CompiledModel:
    return TableCompiler().compile(model)


def failed(report: Report) -> set[tuple[str, str | None]]:
    return {(f.name, f.slice) for f in report.findings if f.verdict is Verdict.FAIL}


@pytest.mark.parametrize(
    "estimator",
    [
        LogisticRegression(),
        SGDClassifier(random_state=0),
        DecisionTreeClassifier(max_depth=5, random_state=0),
        RandomForestClassifier(n_estimators=5, max_depth=8, random_state=0),
        HistGradientBoostingClassifier(max_iter=8, random_state=0),
    ],
    ids=lambda estimator: type(estimator).__name__,
)
def test_a_model_that_is_the_same_passes(train: Train, estimator: Any) -> None:
    model = train(pipeline(estimator), FLIGHTS)

    report = prove(model, compiled(model), ROWS)

    assert report.passed, report.to_text()
    assert {(f.name, f.slice) for f in report.findings} == {
        ("searched", None),
        *(
            (name, rows)
            for name in ("largest_difference", "label_flips", "refused_rows", "row_and_frame")
            for rows in ("real rows", "searched rows")
        ),
    }


def test_a_regression_and_three_classes_pass(train: Train) -> None:
    minutes = FLIGHTS.with_columns(y=pl.col("hour") * 3.5 + pl.col("wind").fill_null(9.0) ** 2)
    regression = train(pipeline(LinearRegression()), minutes, task=Task.REGRESSION)
    classes = FLIGHTS.with_columns(y=pl.Series(["b", "a", "c"] * 100))
    multiclass = train(pipeline(LogisticRegression()), classes, task=Task.MULTICLASS)

    for model in (regression, multiclass):
        report = prove(model, compiled(model), ROWS)
        assert report.passed, report.to_text()


def test_an_original_in_single_precision_is_held_to_a_millionth(train: Train) -> None:
    xgboost = pytest.importorskip("xgboost")
    model = train(pipeline(xgboost.XGBClassifier(n_estimators=5, max_depth=3)), _numbered())

    report = prove(model, compiled(model), ROWS)

    assert report.passed, report.to_text()
    assert {f.threshold for f in report.select(name="largest_difference")} == {1e-6}


def _numbered() -> pl.DataFrame:
    return FLIGHTS.with_columns(y=pl.col("y") == "late")


# --- models that are slightly wrong -------------------------------------------------------


def with_column(
    model: CompiledModel, kind: type, change: Callable[[Any], Any], *, source: int
) -> CompiledModel:
    columns = tuple(
        change(c) if isinstance(c, kind) and c.source == source else c
        for c in model.encoding.columns
    )
    assert columns != model.encoding.columns
    return replace(model, encoding=replace(model.encoding, columns=columns))


def with_arrays(
    model: CompiledModel, change: Callable[[Mapping[str, Any]], Mapping[str, Any]]
) -> CompiledModel:
    *first, last = model.kernels
    changed = type(last).restore(
        {**last.spec(), "kind": last.kind}, {**last.arrays(), **change(last.arrays())}
    )
    return replace(model, kernels=(*first, changed))


def others_as_the_first(rows: Rows) -> Rows:
    """Give values that are not known, whose row is the last but one, the row of the first key."""
    matrix = rows.dense.copy()
    matrix[-2] = matrix[0]
    return Rows.of(matrix)


def test_one_threshold_off_by_one_unit_in_the_last_place_is_found(train: Train) -> None:
    """The real rows cannot tell: no wind is that close to a threshold."""
    model = train(
        pipeline(HistGradientBoostingClassifier(max_iter=5, random_state=0), scaled=False), FLIGHTS
    )
    exact = compiled(model)
    assert isinstance(exact.kernels[-1], TreeKernel)

    def nudge(arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        edges = arrays["edges"].copy()
        edges[2] = np.nextafter(edges[2], np.inf)
        return {"edges": edges}

    report = prove(model, with_arrays(exact, nudge), ROWS)

    assert ("largest_difference", "searched rows") in failed(report)
    assert ("largest_difference", "real rows") not in failed(report)


def test_thresholds_in_single_precision_are_found(train: Train) -> None:
    model = train(
        pipeline(HistGradientBoostingClassifier(max_iter=5, random_state=0), scaled=False), FLIGHTS
    )

    def round_off(arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        return {"edges": arrays["edges"].astype(np.float32).astype(np.float64)}

    report = prove(model, with_arrays(compiled(model), round_off), ROWS)

    assert ("largest_difference", "searched rows") in failed(report)


def test_a_weight_off_by_a_millionth_is_found(train: Train) -> None:
    model = train(pipeline(LogisticRegression()), FLIGHTS)

    def nudge(arrays: Mapping[str, Any]) -> Mapping[str, Any]:
        (name,) = (n for n, a in arrays.items() if a.ndim == 2)
        return {name: arrays[name] * (1 + 1e-6)}

    report = prove(model, with_arrays(compiled(model), nudge), ROWS)

    (real,) = report.select(name="largest_difference", slice="real rows")
    assert ("largest_difference", "real rows") in failed(report)
    assert 1e-9 < (real.estimate or 0) < 1e-5
    assert real.details["share_beyond"] == pytest.approx(1, abs=0.2)


def test_another_value_for_what_is_missing_is_found(train: Train) -> None:
    """None is missing in the rows, and the schema allows it since it was in training."""
    model = train(pipeline(LogisticRegression()), FLIGHTS)

    def fill_otherwise(column: NumberColumn) -> NumberColumn:
        ops = tuple(
            replace(op, numbers=(op.numbers[0] + 1e-3,)) if op.name == "fill" else op
            for op in column.ops
        )
        return replace(column, ops=ops)

    other = with_column(compiled(model), NumberColumn, fill_otherwise, source=0)
    report = prove(model, other, ROWS.drop_nulls())

    assert ("largest_difference", "searched rows") in failed(report)
    assert ("largest_difference", "real rows") not in failed(report)


def test_another_answer_to_an_unseen_category_is_found(train: Train) -> None:
    model = train(pipeline(LogisticRegression()), FLIGHTS)

    def others_are_first(column: TableColumns) -> TableColumns:
        return replace(column, rows=others_as_the_first(column.rows))

    other = with_column(compiled(model), TableColumns, others_are_first, source=2)
    report = prove(model, other, ROWS)

    assert failed(report) >= {("largest_difference", "searched rows")}
    assert ("largest_difference", "real rows") not in failed(report)


def test_rows_that_only_the_original_refuses_are_found(train: Train) -> None:
    model = train(pipeline(LogisticRegression(), unknown="error"), FLIGHTS)
    exact = compiled(model)
    assert prove(model, exact, ROWS).passed

    def take_others_for_the_first(column: TableColumns) -> TableColumns:
        return replace(column, rows=others_as_the_first(column.rows), knows_others=True)

    lenient = with_column(exact, TableColumns, take_others_for_the_first, source=2)
    report = prove(model, lenient, ROWS)

    assert failed(report) == {("refused_rows", "searched rows")}
    (searched,) = report.select(name="searched")
    assert int(searched.details["refused_by_original"] or 0) > 5


def test_rows_that_only_the_compiled_model_refuses_are_found(train: Train) -> None:
    model = train(pipeline(LogisticRegression()), FLIGHTS)
    strict = with_column(
        compiled(model), TableColumns, lambda c: replace(c, knows_others=False), source=2
    )

    assert failed(prove(model, strict, ROWS)) == {("refused_rows", "searched rows")}


def test_another_decision_from_the_same_scores_is_found(train: Train) -> None:
    model = train(pipeline(LogisticRegression()), FLIGHTS)
    exact = compiled(model)
    other = replace(exact, head=replace(exact.head, decision=Decision.THRESHOLD, threshold=0.6))

    assert failed(prove(model, other, ROWS)) >= {("label_flips", "real rows")}


def test_rows_that_both_refuse_prove_nothing(train: Train) -> None:
    model = train(pipeline(LogisticRegression(), unknown="error"), FLIGHTS)
    unseen = ROWS.with_columns(carrier=pl.lit("ZZ"))

    report = prove(model, compiled(model), unseen)

    assert ("largest_difference", "real rows") in failed(report)


@dataclass(frozen=True)
class TwoMinded:
    """Answers rows in a frame well, and single rows a little otherwise."""

    model: CompiledModel
    shift: float

    def score_frame(self, frame: pl.DataFrame) -> Any:
        return self.model.score_frame(frame)

    def score_row(self, values: Sequence[Any]) -> Any:
        prediction, score = self.model.score_row(values)
        assert isinstance(score, float)
        return prediction, score + self.shift

    def breakpoints(self) -> Mapping[str, Any]:
        return self.model.breakpoints()


@pytest.mark.parametrize(("shift", "passes"), [(0.0, True), (1e-14, True), (1e-11, False)])
def test_a_row_alone_is_answered_as_it_is_in_a_frame(
    train: Train, shift: float, passes: bool
) -> None:
    model = train(pipeline(LogisticRegression()), FLIGHTS)
    other: Any = TwoMinded(compiled(model), shift)

    report = prove(model, other, ROWS)

    assert report.passed is passes
    assert {name for name, _ in failed(report)} == (set() if passes else {"row_and_frame"})


# --- the yardstick, by hand ---------------------------------------------------------------


def asked(
    scores: Sequence[float] | None, labels: Sequence[Any], *, refused: Sequence[int] = ()
) -> Asked:
    accepted = np.ones(len(labels) + len(refused), dtype=bool)
    accepted[list(refused)] = False
    return Asked(
        accepted=accepted,
        predictions=np.array(labels),
        scores=None if scores is None else np.array(scores),
    )


def test_probabilities_are_compared_as_they_are() -> None:
    rule = Yardstick(bar=1e-9, typical=None)

    gap = rule.gap(asked([0.2, 0.7, 0.9], [0, 1, 1]), asked([0.2, 0.7 + 3e-9, 0.4], [0, 1, 0]))

    assert gap.largest == pytest.approx(0.5)
    assert (gap.n_both, gap.n_beyond, gap.n_flips, gap.n_ties) == (3, 2, 1, 0)


def test_an_original_that_is_undecided_may_be_decided_otherwise() -> None:
    rule = Yardstick(bar=1e-9, typical=None)

    gap = rule.gap(asked([0.5, 0.5 + 1e-9], [1, 1]), asked([0.5, 0.5 + 1e-9], [0, 0]))

    assert (gap.n_ties, gap.n_flips) == (1, 1)


def test_numbers_are_compared_by_their_size_or_that_of_a_usual_one() -> None:
    """Usual is 1000: 5e-7 of it is 5e-10, and 1e306 of 1e308 is a hundredth."""
    original = asked(None, [1e-3, 1000.0, -1000.0, 1e308])
    rule = yardstick(original, probabilistic=False, jumps=False)

    gap = rule.gap(original, asked(None, [1e-3 + 5e-7, 1000.0, -1000.0, 1.01e308]))

    assert rule.typical == 1000.0
    assert gap.largest == pytest.approx(0.01)
    assert (gap.n_beyond, gap.n_flips) == (1, 0)


def test_what_is_no_number_equals_itself_only() -> None:
    rule = Yardstick(bar=1e-9, typical=None)
    nan, inf = float("nan"), float("inf")

    assert rule.gap(asked([nan, inf], [0, 0]), asked([nan, inf], [0, 0])).largest == 0.0
    assert rule.gap(asked([nan], [0]), asked([0.5], [0])).largest == inf
    assert rule.gap(asked([inf], [0]), asked([-inf], [0])).n_beyond == 1


def test_labels_of_another_type_are_other_labels_only_where_asked() -> None:
    """XGBoost answers 1 where it was trained on True, and the signature says True."""
    rule = Yardstick(bar=1e-9, typical=None)
    first, second = asked([0.9], [True]), asked([0.9], [1])

    assert rule.gap(first, second).n_flips == 0
    assert rule.gap(first, second, bar=1e-12, same_types=True).n_flips == 1


def test_rows_refused_by_one_of_the_two_are_counted_and_not_compared() -> None:
    rule = Yardstick(bar=1e-9, typical=None)
    original, other = (
        asked([0.1, 0.2], [0, 0], refused=[0]),
        asked([0.9, 0.2], [1, 0], refused=[1]),
    )

    gap = rule.gap(original, other)

    assert (gap.n_rows, gap.n_both, gap.n_only_one) == (3, 1, 2)
    assert gap.largest == 0.0


@pytest.mark.parametrize(
    ("dtype", "jumps", "bar"),
    [(np.float64, False, 1e-9), (np.float64, True, 1e-12), (np.float32, True, 1e-6)],
)
def test_the_bar_follows_what_the_original_calculates_in(
    dtype: type, jumps: bool, bar: float
) -> None:
    scores = Asked(
        accepted=np.ones(1, dtype=bool), predictions=np.zeros(1), scores=np.ones(1, dtype=dtype)
    )

    assert yardstick(scores, probabilistic=True, jumps=jumps).bar == bar
