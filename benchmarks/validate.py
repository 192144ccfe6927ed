"""How long it takes to judge a model on 100,000 rows of 30 columns, and to be told again.

The bars: under 60 s on two cores with the default validators, under 0.5 s when nothing has
changed, also in another process, and under 2 s for the report as HTML. CPU seconds are shown
beside those of the clock, since machines are shared.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import numpy as np
import pandas as pd
from sklearn.compose import make_column_selector, make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from mldeploy.evidence import text_table
from mldeploy.problem import Criterion, Problem
from mldeploy.project import Project
from mldeploy.validation import ValidatorSuite, default_validators

N_ROWS = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
PROBLEM = Problem(
    name="late",
    statement="Is it late?",
    target="late",
    positive=1,
    prediction_time="at",
    sensitive=["c1"],
    criteria=[
        Criterion("roc_auc", at_least=0.6, better_than="baseline", by=0.02),
        Criterion("average_precision", at_least=0.5),
        Criterion("balanced_accuracy", at_least=0.5),
        Criterion("recall", at_least=0.3, slices=["c0"]),
        Criterion("brier", at_most=0.25),
        Criterion("latency_p99", at_most=timedelta(milliseconds=50)),
        Criterion("model_size", at_most=100),
    ],
)

T = TypeVar("T")


def table(n: int, seed: int) -> pd.DataFrame:
    """Return 20 reals, 6 integers, 4 columns of text, a time and a label."""
    rng = np.random.default_rng(seed)
    columns: dict[str, object] = {f"x{i}": rng.normal(size=n) for i in range(20)}
    columns |= {f"k{i}": rng.integers(0, 50, n) for i in range(6)}
    columns |= {f"c{i}": rng.choice(list("abcdefgh"), n) for i in range(4)}
    frame = pd.DataFrame(columns)
    eta = frame["x0"] + 0.5 * frame["x1"] * frame["x2"] + 0.3 * (frame["c0"] == "a")
    frame["late"] = (rng.random(n) < 1 / (1 + np.exp(-eta))).astype(int)
    frame["at"] = pd.date_range("2030-01-01", periods=n, freq="min", tz="UTC")
    return frame


def timed(call: Callable[[], T]) -> tuple[T, float, float]:
    """Return what a call returns, with the seconds of the clock and of the processor."""
    begin, cpu = time.perf_counter(), time.process_time()
    result = call()
    return result, time.perf_counter() - begin, time.process_time() - cpu


def main() -> None:
    """Print the tables."""
    text = OrdinalEncoder(), make_column_selector(dtype_exclude="number")
    encode = make_column_transformer(text, remainder="passthrough")
    estimator = make_pipeline(encode, HistGradientBoostingClassifier(random_state=0))
    frame = table(N_ROWS, 2)
    with tempfile.TemporaryDirectory() as folder, Project(PROBLEM, store=folder) as project:
        model = project.train(estimator, project.data(table(20_000, 1)))
        data = project.data(frame)
        rows: list[tuple[str, str, str]] = []

        def show(name: str, call: Callable[[], T]) -> T:
            result, wall, cpu = timed(call)
            rows.append((name, f"{wall:.2f} s", f"{cpu:.2f} s"))
            return result

        name = f"validate {N_ROWS:,} rows x {len(data.columns)} columns"
        report = show(name, lambda: project.validate(model, data))
        show("the same again", lambda: project.validate(model, data))
        with Project(PROBLEM, store=folder) as other:
            show("the same rows, read anew", lambda: other.validate(model, other.data(frame)))
        show("the report as HTML", report.to_html)
        suite = default_validators(PROBLEM)
        assert isinstance(suite, ValidatorSuite)
        for part in suite.validators:
            show(
                f"alone: {type(part).__name__}",
                lambda part=part: part.validate(model, data, PROBLEM),  # type: ignore[misc]
            )
    print(text_table(("What", "Clock", "CPU"), rows))


if __name__ == "__main__":
    main()
