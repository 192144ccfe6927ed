"""Bad input ends in a typed error or a finding that says what to do, and harms nothing."""

from __future__ import annotations

import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import make_column_transformer
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from mldeploy.deployment import AllAtOnce
from mldeploy.errors import (
    DuplicateColumnsError,
    EmptyDataError,
    InvalidDataError,
    InvalidProblemError,
    InvalidRowsError,
    MLDeployError,
    PredictionFailedError,
    SchemaMismatchError,
    SerializationError,
    StepFailedError,
    StoreFullError,
)
from mldeploy.evidence import Verdict
from mldeploy.problem import Criterion, Problem
from mldeploy.project import Live, Project
from mldeploy.training import EstimatorTrainer

START = datetime(2030, 1, 1, tzinfo=UTC)


def table(n: int = 400, *, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.normal(size=n)
    carrier = rng.choice(["AA", "UA"], n)
    late = rng.uniform(size=n) < 1 / (1 + np.exp(-2 * x))
    return pd.DataFrame({"x": x, "z": z, "carrier": carrier, "late": late})


def problem(**changes: Any) -> Problem:
    facts: dict[str, Any] = {
        "name": "demo",
        "statement": "Is it late?",
        "target": "late",
        "positive": True,
        "criteria": [Criterion("roc_auc", at_least=0.6)],
    }
    return Problem(**(facts | changes))


def pipeline(unknown: str = "ignore", *, text: str = "carrier") -> Pipeline:
    encode = make_column_transformer(
        (OneHotEncoder(handle_unknown=unknown), [text]), remainder=StandardScaler()
    )
    return make_pipeline(encode, LogisticRegression())


def trainer(estimator: Any) -> EstimatorTrainer:
    return EstimatorTrainer(estimator, baselines={"dummy": DummyClassifier()})


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Live]]:
    root = tmp_path_factory.mktemp("bad") / "store"
    with Project(problem(), store=root, trainer=trainer, by="tom") as made:
        run = made.run(table(1200), pipeline())
        made.approve(run.version, by="ana", reason="looked at it")
        with made.deploy(run.version, rollout=AllAtOnce()) as live:
            yield made, live


@pytest.fixture
def project(served: tuple[Project, Live]) -> Iterator[Project]:
    """A project that must be sound afterwards, and go on to work."""
    made, live = served
    n_versions = len(made.registry.versions("demo"))
    yield made
    assert made.verify() == ()
    assert len(made.registry.versions("demo")) == n_versions
    assert live.predict({"x": 0.5, "z": 0.1, "carrier": "AA"}).version == "demo:1"
    made.train(pipeline(), made.data(table(100)))


@pytest.fixture
def live(project: Project, served: tuple[Project, Live]) -> Live:
    return served[1]


def whole_way(project: Project, frame: Any, estimator: Any = None) -> None:
    project.run(frame, estimator or pipeline())


Change = Callable[[pd.DataFrame], Any]


