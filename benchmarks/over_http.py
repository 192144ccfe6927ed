"""Requests a second over HTTP, beside ``mlflow models serve`` and this server's constant answer.

The same fitted pipelines are served by both, one worker each, and asked by ``wrk`` (Debian's
package `wrk`) for one row of real flights at a time. Read the ratios. The peer lives in an
environment of its own; make it once::

    python -m venv .venv-peer && .venv-peer/bin/pip install mlflow
    python benchmarks/over_http.py --peer .venv-peer/bin/python
"""

from __future__ import annotations

import argparse
import json
import math
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))

from flights import load_flights
from mldeploy.data import dataset_for
from mldeploy.evidence import text_table
from mldeploy.model import Bundle
from mldeploy.problem import Criterion, Problem
from mldeploy.training import EstimatorTrainer

NUMBERS = [
    *("month", "day", "hour", "minute", "distance", "temp", "dewp", "humid"),
    *("wind_speed", "pressure", "visib", "precip"),
]
TEXTS = ["carrier", "origin", "dest"]
CONNECTIONS = (1, 8, 64)


def estimators() -> dict[str, Pipeline]:
    """Return the pipelines, unfitted."""
    scaled = make_pipeline(SimpleImputer(), StandardScaler())
    linear = make_column_transformer(
        (scaled, NUMBERS), (OneHotEncoder(handle_unknown="ignore"), TEXTS)
    )
    ordinal = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    codes = make_column_transformer((SimpleImputer(), NUMBERS), (ordinal, TEXTS))
    return {
        "constant": make_pipeline(linear, DummyClassifier(strategy="prior")),
        "logistic regression": make_pipeline(linear, LogisticRegression(max_iter=300)),
        "boosting": make_pipeline(codes, HistGradientBoostingClassifier(random_state=0)),
        "forest": make_pipeline(
            codes, RandomForestClassifier(100, max_depth=12, random_state=0, n_jobs=1)
        ),
    }


@dataclass(frozen=True)
class Served:
    """A server that answers, and what it cost to start."""

    url: str
    ready_s: float
    pid: int

    def memory_mb(self) -> float:
        """Resident memory of the server and its children."""
        return sum(_resident_mb(pid) for pid in (self.pid, *_children(self.pid)))


