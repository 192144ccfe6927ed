"""Of several compilers the fastest that is equal is kept; what is not equal, never."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from mldeploy.data import Schema
from mldeploy.errors import MissingExtraError, NotCompilableError
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.model import CompiledModel, Model, TableCompiler, compile_model
from mldeploy.model.compiled._dense import Take
from mldeploy.model.compiled._link import Decision, Link

Train = Callable[..., Model]

X = np.random.default_rng(0).normal(size=(200, 3))
FRAME = pl.DataFrame(X, schema=["a", "b", "c"]).with_columns(y=pl.col("a") + pl.col("b") > 0)


@dataclass(frozen=True)
class Changed:
    """Compiles as `TableCompiler` does, and changes what came of it."""

    name: str
    change: Callable[[CompiledModel], CompiledModel]

    def compile(self, model: Model) -> CompiledModel:
        return self.change(TableCompiler().compile(model))


def slower(model: CompiledModel) -> CompiledModel:
    """Put a detour before the weighted sum, which cannot be fused then."""
    width = model.encoding.n_outputs
    detour = Take(columns=np.arange(width), width=width)
    return replace(model, kernels=(detour, *model.kernels))


def wrong(model: CompiledModel) -> CompiledModel:
    return replace(
        model, head=replace(model.head, decision=Decision.POSITIVE, link=Link.SIGMOID_TWICE)
    )


def raising(model: CompiledModel) -> CompiledModel:
    raise ZeroDivisionError("no reason")


def without_extra(model: CompiledModel) -> CompiledModel:
    raise MissingExtraError("the compiler", extra="compile")


@pytest.fixture(scope="module")
def model(train: Train) -> Model:
    return train(make_pipeline(StandardScaler(), LogisticRegression()), FRAME)


def serves(findings: tuple[Finding, ...]) -> Finding:
    (finding,) = (f for f in findings if f.name == "serves")
    return finding


@pytest.mark.parametrize("turn", [1, -1])
def test_the_fastest_that_is_equal_is_kept_in_whatever_order(model: Model, turn: int) -> None:
    compilers = [Changed("slow", slower), Changed("wrong", wrong), TableCompiler(name="fast")]

    found = compile_model(model, FRAME, compilers[::turn])

    assert found.report.passed
    assert serves(found.report.findings).details["compiler"] == "fast"
    assert found.files == TableCompiler().compile(model).to_files()
    times = {
        str(f.details["compiler"]): f.estimate for f in found.report.select(name="time_of_one_row")
    }
    assert (times["fast"] or 0) < (times["slow"] or 0)
    beside = [f for f in found.report.findings if f.summary.startswith(("slow: ", "wrong: "))]
    assert {f.severity for f in beside} == {Severity.INFO}
    assert any(f.verdict is Verdict.FAIL for f in beside)


def test_what_is_not_equal_does_not_serve_and_the_report_says_so(model: Model) -> None:
    found = compile_model(model, FRAME, [Changed("wrong", wrong)])

    assert (found.compiled, dict(found.files)) == (None, {})
    assert str(found.report.verdict) == "FAIL"
    assert "The original serves: what was compiled is not equal" in found.report.to_text()
    assert "Scores of 200 real rows differ by at most" in serves(found.report.findings).summary
    assert "compiled" not in found.report.about


def test_every_step_that_is_not_known_is_named(train: Train) -> None:
    steps = make_pipeline(
        FunctionTransformer(np.sinc), FunctionTransformer(np.i0), LogisticRegression()
    )
    model = train(steps, FRAME)
    with pytest.raises(NotCompilableError) as error:
        TableCompiler().compile(model)

    found = compile_model(model, FRAME)

    assert found.compiled is None
    assert str(found.report.verdict) == "FAIL"
    told = [f.summary for f in found.report.select(name="unsupported")]
    assert told == [f"tables: {step}" for step in error.value.steps]
    assert all(text in serves(found.report.findings).summary for text in told)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (raising, "tried: raised ZeroDivisionError: no reason"),
        (without_extra, "pip install 'mldeploy[compile]'"),
    ],
)
def test_a_compiler_that_raises_is_reported_and_the_next_one_tried(
    model: Model, change: Callable[[CompiledModel], CompiledModel], says: str
) -> None:
    found = compile_model(model, FRAME, [Changed("tried", change), TableCompiler()])

    assert found.report.passed
    assert found.compiled is not None
    assert says in "".join(f.summary for f in found.report.select(name="unsupported"))


def test_without_a_compiler_or_a_row_the_original_serves(model: Model) -> None:
    none = compile_model(model, FRAME, [])
    strict = replace(
        model,
        signature=model.signature.model_copy(
            update={
                "inputs": model.signature.inputs.edit(
                    "a", minimum=-99, maximum=-98, strict_range=True
                )
            }
        ),
    )
    nothing = compile_model(strict, FRAME)

    assert "no compiler was asked" in serves(none.report.findings).summary
    assert "there is no real row to prove it on" in serves(nothing.report.findings).summary
    assert none.compiled is nothing.compiled is None
    assert not none.report.passed
    assert not nothing.report.passed


def test_rows_that_the_schema_refuses_prove_nothing(model: Model) -> None:
    """Of 200 rows a quarter is refused, and the others are held against the original."""
    hole = FRAME.with_columns(
        a=pl.when(pl.int_range(pl.len()) % 4 == 0).then(None).otherwise(pl.col("a"))
    )

    found = compile_model(model, hole)

    (real,) = found.report.select(name="largest_difference", slice="real rows")
    assert real.n == 150


class Unknown(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """An estimator that no compiler can know, and that raises on what is far away."""

    def fit(self, X: Any, y: Any) -> Unknown:
        self.classes_ = np.unique(y)
        return self

    def predict(self, X: Any) -> Any:
        return np.asarray(X)[:, 0] > 0


def test_an_estimator_of_ones_own_is_named_as_unsupported(train: Train) -> None:
    report = compile_model(train(Unknown(), FRAME), FRAME).report

    assert "Unknown" in serves(report.findings).summary


def test_what_is_compiled_is_of_the_schema_that_is_served(model: Model) -> None:
    schema: Schema = model.signature.inputs

    found = compile_model(model, FRAME)

    assert found.compiled is not None
    assert found.compiled.signature.inputs == schema
    assert found.compiled.digest == model.digest == found.report.about["model"]
