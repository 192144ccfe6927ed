"""The kit of trainers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from mldeploy.data import dataset_for
from mldeploy.errors import (
    EmptyDataError,
    InvalidDataError,
    SerializationError,
    UntrustedTypesError,
)
from mldeploy.model import Bundle, Model
from mldeploy.problem import Task
from mldeploy.testing._conformance import Conformance
from mldeploy.testing._rules import (
    answer_or_refusal,
    content_of,
    contents_of_sample,
    copy_by_pickle,
    drawn_from_global_generators,
    fields_of,
    global_seed,
    require_equal,
    require_escaped,
    require_frozen,
)
from mldeploy.testing._samples import (
    NOON,
    Sample,
    degenerate_samples,
    hostile_sample,
    numeric_sample,
)
from mldeploy.training import Trainer

MakeTrainer = Callable[[Any], Trainer]


class TrainerConformance(Conformance, kit=True):
    """Subclass as ``TestYourTrainer`` and define the `trainer` fixture.

    A trainer that wraps an estimator defines `trainer_of` too; it is tried with a small problem
    of each task, and must train for one of them at least. The data are two columns of numbers.
    """

    @pytest.fixture
    def trainer(self) -> Trainer:
        """The trainer on trial."""
        raise NotImplementedError(f"{type(self).__name__} must define the `trainer` fixture")

    @pytest.fixture
    def trainer_of(self) -> MakeTrainer | None:
        """What makes such a trainer of an unfitted estimator; None if it takes none."""
        return None

    def test_public_method_is_the_inherited_one(self, trainer: Trainer) -> None:
        """Provenance, baselines and checks are made in one place."""
        assert inspect.getattr_static(trainer, "train") is vars(Trainer)["train"]

    def test_at_least_one_task_is_trained_for(self, trainer: Trainer) -> None:
        """Each task is trained for, or refused by a typed error."""
        assert _models(trainer), "every task was refused"

    def test_estimator_is_cloned_and_left_unfitted(self, trainer: Trainer) -> None:
        """What a user hands over is a recipe; it is used again."""
        own = {name: content_of(value) for name, value in fields_of(trainer).items()}
        for _, model in _models(trainer):
            assert all(model.estimator is not value for value in fields_of(trainer).values())
        changed = [n for n, v in fields_of(trainer).items() if content_of(v) != own[n]]
        assert not changed, f"{', '.join(changed)} was fitted or changed; fit a clone"

    def test_inputs_are_left_untouched(self, trainer: Trainer) -> None:
        """What is handed over belongs to the caller."""
        for task in Task:
            sample = numeric_sample(task)
            before = contents_of_sample(sample)
            _train(trainer, sample)
            require_equal(before, contents_of_sample(sample))

    def test_model_knows_where_it_comes_from(self, trainer: Trainer) -> None:
        """Data, problem, people and time are those of the training."""
        for sample, model in _models(trainer):
            made = model.provenance
            assert (made.problem, made.data) == (sample.problem.digest, sample.train.fingerprint)
            assert (made.n_rows, made.features) == (len(sample.train), sample.train.features)
            assert (made.trained_by, made.trained_at) == ("ana", NOON)
            assert made.trainer == type(trainer).__qualname__
            assert made.environment
            assert made.estimator

    def test_signature_is_that_of_the_data(self, trainer: Trainer) -> None:
        """What goes in are the features, what comes out the user's own labels."""
        for sample, model in _models(trainer):
            signature = model.signature
            assert (signature.features, signature.target) == (sample.train.features, "late")
            assert set(signature.classes) == _classes(sample)

    def test_answers_are_labels_and_scores_are_shares(self, trainer: Trainer) -> None:
        """One answer for each row; probabilities lie in [0, 1] and add up to 1."""
        for sample, model in _models(trainer):
            answers, scores = model.predict(sample.test), model.score(sample.test)
            assert answers.shape == (len(sample.test),)
            if sample.problem.task is Task.REGRESSION:
                assert np.isfinite(answers.astype(float)).all()
            else:
                assert set(answers.tolist()) <= _classes(sample)
            if scores is not None and model.signature.probabilistic:
                assert ((scores >= 0) & (scores <= 1)).all()
                assert scores.ndim == 1 or np.allclose(scores.sum(axis=1), 1)

    def test_equal_seeds_give_equal_digests(self, trainer: Trainer) -> None:
        """Also under another global seed: chance comes from `random_state` alone."""
        for task in Task:
            with global_seed(1):
                first = _train(trainer, numeric_sample(task))
            with global_seed(2):
                second = _train(trainer, numeric_sample(task))
            assert (first and first.digest) == (second and second.digest), f"{task} differs"

    def test_global_generators_are_left_alone(self, trainer: Trainer) -> None:
        """A part that seeds or draws from them changes what other code does."""
        sample = _first(trainer)[0]
        assert not drawn_from_global_generators(lambda: _train(trainer, sample))

    def test_rows_without_label_are_not_learnt_from(self, trainer: Trainer) -> None:
        """Rows of other values and without a label leave the model as it was, to the byte."""
        sample, expected = _first(trainer)
        rows = sample.train.pandas()
        outlying = rows.assign(wind=1e4, hour=-50).assign(late=None)
        more = pd.concat([rows.astype({"late": object}), outlying], ignore_index=True)
        model = trainer.train(dataset_for(more, sample.problem), sample.problem, by="ana")
        assert model.provenance.n_rows == len(rows)
        assert model.predict(sample.test).tolist() == expected.predict(sample.test).tolist()

    def test_rows_that_nothing_can_be_learnt_from_are_refused(self, trainer: Trainer) -> None:
        """Without labels, or with a single class, there is no model."""
        hard = {sample.name: sample for sample in degenerate_samples()}
        for name, error in (("no labels", EmptyDataError), ("one class", InvalidDataError)):
            with pytest.raises(error):
                trainer.train(hard[name].train, hard[name].problem)

    def test_hard_inputs_give_models_or_typed_errors(self, trainer: Trainer) -> None:
        """Constant, empty and infinite columns are learnt from, or refused."""
        for sample in degenerate_samples():
            _train(trainer, sample)

    def test_hostile_names_stay_text(self, trainer: Trainer) -> None:
        """A column called ``<script>`` is a name, in a notebook too."""
        model = _train(trainer, hostile_sample())
        if model is not None:
            require_escaped(model._repr_html_())

    def test_what_cannot_be_stored_is_refused(self, trainer_of: MakeTrainer | None) -> None:
        """A lambda would be found missing when the model is needed."""
        if trainer_of is None:
            pytest.skip("this trainer takes no estimator; define trainer_of if it does")
        sample = numeric_sample()
        estimator = make_pipeline(FunctionTransformer(lambda X: X), LogisticRegression())
        with pytest.raises(SerializationError):
            trainer_of(estimator).train(sample.train, sample.problem)

    def test_bundle_answers_as_the_model_did(self, trainer: Trainer, tmp_path: Path) -> None:
        """What is stored and read back gives the same answers."""
        sample, model = _first(trainer)
        bundle = Bundle.write(tmp_path / "bundle", replace(model, baselines={}))
        read = _read(bundle)
        assert read.digest == model.digest
        assert read.predict(sample.test).tolist() == model.predict(sample.test).tolist()

    def test_copy_in_another_process_trains_the_same(self, trainer: Trainer) -> None:
        """A trainer may be sent to another process."""
        sample, model = _first(trainer)
        copied = _train(copy_by_pickle(trainer), sample)
        assert copied is not None
        assert copied.digest == model.digest

    def test_instance_is_frozen(self, trainer: Trainer) -> None:
        """A trainer is shared."""
        require_frozen(trainer)


def _train(trainer: Trainer, sample: Sample) -> Model | None:
    return answer_or_refusal(
        lambda: trainer.train(sample.train, sample.problem, by="ana", clock=lambda: NOON),
        about=sample.name,
    )


def _models(trainer: Trainer) -> list[tuple[Sample, Model]]:
    samples = [numeric_sample(task) for task in Task]
    made = [(sample, _train(trainer, sample)) for sample in samples]
    return [(sample, model) for sample, model in made if model is not None]


def _first(trainer: Trainer) -> tuple[Sample, Model]:
    for task in Task:
        sample = numeric_sample(task)
        model = _train(trainer, sample)
        if model is not None:
            return sample, model
    raise AssertionError("every task was refused")


def _classes(sample: Sample) -> set[object]:
    return set() if sample.problem.task is Task.REGRESSION else set(sample.train.y().tolist())


def _read(bundle: Bundle) -> Model:
    try:
        return bundle.load_model()
    except UntrustedTypesError as error:
        return bundle.load_model(trusted=error.types)
