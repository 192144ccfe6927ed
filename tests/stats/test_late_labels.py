"""Metrics from labels that arrive late, and sooner for one class than for the other."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.stats import matured, reporting_delay, reporting_weights, weighted_mean

NOW = datetime(2013, 6, 1, 12, tzinfo=UTC)


class _Stream(NamedTuple):
    ages: np.ndarray
    labels: np.ndarray
    right: np.ndarray
    delays: np.ndarray
    labelled: np.ndarray


def _stream(
    rng: np.random.Generator, *, positive: float, negative: float, spread: float = 0.0
) -> _Stream:
    """6,000 predictions over 60 days, 20 % positive; labels take `positive`, `negative` days.

    Exponential delays, or log-normal ones with the given spread; 2.8 % never come. The model is
    right on 60 % of the positives and on 90 % of the negatives.
    """
    n = 6000
    ages, labels = rng.uniform(0, 60, n), rng.random(n) < 0.2
    typical = np.where(labels, positive, negative)
    delays = typical * (rng.lognormal(0, spread, n) if spread else rng.exponential(size=n))
    right = rng.random(n) < np.where(labels, 0.6, 0.9)
    come = (delays <= ages) & (rng.random(n) > 0.028)
    return _Stream(ages, labels, right, delays, come)


def _biases(stream: _Stream, *, newest_days: float) -> tuple[float, float, float]:
    """Errors over the newest days: naive prevalence, weighted prevalence, weighted accuracy."""
    s, come = stream, stream.labelled
    weights = reporting_weights(s.labels[come], s.delays[come], s.ages[come])
    recent = s.ages[come] < newest_days
    truth = s.ages < newest_days
    labels, right = s.labels[come][recent], s.right[come][recent]
    prevalence = s.labels[truth].mean()
    return (
        labels.mean() - prevalence,
        weighted_mean(labels, weights[recent]).estimate - prevalence,
        weighted_mean(right, weights[recent]).estimate - s.right[truth].mean(),
    )


def _mean_biases(seed: int, n: int, *, days: float = 7, **kinds: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.mean([_biases(_stream(rng, **kinds), newest_days=days) for _ in range(n)], axis=0)


def test_delay_curve_matches_the_value_worked_by_hand() -> None:
    """At 3: one of the two rows old enough to show it. At 2: one of the three with T <= 2 <= a.

    F(2) = 1/2 and F(1) = 1/2 * 2/3 = 1/3.
    """
    curve = reporting_delay(delays=[1, 1, 2, 3, 1], ages=[2, 2, 2, 5, 5])

    assert curve.delays.tolist() == [1, 2, 3]
    assert curve.reported_by([0.5, 1, 2.5, 3]).tolist() == pytest.approx([0, 3 / 8, 1 / 2, 1])


def test_old_rows_only_give_the_plain_distribution() -> None:
    rng = np.random.default_rng(0)
    delays = rng.exponential(size=200)
    curve = reporting_delay(delays, np.full(200, 100.0))

    assert curve.reported_by(np.sort(delays)) == pytest.approx(np.arange(1, 201) / 200)


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=40))
def test_curves_rise_to_one(rows: list[tuple[int, int]]) -> None:
    delays = np.array([delay for delay, _ in rows])
    curve = reporting_delay(delays, delays + np.array([extra for _, extra in rows]))

    assert (np.diff(curve.reported) >= 0).all()
    assert curve.reported[-1] == 1
    assert (curve.reported >= 0).all()


def test_truncation_is_undone() -> None:
    """Exponential delays of mean 5 seen up to uniform ages: sd of the estimate is about .02."""
    rng = np.random.default_rng(1)
    ages, delays = rng.uniform(0, 60, 4000), rng.exponential(5, 4000)
    seen = delays <= ages

    curve = reporting_delay(delays[seen], ages[seen])

    assert curve.reported_by([2.0, 5.0, 10.0]) == pytest.approx(
        1 - np.exp([-0.4, -1.0, -2.0]), abs=0.06
    )


def test_timedeltas_are_read_in_seconds() -> None:
    hours = np.array([1, 2, 5], dtype="timedelta64[h]")
    curve = reporting_delay(hours, np.full(3, np.timedelta64(9, "h")))

    assert curve.delays.tolist() == [3600, 7200, 18000]
    assert curve.reported_by([timedelta(hours=2)]).tolist() == pytest.approx([2 / 3])


@pytest.mark.parametrize(
    ("positive", "negative"), [(0.3, 8.0), (8.0, 0.3)], ids=["positives first", "negatives first"]
)
def test_weights_undo_the_bias_of_labelled_so_far(positive: float, negative: float) -> None:
    """Mean over 8 streams of about 400 labelled rows: standard error about .01 of prevalence.

    The bar is a bias of .02; two standard errors of noise are allowed on top.
    """
    naive, prevalence, accuracy = _mean_biases(2, 8, positive=positive, negative=negative)

    assert abs(naive) > 0.1
    assert abs(prevalence) <= 0.02 + 0.02
    assert abs(accuracy) <= 0.02 + 0.02


@pytest.mark.slow
@pytest.mark.parametrize(
    ("positive", "negative", "spread"),
    [(0.3, 8.0, 0.0), (8.0, 0.3, 0.0), (0.3, 5.0, 0.5), (1.0, 1.0, 0.0), (5.0, 0.3, 0.5)],
)
def test_bias_of_weighted_metrics_is_at_most_two_points(
    positive: float, negative: float, spread: float
) -> None:
    """Mean over 100 streams: standard error below .004; three of them are allowed on top."""
    _, prevalence, accuracy = _mean_biases(
        3, 100, positive=positive, negative=negative, spread=spread
    )

    assert abs(prevalence) <= 0.02 + 0.012
    assert abs(accuracy) <= 0.02 + 0.012


def test_naive_bias_reaches_forty_points() -> None:
    naive, prevalence, _ = _mean_biases(4, 8, positive=0.1, negative=12.0, days=5)

    assert naive > 0.35
    assert abs(prevalence) < 0.06


def test_young_rows_of_every_class_are_left_out_together() -> None:
    weights = reporting_weights(
        labels=np.repeat([1, 1, 0], 20),
        delays=np.repeat([1, 1, 5], 20),
        ages=np.repeat([2, 9, 9], 20),
    )

    assert weights.tolist() == [0.0] * 20 + [1.0] * 40


def test_rows_below_the_least_age_are_left_out() -> None:
    weights = reporting_weights([0, 0], [1, 1], [60, 7200], min_age=timedelta(hours=1))

    assert weights.tolist() == [0.0, 1.0]


def test_equal_weights_give_the_plain_mean() -> None:
    """Mean of 0, 0, 1, 1: sd .5, over sqrt(4)."""
    result = weighted_mean([0, 0, 1, 1], [3, 3, 3, 3])

    assert (result.estimate, result.standard_error, result.effective_n) == (0.5, 0.25, 4.0)


def test_matured_rows_are_those_whose_label_should_have_come() -> None:
    times = np.array(["2013-06-01T04:00", "2013-06-01T04:01", "NaT"], dtype="datetime64[m]")
    aware = [NOW - timedelta(hours=8), NOW - timedelta(hours=7)]
    delay = timedelta(hours=8)

    assert matured(times, as_of=NOW, label_delay=delay).tolist() == [True, False, False]
    assert matured(aware, as_of=NOW, label_delay=delay).tolist() == [True, False]
    column = pd.Series([*aware, pd.NaT])
    assert matured(column, as_of=NOW, label_delay=delay).tolist() == [True, False, False]


def test_nonsense_is_refused() -> None:
    with pytest.raises(EmptyDataError, match="no label has come"):
        reporting_delay([], [])
    with pytest.raises(EmptyDataError, match="no label has come"):
        reporting_weights([], [], [])
    with pytest.raises(EmptyDataError, match="old enough"):
        reporting_weights([0], [1], [2], min_age=timedelta(hours=1))
    with pytest.raises(InvalidDataError, match="longer than its row is old"):
        reporting_delay([3], [2])
    with pytest.raises(InvalidDataError, match="one of each a row"):
        reporting_delay([1], [2, 3])
    with pytest.raises(InvalidDataError, match="one each a row"):
        reporting_weights([1, 1], [2], [2])
    with pytest.raises(ValueError, match="share lies in"):
        reporting_weights([1], [1], [1], min_reported=0)
    with pytest.raises(EmptyDataError, match="positive weight"):
        weighted_mean([1], [0])
    with pytest.raises(InvalidDataError, match="negative"):
        weighted_mean([1], [-1])
    with pytest.raises(ValueError, match="zone-aware"):
        matured([datetime(2013, 1, 1)], as_of=NOW, label_delay=timedelta())
    with pytest.raises(ValueError, match="before its prediction"):
        matured([NOW], as_of=NOW, label_delay=timedelta(hours=-1))
