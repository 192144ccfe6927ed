"""Judge a window by the reference's own past."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias, final

import numpy as np
import numpy.typing as npt

from mldeploy._record import Record
from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats._counts import Counts, Floats, as_counts
from mldeploy.stats._divergence import total_variation

Distance: TypeAlias = Callable[[npt.ArrayLike, npt.ArrayLike], float]
"""A distance of a current count array from a reference one, such as `total_variation`."""


@final
class HistoryDecision(Record):
    """A window's distance from the pooled past, and the limit that the past itself sets."""

    distance: float
    limit: float
    n_windows: int
    past_mean: float
    past_sd: float

    @property
    def alarm(self) -> bool:
        """Whether the window is farther from the past than the past's windows from each other."""
        return self.distance > self.limit


def leave_one_out_distances(
    window_counts: Sequence[npt.ArrayLike], *, distance: Distance = total_variation
) -> Floats:
    """Distance of each past window from all the others pooled.

    Parameters
    ----------
    window_counts : sequence of array_like of shape (n_bins,)
        Counts of at least two past windows over the same bins; none may be empty. Windows are
        pooled by adding their counts.
    distance : callable, default=total_variation
        Distance of two count arrays, called with (reference, current).

    Returns
    -------
    ndarray of shape (n_windows,)
        What ordinary windows differ by, whatever the dependence of rows within a window.

    Raises
    ------
    EmptyDataError
        If there are fewer than two windows, or one has no counts.
    InvalidDataError
        If the windows differ in shape.

    Examples
    --------
    >>> leave_one_out_distances([[5, 5], [5, 5], [8, 2]]).round(3).tolist()
    [0.15, 0.15, 0.3]
    """
    windows = _stacked(window_counts)
    pooled = windows.sum(axis=0)
    return np.array([distance(pooled - window, window) for window in windows])


def history_limit(distances: npt.ArrayLike, *, n_sd: float = 4.0, floor: float = 0.03) -> float:
    """Distance above which a window is unlike the past.

    Parameters
    ----------
    distances : array_like of shape (n_windows,)
        What `leave_one_out_distances` returned; at least two, six or more to be of use.
    n_sd : float, default=4.0
        Standard deviations above the mean, at least 0.
    floor : float, default=0.03
        Smallest limit, in the unit of the distance: less does not matter.

    Returns
    -------
    float
        ``max(mean + n_sd * sd, floor)`` with the sample standard deviation.

    Raises
    ------
    EmptyDataError
        If there are fewer than two distances.

    Notes
    -----
    A control chart on the windows' distances (W. A. Shewhart, "Economic Control of Quality of
    Manufactured Product", 1931), with limits wider than his 3 sd because the distances are skewed
    and many columns are watched.

    Examples
    --------
    >>> history_limit([0.02, 0.03, 0.04])
    0.07
    >>> history_limit([0.001, 0.001, 0.001])
    0.03
    """
    past = np.asarray(distances, dtype=np.float64)
    if past.size < 2:
        raise EmptyDataError(f"{past.size} distances; a limit needs at least two past windows")
    return max(float(past.mean() + n_sd * past.std(ddof=1)), floor)


def judge_against_history(
    current_counts: npt.ArrayLike,
    window_counts: Sequence[npt.ArrayLike],
    *,
    n_sd: float = 4.0,
    floor: float = 0.03,
    distance: Distance = total_variation,
) -> HistoryDecision:
    """Judge a window by how far the past's windows are from each other.

    Parameters
    ----------
    current_counts : array_like of shape (n_bins,)
        Counts of the window to judge.
    window_counts : sequence of array_like of shape (n_bins,)
        Counts of past windows of similar length over the same bins.
    n_sd, floor : float
        See `history_limit`.
    distance : callable, default=total_variation
        Distance of two count arrays, called with (reference, current).

    Returns
    -------
    HistoryDecision
        The distance from the pooled past, the limit, and whether it alarms.

    Raises
    ------
    EmptyDataError
        If there are fewer than two windows, or one has no counts.
    InvalidDataError
        If the windows differ in shape.

    Notes
    -----
    Needs no independent rows: weather, schedules and sessions make ordinary weeks differ, and
    every p-value that takes rows as independent flags about a quarter of columns a week.
    Use it with six or more past windows, `psi_test` with fewer.

    Examples
    --------
    >>> past = [[50, 50], [52, 48], [49, 51], [50, 50], [47, 53], [51, 49]]
    >>> judge_against_history([51, 49], past).alarm, judge_against_history([75, 25], past).alarm
    (False, True)
    """
    windows = _stacked(window_counts)
    distances = leave_one_out_distances(list(windows), distance=distance)
    return HistoryDecision(
        distance=distance(windows.sum(axis=0), current_counts),
        limit=history_limit(distances, n_sd=n_sd, floor=floor),
        n_windows=len(windows),
        past_mean=float(distances.mean()),
        past_sd=float(distances.std(ddof=1)),
    )


def _stacked(window_counts: Sequence[npt.ArrayLike]) -> Counts:
    windows = [as_counts(window, name="a window") for window in window_counts]
    if len(windows) < 2 or any(window.sum() == 0 for window in windows):
        raise EmptyDataError(
            f"{len(windows)} windows, {sum(w.sum() == 0 for w in windows)} of them empty; "
            "a past needs at least two windows, each with counts"
        )
    if len({window.size for window in windows}) > 1:
        raise InvalidDataError("windows have different bins; count all over the same bins")
    return np.stack(windows)
