"""How far a column has moved, and whether chance alone moves it as far."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from mldeploy.serving._drift_bins import Against, Counts, WatchedColumn
from mldeploy.stats import total_variation

_FLOOR: Final = 0.03
"""Share of moved rows that matters; that of `DriftMonitor`."""


@final
@dataclass(frozen=True, kw_only=True)
class DriftFigure:
    r"""How far one column has moved.

    Attributes
    ----------
    column : str
        Its name; answers are ``model.prediction`` and ``model.score``.
    distance : float or None
        Share of the rows that moved to other bins, in [0, 1]: the total variation distance. None
        while there is nothing to compare.
    n : int
        Rows of the window.
    n_reference : int
        Rows that they are compared with.
    against : str
        ``"training"``, or ``"before"``: all that was answered before the window.
    chance : float or None
        A distance that n independent rows of an unchanged column exceed with a chance of at most
        `alpha` on a day, over all columns and slices.
    alarm : bool
        Whether the distance, when the last slice was complete, exceeded both `chance` and 0.03.

    Notes
    -----
    With samples of n and m rows in B bins the expected distance is at most
    :math:`\frac12\sqrt{(B-1)(1/n+1/m)}`, and exceeds its expectation by t with a chance of at most
    :math:`\exp(-2t^2/(1/n+1/m))` [1]_; the chance is shared by all columns, and by as many looks
    a day as there are slices. Neither needs a large n. It is careful: less than the stated chance
    is used.

    References
    ----------
    .. [1] C. McDiarmid, "On the method of bounded differences", Surveys in Combinatorics 141
       (1989) 148-188.
    """

    column: str
    distance: float | None
    n: int
    n_reference: int
    against: Against
    chance: float | None
    alarm: bool


def figures_of(
    columns: Sequence[WatchedColumn],
    *,
    inside: Mapping[int, Counts],
    before: Counts,
    current: int,
    alpha: float,
) -> tuple[DriftFigure, ...]:
    """Tell how far each column has moved.

    Parameters
    ----------
    columns : sequence of WatchedColumn
        What was counted.
    inside : mapping of int to ndarray
        Counts over all bins of all columns, by slice of the window.
    before : ndarray
        Counts of what came before the window.
    current : int
        The slice that is not complete; it takes no part in alarms.
    alpha : float
        Chance of a false alarm of one look.
    """
    each = alpha / max(len(columns), 1)
    return tuple(_figures(columns, inside, before, current, each))


def _figures(
    columns: Sequence[WatchedColumn],
    inside: Mapping[int, Counts],
    before: Counts,
    current: int,
    alpha: float,
) -> Iterator[DriftFigure]:
    nothing = np.zeros_like(before)
    all_of_it = sum(inside.values(), nothing)
    complete = all_of_it - inside.get(current, nothing)
    start = 0
    for column in columns:
        part = slice(start, start + column.n_bins)
        start += column.n_bins
        reference = before[part] if column.reference is None else column.reference
        n, n_reference = int(all_of_it[part].sum()), int(reference.sum())
        known = n > 0 and n_reference > 0
        yield DriftFigure(
            column=column.name,
            distance=total_variation(reference, all_of_it[part]) if known else None,
            n=n,
            n_reference=n_reference,
            against=column.against,
            chance=chance_distance(n, n_reference, column.n_bins, alpha=alpha) if known else None,
            alarm=known and _alarms(reference, complete[part], alpha),
        )


def _alarms(reference: Counts, current: Counts, alpha: float) -> bool:
    n, n_reference = int(current.sum()), int(reference.sum())
    if not n:
        return False
    limit = chance_distance(n, n_reference, len(current), alpha=alpha)
    return total_variation(reference, current) > max(limit, _FLOOR)


def chance_distance(n: int, n_reference: int, n_bins: int, *, alpha: float) -> float:
    """Return a distance that two samples of one distribution exceed with a chance below `alpha`.

    Parameters
    ----------
    n, n_reference : int
        Rows of the samples, at least 1.
    n_bins : int
        Bins, whether filled or not.
    alpha : float
        The chance, in (0, 1).

    Returns
    -------
    float
        At most 1; see `DriftFigure` for the bound.

    Examples
    --------
    >>> round(chance_distance(10_000, 10_000, 11, alpha=0.01), 4)
    0.0438
    >>> chance_distance(3, 10_000, 11, alpha=0.01)
    1.0
    """
    spread = 1 / n + 1 / n_reference
    expected = math.sqrt((n_bins - 1) * spread) / 2
    return min(expected + math.sqrt(spread * -math.log(alpha) / 2), 1.0)
