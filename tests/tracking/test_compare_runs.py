"""Trials of searches: kept fast, compared honestly, shown whole."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from mldeploy.errors import InvalidDataError, NotFoundError, SerializationError
from mldeploy.store import Store
from mldeploy.tracking import Folds, Runs, RunStatus, Trial

CUTS = [(np.arange(4, 12), np.arange(4)), (np.arange(8), np.arange(8, 12))]
FOLDS = Folds.of("data", CUTS)


@pytest.fixture
def runs(tmp_path: Path) -> Iterator[Runs]:
    with Store.open(tmp_path / "store") as store:
        yield Runs(store)


def trials(n: int) -> list[Trial]:
    return [
        Trial(
            parameters={"C": 10.0 ** (i % 5), "depth": i},
            scores={"auc": (0.7 + 0.01 * (i % 3), 0.72 + 0.01 * (i % 3))},
            metrics={"fit_seconds": 0.1},
            duration=timedelta(seconds=2),
        )
        for i in range(n)
    ]


def test_folds_are_the_same_if_data_and_rows_are() -> None:
    assert Folds.of("data", [tuple(map(list, cut)) for cut in CUTS]) == FOLDS
    assert (FOLDS.n_folds, FOLDS.n_train, FOLDS.n_test) == (2, 8.0, 4.0)
    assert Folds.of("other", CUTS).rows != FOLDS.rows
    assert Folds.of("data", CUTS[::-1]).rows != FOLDS.rows


@pytest.mark.parametrize("cuts", [[], CUTS[:1], [CUTS[0], (np.arange(3), np.array([], int))]])
def test_one_fold_or_an_empty_one_is_refused(cuts: list[tuple[np.ndarray, np.ndarray]]) -> None:
    with pytest.raises(InvalidDataError, match="two folds"):
        Folds.of("data", cuts)


def test_trials_become_runs_with_their_parent_scores_and_mean(runs: Runs) -> None:
    with runs.start("search") as search:
        ids = runs.record("trial", trials(3), folds=FOLDS, parent=search.id)

    record = runs.get(ids[1])
    history = runs.history(ids[1])

    assert (record.name, record.status, record.parent) == ("trial", RunStatus.FINISHED, search.id)
    assert record.metrics == {"auc": pytest.approx(0.72), "fit_seconds": 0.1}
    assert record.parameters["C"] == 10.0
    assert record.duration == timedelta(seconds=2)
    assert history.loc[history["step"].notna(), "value"].tolist() == pytest.approx([0.71, 0.73])


@pytest.mark.slow
def test_a_trial_costs_less_than_a_millisecond_of_the_processor(runs: Runs) -> None:
    """Time of this process, so that a busy machine does not count; 0.15 ms were seen."""
    many = trials(500)
    begin = time.process_time()
    runs.record("trial", many, folds=FOLDS)

    assert (time.process_time() - begin) / 500 < 1e-3


def test_a_trial_that_failed_is_kept_as_failed_and_left_out(runs: Runs) -> None:
    good = Trial(parameters={"C": 1}, scores={"auc": (0.7, 0.8)})
    bad = Trial(parameters={"C": 2}, scores={"auc": (0.9, float("nan"))})
    other = runs.record("trial", [good], folds=Folds.of("other data", CUTS))
    ids = runs.record("trial", [good, good, bad], folds=FOLDS)
    with runs.start("plain") as plain:
        plain.log_metric("auc", 0.9)

    comparison = runs.compare("auc")

    assert [run.id for run in comparison.runs] == list(ids[:2])
    assert comparison.left_out == {
        other[0]: "other folds",
        ids[2]: "a fold without a score",
        plain.id: "no score for each fold",
    }
    assert runs.get(ids[2]).status is RunStatus.FAILED


def test_runs_that_log_scores_themselves_are_compared_with_trials(runs: Runs) -> None:
    runs.record("trial", [Trial(parameters={}, scores={"auc": (0.5, 0.52)})], folds=FOLDS)
    with runs.start("mine", folds=FOLDS) as run:
        run.log_scores("auc", [0.7, 0.72])

    comparison = runs.compare("auc")

    assert [r.name for r in comparison.runs] == ["mine", "trial"]
    assert [r.is_tied for r in comparison.runs] == [True, False]
    assert comparison.runs[1].behind is not None
    assert comparison.runs[1].behind.difference == pytest.approx(0.2)
    assert runs.get(run.id).metrics == {"auc": pytest.approx(0.71)}


def test_where_less_is_better_the_least_is_the_best(runs: Runs) -> None:
    runs.record(
        "trial",
        [Trial(parameters={"i": i}, scores={"loss": (i + 0.1, i)}) for i in range(3)],
        folds=FOLDS,
    )

    comparison = runs.compare("loss", greater_is_better=False)

    assert [r.parameters["i"] for r in comparison.runs] == [0, 1, 2]
    assert comparison.runs[0].mean == pytest.approx(0.05)
    frame = comparison.to_frame()
    assert frame["behind"].tolist() == pytest.approx([0, 1, 2])


def test_the_direction_that_was_recorded_ranks_and_draws_a_search(runs: Runs) -> None:
    """Losses 0.05, 1.05 and 2.05: the first is the best in the ranking and on the page."""
    folds = FOLDS.model_copy(update={"lower_is_better": ("loss",)})
    tried = [Trial(parameters={"i": i}, scores={"loss": (i + 0.1, i)}) for i in range(3)]
    with runs.start("search") as search:
        runs.record("trial", tried, folds=folds, parent=search.id)

    table = runs()

    assert [r.parameters["i"] for r in table.comparisons[0].runs] == [0, 1, 2]
    assert "3 trials; best loss 0.05 with i = 0" in table.to_html()
    assert "-loss" not in table.to_html()
    assert runs.compare("loss", greater_is_better=True).runs[0].parameters["i"] == 2


def test_a_metric_that_nobody_has_is_not_found(runs: Runs) -> None:
    runs.record("trial", trials(2), folds=FOLDS)

    with pytest.raises(NotFoundError, match="'f1' for each fold"):
        runs.compare("f1")


def test_nothing_is_kept_of_trials_one_of_which_is_no_json(runs: Runs) -> None:
    odd = Trial(parameters={"C": object()})  # type: ignore[dict-item]

    with pytest.raises(SerializationError):
        runs.record("trial", [*trials(2), odd])
    with pytest.raises(NotFoundError):
        runs.record("trial", trials(2), parent="nobody")
    assert runs.all() == ()


def test_the_page_shows_searches_curves_and_runs(runs: Runs) -> None:
    with runs.start("search", parameters={"n": 6}) as search:
        runs.record("trial", trials(6), folds=FOLDS, parent=search.id)
    with runs.start("network") as run:
        for epoch in range(1200):
            run.log_metric("loss", 1 / (1 + epoch), step=epoch)

    table = runs()
    page = table.to_html()

    assert len(table) == 8
    assert table.comparisons[0].runs[0].parameters["depth"] in {2, 5}
    assert len(table.curves["loss"][0].x) <= 500
    for shown in ("6 trials; best auc", "loss by step", "told apart", "network"):
        assert shown in page
    assert "network" in str(table)
    assert list(table.to_frame().index) == list(runs.to_frame().index)


def test_no_runs_make_a_page_too(runs: Runs) -> None:
    assert "0 runs" in runs().to_html()
    assert len(runs(name="nobody")) == 0
