"""What was done to a column of numbers, going by its quantiles before and after?"""

from __future__ import annotations

from enum import StrEnum
from typing import final

import numpy as np
import pydantic

from mldeploy._record import Record
from mldeploy.errors import EmptyDataError
from mldeploy.stats._counts import Floats, ValueCounts

_LEVELS = np.linspace(0.02, 0.98, 193)
_LOWER, _MIDDLE, _UPPER = 16, 96, 176
"""Where the tenth, the fiftieth and the ninetieth percent stand among them."""
_LEFT_OF_UNITS = 0.15
"""Part of the distance that a change of unit may leave: it is exact but for sampling."""
_LEFT_OF_SPREAD, _LEFT_BY_CHANCE = 0.05, 1.5
"""The same, as a part of the reference's mean deviation from its median; more by the second
over the root of the harmonic number of rows, n m / (n + m), since samples differ."""
_LEFT = 0.25
"""Part of the distance that a shift or another spread may leave to be called one."""
_FIT = 0.05
"""Relative difference of a factor that sampling and rounding may make."""
_FEW = 50
_HUGE, _EXACT, _FAR = 1e100, 1e-12, 1e12
_CHANGED = "the distribution changed"


@final
class Cause(StrEnum):
    """What turned one distribution into another."""

    UNITS = "units"
    SHIFT = "shift"
    SPREAD = "spread"
    OTHER = "other"


@final
class Explanation(Record):
    """The simplest change that turns a reference's quantiles into those of a sample."""

    cause: Cause
    words: str = pydantic.Field(description='For people, e.g. "miles became kilometres".')
    factor: float = pydantic.Field(description="What the values were multiplied by.")
    offset: float = pydantic.Field(description="What was added then, in the column's unit.")
    distance: float = pydantic.Field(ge=0, description="Mean distance of the quantiles.")
    left: float = pydantic.Field(ge=0, description="Part of the distance left when undone.")


_CONVERSIONS: tuple[tuple[float, float, str, str], ...] = (
    (10.0, 0.0, "a unit", "a tenth of it"),
    (100.0, 0.0, "a unit (a share)", "a hundredth of it (percent)"),
    (1_000.0, 0.0, "a unit", "a thousandth of it"),
    (1_000_000.0, 0.0, "a unit", "a millionth of it"),
    (60.0, 0.0, "hours or minutes", "minutes or seconds"),
    (3_600.0, 0.0, "hours", "seconds"),
    (24.0, 0.0, "days", "hours"),
    (1_440.0, 0.0, "days", "minutes"),
    (86_400.0, 0.0, "days", "seconds"),
    (1.609344, 0.0, "miles", "kilometres"),
    (1_609.344, 0.0, "miles", "metres"),
    (1.852, 0.0, "nautical miles or knots", "kilometres or km/h"),
    (0.514444, 0.0, "knots", "m/s"),
    (1.150779, 0.0, "knots", "mph"),
    (3.6, 0.0, "m/s or kWh", "km/h or MJ"),
    (2.236936, 0.0, "m/s", "mph"),
    (2.54, 0.0, "inches", "centimetres"),
    (25.4, 0.0, "inches", "millimetres"),
    (0.3048, 0.0, "feet", "metres"),
    (0.45359237, 0.0, "pounds", "kilograms"),
    (28.349523, 0.0, "ounces", "grams"),
    (3.785412, 0.0, "gallons", "litres"),
    (33.863886, 0.0, "inHg", "hPa"),
    (1.333224, 0.0, "mmHg", "hPa"),
    (4.184, 0.0, "calories", "joules"),
    (1.8, 32.0, "degrees Celsius", "Fahrenheit"),
    (1.0, 273.15, "degrees Celsius", "kelvin"),
    (1.8, -459.67, "kelvin", "Fahrenheit"),
)
"""Factor, offset, from and to; each is tried in both directions."""


def explain_change(reference: ValueCounts, current: ValueCounts) -> Explanation:
    r"""Name the simplest change that turns the reference into the current sample.

    Parameters
    ----------
    reference, current : ValueCounts
        Numbers before and after; missing values are left out.

    Returns
    -------
    Explanation
        Another unit, a shift, or another spread; `Cause.OTHER` if none of them undoes three
        quarters of the distance.

    Raises
    ------
    EmptyDataError
        If a sample has no known value.

    Notes
    -----
    The distance is that of the two quantile functions, averaged over 193 levels from .02 to
    .98, so a few absurd values have no part in it; a value that most rows have (no rain) is
    looked at apart. A change :math:`x \mapsto a + bx` maps quantiles to quantiles: b and a are
    fitted by mean and mean deviation and undone; what is left is measured by the distance, or
    by the reference's mean deviation from its median where that is smaller. It is a shift if b
    is 1, and another spread if it leaves a point between the reference's outer tenths where it
    was. A known conversion is preferred if it leaves 15 % at most, 5 % of the
    deviation and what sampling adds, and hardly more than the fit.

    Examples
    --------
    >>> miles = ValueCounts.of(range(100, 3000, 7))
    >>> kilometres = ValueCounts.of([1.609344 * x for x in range(101, 3000, 9)])
    >>> explain_change(miles, kilometres).words
    'miles became kilometres'
    >>> explain_change(miles, ValueCounts.of(range(600, 3500, 7))).words
    'the values rose by 500'
    """
    if not (reference.n and current.n):
        raise EmptyDataError("a sample has no known value; two are needed to compare")
    chance = _LEFT_BY_CHANCE / float(np.sqrt(1 / (1 / reference.n + 1 / current.n)))
    at, now_at = _mode(reference), _mode(current)
    if at is None or now_at is None:
        return _explained(_quantiles(reference), _quantiles(current), chance)
    before, after = float(reference.values[at]), float(current.values[now_at])
    found = _explained(
        _quantiles(_without_mode(reference)),
        _quantiles(_without_mode(current)),
        chance,
        also=before,
    )
    moved = before * found.factor + found.offset
    if abs(after - moved) > _LEFT_OF_UNITS * max(abs(moved - before), found.distance):
        return _explanation(Cause.OTHER, _CHANGED, 1.0, 0.0, found.distance, 1.0)
    return found


