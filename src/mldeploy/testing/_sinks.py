"""The kit of prediction sinks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import polars as pl
import pytest

from mldeploy.errors import PredictionLogError
from mldeploy.problem import Task
from mldeploy.serving import PredictionBatch, PredictionSink, SupportsReading
from mldeploy.testing._conformance import Conformance
from mldeploy.testing._rules import at_once
from mldeploy.testing._trained import sample_batch

ReadSink = Callable[[PredictionSink], pl.DataFrame]
_PATIENCE = timedelta(seconds=60)


class PredictionSinkConformance(Conformance, kit=True):
    """Subclass as ``TestYourSink`` and define the `sink` fixture, a new one for each test.

    It must have room for eight rows at least. Batches are of the deployment ``"sample"``. A sink
    that cannot be read through `SupportsReading` defines `rows_of` too.
    """

    @pytest.fixture
    def sink(self) -> PredictionSink:
        """The sink on trial: new and empty."""
        raise NotImplementedError(f"{type(self).__name__} must define the `sink` fixture")

    @pytest.fixture
    def rows_of(self) -> ReadSink:
        """What reads back, in the columns of `read_log`, the rows that a sink has kept."""
        return _frame_of

    def test_written_rows_come_back_once_after_a_flush(
        self, sink: PredictionSink, rows_of: ReadSink
    ) -> None:
        """With the values that were written, in the columns of the log."""
        batch = sample_batch(8)
        sink.write(batch)
        sink.flush(_PATIENCE)
        columns = ["prediction_id", "key", "time", "version", "prediction", "score", "latency_s"]
        expected = batch.to_frame().select(columns)
        found = rows_of(sink).select(columns).sort("prediction_id")
        assert found.to_dicts() == expected.to_dicts()
        assert sink.dropped == 0

    def test_features_come_back_under_their_logged_names(
        self, sink: PredictionSink, rows_of: ReadSink
    ) -> None:
        """Also one that is called as a column of the log is, or holds quotes and line ends."""
        batch = sample_batch(4)
        sink.write(batch)
        sink.flush(_PATIENCE)
        names = ["wind", "feature.score", "<b>"]
        expected = batch.to_frame().select(names)
        assert rows_of(sink).sort("prediction_id").select(names).to_dicts() == expected.to_dicts()

    @pytest.mark.parametrize("task", list(Task))
    def test_answers_of_each_task_are_kept(
        self, sink: PredictionSink, rows_of: ReadSink, task: Task
    ) -> None:
        """Labels keep their type, and scores of several classes their number."""
        batch = sample_batch(5, task=task)
        sink.write(batch)
        sink.flush(_PATIENCE)
        found = rows_of(sink).sort("prediction_id")
        expected = batch.to_frame()
        for column in ("prediction", "score"):
            assert found[column].to_list() == expected[column].to_list()

    def test_failed_answers_are_kept_with_their_error(
        self, sink: PredictionSink, rows_of: ReadSink
    ) -> None:
        """What failed is what somebody will want to see."""
        sink.write(_failed(sample_batch(3)))
        sink.flush(_PATIENCE)
        found = rows_of(sink)
        assert found["error"].to_list() == ["ValueError: no"] * 3
        assert found["prediction"].null_count() == 3

    def test_rows_are_kept_or_counted_as_dropped(
        self, sink: PredictionSink, rows_of: ReadSink
    ) -> None:
        """Nothing is lost silently, however much there is, and nothing comes twice."""
        for i in range(20):
            sink.write(sample_batch(500, first=500 * i))
        sink.flush(_PATIENCE)
        _require_accounted(sink, rows_of, 20 * 500)

    def test_threads_write_at_once(self, sink: PredictionSink, rows_of: ReadSink) -> None:
        """Rows of several threads are kept once each, or counted."""
        numbers = iter(range(100))

        def write() -> None:
            for _ in range(10):
                sink.write(sample_batch(5, first=1000 * next(numbers)))
                sink.flush(_PATIENCE)

        at_once(write, n=4)
        _require_accounted(sink, rows_of, 4 * 10 * 5)

    def test_batch_is_left_untouched(self, sink: PredictionSink) -> None:
        """The caller answers with what it has handed over."""
        batch = sample_batch(8)
        sink.write(batch)
        sink.flush(_PATIENCE)
        assert batch.to_frame().equals(sample_batch(8).to_frame())

    def test_flush_without_rows_returns(self, sink: PredictionSink, rows_of: ReadSink) -> None:
        """And so does a second one."""
        sink.flush(_PATIENCE)
        sink.flush(_PATIENCE)
        assert sink.dropped == 0
        assert rows_of(sink).height == 0

    def test_close_makes_everything_safe(self, sink: PredictionSink, rows_of: ReadSink) -> None:
        """Without a flush before."""
        sink.write(sample_batch(8))
        sink.close()
        assert rows_of(sink).height == 8

    def test_close_may_be_called_again(self, sink: PredictionSink) -> None:
        """A deployment that is stopped twice closes twice."""
        sink.close()
        sink.close()

    def test_closed_sink_takes_no_more(self, sink: PredictionSink, rows_of: ReadSink) -> None:
        """It raises, since a row that it took would be lost."""
        sink.write(sample_batch(2))
        sink.close()
        with pytest.raises(PredictionLogError):
            sink.write(sample_batch(2, first=2))
        assert rows_of(sink).height == 2


def _frame_of(sink: PredictionSink) -> pl.DataFrame:
    if not isinstance(sink, SupportsReading):
        raise NotImplementedError(
            f"{type(sink).__name__} has no frame(); define the `rows_of` fixture, which reads it"
        )
    return sink.frame()


def _failed(batch: PredictionBatch) -> PredictionBatch:
    return PredictionBatch(
        deployment=batch.deployment,
        version=batch.version,
        ids=batch.ids,
        times=batch.times,
        features=batch.features,
        latency_s=batch.latency_s,
        errors=["ValueError: no"] * len(batch),
    )


def _require_accounted(sink: PredictionSink, rows_of: ReadSink, n_written: int) -> None:
    kept = rows_of(sink)["prediction_id"]
    assert kept.is_unique().all(), "a row came back twice"
    assert len(kept) + sink.dropped == n_written, (
        f"{n_written} rows were written, {len(kept)} kept and {sink.dropped} counted as dropped"
    )
