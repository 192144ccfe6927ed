"""Figures of several processes: whichever is asked tells the sum, and no sum ever falls."""

from __future__ import annotations

import asyncio
import dataclasses
import itertools
import json
import os
import shutil
import signal
import time
from collections.abc import Callable
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import (
    text_string_to_metric_families as open_metrics_families,
)

from mldeploy.cli._serve_settings import ServeSettings
from mldeploy.data import Dataset, Profile
from mldeploy.model import Bundle
from mldeploy.serving import Arm, DriftWatch, HashColumn, ParquetLog, Plan
from mldeploy.serving._logged_counts import LoggedCounts
from mldeploy.serving.http import (
    Metrics,
    Request,
    Response,
    SharedFigures,
    Supervisor,
    Watched,
    WorkerSpec,
    assembled,
    serve_in_thread,
)
from mldeploy.serving.http._families import Family, counted, merged, wants_open_metrics

from .conftest import Answer, Running
from .test_metrics import families, values
from .test_plain import ROW


def total(n: int, *, name: str = "x_total", kind: str = "counter") -> Family:
    return (name, "X.", kind, [("", {"a": "b"}, float(n))])


def plain(found: list[Family]) -> dict[str, list[tuple[str, dict[str, str], float]]]:
    return {name: list(samples) for name, _, _, samples in found}


# --- adding up --------------------------------------------------------------------------------


def test_what_counts_adds_up_and_the_first_beginning_is_told() -> None:
    one = [total(2), total(7, name="y", kind="gauge"), total(1, name="z_info", kind="gauge")]
    two = [total(3), total(8, name="y", kind="gauge"), total(1, name="z_info", kind="gauge")]
    began = "process_start_time_seconds"

    found = plain(
        merged(
            [
                [*one, total(50, name=began, kind="gauge")],
                [*two, total(40, name=began, kind="gauge")],
            ]
        )
    )

    assert {name: samples[0][2] for name, samples in found.items()} == {
        "x_total": 5.0, "y": 15.0, "z_info": 1.0, began: 40.0,
    }  # fmt: skip


def test_what_differs_in_a_label_stays_apart() -> None:
    other: Family = ("x_total", "X.", "counter", [("", {"a": "c"}, 5.0)])
    assert plain(merged([[total(2)], [other], [total(1)]]))["x_total"] == [
        ("", {"a": "b"}, 3.0),
        ("", {"a": "c"}, 5.0),
    ]


observed = st.lists(
    st.tuples(st.sampled_from(["/a", "/b"]), st.sampled_from([200, 422]), st.floats(0, 20)),
    max_size=20,
)


@given(st.lists(observed, min_size=1, max_size=4))
def test_the_sum_of_parts_is_the_whole(parts: list[list[tuple[str, int, float]]]) -> None:
    """However requests are dealt to processes, their figures together are those of one."""
    whole = Metrics()
    each = [Metrics() for _ in parts]
    for metrics, seen in zip(each, parts, strict=True):
        for path, status, seconds in seen:
            for one in (metrics, whole):
                one._routes[path] = path
                one(Request(method="POST", path=path), Response(status=status), seconds)

    together = plain(counted(merged([metrics.families() for metrics in each])))
    alone = plain(counted(whole.families()))

    for name in ("mldeploy_http_requests_total", "mldeploy_http_request_seconds"):
        by_label = {(suffix, *labels.items()): v for suffix, labels, v in together[name]}
        assert by_label == {
            (suffix, *labels.items()): pytest.approx(v) for suffix, labels, v in alone[name]
        }


# --- places -----------------------------------------------------------------------------------


class Process:
    """A process that counts, as far as its figures go."""

    def __init__(self, folder: Path, place: int) -> None:
        self.n, self.pending = 0, 0
        self.shared = SharedFigures(folder, place, families=self.families)

    def families(self) -> list[Family]:
        return [total(self.n), total(self.pending, name="y", kind="gauge")]

    def told(self) -> dict[str, float]:
        found = plain(merged([self.families(), *self.shared.families()]))
        return {name: samples[0][2] for name, samples in found.items()}


@pytest.fixture
def begin(tmp_path: Path) -> Any:
    begun: list[Process] = []

    def beginning(place: int) -> Process:
        begun.append(Process(tmp_path, place))
        return begun[-1]

    yield beginning
    for process in begun:
        process.shared._ended.set()
        process.shared._thread.join()


def test_any_process_tells_the_sum(begin: Callable[[int], Process]) -> None:
    one, two = begin(0), begin(1)
    one.n, one.pending, two.n, two.pending = 2, 10, 3, 20
    one.shared.write()
    assert two.told() == {"x_total": 5.0, "y": 30.0}
    assert one.told() == {"x_total": 5.0, "y": 30.0}


def test_who_takes_the_place_of_one_that_died_goes_on_with_its_counts(
    begin: Callable[[int], Process],
) -> None:
    one, other = begin(0), begin(1)
    for died in range(1, 5):
        one.n, one.pending = 10, 3
        assert one.told()["x_total"] == 10.0 * died
        one.shared._ended.set()  # it dies without a word
        one = begin(0)
        assert other.told() == {"x_total": 10.0 * died, "y": 3.0}
        one.shared.write()
        assert other.told() == {"x_total": 10.0 * died, "y": 0.0}