def _mode(table: ValueCounts) -> int | None:
    """Return where the value stands that most rows have; None if there is none, or little else."""
    at = int(table.counts.argmax())
    return at if table.counts[at] > 0.5 * table.n and table.n - table.counts[at] >= _FEW else None


def _without_mode(table: ValueCounts) -> ValueCounts:
    kept = np.arange(table.counts.size) != table.counts.argmax()
    return ValueCounts(values=table.values[kept], counts=table.counts[kept])


def _explained(before: Floats, after: Floats, chance: float, also: float = np.nan) -> Explanation:
    distance = float(np.abs(after - before).mean())
    if distance <= _EXACT * max(float(np.abs(before).max()), _EXACT):
        return _explanation(Cause.OTHER, "nothing changed", 1.0, 0.0, distance, 0.0)
    return _units(before, after, distance, chance) or _affine(before, after, distance, also)


def _quantiles(table: ValueCounts) -> Floats:
    reached = np.cumsum(table.counts) / table.n
    finite = np.clip(table.values, -_HUGE, _HUGE)
    found: Floats = finite[np.minimum(np.searchsorted(reached, _LEVELS), reached.size - 1)]
    return found


def _units(before: Floats, after: Floats, distance: float, chance: float) -> Explanation | None:
    freely = _left_over(before, after, *_fitted(before, after))
    most = min(_most_left(before, after, chance), freely + _FIT)
    found = []
    for factor, offset, one, other in _CONVERSIONS:
        there = (factor, offset, f"{one} became {other}")
        back = (1 / factor, -offset / factor, f"{other} became {one}")
        for b, a, words in (there, back):
            left = _left_over(before, after, b, a)
            if left <= most:
                found.append(_explanation(Cause.UNITS, words, b, a, distance, left))
    return min(found, key=lambda e: e.left, default=None)


def _most_left(before: Floats, after: Floats, chance: float) -> float:
    distance, spread = float(np.abs(after - before).mean()), _spread(before)
    return min(
        _LEFT_OF_UNITS, (_LEFT_OF_SPREAD + chance) * spread / (min(distance, spread) or 1.0)
    )


def _spread(quantiles: Floats) -> float:
    return float(np.abs(quantiles - quantiles[_MIDDLE]).mean())


def _affine(before: Floats, after: Floats, distance: float, also: float) -> Explanation:
    middle = float(np.median(after - before))
    if (left := _left_over(before, after, 1.0, middle)) <= _LEFT:
        words = f"the values {'rose' if middle > 0 else 'fell'} by {abs(middle):.4g}"
        return _explanation(Cause.SHIFT, words, 1.0, middle, distance, left)
    factor, offset = _fitted(before, after)
    left = _left_over(before, after, factor, offset)
    if left <= _LEFT and abs(factor - 1) > _FIT:
        still = offset / (1 - factor)
        around = [also, before[_LOWER], before[_UPPER]]
        if np.nanmin(around) <= still <= np.nanmax(around):
            words = f"the values vary {factor:.3g} times as much about {still:.4g}"
            return _explanation(Cause.SPREAD, words, factor, offset, distance, left)
    return _explanation(Cause.OTHER, _CHANGED, 1.0, 0.0, distance, 1.0)


def _fitted(before: Floats, after: Floats) -> tuple[float, float]:
    """Return the factor and the offset that give the mean and the mean deviation after."""
    spread = float(np.abs(before - before.mean()).mean())
    now = float(np.abs(after - after.mean()).mean())
    exact = _EXACT * max(float(np.abs(before).max()), float(np.abs(after).max()), _EXACT)
    factor = now / spread if min(spread, now) > exact else 1.0
    return factor, float(after.mean() - factor * before.mean())


def _left_over(before: Floats, after: Floats, factor: float, offset: float) -> float:
    """Return what is left once the change is undone, of the distance or the reference's spread."""
    undone = float(np.abs((after - offset) / factor - before).mean())
    distance = float(np.abs(after - before).mean())
    measure = min(distance, _spread(before)) or distance
    return min(undone / max(measure, _EXACT * distance), _FAR)


def _explanation(
    cause: Cause, words: str, factor: float, offset: float, distance: float, left: float
) -> Explanation:
    return Explanation(
        cause=cause, words=words, factor=factor, offset=offset, distance=distance, left=left
    )
