"""Labels are late, partial, revised, and joined as of any time."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from mldeploy.errors import EmptyDataError, InvalidDataError, InvalidRowsError
from mldeploy.feedback import LabelLedger
from mldeploy.problem import Criterion, Problem
from mldeploy.store import Store

T0 = datetime(2013, 4, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
LATE = Problem(
    name="late", statement="Which flights land late?", target="late", positive=True,
    criteria=[Criterion("roc_auc", at_least=0.7)],
)  # fmt: skip
DELAY = Problem(
    name="delay", statement="How late?", target="delay", task="regression",
    criteria=[Criterion("r2", at_least=0.1)],
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store", clock=lambda: T0) as opened:
        yield opened


def predictions_of(*ids: str, key: str | None = None) -> pl.DataFrame:
    """One prediction an hour."""
    times = [T0 + i * HOUR for i in range(len(ids))]
    keys = pl.Series([key] * len(ids), dtype=pl.String)
    return pl.DataFrame({"prediction_id": ids, "key": keys, "time": times})


def said(value: object, *, about: str = "a", at: int | None = None) -> dict[str, object]:
    observed = {} if at is None else {"observed_at": T0 + at * HOUR}
    return {"prediction_id": about, "value": value} | observed


def test_a_join_keeps_every_prediction_in_its_order(store: Store) -> None:
    ledger = LabelLedger(store, problem=LATE)
    ledger.record([said(True, about="c", at=5), said(False, about="a", at=3)], received_at=T0)
    predictions = predictions_of("c", "b", "a")

    joined = ledger.join(predictions)

    assert joined.drop("label", "label_time", "label_received").equals(predictions)
    assert joined["label"].to_list() == [True, None, False]
    assert joined["label_time"].to_list() == [T0 + 5 * HOUR, None, T0 + 3 * HOUR]
    assert ledger.join(joined).equals(joined)


def test_labels_by_key_meet_the_prediction_of_that_key_and_time(store: Store) -> None:
    ledger = LabelLedger(store, problem=LATE)
    berlin = timezone(2 * HOUR)
    rows = [
        {"key": "N1", "time": (T0 + HOUR).astimezone(berlin), "value": True},
        {"key": "N2", "time": T0, "value": True},
    ]
    ledger.record(rows)

    joined = ledger.join(predictions_of("a", "b", "c", key="N1"))

    assert joined["label"].to_list() == [None, True, None]
    assert ledger.orphans(joined)["key"].to_list() == ["N2"]


def test_what_was_known_at_a_time_does_not_change_when_more_is_known(store: Store) -> None:
    ledger, predictions = LabelLedger(store, problem=LATE), predictions_of("a")
    ledger.record([said(True, at=2)], received_at=T0 + 3 * HOUR)
    ledger.record([said(False, at=4)], received_at=T0 + 6 * HOUR)

    known = [ledger.join(predictions, as_of=T0 + h * HOUR)["label"][0] for h in (2, 3, 5, 6)]

    assert known == [None, True, True, False]
    assert ledger.history()["label"].to_list() == [True, False]
    assert ledger.join(predictions)["label_received"].to_list() == [T0 + 3 * HOUR]


def test_an_old_observation_that_comes_late_does_not_replace_a_newer_one(store: Store) -> None:
    ledger = LabelLedger(store, problem=LATE)
    ledger.record([said(False, at=4)], received_at=T0 + 5 * HOUR)
    ledger.record([said(True, at=2)], received_at=T0 + 9 * HOUR)

    assert ledger.labels()["label"].to_list() == [False]


def test_delivering_again_changes_nothing(store: Store) -> None:
    ledger = LabelLedger(store, problem=LATE)
    rows = [said(True, at=1), said(False, at=2), said(True, about="b"), said(None, about="c")]
    first = ledger.record(rows)
    head = store.ledger.head()

    again = ledger.record(rows, received_at=T0 + HOUR)

    assert (first.n_new, first.n_revised, first.n_empty) == (3, 1, 1)
    assert (again.n_new, again.n_repeated) == (0, 3)
    assert store.ledger.head() == head


def test_a_delivery_is_one_event_and_the_store_stays_sound(store: Store) -> None:
    before = store.ledger.head().sequence

    LabelLedger(store, problem=LATE).record(
        [said(True, about=str(i)) for i in range(50)], by="ana"
    )

    assert store.ledger.head().sequence == before + 1
    assert store.verify() == ()


@pytest.mark.parametrize(
    ("problem", "value"),
    [
        (LATE, 1), (LATE, "yes"), (LATE, 0.5), (DELAY, True), (DELAY, "late"),
        (DELAY, float("inf")), (None, [1]), (None, {"a": 1}),
    ],
)  # fmt: skip
def test_a_label_that_does_not_suit_the_problem_is_refused_with_its_row(
    store: Store, problem: Problem | None, value: object
) -> None:
    ledger = LabelLedger(store, problem=problem)
    good = 1.0 if problem is DELAY else True

    with pytest.raises(InvalidRowsError) as refusal:
        ledger.record([said(good), said(value, about="b")])

    assert [(e.row, e.column) for e in refusal.value.errors] == [(1, "value")]
    assert ledger.labels().is_empty()


def test_a_label_that_is_none_of_the_classes_is_refused(store: Store) -> None:
    ledger = LabelLedger(store, classes=("early", "late"))

    ledger.record([said("late")])
    with pytest.raises(InvalidRowsError, match="none of the classes 'early', 'late'"):
        ledger.record([said("cancelled")])


def test_without_a_problem_labels_keep_the_type_of_the_first(store: Store) -> None:
    LabelLedger(store).record([said("late")])

    with pytest.raises(InvalidRowsError, match="of kind string"):
        LabelLedger(store).record([said(True)])


@pytest.mark.parametrize(
    ("rows", "error", "says"),
    [
        ([{"value": True}], InvalidRowsError, "name the prediction"),
        ([{"value": True, "key": "N1"}], InvalidRowsError, "by its id, or by key and time"),
        ([{"value": True, "prediction_id": 7}], InvalidRowsError, "no identifier"),
        ([{"value": True, "prediction_id": "a", "truth": 1}], InvalidDataError, "'truth'"),
        ([{"prediction_id": "a"}], InvalidDataError, "column 'value'"),
        ([said(True) | {"observed_at": datetime(2013, 4, 1)}], InvalidDataError, "no zone"),
        ([said(True) | {"observed_at": 7}], InvalidDataError, "no time"),
    ],
)
def test_bad_deliveries_are_refused_whole(
    store: Store, rows: list[dict[str, Any]], error: type[Exception], says: str
) -> None:
    ledger = LabelLedger(store, problem=LATE)

    with pytest.raises(error, match=says):
        ledger.record([*rows, said(True, about="good")] if "value" in rows[0] else rows)
    assert ledger.labels().is_empty()


@pytest.mark.parametrize("as_frame", [pd.DataFrame, pl.DataFrame])
def test_frames_are_read_like_mappings(store: Store, as_frame: Any) -> None:
    ledger = LabelLedger(store, problem=DELAY)
    rows = {"prediction_id": ["a", "b", "c"], "value": [1.5, float("nan"), 3.0]}

    recorded = ledger.record(as_frame(rows | {"observed_at": [T0, T0, T0 + HOUR]}))

    assert (recorded.n_new, recorded.n_empty) == (2, 1)
    assert ledger.labels()["label"].to_list() == [1.5, 3.0]
    assert ledger.labels()["observed_at"].to_list() == [T0, T0 + HOUR]


def test_only_old_predictions_are_matured(store: Store) -> None:
    ledger = LabelLedger(store, problem=LATE)
    ledger.record([said(True, about=i) for i in "abc"], received_at=T0)

    ripe = ledger.matured(predictions_of("a", "b", "c"), as_of=T0 + 9 * HOUR, label_delay=8 * HOUR)

    assert ripe["prediction_id"].to_list() == ["a", "b"]
    with pytest.raises(ValueError, match="negative"):
        ledger.matured(predictions_of("a"), as_of=T0, label_delay=-HOUR)


def test_coverage_counts_by_age(store: Store) -> None:
    """At 4 h the predictions are 4, 3, 2, 1 and 0 h old; a, b and d are labelled."""
    ledger = LabelLedger(store, problem=LATE)
    ledger.record([said(True, about=i) for i in "abd"], received_at=T0)
    predictions = predictions_of(*"abcdefg")

    coverage = ledger.coverage(predictions, as_of=T0 + 4 * HOUR, ages=[2 * HOUR])

    assert (coverage.n, coverage.n_labelled, coverage.share) == (5, 3, 0.6)
    assert [(g.n, g.n_labelled) for g in coverage.by_age] == [(2, 1), (3, 2)]
    assert "60.0%" in coverage._repr_html_()
    assert ledger.coverage(predictions.head(0)).share is None


def test_delays_of_old_predictions_are_the_plain_quantiles(store: Store) -> None:
    """A hundred labels after 1 to 100 minutes, all long come: half of them after 50."""
    ledger = LabelLedger(store, problem=LATE)
    ids = [f"{i:03d}" for i in range(1, 101)]
    predictions = predictions_of(*ids).with_columns(time=pl.lit(T0))
    minute = timedelta(minutes=1)
    ledger.record([said(True, about=i) | {"received_at": T0 + int(i) * minute} for i in ids])

    delays = ledger.delays(predictions, as_of=T0 + timedelta(days=9))

    assert [q.delay / minute for q in delays.quantiles] == [50, 90, 99, 100]
    assert "100 labels" in delays._repr_html_()
    with pytest.raises(EmptyDataError):
        ledger.delays(predictions, as_of=T0)


def test_many_predictions_are_joined_like_few(store: Store) -> None:
    ids = [f"{i:05d}" for i in range(6000)]
    ledger = LabelLedger(store, problem=LATE)
    ledger.record([said(int(i) % 3 == 0, about=i) for i in ids[::2]])
    predictions = predictions_of(*ids)

    whole = ledger.join(predictions)

    parts = [ledger.join(predictions[i : i + 1000]) for i in range(0, 6000, 1000)]
    assert whole.equals(pl.concat(parts))
    assert whole["label"].null_count() == 3000


def test_scopes_are_kept_apart(store: Store) -> None:
    LabelLedger(store, scope="one").record([said("yes")])

    assert LabelLedger(store, scope="two").labels().is_empty()


class LedgerAgainstDict(RuleBasedStateMachine):
    """The ledger knows what a dictionary of all that was said would know."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = Store.open(self.folder.name, clock=lambda: T0)
        self.ledger = LabelLedger(self.store, problem=LATE)
        self.said: dict[str, list[tuple[int, int, int, bool]]] = {}

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    @rule(
        batch=st.lists(
            st.tuples(st.sampled_from("abc"), st.booleans(), st.integers(0, 5)), max_size=4
        ),
        received=st.integers(0, 9),
    )
    def deliver(self, batch: list[tuple[str, bool, int]], received: int) -> None:
        rows = [said(value, about=name, at=at) for name, value, at in batch]
        self.ledger.record(rows, received_at=T0 + received * HOUR)
        for name, value, at in batch:
            known = self.said.setdefault(name, [])
            if not any((at, value) == (o, v) for o, _, _, v in known):
                known.append((at, received, len(known), value))

    @rule(as_of=st.integers(0, 10))
    def look_back(self, as_of: int) -> None:
        joined = self.ledger.join(predictions_of(*"abcd"), as_of=T0 + as_of * HOUR)
        expected = [
            max((k for k in self.said.get(n, []) if k[1] <= as_of), default=(None,))[-1]
            for n in "abcd"
        ]
        assert joined["label"].to_list() == expected

    @invariant()
    def nothing_is_forgotten(self) -> None:
        assert len(self.ledger.history()) == sum(map(len, self.said.values()))


