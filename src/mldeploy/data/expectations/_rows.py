"""Rules that each row keeps or breaks."""

from __future__ import annotations

import abc
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import polars as pl
from typing_extensions import override

from mldeploy.data.expectations._base import ROW, Expectation, Facts, Question
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Finding, Verdict

_LONGEST = 40


@dataclass(frozen=True, eq=False)
class RowExpectation(Expectation, abc.ABC):
    """A rule that each row keeps or breaks.

    Implement `says`, `needs` and `_holds`. Counts are of this very table, so they are exact and
    have no interval.

    Attributes
    ----------
    max_share : float
        Share of the rows judged, in [0, 1], that may break the rule.

    Examples
    --------
    >>> from mldeploy.data.expectations import Expectations
    >>> @dataclass(frozen=True, eq=False)
    ... class Even(RowExpectation):
    ...     column: str
    ...     kind = "even"
    ...     says = property(lambda self: f"{self.column} is even")
    ...     needs = property(lambda self: (self.column,))
    ...     def _holds(self, facts):
    ...         return pl.col(self.column) % 2 == 0
    >>> report = Expectations([Even("n")]).check(pl.DataFrame({"n": [2, 3, None]}))
    >>> print(report.findings[0].summary)
    n is even: 1 of 2 break it; row 1: 3.
    """

    max_share: float = field(default=0.0, kw_only=True)

    def __post_init__(self) -> None:
        if not 0 <= self.max_share <= 1:
            raise InvalidDataError(f"max_share is {self.max_share}; give a share in [0, 1]")

    @abc.abstractmethod
    def _holds(self, facts: Facts) -> pl.Expr:
        """Return whether each row keeps the rule, null where it does not apply."""

    @final
    @override
    def _question(self, facts: Facts) -> Question:
        return Question(
            judge=lambda answer, _table: self._judge(answer, facts),
            holds=self.only_where(self._holds(facts)),
            shown=seen(self, facts),
        )

    def _judge(self, answer: Mapping[str, Any], facts: Facts) -> Finding:
        n, n_kept = int(answer["n"]), int(answer["n_kept"] or 0)
        return judged(self, n, n - n_kept, self.max_share, answer["examples"], facts)


def seen(rule: Expectation, facts: Facts) -> tuple[str, ...]:
    """Return the columns of a rule whose values people may see."""
    return tuple(name for name in rule.needs or () if name not in facts.sensitive)


def judged(
    rule: Expectation,
    n: int,
    n_broken: int,
    max_share: float,
    examples: Iterable[Mapping[str, Any]],
    facts: Facts,
) -> Finding:
    """Judge how many rows break a rule."""
    if n == 0:
        return rule.finding(
            Verdict.INSUFFICIENT,
            f"{rule.says[:1].upper()}{rule.says[1:]}: there is no value to judge.",
            action="See whether the table, or the column, should be empty.",
            n=0,
        )
    share = n_broken / n
    details: dict[str, Any] = {"count": n_broken}
    if not n_broken:
        summary = f"{rule.says}: all {n:,} keep it."
    else:
        details |= _details(rule, tuple(examples), facts)
        summary = f"{rule.says}: {n_broken:,} of {n:,} break it{_shown(details)}."
    passes = share <= max_share
    return rule.finding(
        Verdict.PASS if passes else Verdict.FAIL,
        summary,
        action="" if passes else "Correct them at their source, or correct the rule.",
        estimate=share,
        n=n,
        threshold=max_share,
        details=details,
    )


def _details(
    rule: Expectation, examples: Sequence[Mapping[str, Any]], facts: Facts
) -> dict[str, str]:
    rows = ", ".join(str(example[ROW]) for example in examples)
    hidden = set(rule.needs or ()) & facts.sensitive
    shown = [_values(example) for example in examples]
    if hidden and not any(shown):
        return {"rows": rows, "examples": "withheld"}
    return {"rows": rows, "examples": "; ".join(shown)}


def _values(example: Mapping[str, Any]) -> str:
    known = {name: brief(value) for name, value in example.items() if name != ROW}
    if len(known) == 1:
        return next(iter(known.values()))
    return ", ".join(f"{name} {value}" for name, value in known.items())


def brief(value: object) -> str:
    """Show a value in a few characters."""
    text = repr(value) if isinstance(value, str) else "missing" if value is None else str(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."


def _shown(details: Mapping[str, Any]) -> str:
    row, example = details["rows"].split(", ")[0], details["examples"].split("; ")[0]
    if not row:
        return ""
    return f"; row {row}: {example}" if example else f"; row {row}"
