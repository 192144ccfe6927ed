"""The figures of a server, read as Prometheus reads them."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mldeploy.model import Bundle
from mldeploy.serving.http import Metrics, Request, Response
from mldeploy.serving.http._families import Family
from mldeploy.serving.http._metrics import BOUNDS

from .conftest import Opens, Running
from .test_plain import ROW, ROWS


def families(text: str) -> dict[str, Any]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def values(family: Any, name: str | None = None, **labels: str) -> list[float]:
    return [
        sample.value
        for sample in family.samples
        if (name is None or sample.name == name) and labels.items() <= sample.labels.items()
    ]


@pytest.fixture
def served(opens: Opens, flight_bundle: Path) -> Iterable[Running]:
    """A server of its own, whose figures begin at nothing."""
    with opens(flight_bundle) as running:
        yield running


def test_requests_and_rows_are_counted_by_what_became_of_them(
    served: Running, flight_bundle: Path
) -> None:
    for _ in range(3):
        served.post("/predict", {"row": ROW})
    served.post("/models/late/predict", {"rows": ROWS})
    served.post("/predict", {"row": {**ROW, "hour": "noon"}})
    served.post("/predict", b"{")
    served.ask("GET", "/nowhere/at/all")

    found = served.ask("GET", "/metrics")

    assert found.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    told = families(found.body.decode())
    requests = told["mldeploy_http_requests"]
    assert requests.type == "counter"
    assert values(requests, route="/predict", method="POST", status="200") == [3.0]
    assert values(requests, route="/models/{name}/predict", status="200") == [1.0]
    assert values(requests, route="/predict", status="422") == [1.0]
    assert values(requests, route="/predict", status="400") == [1.0]
    assert values(requests, route="other", status="404") == [1.0]
    rows = told["mldeploy_rows"]
    assert values(rows, model="late", outcome="answered") == [5.0]
    assert values(rows, model="late", outcome="refused") == [1.0]
    assert values(rows, model="late", outcome="failed") == [0.0]
    info = told["mldeploy_model_info"].samples[0]
    digest = Bundle.open(flight_bundle).model_digest
    assert info.labels == {
        "model": "late", "version": "late:3", "compiled": "true", "digest": digest,
    }  # fmt: skip
    assert values(told["mldeploy_log_dropped_rows"]) == [0.0]
    assert values(told["process_resident_memory_bytes"])[0] > 1e7
    assert values(told["process_open_fds"])[0] > 3


def test_times_are_a_histogram() -> None:
    metrics = Metrics()
    for seconds in (0.00001, 0.00005, 0.00006, 0.3, 99.0):
        metrics(Request(method="POST", path="/x"), Response(), seconds)

    histogram = families(metrics.text())["mldeploy_http_request_seconds"]

    assert histogram.type == "histogram"
    buckets = {
        float(sample.labels["le"]): sample.value
        for sample in histogram.samples
        if sample.name.endswith("_bucket")
    }
    assert list(buckets) == [*BOUNDS, math.inf]
    assert (buckets[0.00005], buckets[0.0001], buckets[0.25], buckets[0.5]) == (2, 3, 3, 4)
    assert (buckets[10.0], buckets[math.inf]) == (4, 5)
    assert values(histogram, "mldeploy_http_request_seconds_count") == [5.0]
    assert values(histogram, "mldeploy_http_request_seconds_sum") == [pytest.approx(99.30012)]


def test_nobody_fills_the_memory_by_asking_for_what_is_not_there(served: Running) -> None:
    for number in range(30):
        served.ask("GET", f"/nowhere/{number}")
        served.ask("GET", f"/models/model-{number}/predict")
        served.ask("GET", f"/v2/models/model-{number}")
        served.ask(f"METHOD{chr(65 + number % 26)}", "/predict")
    told = families(served.ask("GET", "/metrics").body.decode())
    assert len(told["mldeploy_http_requests"].samples) < 8


def test_any_text_may_be_a_label() -> None:
    hostile = 'a"b\\c\nd}\u00e9{,='
    metrics = Metrics()

    def source() -> list[Family]:
        return [("x_total", "Of\nlines \\ and all.", "counter", [("", {"model": hostile}, 1e300)])]

    metrics.add(source)
    family = families(metrics.text())["x"]

    assert family.documentation == "Of\nlines \\ and all."
    assert family.samples[0].labels == {"model": hostile}
    assert family.samples[0].value == 1e300


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, -0.0, 1e-9, 2.0**70])
def test_any_number_may_be_a_figure(value: float) -> None:
    metrics = Metrics()
    metrics.add(lambda: [("x", "One.", "gauge", [("", {}, value)])])
    found = values(families(metrics.text())["x"])
    assert found == [value] or (math.isnan(value) and math.isnan(found[0]))


def test_the_page_is_told_of_what_predicts_only(served: Running) -> None:
    served.post("/predict", {"row": ROW})
    served.post("/predict", b"{")
    served.post("/invocations", {"instances": ROWS})
    served.ask("GET", "/livez")

    live = json.loads(served.ask("GET", "/live.json").body)

    assert (live["requests"], live["refused"], live["failures"]) == (3, 1, 0)
    assert sum(live["buckets"]) == 3
    assert len(live["buckets"]) == len(live["bounds"]) + 1


def _promtool() -> str:
    own = Path(__file__).parents[3] / ".venv" / "tools" / "promtool"
    found = shutil.which("promtool") or (str(own) if own.exists() else None)
    if found is None:
        pytest.skip("there is no promtool, and no Debian to have it from; see tests/tools")
    return found


def test_promtool_finds_nothing_to_object_to(served: Running) -> None:
    tool = _promtool()
    served.post("/predict", {"row": ROW})

    text = served.ask("GET", "/metrics").body
    checked = subprocess.run(
        [tool, "check", "metrics"], input=text, capture_output=True, timeout=60, check=False
    )

    assert (checked.returncode, checked.stdout + checked.stderr) == (0, b"")


def test_promtool_would_object() -> None:
    """To a counter whose name does not say so, and to what is no figure at all."""
    for text in (b"# HELP x X.\n# TYPE x counter\nx 1\n", b"x{ 1\n"):
        done = subprocess.run(
            [_promtool(), "check", "metrics"],
            input=text, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode != 0
