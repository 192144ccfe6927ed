"""Watch whether what is asked and answered is distributed as before, while it is served."""

from __future__ import annotations

import threading
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final, final

import numpy as np
import polars as pl
import pydantic

from mldeploy._record import Clock, Record, sha256_hex, utc_now
from mldeploy.errors import InvalidDataError
from mldeploy.model import Signature
from mldeploy.serving._drift_bins import Counts, WatchedColumn, watched_columns
from mldeploy.serving._drift_figures import DriftFigure, figures_of

if TYPE_CHECKING:
    from mldeploy.data import Profile

_HOUR: Final = timedelta(hours=1)
_FIVE_MINUTES: Final = timedelta(minutes=5)


@final
class DriftState(Record):
    """What a `DriftWatch` has counted; states of several processes add up.

    Attributes
    ----------
    bins : str
        Hash of the bins: only equal ones add up.
    buckets : mapping of int to tuple of int
        Counts over all bins of all columns, by the number of the slice of time.
    before : tuple of int
        Counts of all slices that have left the window.
    """

    bins: str
    buckets: dict[int, tuple[int, ...]] = pydantic.Field(default_factory=dict)
    before: tuple[int, ...] = ()

    def merge(self, other: DriftState) -> DriftState:
        """Return what both have counted.

        Raises
        ------
        InvalidDataError
            If their bins differ.
        """
        if self.bins != other.bins:
            raise InvalidDataError(
                "these two watches count in different bins; give both the same reference"
            )
        buckets = dict(self.buckets)
        for number, counts in other.buckets.items():
            buckets[number] = _added(buckets.get(number, ()), counts)
        return DriftState(
            bins=self.bins, buckets=buckets, before=_added(self.before, other.before)
        )


@final
class DriftWatch:
    """Count what a version is asked and answers, and tell how far it moved from its training.

    An observer of a `ParquetLog`: it sees rows in batches, in the thread that wrote them. Each
    column is counted in the bins of a `DriftMonitor`: ten at the quantiles of the reference, or
    one for each frequent text, and one for missing values. Counts are kept by slices of the time
    at which rows arrived, and the last `window` is compared with the reference. Answers, of which
    a reference usually knows nothing, are compared with all that was answered before the window.

    Parameters
    ----------
    signature : Signature
        Of the model that answers.
    reference : Profile, optional
        Of the rows that the model was trained on, as `Bundle.reference`; if it has the columns
        ``model.prediction`` and ``model.score``, answers are compared with these.
    version : str, optional
        Whose rows to count; by default all. Failed answers are never counted.
    without : collection of str
        Features that are not watched, such as those that the log hashes.
    window : timedelta, default=1 hour
        How far to look back: whole slices, the current one included.
    slice_length : timedelta, default=5 minutes
        Length of a slice.
    n_bins : int, default=10
        Bins of a number.
    alpha : float, default=0.01
        Chance that any column alarms on a day on which nothing changed; see `DriftFigure`.
    clock : Clock, default=utc_now
        Tells when rows arrive.

    Notes
    -----
    This is a display, not a verdict: rows of real systems are not independent, and a server knows
    no ordinary day to judge others by. `DriftMonitor` judges windows of the log.
    """

    def __init__(
        self,
        signature: Signature,
        reference: Profile | None,
        *,
        version: str | None = None,
        without: Collection[str] = (),
        window: timedelta = _HOUR,
        slice_length: timedelta = _FIVE_MINUTES,
        n_bins: int = 10,
        alpha: float = 0.01,
        clock: Clock = utc_now,
    ) -> None:
        if not timedelta(0) < slice_length <= window:
            raise ValueError(f"{slice_length=} must be positive, and at most {window=}")
        if not 0 < alpha < 1:
            raise ValueError(f"{alpha=} is no chance; it lies in (0, 1)")
        if n_bins < 2:
            raise ValueError(f"{n_bins=} compares nothing; ask for at least 2")
        self.version = version
        self.columns = tuple(
            column
            for column in watched_columns(signature, reference, n_bins=n_bins)
            if column.name not in without
        )
        self._slice = slice_length
        self._n_slices = -(-window // slice_length)
        self._alpha = alpha
        self._clock = clock
        self._lock = threading.Lock()
        self._bins = _hash_of(self.columns, slice_length)
        self._ends = np.cumsum([0, *(column.n_bins for column in self.columns)]).tolist()
        self._buckets: dict[int, Counts] = {}
        self._before: Counts = np.zeros(self._ends[-1], np.int64)

    def __call__(self, rows: pl.DataFrame) -> None:
        """Count rows of the prediction log; may be called from any thread."""
        mine = self._mine(rows)
        if not mine.height:
            return
        counts = np.zeros(self._ends[-1], np.int64)
        for column, start in zip(self.columns, self._ends[:-1], strict=True):
            found = column.count(mine[column.logged]) if column.logged in mine.columns else None
            if found is not None:
                counts[start : start + column.n_bins] = found
        with self._lock:
            now = self._now()
            self._roll(now)
            bucket = self._buckets.get(now)
            self._buckets[now] = counts if bucket is None else bucket + counts

    def state(self) -> DriftState:
        """Return what was counted, to be added to what others have counted."""
        with self._lock:
            self._roll(self._now())
            return DriftState(
                bins=self._bins,
                buckets={number: tuple(c.tolist()) for number, c in self._buckets.items()},
                before=tuple(self._before.tolist()),
            )

    def figures(self, others: Sequence[DriftState] = ()) -> tuple[DriftFigure, ...]:
        """Tell how far each column has moved, here and where `others` have counted.

        Raises
        ------
        InvalidDataError
            If others count in different bins.
        """
        state = self.state()
        for other in others:
            state = state.merge(other)
        first = self._now() - self._n_slices + 1
        return figures_of(
            self.columns,
            inside={n: np.array(c) for n, c in state.buckets.items() if n >= first},
            before=_summed(
                [state.before, *(c for n, c in state.buckets.items() if n < first)],
                self._ends[-1],
            ),
            current=self._now(),
            alpha=self._alpha / self._looks_per_day,
        )

    @property
    def _looks_per_day(self) -> float:
        return max(timedelta(days=1) / self._slice, 1.0)

    def _mine(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Return the answers of this version that did not fail."""
        if self.version is not None:
            own = rows["version"] == self.version
            rows = rows if own.all() else rows.filter(own)
        failed = rows["error"]
        return rows if failed.null_count() == rows.height else rows.filter(failed.is_null())

    def _now(self) -> int:
        return int(self._clock().timestamp() // self._slice.total_seconds())

    def _roll(self, now: int) -> None:
        """Let go of slices that have left the window."""
        for number in [n for n in self._buckets if n <= now - self._n_slices]:
            self._before = self._before + self._buckets.pop(number)


def _added(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    if not one or not other:
        return one or other
    return tuple(a + b for a, b in zip(one, other, strict=True))


def _summed(parts: Sequence[tuple[int, ...]], n: int) -> Counts:
    total = np.zeros(n, np.int64)
    for part in parts:
        total += np.array(part or [0] * n, np.int64)
    return total


def _hash_of(columns: Sequence[WatchedColumn], slice_length: timedelta) -> str:
    told: list[tuple[object, ...]] = [(c.name, c.edges, c.levels) for c in columns]
    return sha256_hex(repr((told, slice_length)).encode())
