"""Links, steps and breakpoints, by values worked by hand."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, KBinsDiscretizer, StandardScaler
from sklearn.tree import DecisionTreeClassifier

from mldeploy.data import ColumnSchema, Schema
from mldeploy.errors import IntegrityError
from mldeploy.model import Model, Signature
from mldeploy.model.compiled._link import Decision, Head, Link
from mldeploy.model.compiled._ops import FUNCTIONS, Op, applied, scalar_of
from mldeploy.model.compiled._pull_back import inverse
from mldeploy.model.compiling._tables import TableCompiler
from mldeploy.problem import Task

ONE_COLUMN = Schema(columns=(ColumnSchema(name="x", kind="number"),))


def head(link: Link, decision: Decision, *, n_classes: int = 2, **settings: object) -> Head:
    labels = ("early", "late", "never")[:n_classes]
    task = Task.BINARY if n_classes == 2 else Task.MULTICLASS
    signature = Signature(
        task=task, inputs=ONE_COLUMN, target="y", classes=labels, probabilistic=True,
        positive="late" if n_classes == 2 else None,
    )  # fmt: skip
    return Head(link=link, decision=decision, signature=signature, **settings)


@pytest.mark.parametrize(
    ("link", "decision", "outputs", "label", "score"),
    [
        (Link.SIGMOID, Decision.POSITIVE, [math.log(3)], "late", 0.75),
        (Link.SIGMOID, Decision.POSITIVE, [0.0], "early", 0.5),
        (Link.SIGMOID, Decision.NONNEGATIVE, [0.0], "late", 0.5),
        (Link.SIGMOID, Decision.POSITIVE, [-1000.0], "early", 0.0),
        (Link.SIGMOID, Decision.POSITIVE, [5e-324], "late", 0.5),
        (Link.SIGMOID, Decision.LARGEST_SHARE, [1e-20], "early", 0.5),
        (Link.SIGMOID_TWICE, Decision.POSITIVE, [math.log(3) / 2], "late", 0.75),
        (Link.MARGIN, Decision.POSITIVE, [-2.5], "early", -2.5),
        (Link.SOFTMAX, Decision.LARGEST_OUTPUT, [0.0, math.log(4)], "late", 0.8),
        (Link.SIGMOIDS, Decision.LARGEST_OUTPUT, [0.0, math.log(3)], "late", 0.6),
        (Link.SIGMOIDS, Decision.LARGEST_OUTPUT, [-1e4, -1e4], "early", 0.5),
        (Link.PROBABILITIES, Decision.LARGEST_SHARE, [0.5, 0.5], "early", 0.5),
    ],
)
def test_two_classes_are_told_apart_as_worked_by_hand(
    link: Link, decision: Decision, outputs: list[float], label: str, score: float
) -> None:
    answer = head(link, decision)

    assert answer.one(outputs) == (label, pytest.approx(score, abs=1e-15))
    labels, scores = answer.many(np.array([outputs]))
    assert labels.tolist() == [label]
    assert scores is not None
    assert scores.tolist() == pytest.approx([score], abs=1e-15)


def test_votes_of_three_classes_are_halved_before_the_softmax() -> None:
    answer = head(Link.VOTES, Decision.LARGEST_OUTPUT, n_classes=3)

    label, scores = answer.one([0.0, 2 * math.log(2), 0.0])

    assert label == "late"
    assert scores == pytest.approx((0.25, 0.5, 0.25))


@pytest.mark.parametrize(("threshold", "label"), [(0.2, "late"), (0.3, "early")])
def test_a_threshold_decides_at_its_value_and_above(threshold: float, label: str) -> None:
    answer = head(Link.PROBABILITIES, Decision.THRESHOLD, threshold=threshold)

    assert answer.one([0.8, 0.2])[0] == label
    assert answer.many(np.array([[0.8, 0.2]]))[0].tolist() == [label]


@pytest.mark.parametrize(
    ("link", "decision", "n_outputs"),
    [
        (Link.SIGMOID, Decision.POSITIVE, 2),
        (Link.SOFTMAX, Decision.LARGEST_OUTPUT, 3),
        (Link.MARGIN, Decision.LARGEST_OUTPUT, 1),
        (Link.IDENTITY, Decision.VALUE, 1),
        (Link.PROBABILITIES, Decision.VALUE, 2),
    ],
)
def test_outputs_that_do_not_fit_two_classes_are_refused(
    link: Link, decision: Decision, n_outputs: int
) -> None:
    with pytest.raises(IntegrityError, match="do not fit"):
        head(link, decision).require_outputs(n_outputs)


steps = st.one_of(
    st.builds(Op, st.sampled_from(sorted(FUNCTIONS))),
    st.builds(
        lambda name, number: Op(name, (number,)),
        st.sampled_from(["add", "divide", "fill", "multiply", "subtract", "equals", "above"]),
        st.floats(-1e3, 1e3).filter(bool),
    ),
    st.just(Op("is missing")),
    st.just(Op("clip", (-1.0, 1.0))),
    st.just(Op("replace", (0.0, 5.0))),
    st.just(Op("bins", (-1.0, 0.0, 2.0))),
    st.just(Op("yeo-johnson", (0.5,))),
    st.just(Op("quantile", (-1.0, 0.0, 2.0, 0.0, 0.5, 1.0))),
)


@given(st.lists(steps, min_size=1, max_size=4), st.floats())
def test_one_value_goes_the_same_steps_as_many(ops: list[Op], x: float) -> None:
    with np.errstate(all="ignore"):
        many = applied(tuple(ops), np.array([x, 1.0]))[0]
        one = scalar_of(tuple(ops))(x)

    np.testing.assert_array_equal(one, many)


rising = st.one_of(
    st.builds(
        lambda name, number: Op(name, (number,)),
        st.sampled_from(["add", "divide", "multiply", "subtract"]),
        st.floats(0.01, 100),
    ),
    st.builds(Op, st.sampled_from(["arctan", "cbrt", "expm1", "tanh", "arcsinh"])),
)


@given(st.lists(rising, max_size=3).map(tuple), st.floats(-2, 2))
def test_the_answer_changes_right_after_the_inverse_of_a_threshold(
    ops: tuple[Op, ...], threshold: float
) -> None:
    with np.errstate(all="ignore"):
        for last in inverse(ops, np.array([threshold])).tolist():
            around = np.array([last, math.nextafter(last, math.inf)])
            before, after = applied(ops, around).tolist()
            assert before <= threshold < after


def test_breakpoints_of_a_tree_are_told_in_raw_values(fit: Callable[..., Model]) -> None:
    """Split between 4 and 6 of wind: the last raw value on the left is 5, before and after."""
    rows = pl.DataFrame({"wind": [2.0, 4.0, 6.0, 8.0] * 3, "y": [False, False, True, True] * 3})
    model = fit(
        make_pipeline(SimpleImputer(), StandardScaler(), DecisionTreeClassifier(max_depth=1)), rows
    )
    compiled = TableCompiler().compile(model)

    (edge,) = compiled.breakpoints()["wind"]

    assert edge == pytest.approx(5.0, abs=1e-6)
    answers = [compiled.score_row((x,))[0] for x in (edge, math.nextafter(edge, math.inf))]
    assert answers == [False, True]
    assert model.predict(pl.DataFrame({"wind": [edge, math.nextafter(edge, 9)]})).tolist() == (
        answers
    )


def test_breakpoints_of_bins_are_their_edges(fit: Callable[..., Model]) -> None:
    rows = pl.DataFrame({"wind": np.arange(9.0), "hour": np.arange(9), "y": np.arange(9.0) ** 2})
    encoding = make_column_transformer(
        (KBinsDiscretizer(2, strategy="uniform", encode="ordinal"), ["wind"]),
        (FunctionTransformer(np.sqrt), ["hour"]),
    )
    compiled = TableCompiler().compile(fit(make_pipeline(encoding, LinearRegression()), rows))

    assert {name: v.tolist() for name, v in compiled.breakpoints().items()} == {"wind": [4.0]}