def _mixed(t: pd.DataFrame) -> pd.DataFrame:
    return t.assign(x=["high", *t["x"].tolist()[1:]])


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        (_mixed, InvalidDataError, "'x'"),
        (lambda t: t.assign(x=[[1, 2]] * len(t)), InvalidDataError, "'x'"),
        (lambda t: t.assign(x=[{"a": 1}] * len(t)), InvalidDataError, "'x'"),
        (lambda t: t.assign(x=t["x"] * 1j), InvalidDataError, "'x'"),
        (lambda t: t.assign(x=[2**70] * len(t)), InvalidDataError, "x"),
        (lambda t: t.drop(columns="late"), InvalidProblemError, "'late' (the target)"),
        (lambda t: t.rename(columns={"x": 7}), InvalidDataError, "7"),
        (lambda t: t.iloc[:0], EmptyDataError, "row"),
        (lambda t: pd.DataFrame(), MLDeployError, "late"),
        (lambda t: t[["late"]], MLDeployError, "late"),
        (
            lambda t: t.set_axis(["x", "x", "carrier", "late"], axis=1),
            DuplicateColumnsError,
            "'x'",
        ),
        (lambda t: t.assign(late=True), InvalidDataError, "late"),
        (lambda t: t.assign(late=None), MLDeployError, "late"),
        (lambda t: t.assign(late=np.nan), MLDeployError, "late"),
        (lambda t: t.assign(late="yes"), InvalidDataError, "late"),
        (lambda t: t.assign(late=[1, 2, 3, 4] * 100), InvalidDataError, "late"),
        (lambda t: t.assign(late=t["x"]), InvalidDataError, "late"),
        (lambda t: t.head(1), MLDeployError, ""),
        (lambda t: t.head(3), MLDeployError, ""),
        (lambda t: 42, InvalidDataError, "int"),
        (lambda t: None, InvalidDataError, "NoneType"),
        (lambda t: "no/such/file.csv", InvalidDataError, "no/such/file.csv"),
        (lambda t: t.to_numpy(), InvalidDataError, "ndarray"),
        (
            lambda t: pl.from_dicts(t.to_dict("records")).lazy().select("nope"),
            MLDeployError,
            "nope",
        ),
    ],
)
def test_a_table_that_cannot_be_learnt_from_is_refused_by_name(
    project: Project, change: Change, kind: type[Exception], says: str
) -> None:
    with pytest.raises(MLDeployError) as caught:
        whole_way(project, change(table()))

    error: BaseException = caught.value
    if isinstance(error, StepFailedError):
        assert error.__cause__ is not None
        error = error.__cause__
    assert isinstance(error, kind), repr(error)
    assert says in str(error)


def test_targets_that_are_partly_missing_are_a_finding_or_left_out(project: Project) -> None:
    frame = table()
    frame["late"] = frame["late"].astype(object).where(frame.index % 3 != 0, None)

    data = project.assess(frame)
    model = project.train(pipeline(), project.data(frame))

    assert any("label" in f.summary or "late" in (f.column or "") for f in data.report.findings)
    assert model.provenance.n_rows == int(frame["late"].notna().sum())


@pytest.mark.parametrize(
    ("row", "column", "code"),
    [
        ({"x": "high", "z": 0.0, "carrier": "AA"}, "x", "type"),
        ({"x": True, "z": 0.0, "carrier": "AA"}, "x", "type"),
        ({"x": [1.0], "z": 0.0, "carrier": "AA"}, "x", "type"),
        ({"z": 0.0, "carrier": "AA"}, "x", "missing"),
        ({"x": None, "z": 0.0, "carrier": "AA"}, "x", "missing"),
        ({"x": float("nan"), "z": 0.0, "carrier": "AA"}, "x", "missing"),
        ({"x": float("inf"), "z": 0.0, "carrier": "AA"}, "x", "range"),
        ({"x": 0.0, "z": 0.0, "carrier": 7}, "carrier", "type"),
        ({"x": 0.0, "z": 0.0, "carrier": "AA", "late": True}, "late", "unknown"),
        ({"x": 0.0, "z": 0.0, "carrier": "AA", "<script>": 1}, "<script>", "unknown"),
    ],
)
def test_a_bad_row_is_refused_with_its_field(
    live: Live, row: dict[str, object], column: str, code: str
) -> None:
    with pytest.raises(InvalidRowsError) as caught:
        live.predict(row)

    assert (column, code) in {(e.column, e.code) for e in caught.value.errors}


def test_a_frame_without_a_column_or_of_other_types_is_refused(live: Live) -> None:
    good = table(20)[["x", "z", "carrier"]]

    with pytest.raises(SchemaMismatchError, match="'x'"):
        live.predict_frame(good.drop(columns="x"))
    with pytest.raises(InvalidRowsError, match="'x'"):
        live.predict_frame(good.assign(x="high"))
    with pytest.raises(DuplicateColumnsError):
        live.predict_frame(good.set_axis(["x", "x", "carrier"], axis=1))
    with pytest.raises(EmptyDataError):
        live.predict_frame(good.iloc[:0])


