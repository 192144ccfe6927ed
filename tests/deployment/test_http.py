"""A deployment over HTTP is a deployment: its rollouts, its log and its labels."""

from __future__ import annotations

import http.client
import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression

from mldeploy.data import Dataset, dataset_for
from mldeploy.deployment import AllAtOnce, Canary, HttpDeployer, HttpDeployment, Release, Shadow
from mldeploy.errors import DeploymentError
from mldeploy.model import compile_model
from mldeploy.problem import Criterion, Problem
from mldeploy.serving import Label
from mldeploy.training import EstimatorTrainer

PROBLEM = Problem(
    name="demo", statement="Is x above a half?", target="late", positive=True,
    criteria=[Criterion("accuracy", at_least=0.5)],
)  # fmt: skip


@pytest.fixture(scope="module")
def releases() -> list[Release]:
    x = pd.Series([i / 200 for i in range(200)])
    found = []
    for number, shift in enumerate((0.3, 0.5, 0.7), start=1):
        data: Dataset = dataset_for(pd.DataFrame({"x": x, "late": x > shift}), PROBLEM)
        model = EstimatorTrainer(LogisticRegression(C=100.0), baselines={}).train(data, PROBLEM)
        compiled = compile_model(model, data).compiled
        found.append(Release(model=model, version=f"demo:{number}", compiled=compiled))
    return found


def deploy(release: Release, **settings: Any) -> HttpDeployment:
    live = HttpDeployer().deploy(release, **settings)
    assert isinstance(live, HttpDeployment)
    return live


class Client:
    """A connection that is kept."""

    def __init__(self, live: HttpDeployment) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", live.server.port, timeout=30)

    def post(self, path: str, asked: object) -> tuple[int, Any]:
        headers = {"Content-Type": "application/json"}
        self.connection.request("POST", path, json.dumps(asked), headers)
        answer = self.connection.getresponse()
        return answer.status, json.loads(answer.read())

    def __del__(self) -> None:
        self.connection.close()


def test_what_is_asked_over_http_is_answered_and_logged_as_in_process(
    releases: list[Release],
) -> None:
    with deploy(releases[1]) as live:
        status, answer = Client(live).post("/predict", {"row": {"x": 0.9}, "key": "a"})
        alone = live.predict({"x": 0.9}, key="a")
        log = live.answers()

    assert status == 200
    assert (answer["prediction"], answer["score"]) == (alone.prediction, alone.score)
    assert log["key"].to_list() == ["a", "a"]
    assert answer["id"] in log["prediction_id"].to_list()


def test_no_request_fails_while_versions_are_swapped(releases: list[Release]) -> None:
    asked, failed = Counter[str](), []
    end = threading.Event()
    live = deploy(releases[0])
    allowed = {release.version for release in releases}

    def ask() -> None:
        client = Client(live)
        while not end.is_set():
            status, answer = client.post("/predict", {"row": {"x": 0.9}})
            if status != 200 or answer["version"] not in allowed:
                failed.append((status, answer))
            asked[answer.get("version", "none")] += 1

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for turn in range(60):
        live.serve(releases[turn % 3])
        before = asked.total()
        while asked.total() < before + 4 and not failed:
            time.sleep(0.001)
    end.set()
    for thread in threads:
        thread.join()
    live.stop()

    assert not failed
    assert set(asked) == allowed


def test_a_canary_over_http_answers_each_key_by_one_version(releases: list[Release]) -> None:
    plan = Canary([0.5, 1.0])
    with deploy(releases[1], champion=releases[0], rollout=plan) as live:
        client = Client(live)
        first = [client.post("/predict", {"row": {"x": 0.4}, "key": str(i)})[1] for i in range(40)]
        rows = [{"x": 0.4} for _ in range(40)]
        _, table = client.post("/predict", {"rows": rows, "keys": [str(i) for i in range(40)]})

    versions = [answer["version"] for answer in first]
    assert versions == [answer["version"] for answer in table["answers"]]
    assert set(versions) == {"demo:1", "demo:2"}


def test_a_shadow_over_http_is_logged_and_never_given(releases: list[Release]) -> None:
    with deploy(releases[2], champion=releases[0], rollout=Shadow()) as live:
        client = Client(live)
        given = {client.post("/predict", {"row": {"x": 0.6}})[1]["version"] for _ in range(10)}
        arms = live.answers()["arm"].value_counts().sort("arm")

    assert given == {"demo:1"}
    assert arms.rows() == [("champion", 10), ("shadow", 10)]


def test_labels_find_who_keeps_them(releases: list[Release]) -> None:
    kept: list[Label] = []

    def keep(labels: Sequence[Label]) -> None:
        kept.extend(labels)

    with deploy(releases[0]) as live:
        client = Client(live)
        _, answer = client.post("/predict", {"row": {"x": 0.9}})
        asked = {"labels": [{"prediction_id": answer["id"], "value": True}]}
        refused, _ = client.post("/labels", asked)
        live.take_labels(keep)
        taken, _ = client.post("/labels", asked)

    assert refused >= 400
    assert taken == 202
    assert [(one.prediction_id, one.value) for one in kept] == [(answer["id"], True)]


def test_a_version_that_reads_other_columns_takes_over_between_two_requests(
    releases: list[Release],
) -> None:
    x = pd.Series([i / 200 for i in range(200)])
    frame = pd.DataFrame({"y": -x, "x": x, "late": x > 0.5})
    data = dataset_for(frame, PROBLEM)
    model = EstimatorTrainer(LogisticRegression(), baselines={}).train(data, PROBLEM)
    wider = Release(model=model, version="demo:4")
    with deploy(releases[0]) as live:
        client = Client(live)
        before, _ = client.post("/predict", {"row": {"x": 0.9}})
        live.serve(wider)
        without, told = client.post("/predict", {"row": {"x": 0.9}})
        after, answer = client.post("/predict", {"row": {"x": 0.9, "y": -0.9}})

    assert (before, without, after) == (200, 422, 200)
    assert [field["column"] for field in told["error"]["fields"]] == ["y"]
    assert answer["prediction"] is True


def test_an_address_that_others_can_reach_asks_for_keys() -> None:
    with pytest.raises(DeploymentError, match="keys"):
        HttpDeployer(host="0.0.0.0")


def test_a_stopped_deployment_answers_no_more(releases: list[Release]) -> None:
    live = deploy(releases[0], rollout=AllAtOnce())
    client = Client(live)
    assert client.post("/predict", {"row": {"x": 0.9}})[0] == 200
    live.stop()

    with pytest.raises(OSError, match=r".*"):
        http.client.HTTPConnection("127.0.0.1", live.server.port, timeout=5).request("GET", "/")
    assert isinstance(live.answers(), pl.DataFrame)
