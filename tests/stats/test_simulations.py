"""A fast subset of the simulations: error rates that decisions promise, with derived bounds."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from simulations import BARS, Bar, run
from simulations.__main__ import main, table

LEVEL = 1e-4
"""Chance that a promise which is kept fails here, each; the seeds are fixed."""
QUICK = [bar for bar in BARS if bar.quick]


@pytest.mark.slow
@pytest.mark.parametrize("bar", QUICK, ids=[f"{b.decision}: {b.promise}" for b in QUICK])
def test_the_promise_is_not_refuted(bar: Bar) -> None:
    """A rate by the binomial tail at the bar, a mean by Student's interval, at 1e-4 each."""
    outcome = run(bar, repetitions=bar.quick)

    assert not outcome.refuted(LEVEL), outcome.estimate


def test_every_bar_has_its_own_name_and_range() -> None:
    assert len({(bar.decision, bar.promise) for bar in BARS}) == len(BARS)
    assert all(bar.low < bar.high for bar in BARS)


def test_a_broken_promise_is_refuted() -> None:
    """Fair coins at a bar of .2: 100 of them refute it; a bar of .6 stands."""
    coin = Bar(
        decision="coin", promise="heads", trial=lambda rng: bool(rng.random() < 0.5), high=0.2
    )

    outcome = run(coin, repetitions=100)

    assert outcome.refuted(LEVEL)
    assert outcome.holds is False
    fair = run(dataclasses.replace(coin, high=0.6), repetitions=100)
    assert not fair.refuted(LEVEL)
    assert fair.holds is True


def test_a_mean_is_compared_with_its_range() -> None:
    error = Bar(
        decision="error", promise="mean", trial=lambda rng: float(rng.normal()), low=0.5, high=1.0
    )

    outcome = run(error, repetitions=200)

    assert not outcome.is_rate
    assert outcome.refuted(LEVEL)


def test_chance_alone_leaves_it_open_and_seconds_end_it() -> None:
    """20 times 50 fair coins at a bar of .5: half hold, .475 are open, .025 seem broken."""
    coin = Bar(
        decision="coin", promise="heads", trial=lambda rng: bool(rng.random() < 0.5), high=0.5
    )
    outcomes = [run(dataclasses.replace(coin, promise=str(i)), repetitions=50) for i in range(20)]

    said = [outcome.holds for outcome in outcomes]
    assert said.count(True) >= 5
    assert said.count(None) >= 3
    assert said.count(False) <= 4
    assert len(run(coin, repetitions=10_000, seconds=0.0).values) == 20


def test_the_command_prints_the_table_of_the_bars_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--repetitions", "30", "--only", "Wilson covers"]) == 0

    printed = capsys.readouterr().out
    assert "| metric interval | Wilson covers, 60 rows | 0.93 to 0.97 |" in printed
    assert table([]).count("\n") == 2


def test_the_same_name_gives_the_same_figures() -> None:
    bar = next(bar for bar in BARS if bar.promise.startswith("Newcombe"))

    assert np.array_equal(run(bar, repetitions=20).values, run(bar, repetitions=20).values)
