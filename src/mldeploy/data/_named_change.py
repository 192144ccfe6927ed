"""What a change of a column's distribution is called: a shift, another unit, another spelling."""

from __future__ import annotations

from typing import final

import numpy as np
import numpy.typing as npt

from mldeploy._record import Record
from mldeploy.data._bins import MISSING, ColumnBins
from mldeploy.data._column_profile import ColumnProfile
from mldeploy.stats import RuleOutcome

Floats = npt.NDArray[np.float64]

_SHARES = np.arange(1, 20) / 20
_CLOSE = 0.1
"""Largest miss of a simple change, in widths of the middle 90 % of the reference."""
_TEMPORAL = ("datetime", "date", "time", "duration")


@final
class Change(Record):
    """One change of a column, by its usual name and in a sentence.

    `name` is ``null_share_jump``, ``new_values``, ``case_change``, ``range_breach``,
    ``stuck_values``, ``scale`` (as of another unit), ``shift``, ``spread``, ``shape`` or
    ``shares``.
    """

    name: str
    summary: str


def broken_rule(
    name: str, outcome: RuleOutcome, reference: ColumnProfile, current: ColumnProfile
) -> Change:
    """Return the change that a broken rule stands for."""
    effect = f"{abs(outcome.effect):.1%}"
    if name == "null_share_jump":
        before, now = reference.missing_share, current.missing_share
        return Change(name=name, summary=f"Missing in {now:.1%} of rows, before in {before:.1%}.")
    if name == "stuck_values":
        (value,) = current.top(1)
        shown = value if isinstance(value, str) else current.readable(value)
        return Change(name=name, summary=f"Every known value is {shown}.")
    if name == "range_breach":
        return Change(
            name=name, summary=f"{effect} of values lie absurdly far outside of the range before."
        )
    return _new_values(effect, reference, current)


def _new_values(effect: str, reference: ColumnProfile, current: ColumnProfile) -> Change:
    before = {str(v) for v in reference.levels() if v is not None}
    folded = {v.strip().casefold() for v in before}
    new = {str(v): n for v, n in current.levels().items() if v is not None and v not in before}
    respelt = {v: n for v, n in new.items() if v.strip().casefold() in folded}
    if sum(respelt.values()) * 2 > sum(new.values()):
        text = f"{effect} of values are spelt in another case, as {next(iter(respelt))}."
        return Change(name="case_change", summary=text)
    shown = ", ".join(list(new)[:3])
    return Change(name="new_values", summary=f"{effect} of values are new, as {shown}.")


def named_change(
    reference: ColumnProfile,
    current: ColumnProfile,
    bins: ColumnBins,
    shares: tuple[Floats, Floats],
) -> Change:
    """Say in what way the distribution of a drifted column changed."""
    numbers = not reference.is_text and reference.kind != "boolean"
    if numbers and reference.n_known and current.n_known:
        with np.errstate(over="ignore", invalid="ignore"):
            simple = _simple(reference, current)
        if simple is not None:
            return simple
    before, now = shares
    most = int(np.argmax(np.abs(now - before)))
    label = "missing values" if bins.labels[most] == MISSING else bins.labels[most]
    return Change(
        name="shape" if numbers else "shares",
        summary=f"The share of {label} went from {before[most]:.1%} to {now[most]:.1%}.",
    )


def _simple(reference: ColumnProfile, current: ColumnProfile) -> Change | None:
    """Return the shift, factor or spread that explains the quantiles, if one does."""
    before, now = _quantiles(reference), _quantiles(current)
    width = float(before[-1] - before[0])
    if not (np.isfinite(before).all() and np.isfinite(now).all()) or width <= 0:
        return None
    middle, moved = float(before[9]), float(now[9] - before[9])
    stretched = float(now[-1] - now[0]) / width
    fits = {"shift": before + moved}
    if reference.kind not in _TEMPORAL and float(before @ before) > 0:
        fits["scale"] = before * (float(before @ now) / float(before @ before))
    if stretched > 0 and abs(moved) <= _CLOSE * width:
        fits["spread"] = now[9] + (before - middle) * stretched
    misses = {n: float(np.abs(now - f).max()) for n, f in fits.items() if np.isfinite(f).all()}
    if not misses or not np.isfinite(width):
        return None
    best = min(misses, key=lambda name: misses[name])
    if misses[best] > _CLOSE * width * max(stretched, 1.0):
        return None
    return Change(name=best, summary=_told(best, reference, before, now, stretched))


def _told(
    name: str, reference: ColumnProfile, before: Floats, now: Floats, stretched: float
) -> str:
    if name == "scale":
        factor = float(before @ now) / float(before @ before)
        return f"Values are as if multiplied by {factor:.3g}: another unit?"
    if name == "spread":
        return f"The middle 90 % of values are {stretched:.2f} times as wide."
    was, became = reference.readable(before[9]), reference.readable(now[9])
    return f"Values are shifted: the median went from {was} to {became}."


def _quantiles(profile: ColumnProfile) -> Floats:
    table = profile.table
    reached = np.cumsum(table.counts)
    places = np.searchsorted(reached, np.maximum(_SHARES * reached[-1], 1))
    quantiles: Floats = table.values[np.minimum(places, len(reached) - 1)]
    return quantiles
