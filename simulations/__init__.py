"""Simulations with known truth: every error rate that a decision of mldeploy promises.

``make simulate`` runs them all and writes ``docs/simulations.md``; the tests run a fast subset.
"""

from simulations import assessors, comparisons, decisions, intervals, looks, shifts, streams
from simulations._bar import Bar, Outcome, run, run_all

BARS: tuple[Bar, ...] = (
    *intervals.BARS,
    *comparisons.BARS,
    *decisions.BARS,
    *looks.BARS,
    *streams.BARS,
    *shifts.BARS,
    *assessors.BARS,
)

__all__ = ["BARS", "Bar", "Outcome", "run", "run_all"]