LedgerAgainstDict.TestCase.settings = settings(
    max_examples=8, stateful_step_count=8, deadline=None
)
TestLedgerAgainstDict = LedgerAgainstDict.TestCase


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(0, 9)), max_size=12),
    st.integers(0, 9), st.integers(0, 9),
)  # fmt: skip
@settings(max_examples=10)
def test_more_time_never_knows_fewer_labels(
    arrivals: list[tuple[str, int]], one: int, other: int
) -> None:
    with tempfile.TemporaryDirectory() as folder, Store.open(folder) as store:
        ledger = LabelLedger(store, problem=LATE)
        ledger.record([said(True, about=n) | {"received_at": T0 + h * HOUR} for n, h in arrivals])
        early, late = (
            set(ledger.labels(as_of=T0 + h * HOUR)["prediction_id"]) for h in sorted((one, other))
        )

    assert early <= late


WRITER = """
import sys
from mldeploy.feedback import LabelLedger
from mldeploy.store import Store
with Store.open(sys.argv[1]) as store:
    ledger = LabelLedger(store, scope="late")
    for i in range(40):
        ledger.record([
            {"prediction_id": f"{sys.argv[2]}-{i}", "value": True},
            {"prediction_id": "shared", "value": i % 2 == 0},
        ])
"""


@pytest.mark.slow
def test_two_processes_write_one_ledger(tmp_path: Path) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path), name]) for name in "ab"
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]

    with Store.open(tmp_path) as store:
        history = LabelLedger(store, scope="late").history()
        assert store.verify() == ()
    shared = history.filter(pl.col("prediction_id") == "shared")
    assert history.height - shared.height == 80
    assert shared["revision"].sort().to_list() == list(range(shared.height))
