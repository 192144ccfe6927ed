"""Requests a second over HTTP, beside ``mlflow models serve``, MLServer and a constant answer.

The same fitted pipelines are served by both, one worker each, and asked by ``wrk`` (Debian's
package `wrk`) for one row of real flights at a time. Read the ratios. The peer lives in an
environment of its own; make it once::

    python -m venv .venv-peer && .venv-peer/bin/pip install mlflow
    python -m venv .venv-batching && .venv-batching/bin/pip install mlserver mlserver-sklearn
    python benchmarks/over_http.py --peer .venv-peer/bin/python \
        --batching-peer .venv-batching/bin/python

Each server is started seven times. Where `PYTHONDONTWRITEBYTECODE` is set, every start compiles
its modules anew, which is not what an installed package does: unset it, and start once before.
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
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import joblib
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
from mldeploy.model import Bundle, Model
from mldeploy.problem import Criterion, Problem
from mldeploy.training import EstimatorTrainer

NUMBERS = [
    *("month", "day", "hour", "minute", "distance", "temp", "dewp", "humid"),
    *("wind_speed", "pressure", "visib", "precip"),
]
TEXTS = ["carrier", "origin", "dest"]
CONNECTIONS = (1, 8, 64)
STARTS = 7


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
    pid: int
    starts: tuple[float, ...]
    """Seconds from starting its process to its first answer that it is ready, of each start."""

    def memory_mb(self) -> float:
        """Resident memory of the server and its children."""
        return sum(_resident_mb(pid) for pid in (self.pid, *_children(self.pid)))


@contextmanager
def running(command: Sequence[str], health: str, env: dict[str, str]) -> Iterator[Served]:
    """Start a server again and again, and let the last one serve."""
    starts = []
    for _ in range(STARTS - 1):
        with _started(command, health, env) as server:
            starts += server.starts
    with _started(command, health, env) as server:
        yield replace(server, starts=(*starts, *server.starts))


@contextmanager
def _started(command: Sequence[str], health: str, env: dict[str, str]) -> Iterator[Served]:
    """Start a server on a free port, wait until it is ready, and end it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    begin = time.perf_counter()
    process = subprocess.Popen(
        [part.replace("PORT", str(port)) for part in command],
        env=os.environ | {name: value.replace("PORT", str(port)) for name, value in env.items()},
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
        yield Served(url, process.pid, (time.perf_counter() - begin,))
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
    parser.add_argument(
        "--batching-peer", help="a Python in whose environment mlserver-sklearn is installed"
    )
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
    some = rest.drop(columns="late").iloc[:1000]
    records = json.loads(some.to_json(orient="records"))
    thousand = json.dumps({"columns": {name: [r[name] for r in records] for name in some}})
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
            facts = (ours.starts, ours.memory_mb())
            many = {
                n: ask(ours.url + "/predict", thousand, connections=n,
                       seconds=options.seconds, folder=folder)
                for n in (1, 8)
            }  # fmt: skip
        if name == "constant":
            base = rates
        lines.append(_line(f"{name}, mldeploy", rates, facts, base))
        millions = [f"{asked['rate'] / 1e3:.2f} M rows" for asked in many.values()]
        lines.append((f"{name}, by the thousand", *millions, "", "", "", "", ""))
        for peer, ask_peer in (("mlflow", _mlflow), ("MLServer", _mlserver)):
            python = options.peer if peer == "mlflow" else options.batching_peer
            if python and name != "constant":
                theirs, peer_facts = ask_peer(python, options.seconds, folder, model, rest)
                lines.append(_line(f"{name}, {peer}", theirs, peer_facts, None))
                ratios = [f"{rates[n]['rate'] / theirs[n]['rate']:.0f} x" for n in CONNECTIONS]
                lines.append((f"{name}, ratio to {peer}", *ratios, "", "", "", ""))
    head = (
        *("one row", *(f"{n} conn. /s" for n in CONNECTIONS)),
        *("p99 at 64, ms", "of constant", f"ready, s: best (median) of {STARTS}", "MB"),
    )
    print(text_table(head, lines))


Rates = dict[int, dict[str, float]]
Facts = tuple[tuple[float, ...], float]


def _mlflow(
    python: str, seconds: float, folder: Path, model: Model, rest: pd.DataFrame
) -> tuple[Rates, Facts]:
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
        [python, "-c", save, folder / "estimator.joblib", folder / "rows.parquet", target],
        check=True, capture_output=True,
    )  # fmt: skip
    split = json.loads(rest.drop(columns="late").iloc[:1].to_json(orient="split"))
    split.pop("index")
    body = json.dumps({"dataframe_split": split})
    command = [
        *(python, "-m", "mlflow", "models", "serve", "-m", str(target)),
        *("--env-manager", "local", "-p", "PORT", "-w", "1"),
    ]
    path = os.pathsep.join([str(Path(python).parent), os.environ["PATH"]])
    with running(command, "/ping", {"PATH": path, "OMP_NUM_THREADS": "1"}) as peer:
        return _asked(peer, "/invocations", body, seconds, folder)


