"""Features that know the answer are found; honest ones are not suspected."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from mldeploy.assessment import LeakageAssessor, overlap
from mldeploy.data import dataset_for
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Finding, Report, Severity, Verdict
from mldeploy.problem import Criterion, Problem

Plant = Callable[[pd.DataFrame, np.random.Generator], pd.DataFrame]
EVIL = "<script>alert(1)</script>"


def clean(rng: np.random.Generator, n: int = 1_500, task: str = "binary") -> pd.DataFrame:
    """Return honest rows: five features, of which two carry signal; 4 % have no label."""
    X = rng.normal(size=(n, 3))
    city = rng.integers(0, 40, n)
    signal = X[:, 0] + 0.5 * X[:, 1] + 0.3 * np.sin(city)
    y: object
    if task == "binary":
        y = pd.array(signal + rng.logistic(size=n) > 0.5, dtype="boolean")
    elif task == "multiclass":
        y = pd.Series(np.digitize(signal + rng.logistic(size=n), [-1, 1])).astype("Int64")
    else:
        y = pd.Series(signal + rng.normal(size=n))
    frame = pd.DataFrame(X, columns=["a", "b", EVIL])
    frame["city"] = pd.Series(city).map("city {}".format)
    frame["gaps"] = np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n))
    frame["y"] = y
    frame.loc[rng.random(n) < 0.04, "y"] = None
    return frame


def problem(task: str = "binary", **fields: object) -> Problem:
    metric, bound = {"regression": ("mean_absolute_error", {"at_most": 1.0})}.get(
        task, ("accuracy", {"at_least": 0.6})
    )
    return Problem(
        name="p", statement="What is y?", target="y", task=task,
        positive=True if task == "binary" else None,
        criteria=[Criterion(metric, **bound)], **fields,  # type: ignore[arg-type]
    )  # fmt: skip


def blockers(report: Report) -> list[Finding]:
    return [f for f in report.alarms if f.severity is Severity.BLOCKER]


def named(report: Report) -> set[str | None]:
    """Name what is blamed; of a pair nobody can tell which was known later, so the planted one."""
    pairs = [{f.column, f.details.get("with")} for f in blockers(report)]
    return {
        "leak" if "leak" in pair and pair <= {"leak", "start", None} else str(pair)
        for pair in pairs
    }


def assessed(frame: pd.DataFrame, task: str = "binary", **fields: object) -> Report:
    asked = problem(task, **fields)
    return LeakageAssessor().assess(dataset_for(frame, asked), asked)


def number(frame: pd.DataFrame) -> pd.Series:
    return frame["y"].astype("Float64").astype(float)


def copied(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    y = number(frame).fillna(0.5)
    return frame.assign(leak=y + rng.normal(scale=0.15 * y.std(), size=len(frame)))


def told_by_absence(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Present only where the outcome is high; the value itself says nothing."""
    y = number(frame)
    return frame.assign(leak=np.where(y > y.median() - 1e-9, rng.normal(size=len(frame)), np.nan))