def test_a_category_that_was_never_seen_is_answered_or_said_to_have_failed(
    project: Project, live: Live, tmp_path: Path
) -> None:
    row = {"x": 0.5, "z": 0.1, "carrier": "ZZ"}
    assert live.predict(row).version == "demo:1"

    with Project(problem(), store=tmp_path / "s", trainer=trainer, by="tom") as strict:
        run = strict.run(table(1200), pipeline("error"))
        strict.approve(run.version, by="ana", reason="looked at it")
        with strict.deploy(run.version) as other:
            with pytest.raises(PredictionFailedError, match="not seen in training"):
                other.predict(row)
            assert other.predict(row | {"carrier": "AA"}).version == "demo:1"
            assert other.deployment.tally().failed == 1


def test_validation_rows_that_do_not_fit_the_model_are_refused(project: Project) -> None:
    model = project.train(pipeline(), project.data(table(300)))
    other = table(300, seed=5)

    for frame in (other.drop(columns="x"), other.assign(x="high"), other.assign(late="maybe")):
        with pytest.raises(MLDeployError):
            project.validate(model, project.data(frame))


def test_times_without_a_zone_are_refused_or_found(tmp_path: Path) -> None:
    timed = problem(prediction_time="at", label_delay=timedelta(hours=1))
    naive = table().assign(at=pd.date_range("2030-01-01", periods=400, freq="min"))
    with Project(timed, store=tmp_path / "s", trainer=trainer, by="tom") as project:
        with pytest.raises(MLDeployError, match="zone"):
            project.run(naive, pipeline())
        assert project.verify() == ()
        aware = naive.assign(at=naive["at"].dt.tz_localize("UTC"))
        run = project.run(aware, pipeline())
        project.approve(run.version, by="ana", reason="looked at it")
        with project.deploy(run.version) as live:
            row = {"x": 0.0, "z": 0.0, "carrier": "AA"}
            with pytest.raises(InvalidDataError, match="zone"):
                live.predict(row, time=datetime(2030, 1, 1))
            with pytest.raises(InvalidDataError, match="zone"):
                live.predict_frame([row], times=[datetime(2030, 1, 1)])
        assert project.verify() == ()


def test_a_target_among_the_features_is_refused_and_a_copy_of_it_found(project: Project) -> None:
    with pytest.raises(InvalidProblemError, match="among the features"):
        problem(features=["x", "late"])

    report = project.assess(table().assign(copy=lambda t: t["late"].astype(int))).report
    leak = next(f for f in report.alarms if f.column == "copy" or "copy" in f.subject)
    assert report.verdict is Verdict.FAIL
    assert leak.action


