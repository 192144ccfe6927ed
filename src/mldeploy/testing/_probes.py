"""The kit of robustness probes."""

from __future__ import annotations

import inspect

import numpy as np
import pandas as pd
import pytest

from mldeploy.evidence import Severity, Verdict
from mldeploy.problem import Task
from mldeploy.testing._conformance import Conformance
from mldeploy.testing._rules import copy_by_pickle, drawn_from_global_generators, require_frozen
from mldeploy.testing._samples import NOON, mixed_sample
from mldeploy.testing._trained import release_of
from mldeploy.validation import Expects, Probe, RobustnessValidator


class ProbeConformance(Conformance, kit=True):
    """Subclass as ``TestYourProbe`` and define the `probe` fixture.

    Define `rows`, too, if your probe changes columns that the sample does not have: it holds
    ``wind`` and ``hour``, which are numbers, and ``carrier``, a text.
    """

    @pytest.fixture
    def probe(self) -> Probe:
        """The probe on trial."""
        raise NotImplementedError(f"{type(self).__name__} must define the `probe` fixture")

    @pytest.fixture
    def rows(self) -> pd.DataFrame:
        """Rows that it changes."""
        return mixed_sample().test.X()

    def test_public_method_is_the_inherited_one(self, probe: Probe) -> None:
        """It holds changes to the rows they were made from."""
        assert inspect.getattr_static(probe, "changed") is vars(Probe)["changed"]

    def test_something_changes(self, probe: Probe, rows: pd.DataFrame) -> None:
        """A probe that changes nothing shows nothing."""
        after = _changed(probe, rows)
        assert after is not None, "it does not apply to the rows of the kit; define `rows`"
        assert not after.equals(rows), "no row was changed"

    def test_the_rows_that_were_given_stay_as_they_are(
        self, probe: Probe, rows: pd.DataFrame
    ) -> None:
        """They are asked about as well, before the change."""
        kept = rows.copy(deep=True)
        _changed(probe, rows)
        pd.testing.assert_frame_equal(rows, kept)

    def test_equal_generators_give_equal_changes(self, probe: Probe, rows: pd.DataFrame) -> None:
        """A finding can be looked at again."""
        one, other = _changed(probe, rows), _changed(probe, rows)
        assert (one is None) == (other is None)
        if one is not None and other is not None:
            pd.testing.assert_frame_equal(one, other)

    def test_global_generators_are_left_alone(self, probe: Probe, rows: pd.DataFrame) -> None:
        """Chance comes from the generator that is handed in."""
        drew = drawn_from_global_generators(lambda: _changed(probe, rows))
        assert not drew, "it drew from a global generator; draw from rng"

    def test_it_says_so_where_it_does_not_apply(self, probe: Probe) -> None:
        """None, not an error: models read other columns."""
        strange = pd.DataFrame({"a column that no probe knows": [True, False]})
        after = _changed(probe, strange)
        assert after is None or list(after.columns) == list(strange.columns)

    def test_what_it_expects_is_said(self, probe: Probe) -> None:
        """In the words that a validator knows."""
        assert isinstance(probe.expects, Expects)
        assert isinstance(probe.severity, Severity)
        assert 0 <= probe.at_most < 1

    def test_it_is_frozen_and_travels(self, probe: Probe) -> None:
        """Validators are shared between threads and processes."""
        require_frozen(probe)
        assert type(copy_by_pickle(probe)) is type(probe)

    def test_a_validator_reports_on_it(self, probe: Probe) -> None:
        """Whatever it makes of the model of a sample, there is one finding that says it."""
        sample, model = mixed_sample(), release_of(Task.BINARY).model
        validator = RobustnessValidator(probes=[probe], max_flip_rows=0)
        report = validator.validate(model, sample.test, sample.problem, clock=lambda: NOON)
        (finding,) = report.select(name=type(probe).__name__)
        assert finding.verdict in set(Verdict)
        assert finding.summary


def _changed(probe: Probe, rows: pd.DataFrame) -> pd.DataFrame | None:
    return probe.changed(rows, rng=np.random.default_rng(7))
