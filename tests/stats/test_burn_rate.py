"""Multi-window burn rates."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mldeploy.errors import InvalidDataError
from mldeploy.stats import BurnRateRule, WindowCounts, burn_rate, burn_rate_alarms

HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


def _windows(*, m5: int, m30: int, h1: int, h6: int) -> dict[timedelta, WindowCounts]:
    """Bad requests among 1,000 a minute."""
    bad = {5 * MINUTE: m5, 30 * MINUTE: m30, HOUR: h1, 6 * HOUR: h6}
    return {
        window: WindowCounts(bad=n, total=1000 * int(window / MINUTE)) for window, n in bad.items()
    }


def test_rate_matches_the_value_worked_by_hand() -> None:
    """1.44 % bad with a budget of .1 %."""
    assert burn_rate(144, 10_000, objective=0.999) == pytest.approx(14.4)
    assert burn_rate(0, 0, objective=0.999) == 0


def test_fast_burn_alarms_only_when_both_windows_burn() -> None:
    """14.4 times a budget of .001: 72 bad in 5 minutes, 864 in an hour."""
    both = burn_rate_alarms(_windows(m5=73, m30=0, h1=865, h6=865), objective=0.999)
    over = burn_rate_alarms(_windows(m5=0, m30=0, h1=865, h6=865), objective=0.999)
    brief = burn_rate_alarms(_windows(m5=73, m30=73, h1=73, h6=73), objective=0.999)

    assert [a.alarm for a in both] == [True, False]
    assert [a.alarm for a in over] == [False, False]
    assert [a.alarm for a in brief] == [False, False]


def test_slow_burn_alarms_over_six_hours() -> None:
    """6 times a budget of .001: 180 bad in 30 minutes, 2,160 in six hours."""
    alarms = burn_rate_alarms(_windows(m5=30, m30=181, h1=361, h6=2161), objective=0.999)

    assert [a.alarm for a in alarms] == [False, True]
    assert alarms[1].long_burn_rate == pytest.approx(2161 / 360)


def test_a_rule_can_be_ones_own() -> None:
    rule = BurnRateRule(factor=1, long=HOUR, short=HOUR)
    windows = {HOUR: WindowCounts(bad=2, total=100)}

    assert burn_rate_alarms(windows, objective=0.9, rules=[rule])[0].alarm is False
    assert burn_rate_alarms(windows, objective=0.99, rules=[rule])[0].alarm is True


def test_nonsense_is_refused() -> None:
    with pytest.raises(InvalidDataError, match="needs that window"):
        burn_rate_alarms({}, objective=0.9)
    with pytest.raises(InvalidDataError, match="among all"):
        burn_rate(3, 2, objective=0.9)
    with pytest.raises(ValueError, match="good requests"):
        burn_rate(1, 2, objective=1.0)