def _mlserver(
    python: str, seconds: float, folder: Path, model: Model, rest: pd.DataFrame
) -> tuple[Rates, Facts]:
    """Serve by MLServer, whose batches wait at most 5 ms for their 64th row."""
    home = folder / f"mlserver-{id(model)}"
    home.mkdir()
    joblib.dump(model.estimator, home / "model.joblib")
    settings = {
        "name": "m", "implementation": "mlserver_sklearn.SKLearnModel",
        "max_batch_size": 64, "max_batch_time": 0.005,
        "parameters": {"uri": "./model.joblib", "extra": {"predict_fn": "predict_proba"}},
    }  # fmt: skip
    (home / "model-settings.json").write_text(json.dumps(settings))
    row = rest.drop(columns="late").dropna().iloc[0]
    inputs = [
        {"name": name, "shape": [1, 1], "datatype": "BYTES", "data": [value],
         "parameters": {"content_type": "str"}}
        if isinstance(value, str)
        else {"name": name, "shape": [1, 1], "datatype": "FP64", "data": [float(value)]}
        for name, value in row.items()
    ]  # fmt: skip
    body = json.dumps({"parameters": {"content_type": "pd"}, "inputs": inputs})
    environment = {
        "MLSERVER_HTTP_PORT": "PORT", "MLSERVER_HOST": "127.0.0.1", "MLSERVER_DEBUG": "false",
        "MLSERVER_PARALLEL_WORKERS": "0", "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    for name in ("GRPC", "METRICS"):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            environment[f"MLSERVER_{name}_PORT"] = str(free.getsockname()[1])
    command = [str(Path(python).parent / "mlserver"), "start", str(home)]
    with running(command, "/v2/models/m/ready", environment) as peer:
        return _asked(peer, "/v2/models/m/infer", body, seconds, folder)


def _asked(
    peer: Served, path: str, body: str, seconds: float, folder: Path
) -> tuple[Rates, Facts]:
    rates = {
        n: ask(peer.url + path, body, connections=n, seconds=seconds, folder=folder)
        for n in CONNECTIONS
    }
    return rates, (peer.starts, peer.memory_mb())


def _line(
    name: str,
    rates: dict[int, dict[str, float]],
    facts: Facts,
    base: dict[int, dict[str, float]] | None,
) -> tuple[str, ...]:
    share = f"{rates[64]['rate'] / base[64]['rate']:.2f}" if base else ""
    starts, memory = facts
    return (
        *(name, *(f"{rates[n]['rate']:,.0f}" for n in CONNECTIONS)),
        *(f"{rates[64]['p99']:.1f}", share, f"{min(starts):.2f} ({median(starts):.2f})"),
        f"{memory:.0f}",
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
