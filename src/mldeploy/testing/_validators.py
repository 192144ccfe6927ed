"""The kit of validators."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mldeploy.model import Model
from mldeploy.problem import Task
from mldeploy.testing._reports import Case, ReportConformance, Trial
from mldeploy.testing._rules import content_of, contents_of_sample
from mldeploy.testing._samples import (
    NOON,
    Sample,
    degenerate_samples,
    hostile_sample,
    mixed_sample,
)
from mldeploy.testing._trained import hostile_model, plain_model, release_of
from mldeploy.validation import Validator


class ValidatorConformance(ReportConformance, kit=True):
    """Subclass as ``TestYourValidator`` and define the `validator` fixture."""

    @pytest.fixture
    def validator(self) -> Validator:
        """The validator on trial."""
        raise NotImplementedError(f"{type(self).__name__} must define the `validator` fixture")

    @pytest.fixture
    def trial(self, validator: Validator) -> Trial:
        """What the validator is tried on: each task with a champion, and what is hard without."""
        return Trial(
            part=validator,
            interface=Validator,
            method="validate",
            step="validate",
            ordinary=tuple(_with_champion(task) for task in Task),
            hard=tuple(_case(sample, plain_model()) for sample in _answerable()),
            hostile=_case(hostile_sample(), hostile_model()),
        )

    def test_a_champion_is_not_needed(self, validator: Validator) -> None:
        """The first version of a model has none."""
        sample, model = mixed_sample(), release_of(Task.BINARY).model
        report = validator.validate(model, sample.test, sample.problem, clock=lambda: NOON)
        assert report.about["model"] == model.digest

    def test_a_model_without_baselines_is_judged_or_refused(self, validator: Validator) -> None:
        """A model that was read from a bundle has none."""
        model = release_of(Task.BINARY, version="sample:2").model
        case = _case(mixed_sample(), model)
        assert not model.baselines
        assert case.report(validator).step == "validate"


def _answerable() -> tuple[Sample, ...]:
    """Leave out what the model itself cannot answer."""
    return tuple(s for s in degenerate_samples() if s.name != "an infinite value")


def _with_champion(task: Task) -> Case:
    champion = release_of(task, version="sample:2").model
    return _case(mixed_sample(task), release_of(task).model, champion)


def _case(sample: Sample, model: Model, champion: Model | None = None) -> Case:
    def contents() -> Mapping[str, object]:
        models = {"model": model, "champion": champion}
        held = {n: content_of(m.estimator) for n, m in models.items() if m is not None}
        return {**contents_of_sample(sample), **held}

    return Case(
        name=sample.name,
        report=lambda part: part.validate(
            model, sample.test, sample.problem, champion=champion, clock=lambda: NOON
        ),
        contents=contents,
    )