def recorded_with_label(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return frame.assign(leak=np.where(frame["y"].isna(), np.nan, rng.normal(size=len(frame))))


def difference(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Two columns that tell nothing alone, and the label by their difference."""
    start = rng.uniform(0, 100, len(frame))
    y = number(frame).fillna(0)
    noise = rng.normal(scale=0.1 * y.std(), size=len(frame))
    return frame.assign(start=start, leak=start + y + noise)


def city_mean(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    return frame.assign(leak=number(frame).groupby(frame["city"]).transform("mean"))


def city_mean_without_itself(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    y, groups = number(frame), number(frame).groupby(frame["city"])
    return frame.assign(leak=(groups.transform("sum") - y) / (groups.transform("count") - 1))


PLANTS = [copied, recorded_with_label, difference, city_mean, city_mean_without_itself]


@pytest.mark.parametrize("plant", [*PLANTS, told_by_absence])
def test_planted_leak_blocks_and_is_named(plant: Plant) -> None:
    for seed in range(5):
        rng = np.random.default_rng(seed)

        report = assessed(plant(clean(rng), rng))

        assert report.verdict is Verdict.FAIL
        assert named(report) == {"leak"}
        assert "'leak'" in blockers(report)[0].action


@pytest.mark.parametrize("plant", [copied, recorded_with_label, difference, city_mean])
def test_planted_leak_of_a_number_blocks_and_is_named(plant: Plant) -> None:
    rng = np.random.default_rng(3)

    report = assessed(plant(clean(rng, task="regression"), rng), "regression")

    assert named(report) == {"leak"}


def test_planted_leak_of_three_classes_blocks_and_is_named() -> None:
    rng = np.random.default_rng(4)
    frame = clean(rng, task="multiclass")
    frame["leak"] = frame["y"].map({0: "low", 1: "middle", 2: "high"})

    report = assessed(frame, "multiclass")

    assert named(report) == {"leak"}


@pytest.mark.parametrize("task", ["binary", "regression", "multiclass"])
def test_honest_features_are_never_suspected(task: str) -> None:
    """A false flag in 1 of 100 sets would show in 20 with chance 0.18, in 60 with 0.45."""
    for seed in range(20):
        report = assessed(clean(np.random.default_rng(100 + seed), task=task), task)

        assert report.verdict is Verdict.PASS
        assert not report.alarms


def test_means_of_earlier_rows_are_honest() -> None:
    """The mean label of a city, from other rows than those assessed, is a fair feature."""
    for seed in range(10):
        rng = np.random.default_rng(seed)
        frame = clean(rng, 4_000)
        earlier, now = frame.iloc[:2_000], frame.iloc[2_000:].reset_index(drop=True)
        past = number(earlier).groupby(earlier["city"]).mean()

        assert not assessed(now.assign(history=now["city"].map(past))).alarms


def test_feature_later_than_the_prediction_blocks_unless_declared() -> None:
    rng = np.random.default_rng(0)
    asked = problem(prediction_time="asked")
    frame = clean(rng, 400)
    frame["asked"] = pd.date_range("2030-01-01", periods=400, freq="h", tz="UTC")
    frame["paid"] = frame["asked"] + pd.to_timedelta(rng.integers(-48, 48, 400), unit="h")
    data = dataset_for(frame, asked)

    found = LeakageAssessor().assess(data, asked).select(name="feature_time")
    declared = LeakageAssessor(available_at={"paid": timedelta(0)}).assess(data, asked)
    late = LeakageAssessor(available_at={"a": timedelta(hours=1)}).assess(data, asked)
    by_column = LeakageAssessor(available_at={"a": "paid"}).assess(data, asked)

    assert [(f.column, f.verdict) for f in found] == [("paid", Verdict.FAIL)]
    assert not declared.select(name="feature_time")
    assert "a" in {f.column for f in late.select(name="feature_time")}
    assert "a" in {f.column for f in by_column.select(name="feature_time")}


def test_availability_of_an_unknown_column_is_refused() -> None:
    frame, asked = clean(np.random.default_rng(0), 200), problem()
    with pytest.raises(InvalidDataError, match="nowhere"):
        LeakageAssessor(available_at={"nowhere": timedelta(0)}).assess(
            dataset_for(frame, asked), asked
        )


def test_rows_without_label_that_are_empty_throughout_are_stubs_not_leaks() -> None:
    rng = np.random.default_rng(1)
    frame = clean(rng)
    frame.loc[frame["y"].isna(), ["a", "b", EVIL, "city", "gaps"]] = None

    report = assessed(frame)

    assert report.verdict is Verdict.PASS
    assert {f.name for f in report.alarms} == {"known_with_label"}
    assert {f.severity for f in report.alarms} == {Severity.WARNING}


@pytest.mark.slow
def test_random_split_flatters_where_rows_resemble_their_neighbours() -> None:
    """Each hour has a level of its own, which a random split teaches and the future does not."""
    rng = np.random.default_rng(0)
    n, asked = 3_000, problem("regression", prediction_time="t")
    hour = np.arange(n) // 100
    level = rng.normal(size=n // 100)[hour]
    frame = pd.DataFrame(
        {
            "t": pd.Timestamp("2030-01-01", tz="UTC") + pd.to_timedelta(np.arange(n), unit="min"),
            "sensor": rng.permutation(n // 100)[hour] + rng.normal(scale=0.05, size=n),
            "y": level + 0.3 * rng.normal(size=n),
        }
    )

    report = LeakageAssessor().assess(dataset_for(frame, asked), asked)

    (split,) = report.select(name="random_split")
    assert (split.verdict, split.severity) == (Verdict.FAIL, Severity.WARNING)


@pytest.mark.slow
def test_random_split_does_not_flatter_independent_rows() -> None:
    """At the one-sided 0.01 level more than 1 of 3 have chance 0.0003."""
    warned = 0
    for seed in range(3):
        frame, asked = clean(np.random.default_rng(seed), 500), problem(prediction_time="t")
        frame["t"] = pd.date_range("2030-01-01", periods=500, freq="h", tz="UTC")
        report = LeakageAssessor().assess(dataset_for(frame, asked), asked)
        warned += len([f for f in report.alarms if f.name == "random_split"])

    assert warned <= 1


def test_rows_and_units_of_the_training_data_are_found_in_the_test_data() -> None:
    asked = problem(unit="who", features=["a"])
    frame = pd.DataFrame({"who": [1, 1, 2, 3], "a": [1.0, 2.0, 3.0, None], "y": [True] * 4})
    train, test = dataset_for(frame.iloc[:2], asked), dataset_for(frame.iloc[1:], asked)

    counts = {f.name: f.details["count"] for f in overlap(train, test)}

    assert counts == {"row_overlap": 1, "unit_overlap": 1}


@pytest.mark.slow
def test_three_thousand_columns_are_searched_on_fewer_rows_and_it_says_so() -> None:
    rng = np.random.default_rng(0)
    n, width = 3_000, 3_000
    frame = pd.DataFrame(rng.normal(size=(n, width)), columns=[f"c{i}" for i in range(width)])
    y = rng.random(n) < 0.4
    frame = pd.concat([frame, pd.DataFrame({EVIL: y + 0.0, "y": y})], axis=1)

    report = assessed(frame)

    assert {f.column for f in blockers(report)} == {EVIL}
    assert report.select(name="bounded_search")
    assert EVIL not in report.to_html()


@pytest.mark.parametrize(
    "settings",
    [{"max_score": 0.5}, {"confidence": 1.0}, {"n_rows": 10}, {"flattery": 0.0}],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        LeakageAssessor(**settings)  # type: ignore[arg-type]
