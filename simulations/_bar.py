"""A bar: what a statistic promises, and one repetition of the experiment that shows it."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import special
from tqdm import tqdm

from mldeploy.stats import Estimate, mean_interval, wilson

AMONG = 100
"""Bars that are judged together, at most."""
Trial = Callable[[np.random.Generator], bool | float]
"""One repetition: whether the event happened, or how large an error was."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """A promise about the rate of an event, or about the mean of an error.

    Attributes
    ----------
    decision : str
        What is decided, in the words of the table of methods.
    promise : str
        The scenario and the event or error.
    trial : callable
        One repetition of it.
    low, high : float
        Where the rate (or the mean) lies if the promise is kept.
    quick : int
        Repetitions of the fast subset; 0 leaves the bar to the full run.
    warning : bool
        Whether it shows what goes wrong without the method, and not the method.
    """

    decision: str
    promise: str
    trial: Trial
    low: float = 0.0
    high: float = 1.0
    quick: int = 0
    warning: bool = False


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What some repetitions of a bar showed."""

    bar: Bar
    values: tuple[bool | float, ...]
    seconds: float

    @property
    def is_rate(self) -> bool:
        """Whether each repetition tells if an event happened, and not how large an error was."""
        return all(isinstance(value, bool | np.bool_) for value in self.values)

    @property
    def estimate(self) -> Estimate:
        """The rate by Wilson, or the mean by Student, with its Monte-Carlo interval."""
        if self.is_rate:
            return wilson(sum(self.values), len(self.values))
        return mean_interval(self.values)

    @property
    def holds(self) -> bool | None:
        """Whether the promise is kept; None where chance explains that it seems not.

        Some of many bars are missed by chance: what is called broken would have a chance below
        5 % among `AMONG` of them.
        """
        if self.bar.low <= self.estimate.value <= self.bar.high:
            return True
        return False if self.refuted(0.05 / AMONG) else None

    def refuted(self, level: float) -> bool:
        """Tell whether so extreme a figure has a chance below `level` if the promise is kept."""
        n = len(self.values)
        if self.is_rate:
            k = int(sum(self.values))
            too_many = 1 - special.bdtr(k - 1, n, self.bar.high) if k else 1.0
            too_few = special.bdtr(k, n, self.bar.low) if k < n else 1.0
            return bool(min(too_many, too_few) < level)
        interval = mean_interval(self.values, confidence=1 - 2 * level).interval
        return interval.high < self.bar.low or interval.low > self.bar.high


def run(
    bar: Bar, *, repetitions: int, seconds: float = np.inf, before: Outcome | None = None
) -> Outcome:
    """Repeat a trial as often as asked, or until the seconds are spent; 20 times at least.

    An outcome `before` of the same bar is continued: the figures are those of one run.
    """
    seed = zlib.crc32(f"{bar.decision}: {bar.promise}".encode())
    begin, values = time.perf_counter(), list(before.values if before else ())
    for child in np.random.SeedSequence(seed).spawn(repetitions)[len(values) :]:
        if len(values) >= 20 and time.perf_counter() - begin > seconds:
            break
        values.append(bar.trial(np.random.default_rng(child)))
    return Outcome(
        bar=bar,
        values=tuple(values),
        seconds=time.perf_counter() - begin + (before.seconds if before else 0.0),
    )


def run_all(
    bars: Sequence[Bar],
    *,
    repetitions: int,
    minutes: float,
    least: int = 20,
    each: Callable[[Sequence[Outcome]], None] = lambda _: None,
) -> list[Outcome]:
    """Repeat every bar `least` times, then share the minutes that are left, fast ones first.

    Parameters
    ----------
    bars : sequence of Bar
        What is run.
    repetitions : int
        Of each bar at most.
    minutes : float
        Of all together; 20 repetitions of each are made whatever they take.
    least : int
        Repetitions of each that come first.
    each : callable
        Is handed all outcomes so far after each bar, so that nothing is lost.
    """
    end = time.perf_counter() + 60 * minutes
    found: dict[int, Outcome] = {}

    def repeat(index: int, times: int, seconds: float) -> None:
        found[index] = run(
            bars[index], repetitions=times, seconds=seconds, before=found.get(index)
        )
        each([found[i] for i in sorted(found)])

    for index in tqdm(range(len(bars)), desc="bars"):
        repeat(index, min(least, repetitions), end - time.perf_counter())
    while waiting := [i for i, outcome in found.items() if len(outcome.values) < repetitions]:
        if time.perf_counter() > end:
            break
        waiting.sort(key=lambda i: found[i].seconds / len(found[i].values))
        for position, index in enumerate(tqdm(waiting, desc="more of each")):
            share = (end - time.perf_counter()) / (len(waiting) - position)
            repeat(index, repetitions, share)
    return [found[i] for i in sorted(found)]
