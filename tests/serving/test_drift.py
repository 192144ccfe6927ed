"""How far columns moved from the training, as a server tells it while it serves."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mldeploy.data import Dataset, Profile, Schema
from mldeploy.errors import InvalidDataError
from mldeploy.model import Signature
from mldeploy.problem import Task
from mldeploy.serving import (
    DriftFigure,
    DriftState,
    DriftWatch,
    DriftWatches,
    ParquetLog,
    Predictor,
    logged_name,
)

NOON = datetime(2013, 4, 1, 12, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now

    def later(self, **by: float) -> None:
        self.now += timedelta(**by)


def signature_of(frame: pl.DataFrame, **more: Any) -> Signature:
    table = frame.with_columns(pl.Series("y", [True, False] * frame.height)[: frame.height])
    data = Dataset.of(table, target="y", name="t")
    kinds: dict[str, Any] = {
        "task": Task.BINARY, "classes": (False, True), "positive": True, "probabilistic": True,
    }  # fmt: skip
    inputs = Schema.infer(data).select(data.features)
    return Signature(inputs=inputs, target="y", **{**kinds, **more})


def logged(
    frame: pl.DataFrame,
    *,
    version: str | Sequence[str] = "v:1",
    prediction: Any = True,
    score: Any = 0.5,
    error: Any = None,
) -> pl.DataFrame:
    """Rows as the log would have them."""
    columns = {"version": version, "prediction": prediction, "score": score, "error": error}
    n = frame.height
    own = [
        pl.Series(name, list(v) if isinstance(v, list | tuple) else [v] * n, strict=False)
        for name, v in columns.items()
    ]
    renamed = frame.rename({name: logged_name(name) for name in frame.columns})
    return renamed.with_columns(own).with_columns(pl.col("error").cast(pl.String))


def by_name(figures: Sequence[DriftFigure]) -> dict[str, DriftFigure]:
    return {figure.column: figure for figure in figures}


TRAINING = pl.DataFrame(
    {
        "wind": [float(v) for v in range(100)],
        "carrier": ["AA"] * 50 + ["UA"] * 50,
        "score": [1, 2, 3, 4] * 25,
    }
)


def watch(clock: Clock, frame: pl.DataFrame = TRAINING, **settings: Any) -> DriftWatch:
    return DriftWatch(signature_of(frame), Profile.of(frame), clock=clock, **settings)


def test_the_distance_is_the_share_of_rows_that_moved() -> None:
    """Half the winds are above all that were seen: 0.5 of the rows would have to move, less the
    tenth that belongs there. Carriers go from 50:50 to 80:20: 0.3. A feature named as a column of
    the log is found under its other name."""
    clock = Clock()
    watched = watch(clock)
    winds = [float(v) for v in range(0, 100, 2)] + [1e6] * 50
    rows = pl.DataFrame(
        {"wind": winds, "carrier": ["AA"] * 80 + ["UA"] * 20, "score": [1, 2, 3, 4] * 25}
    )

    watched(logged(rows))

    told = by_name(watched.figures())
    assert told["wind"].distance == pytest.approx(0.45)
    assert told["carrier"].distance == pytest.approx(0.3)
    assert told["score"].distance == 0.0
    assert (told["wind"].n, told["wind"].n_reference) == (100, 100)
    assert told["wind"].against == "training"


def test_missing_and_unseen_values_have_bins_of_their_own() -> None:
    clock = Clock()
    watched = watch(clock)
    rows = pl.DataFrame(
        {
            "wind": [None] * 50 + [float("nan")] * 50,
            "carrier": ["AA"] * 50 + ["never seen"] * 25 + [None] * 25,
            "score": [None] * 100,
        }
    )

    watched(logged(rows))

    told = by_name(watched.figures())
    assert told["wind"].distance == 1.0
    assert told["carrier"].distance == 0.5
    assert told["score"].distance == 1.0


def test_answers_are_compared_with_those_before_the_window() -> None:
    clock = Clock()
    watched = watch(clock)
    same = TRAINING
    watched(logged(same, prediction=[True] * 25 + [False] * 75, score=[0.05, 0.95] * 50))
    assert by_name(watched.figures())["model.prediction"].distance is None

    clock.later(hours=2)
    watched(logged(same, prediction=[True] * 75 + [False] * 25, score=[0.05] * 100))

    told = by_name(watched.figures())
    assert told["model.prediction"].against == "before"
    assert told["model.prediction"].distance == 0.5
    assert told["model.score"].distance == 0.5
    assert (told["model.score"].n, told["model.score"].n_reference) == (100, 100)


def test_answers_are_compared_with_the_reference_where_it_knows_them() -> None:
    known = TRAINING.with_columns(
        pl.Series("model.prediction", [True, False] * 50),
        pl.Series("model.score", [k / 100 for k in range(100)]),
    )
    clock = Clock()
    watched = DriftWatch(signature_of(TRAINING), Profile.of(known), clock=clock)

    watched(logged(TRAINING, prediction=True, score=0.99))

    told = by_name(watched.figures())
    assert told["model.prediction"].distance == 0.5
    assert told["model.score"].distance == pytest.approx(0.9)
    assert told["model.score"].against == "training"


@pytest.mark.parametrize(
    ("classes", "answers", "expected"),
    [
        (("a", "b"), ["a"] * 50 + ["b"] * 50, 0.5),
        ((0, 1), [0] * 50 + [1] * 50, 0.5),
        ((0, 1, 2), [0] * 50 + [2] * 50, 0.5),
        ((False, True), [False] * 50 + [True] * 50, 0.5),
    ],
)
def test_labels_of_any_sort_are_counted(
    classes: tuple[Any, ...], answers: list[Any], expected: float
) -> None:
    clock = Clock()
    task = Task.MULTICLASS if len(classes) > 2 else Task.BINARY
    positive = None if task is Task.MULTICLASS else classes[1]
    signature = signature_of(TRAINING, task=task, classes=classes, positive=positive)
    watched = DriftWatch(signature, Profile.of(TRAINING), clock=clock)
    watched(logged(TRAINING, prediction=[classes[0]] * 100))
    clock.later(hours=2)
    watched(logged(TRAINING, prediction=answers))
    assert by_name(watched.figures())["model.prediction"].distance == expected


def test_rows_leave_the_window() -> None:
    clock = Clock()
    watched = watch(clock, window=timedelta(minutes=10), slice_length=timedelta(minutes=5))
    moved = TRAINING.with_columns(pl.lit("UA").alias("carrier"))
    watched(logged(moved))
    clock.later(minutes=5)
    watched(logged(TRAINING))

    assert by_name(watched.figures())["carrier"].distance == 0.25
    clock.later(minutes=5)
    assert by_name(watched.figures())["carrier"].distance == 0.0
    clock.later(minutes=5)
    assert by_name(watched.figures())["carrier"].distance is None
    assert by_name(watched.figures())["carrier"].n == 0


def test_only_answers_of_its_version_that_did_not_fail_are_counted() -> None:
    clock = Clock()
    watched = watch(clock, version="v:1")
    versions = ["v:1"] * 60 + ["v:2"] * 40
    watched(logged(TRAINING, version=versions, error=["it failed"] * 10 + [None] * 90))
    assert {figure.n for figure in watched.figures()} == {50}


def test_columns_that_the_log_hides_are_not_judged() -> None:
    """A hashed number is a text, and a column that was left out is not there."""
    clock = Clock()
    watched = watch(clock, without=["carrier"])
    rows = logged(TRAINING).drop("feature.score").with_columns(pl.lit("3f2a").alias("wind"))

    watched(rows)

    told = by_name(watched.figures())
    assert "carrier" not in told
    assert (told["wind"].n, told["wind"].distance) == (0, None)
    assert (told["score"].n, told["score"].distance) == (0, None)


# --- laws -------------------------------------------------------------------------------------

numbers = st.lists(
    st.none() | st.integers(-3, 3).map(float) | st.floats(allow_nan=True), min_size=1, max_size=30
)
texts = st.lists(st.none() | st.sampled_from("abcdef"), min_size=1, max_size=30)


@given(numbers, numbers, texts, texts)
@settings(max_examples=150)
def test_counts_are_those_of_a_profile(
    numbers_before: list[Any],
    numbers_now: list[Any],
    texts_before: list[Any],
    texts_now: list[Any],
) -> None:
    """What is counted batch by batch is what the profile of the whole would be cut into."""
    for name, dtype, before, now in (
        ("x", pl.Float64, numbers_before, numbers_now),
        ("t", pl.String, texts_before, texts_now),
    ):
        reference = Profile.of(pl.DataFrame({name: pl.Series(before, dtype=dtype)}))
        current = pl.DataFrame({name: pl.Series(now, dtype=dtype)})
        signature = signature_of(pl.DataFrame({name: ["a", "b"] if name == "t" else [1.0, 2.0]}))
        column = DriftWatch(signature, reference).columns[0]

        found = column.count(current[name])

        bins: Any = {"levels": column.levels} if name == "t" else {"edges": column.edges}
        assert found is not None
        assert found.tolist() == Profile.of(current)[name].counts_in_bins(**bins).tolist()


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([datetime(2013, 1, d, tzinfo=UTC) for d in range(1, 29)]),
        pl.Series([datetime(2013, 1, d) for d in range(1, 29)]).cast(pl.Datetime("ns")),
        pl.Series([datetime(2013, 1, d).date() for d in range(1, 29)]),
        pl.Series([datetime(2013, 1, 1, d % 24).time() for d in range(1, 29)]),
        pl.Series([timedelta(hours=d) for d in range(1, 29)]),
        pl.Series([True, False] * 14),
        pl.Series([2**53 + d for d in range(28)]),
        pl.Series([0.5 * d for d in range(28)], dtype=pl.Float32),
        pl.Series(list("abcd") * 7, dtype=pl.Enum(list("abcd"))),
    ],
    ids=lambda series: str(series.dtype),
)  # fmt: skip
def test_every_kind_of_column_is_as_in_a_profile(values: pl.Series) -> None:
    frame = pl.DataFrame({"x": values})
    reference = Profile.of(frame)
    column = DriftWatch(signature_of(frame), reference).columns[0]
    assert column.reference is not None
    found = column.count(frame["x"][:20])
    bins: Any = {"edges": column.edges} if column.levels is None else {"levels": column.levels}
    assert found is not None
    assert found.tolist() == Profile.of(frame[:20])["x"].counts_in_bins(**bins).tolist()


steps = st.lists(
    st.tuples(st.integers(0, 2), st.floats(0, 20), st.lists(st.floats(-10, 110), max_size=5)),
    max_size=12,
)


@given(steps, st.permutations([0, 1, 2]))
@settings(max_examples=80, deadline=None)
def test_what_several_count_adds_up_to_what_one_would(
    steps: list[tuple[int, float, list[float]]], order: list[int]
) -> None:
    """However rows are dealt to three watches, and in whatever order their states are added."""
    clock = Clock()
    frame = TRAINING.select("wind")
    lengths = {"window": timedelta(minutes=30)}
    whole, *parts = (watch(clock, frame, **lengths) for _ in range(4))
    for who, minutes, winds in steps:
        clock.later(minutes=minutes)
        rows = logged(pl.DataFrame({"wind": pl.Series(winds, dtype=pl.Float64)}))
        whole(rows)
        parts[who](rows)

    first, second, third = (parts[k].state() for k in order)

    assert first.merge(second).merge(third) == first.merge(second.merge(third))
    assert first.merge(second.merge(third)) == whole.state()
    assert parts[0].figures([parts[1].state(), parts[2].state()]) == whole.figures()


def test_a_state_survives_being_sent() -> None:
    clock = Clock()
    watched = watch(clock)
    watched(logged(TRAINING))
    state = watched.state()
    assert DriftState.model_validate_json(state.to_json()) == state


def test_counts_in_other_bins_do_not_add_up() -> None:
    clock = Clock()
    one, other = watch(clock), watch(clock, n_bins=5)
    with pytest.raises(InvalidDataError, match="same reference"):
        one.figures([other.state()])


# --- alarms -----------------------------------------------------------------------------------


def test_the_chance_is_the_bound_worked_by_hand() -> None:
    """B = 5 bins with missing, n = 100, m = 400: spread 0.0125; sqrt(4 * 0.0125) / 2 = 0.1118;
    two columns, 288 looks a day: ln(57600) = 10.961; sqrt(0.0125 * 10.961 / 2) = 0.26174."""
    clock = Clock()
    training = pl.DataFrame({"a": [1, 2, 3, 4] * 100, "b": ["x", "y", "z"] * 133 + ["x"]})
    signature = signature_of(training, task=Task.REGRESSION, classes=(), positive=None)
    watched = DriftWatch(signature, Profile.of(training), clock=clock)
    watched(logged(training[:100]))
    told = by_name(watched.figures())
    assert told["a"].chance == pytest.approx(0.1118 + 0.26174, abs=2e-5)
    assert told["b"].chance == pytest.approx(math.sqrt(4 * 0.0125) / 2 + 0.26174, abs=2e-5)


def test_an_unchanged_day_does_not_alarm_and_a_shift_does() -> None:
    """288 slices of 200 rows of the same distribution: each look is at 2,400 rows. Then a tenth
    of the rows moves from one carrier to another."""
    clock, rng = Clock(), np.random.default_rng(0)

    def rows(n: int, share: float = 0.5) -> pl.DataFrame:
        carriers = np.where(rng.random(n) < share, "AA", "UA")
        return pl.DataFrame(
            {"wind": rng.normal(size=n), "carrier": carriers, "score": rng.integers(1, 5, n)}
        )

    training = rows(50_000)
    watched = watch(clock, training)
    for _ in range(288):
        watched(logged(rows(200)))
        clock.later(minutes=5)
        assert not any(figure.alarm for figure in watched.figures())
    for _ in range(12):
        watched(logged(rows(2_000, 0.4)))
        clock.later(minutes=5)

    told = by_name(watched.figures())
    assert told["carrier"].alarm
    assert told["carrier"].distance == pytest.approx(0.1, abs=0.02)
    assert not told["wind"].alarm


def test_few_rows_never_alarm_however_far_they_are() -> None:
    clock = Clock()
    watched = watch(clock)
    watched(logged(TRAINING[:3].with_columns(wind=pl.lit(1e9), carrier=pl.lit("ZZ"))))
    clock.later(minutes=6)
    told = by_name(watched.figures())
    assert told["carrier"].distance == 1.0
    assert told["carrier"].chance == 1.0
    assert not told["carrier"].alarm


def test_a_slice_is_judged_when_it_is_complete() -> None:
    """So that looking more often is no other rule."""
    clock = Clock()
    watched = watch(clock)
    moved = TRAINING.with_columns(pl.lit("UA").alias("carrier"))
    for _ in range(50):
        watched(logged(moved))
    assert not by_name(watched.figures())["carrier"].alarm
    clock.later(minutes=5)
    assert by_name(watched.figures())["carrier"].alarm


@pytest.mark.parametrize(
    "settings",
    [
        {"window": timedelta(minutes=1)},
        {"slice_length": timedelta(0)},
        {"alpha": 0.0},
        {"alpha": 1.0},
        {"n_bins": 1},
    ],
)
def test_nonsense_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="="):
        watch(Clock(), **settings)


# --- behind a log -----------------------------------------------------------------------------


def test_a_log_shows_what_it_wrote_to_the_watch_of_each_version(
    make_model: Any, flights: Any, tmp_path: Path
) -> None:
    model = make_model()
    reference = Profile.of(Dataset.of(flights, target="late", name="f").polars().drop("late"))
    asked: list[str] = []

    def watch_of(version: str) -> DriftWatch | None:
        asked.append(version)
        if version == "late:9":
            return None
        return DriftWatch(model.signature, reference, version=version)

    watches = DriftWatches()
    with ParquetLog(tmp_path, "late", observers=[watches]) as log:
        rows = flights.drop(columns="late").to_dict("records")
        for version in ("late:1", "late:9", "late:2"):
            predictor = Predictor(model, version=version, deployment="late", sink=log)
            predictor.predict_frame(rows[1 : 200 if version == "late:1" else 50])
            predictor.predict(rows[0])
        watches.follow(watch_of)
        log.flush()

        assert log.failed_observers == 0
    told = by_name(watches.figures("late:1"))
    assert set(told) == {*model.signature.features, "model.prediction", "model.score"}
    assert {figure.n for figure in told.values()} == {200}
    assert told["wind"].distance is not None
    assert told["wind"].distance < 0.1
    assert {figure.n for figure in watches.figures("late:2")} == {50}
    assert watches.figures("late:9") == ()
    assert asked.count("late:1") == 1
    elsewhere = [watches.states()]
    assert by_name(watches.figures("late:2", elsewhere))["wind"].n == 100


def test_only_the_last_versions_are_remembered() -> None:
    watches = DriftWatches()
    signature, reference = signature_of(TRAINING), Profile.of(TRAINING)
    watches.follow(lambda version: DriftWatch(signature, reference, version=version))
    for number in range(9):
        watches(logged(TRAINING, version=f"v:{number}"))
    assert list(watches.states()) == ["v:5", "v:6", "v:7", "v:8"]
    watches(logged(TRAINING[:0]))
