"""What assessors decide: more data, leaks, repeats, labels, values that stand apart, changes."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from mldeploy.assessment import (
    AdequacyAssessor,
    ChangeAssessor,
    DuplicatesAssessor,
    LabelQualityAssessor,
    LeakageAssessor,
    RepresentativenessAssessor,
    ValuesAssessor,
    suspect_rows,
)
from mldeploy.data import dataset_for
from mldeploy.evidence import Report, Severity
from mldeploy.problem import Criterion, Problem
from simulations._bar import Bar, Trial

Floats = npt.NDArray[np.float64]
PROBLEM = Problem(
    name="late",
    statement="Which flights land late?",
    target="y",
    positive=True,
    criteria=(Criterion("accuracy", at_least=0.6),),
)


def _bar(
    decision: str,
    promise: str,
    trial: Trial,
    *,
    low: float = 0.0,
    high: float = 1.0,
    quick: int = 0,
) -> Bar:
    return Bar(decision=decision, promise=promise, trial=trial, low=low, high=high, quick=quick)


# --- more data ------------------------------------------------------------------------------


def _flat(rng: np.random.Generator, n: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    X = rng.normal(size=(n, 4))
    return X, rng.random(n) < 1 / (1 + np.exp(-2 * X[:, 0]))


def _hungry(rng: np.random.Generator, n: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    X = rng.uniform(-2, 2, size=(n, 10))
    return X, rng.random(n) < 1 / (1 + np.exp(-3 * np.sin(2 * X[:, :6]).sum(axis=1)))


def _answer(X: Floats, y: npt.NDArray[np.bool_], gain: float) -> str:
    frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])]).assign(y=y)
    report = AdequacyAssessor(gain=gain).assess(dataset_for(frame, PROBLEM), PROBLEM)
    return str(report.select(name="more_data")[0].details["answer"])


def _enough(rng: np.random.Generator) -> bool:
    """Twice 6,000 rows gain 0.003 (eight draws, 20,000 other rows)."""
    return _answer(*_flat(rng, 6_000), gain=0.015) == "no"


def _needed(rng: np.random.Generator) -> bool:
    """Twice 1,500 rows gain 0.0125 (eight draws, 20,000 other rows)."""
    return _answer(*_hungry(rng, 1_500), gain=0.004) == "yes"


# --- leakage --------------------------------------------------------------------------------


def _honest(rng: np.random.Generator, n: int = 1_500) -> pd.DataFrame:
    X, city = rng.normal(size=(n, 3)), rng.integers(0, 40, n)
    signal = X[:, 0] + 0.5 * X[:, 1] + 0.3 * np.sin(city)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    frame["city"] = pd.Series(city).map("city {}".format)
    frame["gaps"] = np.where(rng.random(n) < 0.2, np.nan, rng.normal(size=n))
    frame["y"] = pd.array(signal + rng.logistic(size=n) > 0.5, dtype="boolean")
    frame.loc[rng.random(n) < 0.04, "y"] = None
    return frame


def _leaks(frame: pd.DataFrame, rng: np.random.Generator) -> dict[str, pd.DataFrame]:
    y = frame["y"].astype("Float64").astype(float)
    n, by_city = len(frame), y.groupby(frame["city"])
    start = rng.uniform(0, 100, n)
    return {
        "copy": frame.assign(leak=y.fillna(0.5) + rng.normal(scale=0.07, size=n)),
        "absence": frame.assign(leak=np.where(y == 1, rng.normal(size=n), np.nan)),
        "with the label": frame.assign(leak=np.where(y.isna(), np.nan, rng.normal(size=n))),
        "difference": frame.assign(
            start=start, leak=start + y.fillna(0) + rng.normal(scale=0.05, size=n)
        ),
        "group mean": frame.assign(leak=by_city.transform("mean")),
        "group mean without itself": frame.assign(
            leak=(by_city.transform("sum") - y) / (by_city.transform("count") - 1)
        ),
    }


def _blocked(frame: pd.DataFrame) -> list[set[object]]:
    report = LeakageAssessor().assess(dataset_for(frame, PROBLEM), PROBLEM)
    return [
        {f.column, f.details.get("with")} for f in report.alarms if f.severity is Severity.BLOCKER
    ]


def _leaks_found(rng: np.random.Generator) -> bool:
    planted = _leaks(_honest(rng), rng).values()
    return sum(any("leak" in who for who in _blocked(frame)) for frame in planted) >= 5


def _honest_flagged(rng: np.random.Generator) -> bool:
    return bool(_blocked(_honest(rng)))


# --- duplicates -----------------------------------------------------------------------------


def _counted(rng: np.random.Generator) -> bool:
    """Repeats, repeats but for spelling, conflicts and overlap, each a random number."""
    frame = pd.DataFrame(
        {
            "name": [f"Customer {i}" for i in range(1_000)],
            "price": rng.normal(100, 30, 1_000),
            "city": rng.choice(["Bonn", "Ulm", "Jena"], 1_000),
            "y": rng.random(1_000) < 0.5,
        }
    )
    counts = rng.integers(1, 60, 4)
    repeats, near, turned, shared = (frame.iloc[rng.permutation(1_000)[:k]] for k in counts)
    near = near.assign(name=near["name"].str.upper() + " ")
    table = pd.concat([frame, repeats, near, turned.assign(y=~turned["y"])], ignore_index=True)
    others = pd.concat([frame.assign(name=frame["name"] + "b"), shared], ignore_index=True)
    data = dataset_for(table, PROBLEM)
    report = DuplicatesAssessor().assess(data, PROBLEM)
    overlap = DuplicatesAssessor(reference=data).assess(dataset_for(others, PROBLEM), PROBLEM)
    told = [
        report.select(name="duplicate_rows")[0].details["count"],
        report.select(name="near_duplicates")[0].details["count"],
        report.select(name="conflicting_labels")[0].details["groups"],
        overlap.select(name="row_overlap")[0].details["count"],
    ]
    return bool(told == counts.tolist())


# --- labels ---------------------------------------------------------------------------------


def _labelled(
    rng: np.random.Generator, *, wrong: float
) -> tuple[pd.DataFrame, npt.NDArray[np.bool_]]:
    frame = pd.DataFrame(rng.normal(size=(1_500, 4)), columns=list("abcd"))
    truth = rng.random(1_500) < 1 / (1 + np.exp(-6 * (frame["a"] + 0.7 * frame["b"])))
    planted = rng.random(1_500) < wrong
    return frame.assign(y=truth ^ planted), planted


def _wrong_first(rng: np.random.Generator) -> bool:
    frame, planted = _labelled(rng, wrong=0.05)
    ranked = suspect_rows(dataset_for(frame, PROBLEM), PROBLEM)["row"].to_numpy()
    return bool(planted[ranked[: planted.sum() // 2]].mean() >= 0.6)


def _of_clean_labels(rng: np.random.Generator) -> Report:
    frame, _ = _labelled(rng, wrong=0.0)
    return LabelQualityAssessor().assess(dataset_for(frame, PROBLEM), PROBLEM)


def _flags_foretold(rng: np.random.Generator) -> bool:
    listed = _of_clean_labels(rng).select(name="suspect_labels")[0]
    return abs((listed.estimate or 0) - float(listed.details["by_chance"] or 0)) <= 0.02


def _clean_labels_warned(rng: np.random.Generator) -> bool:
    return bool(_of_clean_labels(rng).alarms)


# --- values and changes ---------------------------------------------------------------------


def _sensors(rng: np.random.Generator, n: int = 2_000) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "cauchy": rng.standard_cauchy(n),
            "pareto": rng.pareto(0.8, n),
            "skewed": rng.lognormal(1, 1, n),
            "count": rng.poisson(3, n),
            "rain": np.where(rng.random(n) < 0.9, 0.0, rng.gamma(2, 3, n)),
            "zone": rng.choice(list("abcdefgh"), n),
            "y": rng.random(n) < 0.5,
        }
    )


def _apart(rng: np.random.Generator) -> bool:
    return bool(ValuesAssessor().assess(dataset_for(_sensors(rng), PROBLEM), PROBLEM).alarms)


def _changes(before: pd.DataFrame, after: pd.DataFrame) -> list[tuple[str | None, str]]:
    assessor = ChangeAssessor(reference=dataset_for(before, PROBLEM))
    report = assessor.assess(dataset_for(after, PROBLEM), PROBLEM)
    return [(f.column, f.name) for f in report.alarms]


def _unchanged(rng: np.random.Generator) -> bool:
    return bool(_changes(_sensors(rng), _sensors(rng)))


def _named(rng: np.random.Generator) -> bool:
    """One of six defects in one of two columns, and nothing beside it."""
    before, after = _sensors(rng), _sensors(rng)
    x, zone = after["skewed"], after["zone"]
    far, lost, stuck = (rng.random(len(after)) < p for p in (0.01, 0.1, 0.15))
    name, column, planted = [
        ("units_changed", "skewed", x * 1.609344),
        ("shifted", "skewed", x + x.std()),
        ("outliers", "skewed", x.mask(far, 1e6)),
        ("nulls_jumped", "skewed", x.mask(lost)),
        ("stuck_values", "skewed", x.mask(stuck, 2.5)),
        ("case_changed", "zone", zone.str.upper()),
    ][int(rng.integers(6))]
    return _changes(before, after.assign(**{column: planted})) == [(column, name)]


def _like_the_population(rng: np.random.Generator) -> bool:
    population = dataset_for(_sensors(rng), PROBLEM)
    assessor = RepresentativenessAssessor(population=population)
    return bool(assessor.assess(dataset_for(_sensors(rng), PROBLEM), PROBLEM).alarms)


BARS: tuple[Bar, ...] = (
    _bar("more data worth it?", "no, where twice the rows gain a fifth of what is worth it",
         _enough, low=0.95),
    _bar("more data worth it?", "yes, where twice the rows gain three times of it", _needed,
         low=0.95),
    _bar("leakage", "5 of 6 planted leaks are named, or all", _leaks_found, low=0.99),
    _bar("leakage", "a false flag on honest features", _honest_flagged, high=0.01),
    _bar("duplicates, overlap", "four counts are exact", _counted, low=0.999, quick=10),
    _bar("label noise", "6 of 10 of the first are wrong, where 1 of 20 is", _wrong_first,
         low=0.95),
    _bar("label noise", "flags on clean labels are foretold within 2 points", _flags_foretold,
         low=0.95),
    _bar("label noise", "a warning of clean labels", _clean_labels_warned, high=0.02),
    _bar("values that stand apart", "a warning of six ordinary columns, two with heavy tails",
         _apart, high=0.02),
    _bar("changes since a reference", "a warning where nothing changed", _unchanged, high=0.01),
    _bar("changes since a reference", "the planted defect is named, and it alone", _named,
         low=0.95, quick=20),
    _bar("representative?", "a warning of a sample of the population", _like_the_population,
         high=0.05),
)  # fmt: skip
