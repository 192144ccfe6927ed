"""Windows of a small deployment whose truth is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest

from mldeploy.data import Schema
from mldeploy.model import Signature
from mldeploy.monitoring import Reference, Window
from mldeploy.problem import Criterion, Problem, Task

START = datetime(2030, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
DELAY = timedelta(hours=8)


@dataclass(frozen=True, kw_only=True)
class World:
    """Makes windows of answers: `day(i)` is the i-th day of an unchanging world."""

    problem: Problem
    signature: Signature
    n_rows: int = 900

    def answers(self, rng: np.random.Generator, start: datetime, **changes: Any) -> pl.DataFrame:
        """Return a day's answers; `gap` is the distance of the classes' scores in sd."""
        n, gap = changes.get("n_rows", self.n_rows), changes.get("gap", 1.0)
        late = rng.random(n) < 0.22
        score = 1 / (1 + np.exp(-(rng.normal(size=n) + gap * late - 1)))
        times = np.sort(rng.integers(0, 86_400, n)).astype("timedelta64[s]")
        return pl.DataFrame(
            {
                "time": np.datetime64(start.replace(tzinfo=None), "us") + times,
                "prediction": score > 0.5,
                "score": score,
                "error": pl.Series([None] * n, dtype=pl.String),
                "latency_s": rng.exponential(0.004, n),
                "wind": rng.normal(10, 3, n),
                "distance": rng.integers(100, 3000, n),
                "carrier": rng.choice(["AA", "UA", "B6", "OO"], n, p=[0.4, 0.3, 0.2, 0.1]),
                "label": late,
            }
        ).with_columns(
            pl.col("time").dt.replace_time_zone("UTC"),
            wind=pl.when(pl.Series(rng.random(n) < 0.02)).then(None).otherwise(pl.col("wind")),
        )

    def window(self, answers: pl.DataFrame, start: datetime, **settings: Any) -> Window:
        """Return the window of a day, by default as it is known once its labels have come."""
        known = {"end": start + DAY, "as_of": start + DAY + DELAY} | settings
        return Window(
            answers=answers, start=start, problem=self.problem, signature=self.signature, **known
        )

    def day(self, rng: np.random.Generator, i: int = 0, **changes: Any) -> Window:
        """Return the window of the i-th day."""
        start = START + i * DAY
        return self.window(self.answers(rng, start, **changes), start)

    def reference(self, rng: np.random.Generator, *, history: int = 0, n_rows: int = 9000) -> Any:
        """Return a reference from `n_rows` rows and some days before the first."""
        rows = self.window(self.answers(rng, START - 90 * DAY, n_rows=n_rows), START - 90 * DAY)
        past = [self.day(rng, -1 - i).profile for i in range(history)]
        return Reference.of(rows.profile, rows.labelled, self.problem, history=past)


CRITERIA = (
    Criterion("roc_auc", at_least=0.7, better_than="baseline", by=0.02),
    Criterion("recall", at_least=0.2, slices=["carrier"]),
    Criterion("latency_p99", at_most=timedelta(milliseconds=40)),
    Criterion("missing_share", at_most=0.05, columns=["wind"]),
)


@pytest.fixture(scope="session")
def make_world() -> Callable[..., World]:
    """Return a maker of worlds with the given criteria."""

    def make(*criteria: Criterion, n_rows: int = 900, **settings: Any) -> World:
        problem = Problem(
            name="late",
            statement="Which flights land late?",
            target="late",
            positive=True,
            label_delay=DELAY,
            criteria=criteria or CRITERIA,
            **settings,
        )
        shape = pl.DataFrame(
            {"wind": [1.0, None], "distance": [100, 3000], "carrier": ["AA", "UA"]}
        )
        signature = Signature(
            task=Task.BINARY,
            inputs=Schema.infer(shape),
            target="late",
            classes=(False, True),
            positive=True,
            probabilistic=True,
        )
        return World(problem=problem, signature=signature, n_rows=n_rows)

    return make


@pytest.fixture(scope="session")
def world(make_world: Callable[..., World]) -> World:
    """Return a world with criteria of every kind."""
    return make_world()