class Locked(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Fits, and then holds what no file can."""

    def fit(self, X: Any, y: Any) -> Locked:
        self.classes_ = np.unique(y)
        self.lock_ = threading.Lock()
        return self

    def predict(self, X: Any) -> Any:
        return np.full(len(X), self.classes_[0])


class Raising(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Never fits."""

    def fit(self, X: Any, y: Any) -> Raising:
        raise ZeroDivisionError("no")


@pytest.mark.parametrize(
    "make",
    [
        lambda: make_pipeline(FunctionTransformer(lambda x: x), pipeline()),
        Locked,
        Raising,
        lambda: LogisticRegression(C=-1),
        StandardScaler,
    ],
    ids=["lambda", "lock", "raising", "setting", "no classifier"],
)
def test_an_estimator_that_cannot_serve_is_refused(
    project: Project, make: Callable[[], Any]
) -> None:
    frame = table().drop(columns="carrier") if make is not Locked else table()
    with pytest.raises(MLDeployError):
        project.run(frame, make())


@pytest.mark.parametrize("given", ["LogisticRegression", LogisticRegression, None])
def test_what_is_no_estimator_is_a_wrong_type(project: Project, given: Any) -> None:
    with pytest.raises(TypeError, match="pass an unfitted scikit-learn estimator"):
        project.run(table(), given)


def test_an_estimator_that_cannot_be_stored_says_so(project: Project) -> None:
    with pytest.raises(SerializationError, match="lambda"):
        project.run(table(), make_pipeline(FunctionTransformer(lambda x: x), pipeline()))


def test_a_column_that_is_called_a_script_goes_the_whole_way(tmp_path: Path) -> None:
    name = "<script>alert(1)</script>"
    frame = table(1200).rename(columns={"x": name})
    with Project(problem(), store=tmp_path / "s", trainer=trainer, by="tom") as project:
        run = project.run(frame, pipeline())
        project.approve(run.version, by="ana", reason="looked at it")
        with project.deploy(run.version) as live:
            assert live.predict({name: 3.0, "z": 0.0, "carrier": "AA"}).prediction is True
            shown = [run, run.data, run.model, project, project.card(run.version), live]
            assert not any(name in thing._repr_html_() for thing in shown)
        assert project.verify() == ()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_ten_thousand_columns_go_the_whole_way(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=(600, 10_000))
    frame = pd.DataFrame(values, columns=[f"c{i}" for i in range(10_000)])
    frame["late"] = values[:, 0] + rng.normal(size=600) / 3 > 0
    wide = make_pipeline(StandardScaler(), LogisticRegression(C=0.001, max_iter=200))
    with Project(problem(), store=tmp_path / "s", trainer=trainer, by="tom") as project:
        report = project.assess(frame).report
        model = project.train(wide, project.data(frame[:400]))
        verdict = project.validate(model, project.data(frame[400:]))
        version = project.register(model, verdict)

        assert report.findings
        assert verdict.findings
        assert version.number == 1
        assert project.release(version).model.signature.features[-1] == "c9999"
        assert project.verify() == ()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    mount = tmp_path / "disk"
    mount.mkdir()
    if shutil.which("mount") is None:
        pytest.skip("there is no mount command here to make a small disk with")
    command = ["mount", "-t", "tmpfs", "-o", "size=30m", "tmpfs", str(mount)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"may not mount a small disk here: {done.stderr.strip()}")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def fill(disk: Path) -> Path:
    filler = disk / "filler"
    with filler.open("ab", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                pass
    return filler


def test_a_full_disk_is_told_loses_nothing_and_goes_on_when_there_is_room(
    small_disk: Path,
) -> None:
    with Project(problem(), store=small_disk / "s", trainer=trainer, by="tom") as project:
        run = project.run(table(1200), pipeline())
        project.approve(run.version, by="ana", reason="looked at it")
        live = project.deploy(run.version)
        row = {"x": 0.5, "z": 0.1, "carrier": "AA"}
        live.predict(row)
        model = project.train(pipeline(), project.data(table(500, seed=1)))
        report = project.validate(model, project.data(table(500, seed=2)))
        filler = fill(small_disk)

        for write in (
            lambda: project.register(model, report),
            lambda: project.run(table(600, seed=3), pipeline()),
            lambda: project.approve(run.version, by="max", reason="again"),
            lambda: live.label(live.predict(row).id, value=True),
        ):
            with pytest.raises(MLDeployError) as caught:
                write()
            causes = (caught.value, caught.value.__cause__)
            assert any(isinstance(error, StoreFullError) for error in causes), repr(causes)
        assert live.predict(row).version == "demo:1"
        assert project.release(run.version).version == "demo:1"
        assert [v.number for v in project.registry.versions("demo")] == [1]
        with Project(problem(), store=small_disk / "s", by="tom") as reader:
            assert reader.release(run.version).model.predict(table(3).drop(columns="late")).any()

        filler.unlink()
        assert project.verify() == ()
        version = project.register(model, report)
        assert version.number == 2
        live.label(live.predict(row).id, value=True)
        live.stop()
        assert project.verify() == ()
