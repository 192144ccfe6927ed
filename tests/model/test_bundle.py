"""A bundle is whole or absent, and what is loaded is what was written."""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.tree import DecisionTreeClassifier

from mldeploy._record import utc_now
from mldeploy.data import Dataset
from mldeploy.errors import AlreadyExistsError, IntegrityError, NotFoundError, SerializationError
from mldeploy.model import Bundle, CodeState, Model, Provenance, Signature
from mldeploy.problem import Criterion, Problem

PROBLEM = Problem(
    name="late",
    statement="Which flights land late?",
    target="late",
    positive="yes",
    criteria=[Criterion("roc_auc", at_least=0.6)],
)


def rows() -> Dataset:
    wind = np.arange(60.0) % 17
    late = np.where(wind + np.arange(60) % 3 > 9, "yes", "no")
    return Dataset.of(pd.DataFrame({"wind": wind, "late": late}), target="late")


def model(estimator: object | None = None) -> Model:
    data = rows()
    fitted = estimator or LogisticRegression().fit(data.X(), data.y().astype(str))
    return Model(
        estimator=fitted,
        problem=PROBLEM,
        reference=data.profile(),
        signature=Signature(
            task=PROBLEM.task,
            inputs=data.schema.select(data.features),
            target="late",
            classes=("no", "yes"),
            positive="yes",
            probabilistic=True,
        ),
        provenance=Provenance.of(
            fitted,
            problem=PROBLEM.digest,
            data=data.fingerprint,
            n_rows=data.n_rows,
            features=data.features,
            trainer="test",
            trained_by="ana",
            trained_at=utc_now(),
            duration=timedelta(seconds=1),
            seed=0,
            code=CodeState(),
        ),
    )


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    place = tmp_path_factory.mktemp("bundles") / "late"
    return Bundle.write(place, model(), card="# Late", golden=rows())


def test_loaded_model_is_the_one_that_was_written(bundle: Bundle) -> None:
    original, loaded = model(), Bundle.open(bundle.directory).load_model()

    assert loaded.digest == original.digest == bundle.model_digest
    assert (loaded.signature, loaded.problem) == (original.signature, original.problem)
    assert loaded.reference == original.reference
    assert np.array_equal(loaded.score(rows()), original.score(rows()))
    assert str(bundle.check_golden(loaded).verdict) == "PASS"


def test_model_with_other_answers_fails_the_golden_rows(bundle: Bundle) -> None:
    data = rows()
    contrary = np.where(model().predict(data) == "yes", "no", "yes")
    other = DecisionTreeClassifier().fit(data.X(), contrary)

    finding = bundle.check_golden(model(other))

    assert (str(finding.verdict), finding.estimate, finding.n) == ("FAIL", 1.0, 20)


@given(st.data())
def test_any_changed_byte_of_any_file_is_refused(bundle: Bundle, data: st.DataObject) -> None:
    names = sorted(path.name for path in bundle.directory.iterdir())
    path = bundle.directory / data.draw(st.sampled_from(names))
    content = path.read_bytes()
    position = data.draw(st.integers(0, len(content) - 1))
    flipped = content[position] ^ data.draw(st.integers(1, 255))
    try:
        path.write_bytes(content[:position] + bytes([flipped]) + content[position + 1 :])
        with pytest.raises(IntegrityError):
            Bundle.open(bundle.directory)
    finally:
        path.write_bytes(content)


def test_file_changed_after_opening_is_refused_when_it_is_read(
    bundle: Bundle, tmp_path: Path
) -> None:
    copy = Bundle.open(shutil.copytree(bundle.directory, tmp_path / "copy"))
    target = copy.directory / "model.skops"
    target.write_bytes(target.read_bytes()[:-1] + b"?")

    with pytest.raises(IntegrityError):
        copy.load_model()


@pytest.mark.parametrize("how", ["missing", "extra", "link", "folder", "outer digest"])
def test_directory_that_is_not_as_written_is_refused(
    bundle: Bundle, tmp_path: Path, how: str
) -> None:
    copy = shutil.copytree(bundle.directory, tmp_path / "copy")
    if how == "missing":
        (copy / "card.md").unlink()
    elif how == "extra":
        (copy / "evil.py").write_text("")
    elif how == "link":
        shutil.move(copy / "card.md", tmp_path / "card.md")
        (copy / "card.md").symlink_to(tmp_path / "card.md")
    elif how == "folder":
        (copy / "more").mkdir()

    with pytest.raises(IntegrityError):
        Bundle.open(copy, digest="0" * 64 if how == "outer digest" else None)


def test_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(SerializationError):
        Bundle.write(tmp_path / "b", model(type("Local", (LogisticRegression,), {})()))
    (tmp_path / "there").mkdir()
    with pytest.raises(AlreadyExistsError):
        Bundle.write(tmp_path / "there", model())

    assert [path.name for path in tmp_path.iterdir()] == ["there"]


def test_missing_bundle_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        Bundle.open(tmp_path)


def test_scored_rows_code_the_positive_class_as_one() -> None:
    scored = model().scored_rows(rows())

    assert scored.y_true.tolist() == (rows().y() == "yes").astype(int).tolist()
    assert set(scored.y_pred.tolist()) == {0, 1}
    assert np.corrcoef(scored.y_true, scored.y_score)[0, 1] > 0.5


def test_markup_in_names_is_shown_and_not_run() -> None:
    problem = PROBLEM.model_copy(update={"statement": "<script>alert(1)</script>"})
    shown = Model(
        estimator=None,
        problem=problem,
        signature=model().signature,
        provenance=model().provenance,
    )._repr_html_()

    assert "<script>" not in shown
    assert "&lt;script&gt;" in shown
