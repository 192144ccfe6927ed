"""A bundle keeps what was proven equal, serves it without scikit-learn, and refuses the rest."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.compose import make_column_transformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler

from mldeploy.data import Dataset
from mldeploy.errors import IntegrityError, NotFoundError
from mldeploy.evidence import Verdict
from mldeploy.model import Bundle, Model, TableCompiler
from mldeploy.model._manifest import MANIFEST, BundleManifest
from mldeploy.problem import Route, Routing

Train = Callable[..., Model]

COMPILED = ("compiled.json", "compiled.npz", "compiled_report.json")
LEAN = """
import json, sys
from mldeploy.model import Bundle
bundle = Bundle.open(sys.argv[1])
model = bundle.load_compiled()
rows = bundle.golden_rows()
answers = [model.score_row(row) for row in rows.iter_rows()]
print(json.dumps({
    "answers": answers,
    "golden": str(bundle.check_golden(model).verdict),
    "report": str(bundle.compiled_report.verdict),
    "facts": [bundle.problem.name, model.routing.certain, bundle.provenance.trained_by],
    "loaded": sorted({"pandas", "sklearn", "scipy", "skops", "sqlalchemy"} & set(sys.modules)),
}))
"""


def flights(n: int = 120) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    wind, carrier = rng.gamma(2.0, 5.0, n).round(2), rng.choice(["AA", "OO", "UA"], n)
    late = wind + (carrier == "OO") * 4 + rng.normal(size=n) > 11
    return pl.DataFrame({"wind": wind, "carrier": carrier, "y": np.where(late, "late", "no")})


FLIGHTS = Dataset.of(flights(), target="y")


@pytest.fixture(scope="module")
def model(train: Train) -> Model:
    encode = make_column_transformer(
        (StandardScaler(), ["wind"]), (OneHotEncoder(handle_unknown="ignore"), ["carrier"])
    )
    routing = Routing(certain=Route.AUTOMATIC, uncertain=Route.REVIEW, min_confidence=0.8)
    trained = train(make_pipeline(encode, LogisticRegression()), flights())
    return replace(trained, routing=routing)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory, model: Model) -> Bundle:
    place = tmp_path_factory.mktemp("compiled") / "late"
    return Bundle.write(place, model, golden=FLIGHTS)


def test_a_bundle_with_golden_rows_holds_the_compiled_model_and_its_proof(
    bundle: Bundle, model: Model
) -> None:
    opened = Bundle.open(bundle.directory)
    compiled = opened.load_compiled()

    assert compiled is not None
    assert (compiled.digest, compiled.signature) == (model.digest, model.signature)
    assert compiled.routing == model.routing
    assert compiled.to_files() == TableCompiler().compile(model).to_files()
    report = opened.compiled_report
    assert report is not None
    assert report.passed
    assert report.about["model"] == model.digest
    assert opened.check_golden(compiled).verdict is Verdict.PASS
    assert opened.golden_rows().height == 20


def test_a_compiled_model_with_other_answers_fails_the_golden_rows(
    bundle: Bundle, model: Model
) -> None:
    compiled = TableCompiler().compile(model)
    (kernel,) = (k for k in compiled.kernels if k.kind == "linear")
    arrays = {name: -array for name, array in kernel.arrays().items()}
    contrary = type(kernel).restore(kernel.spec(), arrays)
    kernels = tuple(contrary if k is kernel else k for k in compiled.kernels)

    finding = bundle.check_golden(replace(compiled, kernels=kernels))

    assert (finding.verdict, finding.estimate) == (Verdict.FAIL, 1.0)


def test_a_bundle_serves_without_scikit_learn_and_pandas(bundle: Bundle, model: Model) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", LEAN, str(bundle.directory)],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(run.stdout)

    assert told["loaded"] == []
    assert (told["golden"], told["report"]) == ("PASS", "PASS")
    assert told["facts"] == ["y", "automatic", "ana"]
    rows = bundle.golden_rows()
    assert [label for label, _ in told["answers"]] == model.predict(rows).tolist()
    scores = [score for _, score in told["answers"]]
    assert np.allclose(scores, model.score(rows), rtol=0, atol=1e-12)


def test_a_bundle_without_golden_rows_was_not_compiled(tmp_path: Path, model: Model) -> None:
    """So is one that was written before there were compilers."""
    opened = Bundle.open(Bundle.write(tmp_path / "b", model).directory)

    assert not set(COMPILED) & {path.name for path in opened.directory.iterdir()}
    assert opened.load_compiled() is None
    assert opened.compiled_report is None
    assert not opened.has_golden
    with pytest.raises(NotFoundError):
        opened.golden_rows()
    assert opened.load_model().digest == model.digest


def test_what_cannot_be_compiled_is_served_by_the_original_and_the_bundle_says_why(
    tmp_path: Path, train: Train
) -> None:
    steps = make_pipeline(FunctionTransformer(np.sinc), LogisticRegression())
    odd = train(steps, flights().drop("carrier"))

    opened = Bundle.open(Bundle.write(tmp_path / "b", odd, golden=FLIGHTS).directory)

    assert opened.load_compiled() is None
    report = opened.compiled_report
    assert report is not None
    assert not report.passed
    assert "The original serves: no compiler knows every step" in report.to_text()
    assert "sinc" in report.to_text()
    assert not (opened.directory / "compiled.json").exists()
    assert opened.check_golden(opened.load_model(trusted=["numpy.sinc"])).verdict is Verdict.PASS


def test_equal_models_are_compiled_to_equal_files(tmp_path: Path, model: Model) -> None:
    one, two = (Bundle.write(tmp_path / n, model, golden=FLIGHTS) for n in ("one", "two"))

    for name in COMPILED[:2]:
        assert (one.directory / name).read_bytes() == (two.directory / name).read_bytes()


# --- whole bundles, rewritten and sealed anew ---------------------------------------------


def resealed(bundle: Bundle, target: Path, changes: Mapping[str, bytes | None]) -> Bundle:
    """Write a bundle as somebody would who can change all of it."""
    files = {path.name: path.read_bytes() for path in bundle.directory.iterdir()}
    files |= {name: content for name, content in changes.items() if content is not None}
    kept = {n: c for n, c in files.items() if n != MANIFEST and changes.get(n, b"") is not None}
    target.mkdir()
    for name, content in {**kept, MANIFEST: BundleManifest.of(kept).content()}.items():
        (target / name).write_bytes(content)
    return Bundle.open(target)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, train: Train) -> Bundle:
    """A bundle of another model with the same columns and classes."""
    encode = make_column_transformer(
        (StandardScaler(), ["wind"]), (OneHotEncoder(handle_unknown="ignore"), ["carrier"])
    )
    forest = RandomForestClassifier(n_estimators=2, max_depth=2, random_state=0)
    place = tmp_path_factory.mktemp("compiled") / "other"
    return Bundle.write(place, train(make_pipeline(encode, forest), flights()), golden=FLIGHTS)


def test_a_bundle_sealed_anew_without_a_change_opens(bundle: Bundle, tmp_path: Path) -> None:
    assert resealed(bundle, tmp_path / "b", {}).load_compiled() is not None


@pytest.mark.parametrize("names", [COMPILED[:1], COMPILED[:2], COMPILED[2:], COMPILED])
def test_files_of_another_compiled_model_are_refused(
    bundle: Bundle, other: Bundle, tmp_path: Path, names: tuple[str, ...]
) -> None:
    foreign = {name: (other.directory / name).read_bytes() for name in names}

    with pytest.raises(IntegrityError):
        resealed(bundle, tmp_path / "b", foreign).load_compiled()


@pytest.mark.parametrize("name", COMPILED)
def test_a_compiled_model_that_lacks_a_file_is_refused(
    bundle: Bundle, tmp_path: Path, name: str
) -> None:
    with pytest.raises(IntegrityError):
        resealed(bundle, tmp_path / "b", {name: None}).load_compiled()


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace('"verdict":"PASS"', '"verdict":"FAIL"'),
        lambda text: text.replace('"severity":"blocker"', '"severity":"info"'),
        lambda text: text.replace('"compiled":"', '"compile":"'),
        lambda text: text.replace('"model":"', '"another":"'),
        lambda text: text[:-1],
        lambda text: "{}",
        lambda text: "\0",
    ],
    ids=["verdict", "severity", "no files", "no model", "cut", "empty", "no text"],
)
def test_a_compiled_model_without_its_proof_is_refused(
    bundle: Bundle, tmp_path: Path, edit: Callable[[str], str]
) -> None:
    text = (bundle.directory / "compiled_report.json").read_text()
    assert edit(text) != text

    with pytest.raises(IntegrityError):
        resealed(
            bundle, tmp_path / "b", {"compiled_report.json": edit(text).encode()}
        ).load_compiled()


@pytest.mark.parametrize("name", COMPILED)
def test_a_file_changed_after_opening_is_refused_when_it_is_read(
    bundle: Bundle, tmp_path: Path, name: str
) -> None:
    opened = resealed(bundle, tmp_path / "b", {})
    place = opened.directory / name
    content = place.read_bytes()
    place.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

    with pytest.raises(IntegrityError):
        opened.load_compiled()
