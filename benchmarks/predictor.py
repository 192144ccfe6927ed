"""What a guarded answer costs beyond scikit-learn's own, in the same run.

Run with ``python benchmarks/predictor.py``; it prints one line for each estimator. The bar: one
row at most 0.2 ms over ``estimator.predict`` on a one-row frame that already exists.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from statistics import median

import numpy as np
import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from mldeploy import evidence
from mldeploy.data import Dataset
from mldeploy.problem import Criterion, Problem
from mldeploy.serving import ParquetLog, Predictor
from mldeploy.training import EstimatorTrainer

N_ROWS = 10_000


def flights() -> pd.DataFrame:
    """Return made-up departures: eight numbers, four counts, three texts and a label."""
    rng = np.random.default_rng(0)
    columns: dict[str, object] = {f"x{i}": rng.normal(size=N_ROWS) for i in range(8)}
    columns |= {f"k{i}": rng.integers(0, 24, N_ROWS) for i in range(4)}
    columns |= {f"c{i}": rng.choice(list("abcdef"), N_ROWS) for i in range(3)}
    return pd.DataFrame(columns | {"late": rng.random(N_ROWS) < 0.3})


def seconds(call: Callable[[], object], n: int) -> float:
    """Return the median time of a call, so that a busy moment does not count."""
    times = []
    for _ in range(n):
        begin = time.perf_counter()
        call()
        times.append(time.perf_counter() - begin)
    return median(times)


def main() -> None:
    """Print the table."""
    frame = flights()
    problem = Problem(
        name="late", statement="Which flights are late?", target="late", positive=True,
        criteria=[Criterion("roc_auc", at_least=0.5)],
    )  # fmt: skip
    lines = []
    for estimator, n in (
        (LogisticRegression(), 300),
        (HistGradientBoostingClassifier(max_iter=50), 200),
        (RandomForestClassifier(50), 60),
    ):
        texts = (OneHotEncoder(handle_unknown="ignore", sparse_output=False), ["c0", "c1", "c2"])
        pipeline = make_pipeline(
            make_column_transformer(texts, remainder="passthrough"), estimator
        )
        trainer = EstimatorTrainer(estimator=pipeline, baselines={})
        model = trainer.train(Dataset.of(frame, target="late"), problem)
        features = frame.drop(columns="late")
        one, row = features.iloc[:1], features.iloc[0].to_dict()
        row = {k: v.item() if isinstance(v, np.generic) else v for k, v in row.items()}
        with tempfile.TemporaryDirectory() as folder:
            log = ParquetLog(Path(folder), "bench", flush_interval=timedelta(seconds=5))
            predictor = Predictor(model, version="late:1", deployment="bench", sink=log)
            fitted = model.estimator
            plain = seconds(lambda f=fitted, x=one: f.predict(x), n)
            ours = seconds(lambda p=predictor, r=row: p.predict(r), n)
            many_plain = seconds(lambda f=fitted, x=features: f.predict(x), 5)
            many = seconds(lambda p=predictor, x=features: p.predict_frame(x), 5)
            log.close()
        lines.append(
            (
                type(estimator).__name__,
                f"{plain * 1e3:.2f}",
                f"{ours * 1e3:.2f}",
                f"{(ours - plain) * 1e3:+.2f}",
                f"{(many - many_plain) * 1e3 / (N_ROWS / 1000):+.2f}",
            )
        )
    headers = ("estimator", "predict, ms", "guarded, ms", "over, ms", "over, ms/1k rows")
    print(evidence.text_table(headers, lines))


if __name__ == "__main__":
    main()
