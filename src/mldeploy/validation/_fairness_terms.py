"""Definitions of fairness under the field's terms: which rates must be alike in all groups."""

from __future__ import annotations

import enum
from typing import final

from mldeploy.errors import InvalidProblemError
from mldeploy.problem import Task


@final
class Fairness(enum.StrEnum):
    """Definitions of fairness; which of them suits is for people to say, and few hold at once.

    Where base rates differ, no model but a perfect one has `EQUALIZED_ODDS` and
    `PREDICTIVE_PARITY` together (A. Chouldechova, Big Data 5, 2017).

    Examples
    --------
    >>> Fairness("equalized_odds").rates
    ('recall', 'false_positive_rate')
    """

    DEMOGRAPHIC_PARITY = "demographic_parity"
    """The positive answer is given alike often, whatever is true."""
    EQUAL_OPPORTUNITY = "equal_opportunity"
    """True positives are found alike often."""
    EQUALIZED_ODDS = "equalized_odds"
    """True positives, and false alarms, are alike often."""
    PREDICTIVE_PARITY = "predictive_parity"
    """A positive answer is right alike often."""
    ERROR_RATE_PARITY = "error_rate_parity"
    """Answers are wrong alike often; in a regression, by alike much."""

    @property
    def rates(self) -> tuple[str, ...]:
        """Names of the rates that must be alike."""
        return _RATES[self]

    def rates_for(self, task: Task) -> tuple[str, ...]:
        """Return the rates of a task; none where the definition makes no sense."""
        if task is Task.BINARY:
            return self.rates
        if self is not Fairness.ERROR_RATE_PARITY:
            return ()
        return self.rates if task is Task.MULTICLASS else ("mean_absolute_error",)

    @classmethod
    def _missing_(cls, value: object) -> Fairness:
        known = ", ".join(map(str, cls))
        raise InvalidProblemError(f"no definition of fairness is called {value!r}; use {known}")


_RATES = {
    Fairness.DEMOGRAPHIC_PARITY: ("positive_rate",),
    Fairness.EQUAL_OPPORTUNITY: ("recall",),
    Fairness.EQUALIZED_ODDS: ("recall", "false_positive_rate"),
    Fairness.PREDICTIVE_PARITY: ("precision",),
    Fairness.ERROR_RATE_PARITY: ("error_rate",),
}
