"""Samples keep units whole, and are the same everywhere."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.data import Dataset, DataSource, FrameSource, UnitSample, rows_of
from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.testing import DataSourceConformance

units = st.lists(st.none() | st.integers(-(2**53), 2**53), min_size=1, max_size=30)
shares = st.floats(0.01, 1)


class TestSampledSource(DataSourceConformance):
    @pytest.fixture
    def source(self) -> DataSource:
        start = datetime(2026, 1, 1, tzinfo=UTC)
        rows = pl.DataFrame(
            {
                "at": [start + timedelta(hours=h) for h in range(60)],
                "who": [h % 12 for h in range(60)],
            }
        )
        whole = FrameSource.of(rows, time="at", batch_rows=7)
        return UnitSample(share=0.5).source(whole, unit="who")

    @pytest.fixture
    def time(self) -> str:
        return "at"


@given(units, shares, shares)
def test_a_larger_share_holds_a_smaller_and_all_hold_everything(
    values: list[int | None], one: float, other: float
) -> None:
    column = pl.Series("u", values, dtype=pl.Int64)
    small, large = sorted((one, other))
    inside, outside = (UnitSample(share=s).draws(column) for s in (small, large))

    assert (inside <= outside).all()
    assert UnitSample(share=1).draws(column).all()


@given(units, shares, st.randoms(use_true_random=False))
def test_whether_a_unit_is_in_depends_on_its_value_alone(
    values: list[int | None], share: float, random: object
) -> None:
    """Not on its neighbours, their order, or the type that holds it."""
    sample = UnitSample(share=share)
    column = pl.Series("u", values, dtype=pl.Int64)
    together = dict(zip(values, sample.draws(column), strict=True))
    shuffled = list(values)
    random.shuffle(shuffled)  # type: ignore[attr-defined]

    for value, drawn in together.items():
        alone = pl.Series("v", [value], dtype=pl.Int64)
        assert sample.draws(alone).to_list() == [drawn]
        assert sample.draws(alone.cast(pl.Float64)).to_list() == [drawn]
    again = sample.draws(pl.Series("u", shuffled, dtype=pl.Int64))
    assert [together[value] for value in shuffled] == again.to_list()


def test_the_units_drawn_are_those_drawn_on_every_machine() -> None:
    """A change of this list changes the samples that people have kept."""
    names = pl.Series("u", [f"N{i:03}" for i in range(20)])

    drawn = names.filter(UnitSample(share=0.3, salt="pilot").draws(names))

    assert drawn.to_list() == ["N002", "N009", "N011", "N018"]


def test_a_share_is_about_a_share_and_salts_are_independent() -> None:
    """Of 20,000 units 0.1: within 4.5 deviations of 42; of both salts 0.01, within 63 of 200."""
    column = pl.Series("u", range(20_000))
    one, other = (UnitSample(share=0.1, salt=salt).draws(column) for salt in ("a", "b"))

    assert abs(int(one.sum()) - 2_000) < 191
    assert abs(int((one & other).sum()) - 200) < 63


def test_a_dataset_keeps_all_rows_of_a_unit_or_none() -> None:
    frame = pd.DataFrame({"who": [i % 50 for i in range(500)], "x": range(500)})
    data = Dataset.of(frame, unit="who")

    sample = UnitSample(share=0.4).take(data)

    assert set(sample.table["who"].value_counts()["count"]) == {10}
    assert sample.roles == data.roles


def test_samples_of_a_table_and_of_a_source_are_the_same_rows() -> None:
    table = pl.DataFrame({"who": [i % 50 for i in range(500)], "x": range(500)})
    sample = UnitSample(share=0.4)

    from_source = rows_of(sample.source(FrameSource.of(table, batch_rows=33), unit="who"))

    assert from_source.equals(sample.take(Dataset.of(table, unit="who")).table)


def test_what_cannot_be_sampled_is_refused() -> None:
    for share in (0, -1, 1.5, float("nan")):
        with pytest.raises(InvalidDataError, match="no share"):
            UnitSample(share=share)
    table = pl.DataFrame({"who": [1]})
    with pytest.raises(InvalidDataError, match="declares no unit"):
        UnitSample(share=0.5).take(Dataset.of(table))
    with pytest.raises(InvalidDataError, match="has no column 'plane'"):
        UnitSample(share=0.5).source(FrameSource.of(table), unit="plane")
    with pytest.raises(EmptyDataError):
        UnitSample(share=1e-9).take(Dataset.of(table, unit="who"))
