"""A fast subset of the simulations: error rates that decisions promise, with derived bounds."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from simulations import BARS, Bar, Outcome, run, run_all
from simulations.__main__ import main

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
    """20 times 50 fair coins at a bar of .5: half hold, and none is refuted at 5e-4."""
    coin = Bar(
        decision="coin", promise="heads", trial=lambda rng: bool(rng.random() < 0.5), high=0.5
    )
    outcomes = [run(dataclasses.replace(coin, promise=str(i)), repetitions=50) for i in range(20)]

    assert {outcome.holds for outcome in outcomes} == {True, None}
    assert len(run(coin, repetitions=10_000, seconds=0.0).values) == 20


def test_a_run_that_is_continued_has_the_figures_of_one_run() -> None:
    die = Bar(decision="die", promise="mean", trial=lambda rng: float(rng.integers(6)))
    whole, first = run(die, repetitions=60), run(die, repetitions=25)

    assert run(die, repetitions=60, before=first).values == whole.values


def test_slow_lines_get_their_repetitions_before_others_get_more() -> None:
    """Without minutes each is repeated 20 times; with them all that is asked for."""
    coin = Bar(decision="coin", promise="a", trial=lambda rng: bool(rng.random() < 0.5))
    other = dataclasses.replace(coin, promise="b")
    shown: list[list[int]] = []

    def show(outcomes: Sequence[Outcome]) -> None:
        shown.append([len(outcome.values) for outcome in outcomes])

    found = run_all([coin, other], repetitions=150, minutes=1.0, least=100, each=show)

    assert [len(o.values) for o in run_all([coin, other], repetitions=150, minutes=0.0)] == [
        20,
        20,
    ]
    assert [outcome.bar.promise for outcome in found] == ["a", "b"]
    assert shown[:2] == [[100], [100, 100]]
    assert shown[-1] == [150, 150]


def test_the_command_writes_the_page_and_later_only_the_lines_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "page.md"
    asked = ["--only", "Wilson covers", "--output", str(page)]

    assert main(["--repetitions", "30", *asked]) == 0
    first = page.read_text()
    assert main(["--repetitions", "40", *asked]) == 0
    again = page.read_text()

    assert "| metric interval | Wilson covers, 60 rows | 0.93 to 0.97 |" in first
    assert "| 30 |" in first
    assert "| 40 |" in again
    assert len(again.splitlines()) == len(first.splitlines())
    assert main(["--repetitions", "20", "--only", "Newcombe", "--output", str(page)]) == 0
    assert len(page.read_text().splitlines()) == len(first.splitlines()) + 1
    assert "| 40 |" in page.read_text()
    assert capsys.readouterr().out.count("Wilson covers") == 2


def test_the_same_name_gives_the_same_figures() -> None:
    bar = next(bar for bar in BARS if bar.promise.startswith("Newcombe"))

    assert np.array_equal(run(bar, repetitions=20).values, run(bar, repetitions=20).values)
