"""Metrics while labels are still arriving: matured cohorts, and weights for the news."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, final

import numpy as np
import numpy.typing as npt

from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats._counts import Floats

_FEW_ROWS = 10


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class ReportingDelay:
    """Which share of the labels that ever come has come by a given age.

    Attributes
    ----------
    delays : ndarray of shape (n_distinct,)
        Distinct delays, increasing, in seconds.
    reported : ndarray of shape (n_distinct,)
        Share of labels with at most that delay, in (0, 1]; increasing, 1 at the end.
    """

    delays: Floats
    reported: Floats

    def reported_by(self, ages: npt.ArrayLike) -> Floats:
        """Share of labels that have come by each age.

        Parameters
        ----------
        ages : array_like of shape (n,)
            Time since the prediction: seconds, or timedelta64.

        Returns
        -------
        ndarray of shape (n,)
            Shares in [0, 1].
        """
        steps = np.searchsorted(self.delays, as_seconds(ages), side="right")
        shares: Floats = np.concatenate([[0.0], self.reported])[steps]
        return shares


def as_seconds(spans: npt.ArrayLike) -> Floats:
    """Return durations as float seconds; plain numbers are seconds already."""
    array = np.asarray(spans)
    if array.dtype.kind == "O":
        array = np.asarray([s.total_seconds() if isinstance(s, timedelta) else s for s in array])
    if array.dtype.kind == "m":
        seconds: Floats = array / np.timedelta64(1, "s")
        return seconds
    return array.astype(np.float64)


def reporting_delay(delays: npt.ArrayLike, ages: npt.ArrayLike) -> ReportingDelay:
    r"""Estimate the delay distribution from the labels that have come so far.

    Parameters
    ----------
    delays : array_like of shape (n_labelled,)
        Time from prediction to label, of the rows whose label has come: seconds (at least 0), or
        timedelta64.
    ages : array_like of shape (n_labelled,)
        Time from prediction to now, of the same rows, in the same unit; never below the delay.

    Returns
    -------
    ReportingDelay
        The share of labels that come by each age, among those that come by the greatest age.

    Raises
    ------
    EmptyDataError
        If no label has come.
    InvalidDataError
        If a delay is negative or exceeds the age of its row, or shapes differ.

    Notes
    -----
    A label is seen only if its delay is below the row's age: delays are truncated on the right,
    and quick ones are over-represented. In reversed time that is truncation on the left, where
    the product-limit estimator holds [1]_ [2]_:

    .. math:: F(d) = \prod_{u > d} \left(1 - \frac{\#\{T_i = u\}}{\#\{T_i \le u \le a_i\}}\right)

    It assumes that the delay does not depend on when the prediction was made, and that some rows
    are older than the slowest label; labels that never come do not count. A factor of 0 that
    fewer than ten rows speak for is left out: they would declare all quicker labels impossible.

    References
    ----------
    .. [1] D. Lynden-Bell, "A method of allowing for known observational selection in small
       samples applied to 3CR quasars", Monthly Notices of the Royal Astronomical Society 155
       (1971) 95-118.
    .. [2] S. W. Lagakos, L. M. Barraj and V. De Gruttola, "Nonparametric analysis of truncated
       survival data, with application to AIDS", Biometrika 75 (1988) 515-523.

    Examples
    --------
    >>> curve = reporting_delay([1, 1, 2], [1, 9, 9])
    >>> curve.reported_by([0, 1, 2]).round(3).tolist()
    [0.0, 0.5, 1.0]
    """
    waits, rows = as_seconds(delays), as_seconds(ages)
    if waits.shape != rows.shape:
        raise InvalidDataError(
            f"{waits.shape} delays and {rows.shape} ages; give one of each a row"
        )
    if waits.size == 0:
        raise EmptyDataError("no label has come yet; wait for some before estimating the delay")
    if not ((waits >= 0) & (waits <= rows)).all():
        raise InvalidDataError("a delay is negative, NaN, or longer than its row is old")
    distinct, n_at = np.unique(waits, return_counts=True)
    come = np.cumsum(n_at)
    gone = np.searchsorted(np.sort(rows), distinct, side="left")
    at_risk = come - gone
    kept = np.where((n_at == at_risk) & (at_risk < _FEW_ROWS), 1.0, 1 - n_at / at_risk)
    reported = np.append(np.cumprod(kept[:0:-1])[::-1], 1.0)
    return ReportingDelay(delays=distinct, reported=reported)


def reporting_weights(
    labels: npt.ArrayLike,
    delays: npt.ArrayLike,
    ages: npt.ArrayLike,
    *,
    min_reported: float = 0.1,
    min_age: timedelta | None = None,
) -> Floats:
    r"""Weigh labelled rows by the inverse of the chance that their label has come.

    Parameters
    ----------
    labels : array_like of shape (n_labelled,)
        Classes of the rows whose label has come; constant for a regression.
    delays, ages : array_like of shape (n_labelled,)
        Time from prediction to label, and from prediction to now: seconds, or timedelta64.
    min_reported : float, default=0.1
        Rows so young that less than this share of *some* class's labels has come get weight 0,
        whatever their class: leaving out the young rows of one class only would be a bias.
        In (0, 1]; 1 keeps matured rows only.
    min_age : timedelta, optional
        Further leave out all rows younger than this.

    Returns
    -------
    ndarray of shape (n_labelled,)
        Weights at least 0, for use as ``sample_weight``; each estimates how many rows of the
        same age and class a labelled row stands for.

    Raises
    ------
    EmptyDataError
        If no label has come, or no row is old enough.
    InvalidDataError
        If a delay is negative or exceeds the age of its row, or shapes differ.
    ValueError
        If `min_reported` is not in (0, 1].

    Notes
    -----
    Weight :math:`1 / F_y(a)` with the delay distribution of each class by `reporting_delay`
    (Horvitz and Thompson [1]_). Assumes that, within a class, the delay depends neither on the
    features nor on when the prediction was made, that some rows are older than the slowest label,
    and that as many labels of each class never come. A new pattern of delays breaks it: base the
    verdict on `matured` rows, and use the weights for the news.

    References
    ----------
    .. [1] D. G. Horvitz and D. J. Thompson, "A generalization of sampling without replacement from
       a finite universe", Journal of the American Statistical Association 47 (1952) 663-685.

    Examples
    --------
    Four rows are one day old and four two days, half of them positive. Every second negative's
    label takes a second day, so one of the young negatives is still to come:

    >>> weights = reporting_weights(
    ...     labels=[1, 1, 1, 1, 0, 0, 0], delays=[1, 1, 1, 1, 1, 1, 2], ages=[1, 1, 2, 2, 1, 2, 2]
    ... )
    >>> weights.round(3).tolist()
    [1.0, 1.0, 1.0, 1.0, 2.0, 1.0, 1.0]
    """
    if not 0 < min_reported <= 1:
        raise ValueError(f"min_reported is {min_reported}; a share lies in (0, 1]")
    classes, waits, rows = np.asarray(labels), as_seconds(delays), as_seconds(ages)
    if classes.shape != waits.shape:
        raise InvalidDataError(
            f"{classes.shape} labels, {waits.shape} delays; give one each a row"
        )
    if classes.size == 0:
        raise EmptyDataError("no label has come yet; wait for some before weighing them")
    old_enough = rows >= (min_age.total_seconds() if min_age is not None else 0.0)
    weights = np.zeros(rows.size)
    for label in np.unique(classes):
        own = classes == label
        curve = reporting_delay(waits[own], rows[own])
        old_enough &= curve.reported_by(rows) >= min_reported
        weights[own] = 1 / np.maximum(curve.reported_by(rows[own]), np.finfo(float).tiny)
    if not old_enough.any():
        raise EmptyDataError(
            f"no row is old enough for {min_reported:.0%} of every class's labels to have come; "
            "wait, or lower min_reported"
        )
    return np.where(old_enough, weights, 0.0)


def matured(
    prediction_times: npt.ArrayLike, *, as_of: datetime, label_delay: timedelta
) -> npt.NDArray[np.bool_]:
    """Tell which predictions are so old that their label should have come.

    Parameters
    ----------
    prediction_times : array_like of shape (n,)
        datetime64 in UTC, or zone-aware datetimes.
    as_of : datetime
        Now, zone-aware.
    label_delay : timedelta
        How long a label takes at most, at least 0.

    Returns
    -------
    ndarray of shape (n,)
        True where ``prediction_time + label_delay <= as_of``. NaT is never matured.

    Raises
    ------
    ValueError
        If a time has no zone, or `label_delay` is negative.

    Notes
    -----
    Every row of a matured cohort had the same chance to be labelled, so that a plain mean over
    its labels is not biased by which labels come first.

    Examples
    --------
    >>> from datetime import UTC
    >>> times = np.array(["2013-01-01T08:00", "2013-01-01T11:00"], dtype="datetime64[s]")
    >>> now = datetime(2013, 1, 1, 18, tzinfo=UTC)
    >>> matured(times, as_of=now, label_delay=timedelta(hours=8)).tolist()
    [True, False]
    """
    if label_delay < timedelta(0):
        raise ValueError(
            f"label_delay is {label_delay}; a label cannot come before its prediction"
        )
    limit = _utc_stamp(as_of) - np.timedelta64(label_delay)
    times = np.asarray(prediction_times)
    if times.dtype.kind != "M":
        times = np.array([_utc_stamp(t) for t in times.ravel()], dtype="datetime64[us]")
    ripe: npt.NDArray[np.bool_] = times <= limit
    return ripe


def _utc_stamp(time: Any) -> np.datetime64:
    if isinstance(time, datetime) and time != time:  # noqa: PLR0124
        return np.datetime64("NaT", "us")
    if not isinstance(time, datetime) or time.utcoffset() is None:
        raise ValueError(f"{time!r} is not a time with a zone; give zone-aware times")
    return np.datetime64(round(time.timestamp() * 1e6), "us")
