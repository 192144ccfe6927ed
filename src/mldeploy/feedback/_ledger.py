"""What turned out to be true, as far as it was known at any time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, final

import polars as pl
from tqdm import tqdm

from mldeploy._record import Record
from mldeploy.errors import InvalidDataError
from mldeploy.feedback._coverage import AGES, Coverage, Delays, coverage_of, delays_of
from mldeploy.feedback._incoming import STAMP, Labels, iso, read_labels
from mldeploy.feedback._rows import changes_of, example, has_keys, insert, read
from mldeploy.feedback._values import Kind, Label, LabelRule, kind_of_texts, values_of
from mldeploy.problem import Problem
from mldeploy.store import Store

_FEW: Final = 50_000
"""Up to so many predictions, asking for the labels of each is quicker than reading all."""
_ROW: Final = "\0row"
_ORDER: Final = ("observed_at", "received_at", "revision")


@final
class Recorded(Record):
    """What became of delivered labels.

    Attributes
    ----------
    n_new : int
        Stored; `n_revised` of them say something else about a prediction that had a label.
    n_revised : int
        See `n_new`.
    n_repeated : int
        Left out: they had been delivered before.
    n_empty : int
        Left out: rows without a value.
    """

    n_new: int
    n_revised: int
    n_repeated: int
    n_empty: int


@final
class LabelLedger:
    """What turned out to be true: late, partial, revised, and never overwritten.

    Two times are kept apart: when something was true or measured (``observed_at``), and when
    it came to be known here (``received_at``). What counts at a time is the latest observation
    that had been received by then, whatever the order of arrival; of two about the same time, the
    one received last.

    Parameters
    ----------
    store : Store
        Keeps the labels; each delivery is one transaction and one event of its ledger.
    problem : Problem, optional
        What is predicted: labels of another type are refused, and its name is the scope. Without
        it, all labels have the type of the first.
    classes : sequence, optional
        The labels there are; others are refused.
    scope : str, optional
        Which labels belong together; by default the problem's name.

    Examples
    --------
    >>> import tempfile
    >>> from datetime import UTC
    >>> noon = datetime(2013, 1, 1, 12, tzinfo=UTC)
    >>> with tempfile.TemporaryDirectory() as folder, Store.open(folder) as store:
    ...     ledger = LabelLedger(store)
    ...     first = ledger.record([{"prediction_id": "a", "value": True}], received_at=noon)
    ...     again = ledger.record([{"prediction_id": "a", "value": True}], received_at=noon)
    ...     known = ledger.labels(as_of=noon)["label"].to_list()
    >>> first.n_new, again.n_repeated, known
    (1, 1, [True])
    """

    def __init__(
        self,
        store: Store,
        *,
        problem: Problem | None = None,
        classes: Sequence[Label] = (),
        scope: str | None = None,
    ) -> None:
        self._store = store
        self._rule = LabelRule.of(problem, classes)
        self.scope = scope if scope is not None else "" if problem is None else problem.name

    def record(
        self,
        labels: Labels,
        *,
        received_at: datetime | None = None,
        by: str = "mldeploy",
        progress: bool = True,
    ) -> Recorded:
        """Store labels, all or none of them.

        Parameters
        ----------
        labels : frame or iterable of mapping
            Each with ``value``, and ``prediction_id`` or ``key`` and ``time`` of the prediction;
            ``observed_at`` where it is known, else it counts as observed when received;
            ``received_at`` where it differs from the argument. Rows without a value are skipped,
            and predictions that nobody knows are stored: they may be known later.
        received_at : datetime, optional
            When they came to be known; by default now, by the store's clock.
        by : str, default="mldeploy"
            Who delivers them, for the ledger.
        progress : bool, default=True
            Show a progress bar if it takes longer than a second.

        Returns
        -------
        Recorded
            How many were new, revised, delivered before, or empty.

        Raises
        ------
        InvalidRowsError
            If a label is of another type or class, or names no prediction.
        InvalidDataError
            If a column is missing or unknown, or a time has no zone.
        StoreBusyError, StoreFullError
            If the store cannot be written; nothing was stored.
        """
        arrived = _zoned(received_at or self._store.clock())
        read, n_empty = read_labels(labels, self._current_rule(), received_at=arrived)
        if not read:
            return Recorded(n_new=0, n_revised=0, n_repeated=0, n_empty=n_empty)
        with self._store.write() as tx:
            changes = changes_of(tx.connection, self.scope, read)
            n_new = len(changes.rows)
            if n_new:
                with tqdm(total=n_new, desc="labels", delay=1, disable=not progress) as bar:
                    for n_inserted in insert(tx.connection, changes.rows):
                        bar.update(n_inserted)
                tx.record(
                    "labels.recorded",
                    subject=self.scope,
                    actor=by,
                    details={
                        "n": n_new,
                        "n_revised": changes.n_revised,
                        "digest": changes.digest,
                    },
                )
        return Recorded(
            n_new=n_new,
            n_revised=changes.n_revised,
            n_repeated=len(read) - n_new,
            n_empty=n_empty,
        )

    def labels(self, *, as_of: datetime | None = None) -> pl.DataFrame:
        """Return the label of each prediction as it was known at a time.

        Parameters
        ----------
        as_of : datetime, optional
            With a zone; by default everything known now.

        Returns
        -------
        polars.DataFrame
            Columns ``prediction_id``, ``key``, ``time``, ``label``, ``observed_at``,
            ``received_at`` and ``revision``, which is 0 for a first label.
        """
        rows = self._rows(as_of).sort(_ORDER)
        latest = rows.unique(("prediction_id", "key", "time"), keep="last", maintain_order=True)
        return self._decoded(latest)

    def history(self) -> pl.DataFrame:
        """Return every label that was ever received, in the columns of `labels`."""
        return self._decoded(self._rows(None).sort("received_at", "revision", maintain_order=True))

    def join(self, predictions: pl.DataFrame, *, as_of: datetime | None = None) -> pl.DataFrame:
        """Return predictions with the labels that were known at a time.

        Parameters
        ----------
        predictions : polars.DataFrame
            Rows with ``prediction_id``, and ``key`` and ``time`` for labels by key, as
            `read_log` returns them.
        as_of : datetime, optional
            With a zone; by default everything known now.

        Returns
        -------
        polars.DataFrame
            The same rows in the same order, with ``label``, ``label_time`` (when it was
            observed) and ``label_received`` (when the prediction's first label came): null
            where there is none. Columns of these names are replaced.
        """
        table = predictions.drop("label", "label_time", "label_received", strict=False)
        rows = table.select(c for c in ("prediction_id", "key", "time") if c in table.columns)
        if "prediction_id" not in rows.columns:
            raise InvalidDataError("predictions have no column 'prediction_id'; see read_log")
        if {"key", "time"} <= set(rows.columns):
            rows = rows.with_columns(pl.col("time").dt.strftime(STAMP))
        else:
            rows = rows.select("prediction_id")
        rows = rows.with_row_index(_ROW)
        matches = _matches(rows, self._candidates(rows, as_of)).sort(_ORDER)
        label = matches.group_by(_ROW).agg(
            pl.col("value").last(),
            pl.col("observed_at").last(),
            pl.col("received_at").min(),
        )
        joined = rows.select(_ROW).join(label, on=_ROW, how="left", maintain_order="left")
        return table.with_columns(
            values_of(joined["value"], self._kind(joined["value"])).alias("label"),
            _times(joined["observed_at"]).alias("label_time"),
            _times(joined["received_at"]).alias("label_received"),
        )

    def matured(
        self, predictions: pl.DataFrame, *, as_of: datetime, label_delay: timedelta
    ) -> pl.DataFrame:
        """Return the predictions that are so old that their labels should have come, joined.

        A verdict looks at these alone: among the labelled so far, quick labels are too frequent.

        Parameters
        ----------
        predictions : polars.DataFrame
            As for `join`, with ``time``.
        as_of : datetime
            Now, with a zone; later labels are not seen.
        label_delay : timedelta
            After which practically every label is known, at least 0.
        """
        if label_delay < timedelta(0):
            raise ValueError(f"{label_delay=} is negative; a label cannot precede its prediction")
        ripe = predictions.filter(pl.col("time") <= _zoned(as_of) - label_delay)
        return self.join(ripe, as_of=as_of)

    def orphans(self, predictions: pl.DataFrame, *, as_of: datetime | None = None) -> pl.DataFrame:
        """Return the labels, as `labels` does, that belong to none of the predictions."""
        labels = self.labels(as_of=as_of)
        known = labels.join(predictions, on="prediction_id", how="semi")
        by_key = labels.filter(pl.col("key").is_not_null())
        if "key" in predictions.columns:
            by_key = by_key.join(predictions, on=["key", "time"], how="anti")
        lost = labels.filter(pl.col("prediction_id").is_not_null())
        lost = lost.join(known, on="prediction_id", how="anti")
        return pl.concat([lost, by_key]).sort("received_at", maintain_order=True)

    def coverage(
        self,
        predictions: pl.DataFrame,
        *,
        as_of: datetime | None = None,
        ages: Sequence[timedelta] = AGES,
    ) -> Coverage:
        """Count which share of predictions has a label, by their age.

        Parameters
        ----------
        predictions : polars.DataFrame
            As for `join`, with ``time``.
        as_of : datetime, optional
            With a zone; by default now, by the store's clock. Later predictions do not count.
        ages : sequence of timedelta
            Increasing bounds between the groups of age.
        """
        now = _zoned(as_of or self._store.clock())
        past = predictions.filter(pl.col("time") <= now)
        return coverage_of(self.join(past, as_of=now), as_of=now, ages=ages)

    def delays(self, predictions: pl.DataFrame, *, as_of: datetime | None = None) -> Delays:
        """Estimate how long labels take, from prediction to first receipt.

        Parameters
        ----------
        predictions : polars.DataFrame
            As for `join`, with ``time``.
        as_of : datetime, optional
            With a zone; by default now, by the store's clock.

        Raises
        ------
        EmptyDataError
            If no label has come.
        """
        now = _zoned(as_of or self._store.clock())
        past = predictions.filter(pl.col("time") <= now)
        return delays_of(self.join(past, as_of=now), as_of=now)

    # --- parts ----------------------------------------------------------------------------

    def _rows(self, as_of: datetime | None) -> pl.DataFrame:
        bound = None if as_of is None else iso(_zoned(as_of))
        with self._store.read() as connection:
            return read(connection, self.scope, as_of=bound)

    def _candidates(self, rows: pl.DataFrame, as_of: datetime | None) -> pl.DataFrame:
        if rows.height > _FEW:
            return self._rows(as_of)
        bound = None if as_of is None else iso(_zoned(as_of))
        keys, between = [], None
        with self._store.read() as connection:
            if "key" in rows.columns and has_keys(connection):
                keys = rows["key"].drop_nulls().unique().to_list()
                between = (str(rows["time"].min()), str(rows["time"].max()))
            ids = rows["prediction_id"].drop_nulls().unique().to_list()
            return read(connection, self.scope, as_of=bound, ids=ids, keys=keys, between=between)

    def _current_rule(self) -> LabelRule:
        if self._rule.kind is not None:
            return self._rule
        with self._store.read() as connection:
            text = example(connection, self.scope)
        known = None if text is None else kind_of_texts([text])
        return LabelRule(kind=known, classes=self._rule.classes)

    def _kind(self, texts: pl.Series) -> Kind | None:
        return self._rule.kind or kind_of_texts(texts.drop_nulls().unique())

    def _decoded(self, rows: pl.DataFrame) -> pl.DataFrame:
        return rows.select(
            "prediction_id",
            "key",
            _times(rows["time"]),
            values_of(rows["value"], self._kind(rows["value"])).alias("label"),
            _times(rows["observed_at"]),
            _times(rows["received_at"]),
            "revision",
        )


def _matches(rows: pl.DataFrame, labels: pl.DataFrame) -> pl.DataFrame:
    """Return every label of every row, named by the row's number."""
    chosen = (_ROW, "value", *_ORDER)
    found = [rows.join(labels, on="prediction_id", how="inner").select(chosen)]
    if "key" in rows.columns:
        by_key = labels.filter(pl.col("key").is_not_null())
        found.append(rows.join(by_key, on=["key", "time"], how="inner").select(chosen))
    return pl.concat(found)


def _times(texts: pl.Series) -> pl.Series:
    times = texts.str.slice(0, 26).str.to_datetime("%Y-%m-%dT%H:%M:%S%.f", time_unit="us")
    return times.dt.replace_time_zone("UTC")


def _zoned(time: datetime) -> datetime:
    if time.tzinfo is None:
        raise InvalidDataError(
            f"the time {time} has no zone; pass datetime(..., tzinfo=timezone.utc)"
        )
    return time