@contextmanager
def running(command: Sequence[str], health: str, env: dict[str, str]) -> Iterator[Served]:
    """Start a server on a free port, wait until it is ready, and end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begin = time.perf_counter()
    process = subprocess.Popen(
        [part.replace("PORT", str(port)) for part in command],
        env=os.environ | env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        while not _is_ready(url + health):
            if process.poll() is not None or time.perf_counter() - begin > 120:
                sys.exit(f"{' '.join(command)} did not start")
            time.sleep(0.005)
        yield Served(url, time.perf_counter() - begin, process.pid)
    finally:
        os.killpg(process.pid, 15)
        process.wait(30)


def ask(
    url: str, body: str, *, connections: int, seconds: float, folder: Path
) -> dict[str, float]:
    """Return requests a second, and latencies in milliseconds, as ``wrk`` measures them."""
    script = folder / "post.lua"
    quoted = json.dumps(body)
    script.write_text(
        'wrk.method = "POST"\n'
        f"wrk.body = {quoted}\n"
        'wrk.headers["Content-Type"] = "application/json"\n'
    )
    command = [
        *("wrk", "-t1", f"-c{connections}", f"-d{seconds:.0f}s", "--timeout", "60"),
        *("--latency", "-s", str(script), url),
    ]
    run = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", run)
    if bad:
        sys.exit(f"{url} refused {bad[1]} requests: {body[:200]}")
    shares = dict(re.findall(r"^\s+(50|99)%\s+(\S+)$", run, flags=re.MULTILINE))
    latency = {int(share): _milliseconds(text) for share, text in shares.items()}
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", run)[1])  # type: ignore[index]
    return {"rate": rate, "p50": latency.get(50, math.nan), "p99": latency.get(99, math.nan)}


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", help="a Python in whose environment mlflow is installed")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each measurement")
    parser.add_argument("--only", help="one model")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is missing; apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        _run(options, Path(folder))


def _run(options: argparse.Namespace, folder: Path) -> None:
    frame = load_flights()[[*NUMBERS, *TEXTS, "late"]].dropna(subset=["late"])
    frame["late"] = frame["late"].astype(bool)
    train, rest = frame.iloc[:60_000], frame.iloc[60_000:62_000]
    problem = Problem(
        name="late", statement="Which flights are late?", target="late", positive=True,
        criteria=[Criterion("roc_auc", at_least=0.5)],
    )  # fmt: skip
    row = json.loads(rest.drop(columns="late").iloc[:1].to_json(orient="records"))[0]
    lines, base = [], {}
    for name, estimator in estimators().items():
        if options.only not in (None, name, "constant") and name != "constant":
            continue
        model = EstimatorTrainer(estimator).train(dataset_for(train, problem), problem)
        bundle = folder / name.replace(" ", "-")
        Bundle.write(bundle, model, golden=dataset_for(rest, problem))
        command = [sys.executable, "-m", "mldeploy.cli", "serve", str(bundle), "--port", "PORT"]
        with running([*command, "--log", str(folder / "log")], "/readyz", {}) as ours:
            rates = {
                n: ask(ours.url + "/predict", json.dumps({"row": row}), connections=n,
                       seconds=options.seconds, folder=folder)
                for n in CONNECTIONS
            }  # fmt: skip
            facts = (ours.ready_s, ours.memory_mb())
        if name == "constant":
            base = rates
        lines.append(_line(f"{name}, mldeploy", rates, facts, base))
        if options.peer and name != "constant":
            theirs, peer_facts = _peer(options, folder, estimator, model, rest)
            lines.append(_line(f"{name}, mlflow", theirs, peer_facts, None))
            ratios = [f"{rates[n]['rate'] / theirs[n]['rate']:.0f} x" for n in CONNECTIONS]
            lines.append((f"{name}, ratio", *ratios, "", "", "", ""))
    head = (
        *("one row", *(f"{n} conn. /s" for n in CONNECTIONS)),
        *("p99 at 64, ms", "of constant", "ready, s", "MB"),
    )
    print(text_table(head, lines))


def _peer(
    options: argparse.Namespace, folder: Path, estimator: Any, model: Any, rest: pd.DataFrame
) -> tuple[dict[int, dict[str, float]], tuple[float, float]]:
    del estimator
    import joblib  # noqa: PLC0415

    target = folder / f"mlflow-{id(model)}"
    joblib.dump(model.estimator, folder / "estimator.joblib")
    rest.drop(columns="late").iloc[:5].to_parquet(folder / "rows.parquet")
    save = (
        "import sys, joblib, mlflow, pandas as pd; from mlflow.models import infer_signature\n"
        "estimator = joblib.load(sys.argv[1]); rows = pd.read_parquet(sys.argv[2])\n"
        "mlflow.sklearn.save_model(estimator, sys.argv[3], serialization_format='cloudpickle',\n"
        "    signature=infer_signature(rows, estimator.predict(rows)))\n"
    )
    subprocess.run(
        [options.peer, "-c", save, folder / "estimator.joblib", folder / "rows.parquet", target],
        check=True, capture_output=True,
    )  # fmt: skip
    split = json.loads(rest.drop(columns="late").iloc[:1].to_json(orient="split"))
    split.pop("index")
    body = json.dumps({"dataframe_split": split})
    command = [
        *(options.peer, "-m", "mlflow", "models", "serve", "-m", str(target)),
        *("--env-manager", "local", "-p", "PORT", "-w", "1"),
    ]
    path = os.pathsep.join([str(Path(options.peer).parent), os.environ["PATH"]])
    with running(command, "/ping", {"PATH": path, "OMP_NUM_THREADS": "1"}) as peer:
        rates = {
            n: ask(peer.url + "/invocations", body, connections=n,
                   seconds=options.seconds, folder=folder)
            for n in CONNECTIONS
        }  # fmt: skip
        return rates, (peer.ready_s, peer.memory_mb())


def _line(
    name: str,
    rates: dict[int, dict[str, float]],
    facts: tuple[float, float],
    base: dict[int, dict[str, float]] | None,
) -> tuple[str, ...]:
    share = f"{rates[64]['rate'] / base[64]['rate']:.2f}" if base else ""
    return (
        *(name, *(f"{rates[n]['rate']:,.0f}" for n in CONNECTIONS)),
        *(f"{rates[64]['p99']:.1f}", share, f"{facts[0]:.2f}", f"{facts[1]:.0f}"),
    )


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200
    except OSError:
        return False


def _children(pid: int) -> list[int]:
    listed = subprocess.run(["pgrep", "-P", str(pid)], capture_output=True, text=True, check=False)
    found = [int(child) for child in listed.stdout.split()]
    return found + [grandchild for child in found for grandchild in _children(child)]


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 1e6


def _milliseconds(text: str) -> float:
    number, unit = re.fullmatch(r"([\d.]+)(us|ms|s)", text).groups()  # type: ignore[union-attr]
    return float(number) * {"us": 1e-3, "ms": 1.0, "s": 1e3}[unit]


if __name__ == "__main__":
    main()
