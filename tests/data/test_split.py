"""Splits never leak."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from mldeploy.data import Dataset, GroupSplit, RandomSplit, Split, TimeSplit, default_split
from mldeploy.errors import EmptyDataError, InvalidDataError

START = datetime(2013, 1, 1, tzinfo=UTC)
rows = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 9) | st.none(), st.booleans()),
    min_size=2,
    max_size=60,
)
shares = st.floats(0.05, 0.95)


def dataset(rows: list[tuple[int, int | None, bool]], *, unit: str | None) -> Dataset:
    frame = pd.DataFrame(rows, columns=["day", "who", "y"])
    frame["when"] = [START + timedelta(days=day) for day, *_ in rows]
    frame["who"] = frame["who"].astype("Float64")
    frame["row"] = range(len(frame))
    return Dataset.of(frame, target="y", time="when", unit=unit)


def splits(share: float) -> list[Split]:
    return [
        TimeSplit(test_share=share),
        TimeSplit(test_share=share, gap=timedelta(days=2)),
        GroupSplit(test_share=share),
        RandomSplit(test_share=share),
        RandomSplit(test_share=share, stratify=False),
    ]


@given(rows, shares, st.integers(0, 4))
def test_no_unit_and_no_row_is_ever_on_both_sides(
    rows: list[tuple[int, int | None, bool]], share: float, which: int
) -> None:
    data = dataset(rows, unit="who")
    try:
        parts = splits(share)[which].split(data)
    except EmptyDataError:
        assume(False)

    for name in ("row", "who"):
        sides = [
            pd.Series(part.column(name)).astype("Float64").fillna(-1)
            for part in (parts.train, parts.test)
        ]
        assert set(sides[0]).isdisjoint(sides[1])


@given(rows, st.integers(0, 4), st.integers(2, 4))
def test_no_unit_and_no_row_is_in_both_parts_of_a_fold(
    rows: list[tuple[int, int | None, bool]], which: int, n: int
) -> None:
    data = dataset(rows, unit="who")
    who = np.nan_to_num(data.column("who").astype(float), nan=-1.0)
    try:
        folds = list(splits(0.2)[which].folds(data, n))
    except InvalidDataError:
        assume(False)

    assert len(folds) == n
    for train, test in folds:
        assert set(train).isdisjoint(test)
        assert set(who[train]).isdisjoint(who[test])


@given(rows, shares)
def test_training_always_precedes_testing_in_time(
    rows: list[tuple[int, int | None, bool]], share: float
) -> None:
    gap = timedelta(days=2)
    data = dataset(rows, unit=None)
    try:
        parts = TimeSplit(test_share=share, gap=gap).split(data)
    except EmptyDataError:
        assume(False)

    assert parts.train.times().max() + np.timedelta64(
        gap
    ) < parts.test.times().min() + np.timedelta64(1, "us")


@given(rows, st.integers(2, 5))
def test_folds_at_random_test_each_row_once(
    rows: list[tuple[int, int | None, bool]], n: int
) -> None:
    assume(len(rows) >= n)

    tested = [test for _, test in RandomSplit().folds(dataset(rows, unit=None), n)]

    assert sorted(np.concatenate(tested)) == list(range(len(rows)))
    assert max(map(len, tested)) - min(map(len, tested)) <= 1


def test_the_last_fifth_of_ten_days_is_judged() -> None:
    parts = TimeSplit().split(dataset([(day, None, True) for day in range(10)], unit=None))

    assert parts.test.column("row").tolist() == [8, 9]
    assert parts.train.n_rows == 8


def test_a_start_and_a_gap_leave_the_rows_between_out() -> None:
    split = TimeSplit(test_from=START + timedelta(days=6), gap=timedelta(days=2))

    parts = split.split(dataset([(day, None, True) for day in range(10)], unit=None))

    assert parts.train.column("row").tolist() == [0, 1, 2, 3]
    assert parts.test.column("row").tolist() == [6, 7, 8, 9]


def test_units_seen_in_training_are_not_judged_in_time() -> None:
    """Unit 1 is seen on day 0, so its row on day 9 is dropped; unit 2 first comes on day 9."""
    data = dataset([(0, 1, True), (1, 1, True), (9, 1, True), (9, 2, True)], unit="who")

    parts = TimeSplit(test_from=START + timedelta(days=5)).split(data)

    assert parts.test.column("row").tolist() == [3]


def test_folds_in_time_learn_from_more_and_more_of_the_past() -> None:
    data = dataset([(day, None, True) for day in range(8)], unit=None)

    folds = [(train.tolist(), test.tolist()) for train, test in TimeSplit().folds(data, 3)]

    assert folds == [
        ([0, 1], [2, 3]),
        ([0, 1, 2, 3], [4, 5]),
        ([0, 1, 2, 3, 4, 5], [6, 7]),
    ]


def test_classes_have_the_same_share_on_both_sides() -> None:
    data = dataset([(0, None, i < 10) for i in range(100)], unit=None)

    parts = RandomSplit(test_share=0.2).split(data)

    assert parts.test.n_rows == 20
    assert parts.test.y().sum() == 2


def test_units_are_drawn_whatever_the_order_of_rows() -> None:
    drawn = [(0, i % 10, True) for i in range(50)]

    sides = [
        GroupSplit().split(dataset(r, unit="who")).test.column("who") for r in (drawn, drawn[::-1])
    ]

    assert set(sides[0]) == set(sides[1])
    assert len(set(sides[0])) == 2


def test_the_split_follows_the_roles() -> None:
    frame = pd.DataFrame({"t": [START], "u": [1], "x": [2]})

    assert isinstance(default_split(Dataset.of(frame, time="t", unit="u")), TimeSplit)
    assert isinstance(default_split(Dataset.of(frame, unit="u")), GroupSplit)
    assert isinstance(default_split(Dataset.of(frame)), RandomSplit)


def test_splits_that_cannot_be_are_refused() -> None:
    data = dataset([(0, 1, True), (0, 1, True)], unit="who")
    for share in (0.0, 1.0, float("nan")):
        with pytest.raises(InvalidDataError, match="in \\(0, 1\\)"):
            RandomSplit(test_share=share)
    with pytest.raises(InvalidDataError, match="no time zone"):
        TimeSplit(test_from=datetime(2013, 1, 1))
    with pytest.raises(InvalidDataError, match="negative"):
        TimeSplit(gap=timedelta(days=-1))
    with pytest.raises(EmptyDataError, match="on the training side"):
        TimeSplit().split(data)
    with pytest.raises(EmptyDataError, match="side"):
        GroupSplit().split(data)
    with pytest.raises(InvalidDataError, match="too few for 3 folds"):
        list(GroupSplit().folds(data, 3))
    with pytest.raises(InvalidDataError, match="too few for 3 folds"):
        list(TimeSplit().folds(data, 3))
    with pytest.raises(InvalidDataError, match="2 or more"):
        list(RandomSplit().folds(data, 1))
    with pytest.raises(InvalidDataError, match="declares no unit"):
        GroupSplit().split(dataset([(0, 1, True)], unit=None))
