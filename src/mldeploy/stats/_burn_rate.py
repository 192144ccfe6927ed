"""How fast a service spends its error budget, over two windows at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import final

import pydantic

from mldeploy._record import Record
from mldeploy.errors import InvalidDataError


@final
class WindowCounts(Record):
    """Bad and all requests in the last so-many minutes."""

    bad: int = pydantic.Field(ge=0)
    total: int = pydantic.Field(ge=0)


@final
class BurnRateRule(Record):
    """Alarm when the budget burns `factor` times too fast in both windows.

    The long window says that it matters, the short one that it still goes on.
    """

    factor: float = pydantic.Field(gt=0)
    long: timedelta
    short: timedelta


@final
class BurnRateAlarm(Record):
    """A rule and how fast the budget burns in its windows."""

    rule: BurnRateRule
    long_burn_rate: float
    short_burn_rate: float
    alarm: bool


_WORKBOOK_RULES = (
    BurnRateRule(factor=14.4, long=timedelta(hours=1), short=timedelta(minutes=5)),
    BurnRateRule(factor=6.0, long=timedelta(hours=6), short=timedelta(minutes=30)),
)
"""The workbook's rules: 2 % of a 30-day budget in an hour, 5 % in six hours."""


def burn_rate(bad: int, total: int, *, objective: float) -> float:
    """How many times faster than sustainable the error budget is spent.

    Parameters
    ----------
    bad, total : int
        Bad and all requests of a window.
    objective : float
        Share of requests that must be good, in (0, 1): 0.999 leaves a budget of 0.001.

    Returns
    -------
    float
        ``(bad / total) / (1 - objective)``: 1 spends exactly the budget. 0 without requests.

    Raises
    ------
    InvalidDataError
        If there are more bad requests than requests, or a negative number of either.
    ValueError
        If `objective` is not in (0, 1).

    Examples
    --------
    >>> round(burn_rate(20, 1000, objective=0.99), 6)
    2.0
    """
    if not 0 < objective < 1:
        raise ValueError(f"objective is {objective}; the share of good requests lies in (0, 1)")
    if not 0 <= bad <= total:
        raise InvalidDataError(f"{bad} bad requests of {total}; count the bad among all")
    return bad / total / (1 - objective) if total else 0.0


def burn_rate_alarms(
    windows: Mapping[timedelta, WindowCounts],
    *,
    objective: float,
    rules: Sequence[BurnRateRule] = _WORKBOOK_RULES,
) -> tuple[BurnRateAlarm, ...]:
    """Judge multi-window, multi-burn-rate rules.

    Parameters
    ----------
    windows : mapping of timedelta to WindowCounts
        Counts of the last 5 minutes, 30 minutes, hour, and so on: every window of the rules.
    objective : float
        Share of requests that must be good, in (0, 1).
    rules : sequence of BurnRateRule
        By default 14.4 times over 1 hour and 5 minutes, and 6 times over 6 hours and 30 minutes.

    Returns
    -------
    tuple of BurnRateAlarm
        One for each rule; it alarms when both windows burn at least `factor` times too fast.

    Raises
    ------
    InvalidDataError
        If a window of a rule is not given.
    ValueError
        If `objective` is not in (0, 1).

    References
    ----------
    .. [1] B. Beyer et al., "The Site Reliability Workbook", chapter 5, "Alerting on SLOs".

    Examples
    --------
    >>> counts = WindowCounts(bad=20, total=1000)
    >>> rule = BurnRateRule(factor=14.4, long=timedelta(hours=1), short=timedelta(minutes=5))
    >>> windows = {timedelta(hours=1): counts, timedelta(minutes=5): counts}
    >>> [a.alarm for a in burn_rate_alarms(windows, objective=0.999, rules=[rule])]
    [True]
    """
    return tuple(_judge(rule, windows, objective) for rule in rules)


def _judge(
    rule: BurnRateRule, windows: Mapping[timedelta, WindowCounts], objective: float
) -> BurnRateAlarm:
    rates = []
    for window in (rule.long, rule.short):
        if window not in windows:
            raise InvalidDataError(f"no counts of the last {window}; a rule needs that window")
        counts = windows[window]
        rates.append(burn_rate(counts.bad, counts.total, objective=objective))
    long, short = rates
    return BurnRateAlarm(
        rule=rule,
        long_burn_rate=long,
        short_burn_rate=short,
        alarm=min(long, short) >= rule.factor,
    )
