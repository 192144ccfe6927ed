"""The one evaluator: verdicts are made on intervals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import (
    average_precision_score,
    brier_score_loss,
    f1_score,
    mean_pinball_loss,
    precision_score,
    roc_auc_score,
)

from mldeploy.errors import InvalidProblemError, NotMeasurableError
from mldeploy.evidence import Verdict
from mldeploy.problem import (
    Criterion,
    Judge,
    Metric,
    ReviewUncertain,
    Route,
    ScoredRows,
    Slice,
    Task,
    compare,
    find_metric,
    measure,
    point_value,
)

JUDGE = Judge(check="Test")


def answers(n: int, *, seed: int = 0, noise: float = 0.2, **more: Any) -> ScoredRows:
    """Scores that are probabilities, blurred by noise, with labels drawn from them."""
    rng = np.random.default_rng(seed)
    p = rng.uniform(size=n)
    y = (rng.uniform(size=n) < p).astype(int)
    score = np.clip(p + rng.normal(scale=noise, size=n), 0, 1)
    pred = (score >= 0.5).astype(int)
    return ScoredRows(task=Task.BINARY, y_true=y, y_pred=pred, y_score=score, **more)


def right_in(n_right: int, n: int, **more: Any) -> ScoredRows:
    y = np.ones(n, dtype=int)
    pred = np.r_[np.ones(n_right, int), np.zeros(n - n_right, int)]
    return ScoredRows(task=Task.BINARY, y_true=y, y_pred=pred, **more)


@pytest.mark.parametrize(
    ("n_right", "n", "verdict"),
    [(990, 1000, "PASS"), (800, 1000, "FAIL"), (91, 100, "INSUFFICIENT")],
)
def test_a_verdict_is_made_on_the_interval(n_right: int, n: int, verdict: str) -> None:
    """Wilson at 95 %: [.982, .995], [.774, .824] and [.838, .952] against 0.9."""
    (finding,) = JUDGE.judge(Criterion("accuracy", at_least=0.9), right_in(n_right, n))

    assert finding.verdict == verdict


def test_insufficient_says_how_many_rows_would_settle_it() -> None:
    (finding,) = JUDGE.judge(Criterion("accuracy", at_least=0.9), right_in(91, 100))

    assert finding.rows_needed is not None
    n = 100 + finding.rows_needed
    (settled,) = JUDGE.judge(Criterion("accuracy", at_least=0.9), right_in(round(0.91 * n), n))
    assert settled.verdict is Verdict.PASS
    n = 100 + finding.rows_needed // 2
    (open_still,) = JUDGE.judge(Criterion("accuracy", at_least=0.9), right_in(round(0.91 * n), n))
    assert open_still.verdict is Verdict.INSUFFICIENT


def test_an_upper_bound_is_judged_on_the_other_end() -> None:
    (finding,) = JUDGE.judge(Criterion("error_rate", at_most=0.05), right_in(990, 1000))

    assert finding.verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("roc_auc", lambda r: roc_auc_score(r.y_true, r.y_score)),
        ("average_precision", lambda r: average_precision_score(r.y_true, r.y_score)),
        ("brier", lambda r: brier_score_loss(r.y_true, r.y_score)),
        ("f1", lambda r: f1_score(r.y_true, r.y_pred)),
        ("precision", lambda r: precision_score(r.y_true, r.y_pred)),
    ],
)
def test_values_are_those_of_scikit_learn(name: str, reference: Any) -> None:
    rows = answers(500)

    estimate = measure(find_metric(name), rows)

    assert estimate.value == pytest.approx(reference(rows))
    assert point_value(find_metric(name), rows) == pytest.approx(reference(rows))
    assert estimate.interval.contains(estimate.value)


def test_weights_count_like_repeated_rows() -> None:
    rows = answers(200, weight=np.r_[np.full(100, 3.0), np.ones(100)])
    repeated = rows.take(np.r_[np.repeat(np.arange(100), 3), np.arange(100, 200)])

    for name in ("accuracy", "roc_auc", "f1"):
        metric = find_metric(name)
        plain = ScoredRows(
            task=Task.BINARY,
            y_true=repeated.y_true,
            y_pred=repeated.y_pred,
            y_score=repeated.y_score,
        )
        assert measure(metric, rows).value == pytest.approx(measure(metric, plain).value)


def test_each_slice_is_judged_at_a_corrected_confidence() -> None:
    rows = answers(4000, columns={"g": np.repeat(["a", "b", "c", "d"], 1000)})

    findings = list(JUDGE.judge(Criterion("accuracy", at_least=0.5, slices=["g"]), rows))

    assert [f.slice for f in findings] == ["g=a", "g=b", "g=c", "g=d"]
    assert all(
        f.interval is not None and f.interval.confidence == pytest.approx(1 - 0.05 / 4)
        for f in findings
    )


def test_a_slice_too_small_to_tell_is_insufficient_and_never_a_pass() -> None:
    rows = answers(2003, columns={"g": np.r_[np.repeat("big", 2000), np.repeat("tiny", 3)]})

    findings = {
        f.slice: f for f in JUDGE.judge(Criterion("recall", at_least=0.5, slices=["g"]), rows)
    }

    assert findings["g=big"].verdict is Verdict.PASS
    assert findings["g=tiny"].verdict is Verdict.INSUFFICIENT


@pytest.mark.parametrize("name", ["brier", "average_precision", "log_loss"])
def test_a_single_row_leaves_a_resampled_metric_open(name: str) -> None:
    metric = find_metric(name)
    bound = {"at_most": 0.5} if not metric.higher_is_better else {"at_least": 0.5}

    (finding,) = JUDGE.judge(Criterion(metric, **bound), answers(1))

    assert finding.verdict is Verdict.INSUFFICIENT
    assert "single row" in finding.summary


def test_where_restricts_the_rows() -> None:
    rows = answers(300, columns={"g": np.repeat(["a", "b"], 150)})
    criterion = Criterion("accuracy", at_least=0.1, where=Slice("g", values=("a",)))

    (finding,) = JUDGE.judge(criterion, rows)

    assert finding.n == 150


def test_a_criterion_on_a_column_that_is_not_there_is_refused() -> None:
    with pytest.raises(InvalidProblemError, match="does not have"):
        list(JUDGE.judge(Criterion("accuracy", at_least=0.1, slices=["g"]), answers(10)))


def test_one_class_leaves_the_area_under_the_curve_open() -> None:
    rows = right_in(50, 100)

    (finding,) = JUDGE.judge(
        Criterion("roc_auc", at_least=0.7),
        ScoredRows(task=Task.BINARY, y_true=rows.y_true, y_pred=rows.y_pred, y_score=rows.y_pred),
    )

    assert finding.verdict is Verdict.INSUFFICIENT
    assert "same label" in finding.summary


def test_a_rival_that_cannot_be_told_apart_says_how_many_rows_would() -> None:
    """10 % and 6 % of 300 rows tell them apart: 4 points +- 4.5; 778 rows at power .8, and at
    power .5, as told here, (4.5 / 4)**2 times 300."""
    kinds = np.repeat([0, 1, 2, 3], [210, 30, 18, 42])
    own, other = (
        ScoredRows(task=Task.BINARY, y_true=np.ones(300, int), y_pred=right.astype(int))
        for right in ((kinds == 0) | (kinds == 1), (kinds == 0) | (kinds == 2))
    )
    judge = Judge(check="Test", rivals={"baseline": {"dummy": other}})

    (finding,) = judge.judge(Criterion("accuracy", better_than="baseline"), own)

    assert finding.verdict is Verdict.INSUFFICIENT
    assert finding.interval is not None
    total = 300 * ((0.04 - finding.interval.low) / 0.04) ** 2
    assert finding.rows_needed == pytest.approx(total - 300, abs=2)
    assert f"About {finding.rows_needed:,} more rows" in finding.action


def test_a_model_is_better_than_the_strongest_baseline_or_it_is_not_better() -> None:
    rows = answers(3000, noise=0.05)
    weak = answers(3000, noise=2.0)
    strong = ScoredRows(
        task=Task.BINARY, y_true=rows.y_true, y_pred=rows.y_pred, y_score=rows.y_score
    )
    assert np.array_equal(rows.y_true, weak.y_true)
    criterion = Criterion("roc_auc", better_than="baseline", by=0.02)

    (beats_weak,) = Judge(check="T", rivals={"baseline": {"weak": weak}}).judge(criterion, rows)
    (beats_both,) = Judge(check="T", rivals={"baseline": {"weak": weak, "strong": strong}}).judge(
        criterion, rows
    )

    assert beats_weak.verdict is Verdict.PASS
    assert beats_both.verdict is Verdict.FAIL
    assert beats_both.details["rival"] == "the baseline (strong)"


def test_without_a_baseline_nothing_was_beaten() -> None:
    (finding,) = JUDGE.judge(Criterion("roc_auc", better_than="baseline"), answers(100))

    assert finding.verdict is Verdict.INSUFFICIENT


def test_a_difference_is_positive_where_the_first_is_better_whichever_way_the_metric_points() -> (
    None
):
    good, bad = answers(400, noise=0.02), answers(400, noise=2.0)

    for name in ("roc_auc", "brier", "error_rate", "accuracy", "f1", "average_precision"):
        assert compare(find_metric(name), good, bad).difference > 0, name
        assert compare(find_metric(name), bad, good).difference < 0, name


def test_rivals_must_have_answered_the_same_rows() -> None:
    with pytest.raises(ValueError, match="other rows"):
        compare(find_metric("accuracy"), answers(100, seed=1), answers(100, seed=2))


def test_a_gap_between_groups_is_judged_over_all_pairs() -> None:
    """Positive rates .5, .5 and .2: the gap of .3 is beyond .1 and within .4 at n = 2000 each."""
    pred = np.concatenate([np.arange(2000) % 2, np.arange(2000) % 2, np.arange(2000) % 5 == 0])
    rows = ScoredRows(
        task=Task.BINARY,
        y_true=np.ones(6000, int),
        y_pred=pred.astype(int),
        columns={"sex": np.repeat(["f", "m", "x"], 2000)},
    )

    def verdict(bound: float) -> Verdict:
        criterion = Criterion("demographic_parity_difference", at_most=bound, slices=["sex"])
        (finding,) = JUDGE.judge(criterion, rows)
        assert finding.estimate == pytest.approx(0.3)
        return finding.verdict

    assert [verdict(b) for b in (0.1, 0.3, 0.4)] == ["FAIL", "INSUFFICIENT", "PASS"]


def test_a_multiclass_scorer_gets_positions_of_classes() -> None:
    rng = np.random.default_rng(0)
    y = rng.choice(["a", "b", "c"], size=300)
    score = np.full((300, 3), 0.2)
    score[np.arange(300), np.searchsorted(["a", "b", "c"], y)] = 0.6
    rows = ScoredRows(
        task=Task.MULTICLASS, y_true=y, y_pred=y, y_score=score, classes=("a", "b", "c")
    )

    estimate = measure(find_metric("neg_log_loss"), rows)

    assert estimate.value == pytest.approx(np.log(0.6))


def test_a_label_that_the_model_does_not_know_is_said_to_be_unknown() -> None:
    rows = ScoredRows(
        task=Task.MULTICLASS,
        y_true=np.array(["a", "z"]),
        y_pred=np.array(["a", "a"]),
        y_score=np.array([[0.9, 0.1], [0.5, 0.5]]),
        classes=("a", "b"),
    )

    with pytest.raises(NotMeasurableError, match="'z'"):
        measure(find_metric("neg_log_loss"), rows)


def test_a_users_function_is_measured_by_the_bootstrap() -> None:
    def median_score(y_true: Any, y_hat: Any, *, sample_weight: Any) -> float:
        order = np.argsort(y_hat)
        share = np.cumsum(sample_weight[order]) / sample_weight.sum()
        return float(y_hat[order][np.searchsorted(share, 0.5)])

    estimate = measure(Metric("median", function=median_score, needs="score"), answers(400))

    assert estimate.interval.low < 0.5 < estimate.interval.high


@given(n=st.integers(1, 60), seed=st.integers(0, 10_000), bound=st.floats(0, 1))
def test_a_verdict_never_contradicts_the_interval(n: int, seed: int, bound: float) -> None:
    (finding,) = JUDGE.judge(Criterion("accuracy", at_least=bound), answers(n, seed=seed))

    assert finding.interval is not None
    if finding.verdict is Verdict.PASS:
        assert finding.interval.low >= bound
    elif finding.verdict is Verdict.FAIL:
        assert finding.interval.high < bound


def test_the_promise_of_autonomy_is_broken_no_more_often_than_delta() -> None:
    """At delta 0.1, more than 34 broken promises in 200 have probability 0.001 (binomial)."""
    broken = 0
    for seed in range(200):
        routing = ReviewUncertain(max_error=0.15, delta=0.1).calibrate(
            answers(600, seed=seed, noise=0.1)
        )
        assert routing.certain is not Route.ADVICE
        fresh = answers(20_000, seed=10_000 + seed, noise=0.1)
        assert fresh.y_score is not None
        routes = routing.route(fresh.y_score, n_rows=len(fresh))
        alone = routes == "automatic"
        if alone.any():
            broken += (fresh.y_true != fresh.y_pred)[alone].mean() > 0.15

    assert broken <= 34


def test_a_promise_that_no_threshold_keeps_leaves_everything_to_people() -> None:
    routing = ReviewUncertain(max_error=0.001).calibrate(answers(500))

    assert routing.certain is Route.REVIEW
    assert set(routing.route(np.array([0.99, 0.5]), n_rows=2)) == {"review"}


# --- quantiles ------------------------------------------------------------------------------


def quantile_rows(y: Any, said: Any) -> ScoredRows:
    return ScoredRows(task=Task.REGRESSION, y_true=np.asarray(y, float), y_pred=np.asarray(said))


def test_the_loss_of_a_quantile_matches_the_value_worked_by_hand() -> None:
    """At 0.9, too low by 2 costs 0.9 * 2 and too high by 3 costs 0.1 * 3: the mean is 1.05."""
    rows = quantile_rows([5.0, 1.0], [3.0, 4.0])

    assert point_value(find_metric("pinball_loss_p90"), rows) == pytest.approx(1.05)


@pytest.mark.parametrize("percent", [1, 50, 95])
def test_the_loss_of_a_quantile_is_that_of_scikit_learn(percent: int) -> None:
    y, said = np.random.default_rng(0).normal(size=(2, 200))

    loss = point_value(find_metric(f"pinball_loss_p{percent}"), quantile_rows(y, said))

    assert loss == pytest.approx(mean_pinball_loss(y, said, alpha=percent / 100))


def test_the_true_quantile_costs_least_and_a_criterion_tells() -> None:
    """Exponential amounts: the 0.9 quantile is ln 10; half and twice of it cost more."""
    y = np.random.default_rng(1).exponential(size=4000)
    right, *others = (quantile_rows(y, np.full(4000, c * np.log(10))) for c in (1.0, 0.5, 2.0))
    asked = Criterion("pinball_loss_p90", better_than="baseline")

    for other in others:
        judge = Judge(check="Test", rivals={"baseline": {"constant": other}})
        (finding,) = judge.judge(asked, right)
        assert finding.verdict is Verdict.PASS


def test_the_interval_of_a_quantile_loss_covers() -> None:
    """Exponential amounts answered by ln 10, whose mean loss at 0.9 is 0.1 ln 10.

    The loss is 0.9 (y - q)+ + 0.1 (q - y)+ with E(y - q)+ = exp(-q) = 0.1 and
    E(q - y)+ = q - 1 + 0.1, in all 0.1 q = 0.2303. 30 of 40 or fewer covered have probability
    3e-4 at 0.93.
    """
    rng, metric, covered = np.random.default_rng(2), find_metric("pinball_loss_p90"), 0
    for _ in range(40):
        rows = quantile_rows(rng.exponential(size=300), np.full(300, np.log(10)))
        covered += measure(metric, rows).interval.contains(0.1 * np.log(10))

    assert covered > 30