def test_gauges_of_who_writes_no_more_are_forgotten(
    begin: Callable[[int], Process], tmp_path: Path
) -> None:
    one, other = begin(0), begin(1)
    one.n, one.pending = 4, 9
    one.shared.close()
    assert other.told() == {"x_total": 4.0, "y": 9.0}
    path = tmp_path / "worker-0.json"
    long_ago = path.stat().st_mtime - 60
    os.utime(path, (long_ago, long_ago))
    assert other.told() == {"x_total": 4.0, "y": 0.0}


def test_a_folder_that_cannot_be_written_is_told_and_ends_nothing(
    begin: Callable[[int], Process], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    one = begin(0)
    shutil.rmtree(tmp_path)
    one.shared.close()
    assert "cannot be told to the other workers" in caplog.text
    tmp_path.mkdir()


def test_drift_of_all_processes_is_told_together(tmp_path: Path, make_model: Any) -> None:
    signature = make_model().signature
    frame = pl.DataFrame({"wind": [float(v) for v in range(100)]})

    def watched(place: int) -> tuple[Watched, SharedFigures]:
        found = Watched()
        found.drift.follow(
            lambda version: DriftWatch(signature, Profile.of(frame), version=version)
        )
        shared = SharedFigures(tmp_path, place, families=list, drift=found.drift.states)
        found.share(shared.drift)
        return found, shared

    (one, first), (two, second) = watched(0), watched(1)
    rows = frame.with_columns(
        version=pl.lit("v:1"), error=pl.lit(None, pl.String), arm=pl.lit("champion"),
        route=pl.lit("automatic"), prediction=pl.lit(True), score=pl.lit(0.5),
    )  # fmt: skip
    one.drift(rows)
    two.drift(rows.with_columns(wind=pl.lit(1e9)))
    first.write()
    second.write()

    told = {figure.column: figure for figure in two.figures("v:1")}
    assert told["wind"].n == 200
    assert told["wind"].distance == pytest.approx(0.45)

    first._ended.set()
    successor, third = watched(0)
    two_again = {figure.column: figure.n for figure in two.figures("v:1")}
    assert two_again["wind"] == 200
    assert {figure.column: figure.n for figure in successor.figures("v:1")}["wind"] == 200
    for shared in (second, third):
        shared.close()


# --- real processes ---------------------------------------------------------------------------


def ask(port: int, path: str, body: str | None = None) -> Answer:
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET" if body is None else "POST", path, body=body)
        found = connection.getresponse()
        return Answer(found.status, dict(found.getheaders()), found.read())
    finally:
        connection.close()


def told_of(port: int) -> dict[str, Any]:
    return families(ask(port, "/metrics").body.decode())


def answered(told: dict[str, Any]) -> float:
    return sum(values(told["mldeploy_http_requests"], route="/predict", status="200"))


def test_workers_of_one_port_tell_the_sum_even_when_one_is_killed(
    flight_bundle: Path, tmp_path: Path
) -> None:
    body = '{"row": {"wind": 12.5, "hour": 8, "carrier": "AA", "score": 4.0}}'
    settings = ServeSettings(
        name="late",
        plan=Plan(champion=Arm(bundle=flight_bundle, version="late:3")),
        log=tmp_path / "log",
        figures=tmp_path,
    )
    spec = WorkerSpec(
        factory="mldeploy.cli._serve_many:work", arguments=settings.model_dump(mode="json")
    )

    async def main() -> None:
        async with Supervisor(spec, 2) as supervisor:
            port = supervisor.port
            for _ in range(60):
                assert (await asyncio.to_thread(ask, port, "/predict", body)).status == 200
            while answered(await asyncio.to_thread(told_of, port)) < 60:
                await asyncio.sleep(0.1)
            told = await asyncio.to_thread(told_of, port)
            assert answered(told) == 60
            assert sum(values(told["mldeploy_rows"], outcome="answered")) == 60
            assert values(told["mldeploy_model_info"]) == [1.0]
            live = (await asyncio.to_thread(ask, port, "/live.json")).body
            assert b'"requests":60' in live

            os.kill(supervisor.pids[0], signal.SIGKILL)
            while supervisor.n_restarts < 1 or len(supervisor.pids) < 2:
                await asyncio.sleep(0.05)
            for _ in range(10):
                assert answered(await asyncio.to_thread(told_of, port)) == 60
            for _ in range(10):
                assert (await asyncio.to_thread(ask, port, "/predict", body)).status == 200
            found = 60.0
            while found < 70:
                now = answered(await asyncio.to_thread(told_of, port))
                assert found <= now <= 70
                found = now

    asyncio.run(asyncio.wait_for(main(), 60))


def test_logged_rows_are_counted_by_who_decides_and_failed_ones_apart() -> None:
    rows = pl.DataFrame(
        {
            "version": ["v:1", "v:1", "v:1", "v:2", "v:2"],
            "arm": ["champion", "champion", "champion", "champion", "shadow"],
            "route": ["automatic", "review", None, "automatic", "automatic"],
            "error": [None, None, "it failed", None, None],
        }
    )
    counts = LoggedCounts()
    counts(rows)
    counts(rows[:2])
    counts(rows[:0])
    assert counts.by_version_arm_route == {
        ("v:1", "champion", "automatic"): 2,
        ("v:1", "champion", "review"): 2,
        ("v:1", "champion", "failed"): 1,
        ("v:2", "champion", "automatic"): 1,
        ("v:2", "shadow", "automatic"): 1,
    }


def test_what_is_logged_and_what_moved_is_told(
    make_model: Any, flights: pd.DataFrame, tmp_path: Path
) -> None:
    """40 times one row: nine of ten winds moved to its bin; hashed carriers are not judged."""
    golden = Dataset.of(flights.head(200), target="late", name="flights")
    reference = Profile.of(golden.polars().select(golden.features))
    bundle = Bundle.write(
        tmp_path / "bundle", dataclasses.replace(make_model(), reference=reference), golden=golden
    )
    watched = Watched(without=["carrier"])
    hidden = {"carrier": HashColumn(key=b"k" * 32)}
    plan = Plan(champion=Arm(bundle=bundle.directory, version="late:3"))
    log = ParquetLog(tmp_path / "log", "late", observers=watched.observers, columns=hidden)
    with (
        log,
        assembled(plan, name="late", sink=log, watched=watched) as (assembly, _),
        serve_in_thread(assembly.server(lame_duck=0.0)) as server,
    ):
        running = Running(server, assembly, log)  # type: ignore[arg-type]
        for _ in range(40):
            running.post("/predict", {"row": ROW})
        log.flush()
        end = time.monotonic() + 20
        while not watched.logged.by_version_arm_route:  # observers see rows after the disk
            assert time.monotonic() < end
            time.sleep(0.01)
        told = families(running.ask("GET", "/metrics").body.decode())
        live = json.loads(running.ask("GET", "/live.json").body)

    logged = told["mldeploy_logged_predictions"]
    assert values(logged, version="late:3", arm="champion", route="advice") == [40.0]
    assert values(told["mldeploy_http_connections"]) == [1.0]
    assert values(told["mldeploy_drift_rows"], column="model.prediction") == [40.0]
    moved = {figure["column"]: figure for figure in live["drift"]}
    assert moved["wind"]["distance"] == pytest.approx(0.9, abs=0.005)
    assert values(told["mldeploy_drift_distance_ratio"], column="wind") == [
        moved["wind"]["distance"]
    ]
    assert "carrier" not in moved
    assert live["version"] == "late:3"


# --- OpenMetrics ------------------------------------------------------------------------------

_PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,"
    "application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;q=0.3,*/*;q=0.2"
)


