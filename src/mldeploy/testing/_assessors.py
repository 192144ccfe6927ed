"""The kit of data assessors."""

from __future__ import annotations

import pytest

from mldeploy.assessment import DataAssessor
from mldeploy.problem import Task
from mldeploy.testing._reports import Case, ReportConformance, Trial
from mldeploy.testing._rules import contents_of_sample
from mldeploy.testing._samples import (
    NOON,
    Sample,
    degenerate_samples,
    hostile_sample,
    mixed_sample,
)


class DataAssessorConformance(ReportConformance, kit=True):
    """Subclass as ``TestYourAssessor`` and define the `assessor` fixture."""

    @pytest.fixture
    def assessor(self) -> DataAssessor:
        """The assessor on trial."""
        raise NotImplementedError(f"{type(self).__name__} must define the `assessor` fixture")

    @pytest.fixture
    def trial(self, assessor: DataAssessor) -> Trial:
        """What the assessor is tried on."""
        return Trial(
            part=assessor,
            interface=DataAssessor,
            method="assess",
            step="assess",
            ordinary=tuple(_case(mixed_sample(task)) for task in Task),
            hard=tuple(map(_case, degenerate_samples())),
            hostile=_case(hostile_sample()),
        )


def _case(sample: Sample) -> Case:
    return Case(
        name=sample.name,
        report=lambda part: part.assess(sample.train, sample.problem, clock=lambda: NOON),
        contents=lambda: contents_of_sample(sample),
    )
