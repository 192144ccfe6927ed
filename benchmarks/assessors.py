"""Do the assessors decide rightly? Simulations with known truth, against the bars of evidence.md.

``python benchmarks/assessors.py`` runs all over 100 seeds (a quarter of an hour on one core);
``python benchmarks/assessors.py leakage --seeds 25 --first 50`` one, over some. What is not met
is printed as such, and the exit status tells.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable

import numpy as np
import numpy.typing as npt
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier

from mldeploy.assessment import (
    AdequacyAssessor,
    DuplicatesAssessor,
    LabelQualityAssessor,
    LeakageAssessor,
    suspect_rows,
)
from mldeploy.data import dataset_for
from mldeploy.evidence import Severity
from mldeploy.problem import Criterion, Problem
from mldeploy.stats import roc_auc

Floats = npt.NDArray[np.float64]
Share = tuple[str, int, int, float]
"""What was counted, how often, of how many, and the bar: at least if positive, at most if not."""


def problem(**fields: object) -> Problem:
    """Return a binary problem."""
    return Problem(
        name="p", statement="What is y?", target="y", positive=True,
        criteria=[Criterion("accuracy", at_least=0.6)], **fields,  # type: ignore[arg-type]
    )  # fmt: skip


# --- is more data worth it? --------------------------------------------------------------------


def _flat(rng: np.random.Generator, n: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    X = rng.normal(size=(n, 4))
    return X, rng.random(n) < 1 / (1 + np.exp(-2 * X[:, 0]))


def _hungry(rng: np.random.Generator, n: int) -> tuple[Floats, npt.NDArray[np.bool_]]:
    X = rng.uniform(-2, 2, size=(n, 10))
    return X, rng.random(n) < 1 / (1 + np.exp(-3 * np.sin(2 * X[:, :6]).sum(axis=1)))


def _true_gain(draw: Callable[..., tuple[Floats, npt.NDArray[np.bool_]]], n: int) -> float:
    """Return what twice the rows gain in AUC, over eight draws and 20,000 other rows."""
    gains = []
    for seed in range(8):
        rng = np.random.default_rng(10_000 + seed)
        X, y = draw(rng, 2 * n)
        asked, truth = draw(rng, 20_000)
        scores = []
        for size in (n, 2 * n):
            model = HistGradientBoostingClassifier(
                max_iter=30, max_leaf_nodes=15, learning_rate=0.15, early_stopping=False,
                random_state=0,
            ).fit(X[:size], y[:size])  # fmt: skip
            scores.append(roc_auc(truth.astype(float), model.predict_proba(asked)[:, 1]))
        gains.append(scores[1] - scores[0])
    return float(np.mean(gains))


def adequacy(seeds: Iterable[int]) -> list[Share]:
    """Count wrong answers where the true gain is far from the one that was declared worth it."""
    shares: list[Share] = []
    for name, draw, n, gain in (("flat", _flat, 6_000, 0.015), ("hungry", _hungry, 1_500, 0.004)):
        true = _true_gain(draw, n)
        wrong = "yes" if true < gain else "no"
        answers: Counter[str] = Counter()
        for seed in seeds:
            X, y = draw(np.random.default_rng(seed), n)
            frame = pd.DataFrame(X, columns=[f"x{i}" for i in range(X.shape[1])]).assign(y=y)
            report = AdequacyAssessor(gain=gain).assess(dataset_for(frame, problem()), problem())
            answers[str(report.select(name="more_data")[0].details["answer"])] += 1
        print(f"  adequacy, {name}: true gain {true:.4f}, worth it from {gain}: {dict(answers)}")
        right = "no" if wrong == "yes" else "yes"
        shares.append((f"adequacy, {name}: right", answers[right], answers.total(), 0.95))
        shares.append((f"adequacy, {name}: wrong", answers[wrong], answers.total(), -0.05))
    return shares


# --- leakage -----------------------------------------------------------------------------------


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


def leakage(seeds: Iterable[int]) -> list[Share]:
    """Count planted leaks that are found and named, six for each seed, and false flags."""
    enough, false, n = 0, 0, 0
    missed: Counter[str] = Counter()
    for seed in seeds:
        rng = np.random.default_rng(seed)
        frame, found = _honest(rng), 0
        for name, planted in _leaks(frame, rng).items():
            blocked = _blocked(planted)
            hit = any("leak" in columns for columns in blocked)
            found, missed[name] = found + hit, missed[name] + (not hit)
        enough, n = enough + (found >= 5), n + 1
        false += bool(_blocked(frame))
    print(f"  leakage: missed {dict(missed)}")
    return [("leakage: at least 5 of 6 found", enough, n, 0.99),
            ("leakage: false flags on honest data", false, n, -0.02)]  # fmt: skip


def _blocked(frame: pd.DataFrame) -> list[set[object]]:
    report = LeakageAssessor().assess(dataset_for(frame, problem()), problem())
    return [
        {f.column, f.details.get("with")} for f in report.alarms if f.severity is Severity.BLOCKER
    ]


# --- duplicates --------------------------------------------------------------------------------


def duplicates(seeds: Iterable[int]) -> list[Share]:
    """Count exact answers about repeats, near-repeats, conflicts and overlap."""
    right, n = 0, 0
    for seed in seeds:
        rng = np.random.default_rng(seed)
        frame = pd.DataFrame(
            {
                "name": [f"Customer {i}" for i in range(1_000)],
                "price": rng.normal(100, 30, 1_000),
                "city": rng.choice(["Bonn", "Ulm", "Jena"], 1_000),
                "y": rng.random(1_000) < 0.5,
            }
        )
        counts = rng.integers(1, 60, 4)
        parts = [frame.iloc[rng.permutation(1_000)[:k]] for k in counts]
        repeats, near, turned, shared = parts
        table = pd.concat(
            [frame, repeats, near.assign(name=near["name"].str.upper() + " "),
             turned.assign(y=~turned["y"])],
            ignore_index=True,
        )  # fmt: skip
        others = frame.assign(name=frame["name"] + "b")
        test = dataset_for(pd.concat([others, shared], ignore_index=True), problem())
        data = dataset_for(table, problem())
        report = DuplicatesAssessor().assess(data, problem())
        overlap = DuplicatesAssessor(reference=data).assess(test, problem())
        told = [
            report.select(name="duplicate_rows")[0].details["count"],
            report.select(name="near_duplicates")[0].details["count"],
            report.select(name="conflicting_labels")[0].details["groups"],
            overlap.select(name="row_overlap")[0].details["count"],
        ]
        right, n = right + (told == counts.tolist()), n + 1
    return [("duplicates: all four counts exact", right, n, 1.0)]


# --- labels ------------------------------------------------------------------------------------


def labels(seeds: Iterable[int]) -> list[Share]:
    """Count precise lists where 5 % of the labels are wrong, and right forecasts where none is."""
    precise, foretold, warned, n = 0, 0, 0, 0
    shares = []
    for seed in seeds:
        dirty, planted = _labelled(seed, wrong=0.05)
        ranked = suspect_rows(dataset_for(dirty, problem()), problem())["row"].to_numpy()
        share = float(planted[ranked[: planted.sum() // 2]].mean())
        shares.append(share)
        clean, _ = _labelled(seed, wrong=0.0)
        report = LabelQualityAssessor().assess(dataset_for(clean, problem()), problem())
        listed = report.select(name="suspect_labels")[0]
        gap = abs((listed.estimate or 0) - float(listed.details["by_chance"] or 0))
        precise, foretold = precise + (share >= 0.6), foretold + (gap <= 0.02)
        warned, n = warned + bool(report.alarms), n + 1
    print(
        f"  labels: share of wrong ones in the first of the list {np.mean(shares):.3f} on average"
    )
    return [("labels: 0.6 of the first are wrong, by chance 0.05", precise, n, 0.95),
            ("labels: flags on clean data foretold within 0.02", foretold, n, 0.95),
            ("labels: warnings on clean data", warned, n, -0.02)]  # fmt: skip


def _labelled(seed: int, *, wrong: float) -> tuple[pd.DataFrame, npt.NDArray[np.bool_]]:
    rng = np.random.default_rng(seed)
    frame = pd.DataFrame(rng.normal(size=(1_500, 4)), columns=list("abcd"))
    truth = rng.random(1_500) < 1 / (1 + np.exp(-6 * (frame["a"] + 0.7 * frame["b"])))
    planted = rng.random(1_500) < wrong
    return frame.assign(y=truth ^ planted), planted


SIMULATIONS: dict[str, Callable[[Iterable[int]], list[Share]]] = {
    "adequacy": adequacy, "leakage": leakage, "duplicates": duplicates, "labels": labels,
}  # fmt: skip


def main() -> None:
    """Run the simulations asked for, and print which bars are met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=[], choices=[*SIMULATIONS, []])
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first", type=int, default=0)
    asked = parser.parse_args()
    seeds, failed = range(asked.first, asked.first + asked.seeds), False
    for name in asked.names or SIMULATIONS:
        started = time.perf_counter()
        for what, count, n, bar in SIMULATIONS[name](seeds):
            met = count >= bar * n if bar > 0 else count <= max(-bar * n, 0)
            failed |= not met
            sign = "≥" if bar > 0 else "≤"
            print(f"{what}: {count} of {n} ({sign} {abs(bar):.0%}){'' if met else '  NOT MET'}")
        print(f"  {name}: {time.perf_counter() - started:.0f} s")
    sys.exit(failed)


if __name__ == "__main__":
    main()
