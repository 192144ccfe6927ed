"""Run the simulations and write what they showed.

``python -m simulations --repetitions 1000 --minutes 60 --only canary``
"""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from simulations import BARS, Outcome, run_all

PAGE = Path(__file__).resolve().parents[1] / "docs" / "simulations.md"
WORDS = {True: "holds", False: "**does not hold**", None: "within chance"}
HEAD = """# Simulations

Each error rate that a decision rests on, simulated with known truth. A line is a promise (the
bar), the figure seen with the 95 % interval that the number of repetitions leaves it, and whether
the promise holds: *within chance* where the figure is beyond the bar by no more than is to be
expected of the worst of a hundred, as happens to tests that keep their level exactly. *Without the
method* marks what happens when one decides by the usual rule instead; its bar only says where such
a figure is expected.
`make simulate` writes this page; the tests run a fast subset of the same experiments, and fail
where a figure would have a chance below 1 in 10,000 if the promise held.

"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the bars that are asked for; return 1 if one does not hold."""
    parser = argparse.ArgumentParser(prog="simulations", description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=1000, help="of each line at most")
    parser.add_argument("--minutes", type=float, default=60.0, help="at most, for all lines")
    parser.add_argument("--only", default="", help="renew or add the lines that hold this")
    parser.add_argument("--output", type=Path, default=PAGE, help="page that is written")
    asked = parser.parse_args(arguments)
    bars = [bar for bar in BARS if asked.only in f"{bar.decision}: {bar.promise}"]
    before = asked.output.read_text() if asked.only and asked.output.exists() else None

    def write(outcomes: Sequence[Outcome]) -> None:
        rows = table(outcomes)
        page = HEAD + rows + "\n" + foot(outcomes) if before is None else updated(before, rows)
        asked.output.write_text(page)

    outcomes = run_all(bars, repetitions=asked.repetitions, minutes=asked.minutes, each=write)
    sys.stdout.write(table(outcomes))
    return int(any(outcome.holds is False for outcome in outcomes))


def table(outcomes: Sequence[Outcome]) -> str:
    """Return the outcomes as a table in Markdown."""
    lines = [
        "| Decision | Promise | Bar | Seen | 95 % interval | Repetitions | Seconds | |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    lines += [f"| {' | '.join(_cells(outcome))} |" for outcome in outcomes]
    return "\n".join(lines) + "\n"


def updated(page: str, rows: str) -> str:
    """Return a page whose lines about the same promises are replaced; new ones come last."""
    new = {_key(line): line for line in rows.splitlines()[2:]}
    lines = [new.pop(_key(line), line) for line in page.splitlines()]
    end = max(i for i, line in enumerate(lines, start=1) if line.startswith("| "))
    return "".join(f"{line}\n" for line in [*lines[:end], *new.values(), *lines[end:]])


def _key(line: str) -> tuple[str, ...]:
    return tuple(line.split(" | ")[:2])


def foot(outcomes: Sequence[Outcome]) -> str:
    """Return when and on what the figures were seen."""
    total = sum(outcome.seconds for outcome in outcomes)
    return (
        f"{datetime.now(UTC):%d %B %Y}, Python {platform.python_version()}, "
        f"{total / 60:.0f} minutes on a shared core. Each line is repeated twenty times, then as "
        "often as its part of the minutes that are left allows, a thousand times at most.\n"
    )


def _cells(outcome: Outcome) -> list[str]:
    bar, figure = outcome.bar, outcome.estimate
    promise = f"*without the method:* {bar.promise}" if bar.warning else bar.promise
    return [
        bar.decision,
        promise,
        _range(bar.low, bar.high, is_rate=outcome.is_rate),
        f"{figure.value:.3g}" if not outcome.is_rate else f"{figure.value:.3f}",
        f"{figure.interval.low:.3g} to {figure.interval.high:.3g}",
        f"{len(outcome.values):,}",
        f"{outcome.seconds:.0f}",
        "as expected" if bar.warning and outcome.holds else WORDS[outcome.holds],
    ]


def _range(low: float, high: float, *, is_rate: bool) -> str:
    if is_rate and high >= 1:
        return f"≥ {low:g}"
    if low <= 0 and not (low < 0):
        return f"≤ {high:g}"
    return f"{low:g} to {high:g}"


if __name__ == "__main__":
    sys.exit(main())