def test_who_asks_for_open_metrics_gets_it(running: Running) -> None:
    running.post("/predict", {"row": ROW})
    found = running.ask("GET", "/metrics", headers={"Accept": _PROMETHEUS})

    kind = "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert found.headers["content-type"] == kind
    told = {family.name: family for family in open_metrics_families(found.body.decode())}
    assert told["mldeploy_http_requests"].type == "counter"
    assert sum(values(told["mldeploy_http_requests"], route="/predict", status="200")) >= 1
    assert told["mldeploy_http_request_seconds"].type == "histogram"


@pytest.mark.parametrize(
    ("accept", "wanted"),
    [
        (b"", False),
        (b"text/html", False),
        (b"text/plain, application/openmetrics-text;q=0.9", False),
        (b"application/openmetrics-text; version=0.0.1", False),
        (b"APPLICATION/OPENMETRICS-TEXT", True),
        (b"application/openmetrics-text;q=nonsense", False),
        (_PROMETHEUS.encode(), True),
    ],
)
def test_accept_is_understood(accept: bytes, wanted: bool) -> None:
    assert wants_open_metrics(accept) is wanted


def test_requests_that_were_not_read_are_counted_and_not_timed() -> None:
    """A refusal before the body takes no time, which would make all look fast."""
    metrics = Metrics()
    metrics._routes["/predict"] = "/predict"
    metrics(Request(method="-", path="/predict"), Response(status=503), 0.0)
    metrics(Request(method="POST", path="/predict"), Response(), 0.2)

    told = families(metrics.text())
    requests = told["mldeploy_http_requests"]
    assert values(requests, route="/predict", method="unread", status="503") == [1.0]
    seconds = told["mldeploy_http_request_seconds"]
    assert values(seconds, "mldeploy_http_request_seconds_count") == [1.0]
    summary = metrics.summary()
    assert (summary["requests"], summary["shed"], summary["failures"]) == (2, 1, 0)


def test_a_process_says_when_it_began() -> None:
    told = families(Metrics().text())
    began = values(told["process_start_time_seconds"])[0]
    now = datetime.now(tz=UTC).timestamp()
    assert now - 86_400 < began < now
    pairs = itertools.pairwise(values(families(Metrics().text())["process_cpu_seconds"]))
    assert all(one <= other for one, other in pairs)
