"""What assessors, validators and monitors have in common: they look, and report."""

from __future__ import annotations

import inspect
import pickle
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, TypeAlias, final

import pytest

from mldeploy.evidence import Report, Severity, Verdict
from mldeploy.testing._conformance import Conformance
from mldeploy.testing._rules import (
    answer_or_refusal,
    at_once,
    copy_by_pickle,
    drawn_from_global_generators,
    fields_of,
    global_seed,
    require_equal,
    require_escaped,
    require_frozen,
    require_round_trip,
    same_findings,
)

Made: TypeAlias = tuple[Report | None, ...]


@final
@dataclass(frozen=True, kw_only=True)
class Case:
    """Something to report on, and a look at all that the part is handed."""

    name: str
    report: Callable[[Any], Report]
    """Takes the part."""
    contents: Callable[[], Mapping[str, object]]


@final
@dataclass(frozen=True, kw_only=True)
class Trial:
    """A part on trial: what it is, and what it is tried on."""

    part: Any
    interface: type
    method: str
    step: str
    ordinary: tuple[Case, ...]
    """One for each task."""
    hard: tuple[Case, ...]
    hostile: Case


class ReportConformance(Conformance, kit=True):
    """Rules for every part that looks at something and reports on it.

    The kits of assessors, validators and monitors derive from it and define `trial`.
    """

    @pytest.fixture
    def trial(self) -> Trial:
        """What is on trial."""
        raise NotImplementedError(f"{type(self).__name__} must define the `trial` fixture")

    @pytest.fixture
    def made(self, trial: Trial) -> Made:
        """The reports on the ordinary cases, None where one was refused.

        They are made once for a part that is handed out again, or made again with the same state.
        """
        kept, state = self._kept, (type(trial.part), _state_of(trial.part))
        if state not in kept:
            reports = tuple(_try(case, trial.part) for case in trial.ordinary)
            kept[state] = (trial.part, reports)
        return kept[state][1]

    _kept: ClassVar[dict[tuple[type, bytes | int], tuple[object, Made]]] = {}

    @pytest.fixture
    def checks(self, trial: Trial) -> frozenset[str]:
        """Names that the findings may give as their check; a suite adds those of its members."""
        return frozenset({type(trial.part).__name__, type(trial.part).__qualname__})

    def test_public_method_is_the_inherited_one(self, trial: Trial) -> None:
        """Times, digests and checks of the input are made in one place."""
        found = inspect.getattr_static(trial.part, trial.method)
        assert found is vars(trial.interface)[trial.method], f"do not override {trial.method}"

    def test_at_least_one_task_is_reported_on(self, made: Made) -> None:
        """A task is reported on, or refused by a typed error."""
        assert any(report is not None for report in made), "every task was refused"

    def test_report_is_of_its_step_and_names_its_maker(self, trial: Trial, made: Made) -> None:
        """Whoever reads the report must know who made it."""
        for report in filter(None, made):
            assert isinstance(report, Report)
            assert (report.step, report.made_by) == (trial.step, type(trial.part).__qualname__)

    def test_findings_name_the_check_that_made_them(
        self, made: Made, checks: frozenset[str]
    ) -> None:
        """A waiver is given to a check by its name."""
        found = {finding.check for report in filter(None, made) for finding in report.findings}
        assert found <= checks, f"findings name {sorted(found - checks)}; use type(self).__name__"

    def test_what_does_not_hold_is_put_into_words(self, made: Made) -> None:
        """A verdict that stops somebody says what was found and what to do."""
        for report in filter(None, made):
            for finding in report.findings:
                assert finding.summary.strip(), f"{finding.name} has no summary"
                stops = finding.verdict is Verdict.FAIL and finding.severity is Severity.BLOCKER
                assert finding.action.strip() or not stops, (
                    f"{finding.name} does not say what to do"
                )

    def test_inputs_are_left_untouched(self, trial: Trial) -> None:
        """What is handed over belongs to the caller."""
        for case in (trial.ordinary[0], trial.hostile):
            before = case.contents()
            _try(case, trial.part)
            require_equal(before, case.contents())

    def test_equal_inputs_give_equal_findings(self, trial: Trial, made: Made) -> None:
        """Also under another global seed: chance comes from a seed of the part's own."""
        for first, case in zip(made, trial.ordinary, strict=True):
            with global_seed(len(case.name)):
                second = _try(case, trial.part)
            assert same_findings(first, second), f"{case.name}: the second look found otherwise"

    def test_global_generators_are_left_alone(self, trial: Trial) -> None:
        """A part that seeds or draws from them changes what other code does."""
        case = trial.ordinary[0]
        assert not drawn_from_global_generators(lambda: _try(case, trial.part))

    def test_instance_is_frozen_and_unchanged_by_use(self, trial: Trial) -> None:
        """An instance is shared; what it learnt from one input must not reach the next."""
        before = fields_of(trial.part)
        _try(trial.ordinary[0], trial.part)
        after = fields_of(trial.part)
        assert before.keys() == after.keys()
        assert all(before[name] is after[name] for name in before)
        require_frozen(trial.part)

    def test_threads_find_the_same(self, trial: Trial, made: Made) -> None:
        """An instance may be shared between threads."""
        for report in at_once(lambda: _try(trial.ordinary[0], trial.part)):
            assert same_findings(report, made[0])

    def test_copy_in_another_process_finds_the_same(self, trial: Trial, made: Made) -> None:
        """An instance may be sent to another process."""
        copied = copy_by_pickle(trial.part)
        assert same_findings(_try(trial.ordinary[0], copied), made[0])

    def test_report_comes_back_from_json_as_it_was(self, made: Made) -> None:
        """Reports are stored; a figure that has no JSON form is lost."""
        for report in filter(None, made):
            require_round_trip(report)

    def test_hard_inputs_give_findings_or_typed_errors(self, trial: Trial) -> None:
        """Too few rows, one class, nothing known: said in a finding, or refused."""
        for case in trial.hard:
            report = _try(case, trial.part)
            if report is not None:
                require_round_trip(report)

    def test_hostile_names_stay_text(self, trial: Trial) -> None:
        """A column called ``<script>`` is a name, in HTML and in Markdown."""
        report = _try(trial.hostile, trial.part)
        if report is not None:
            require_escaped(report._repr_html_() + report.to_html() + report.to_markdown())
            require_round_trip(report)


def _state_of(part: object) -> bytes | int:
    """Return all that a part is; its address if it cannot be told."""
    try:
        return pickle.dumps(part)
    except (AttributeError, TypeError, pickle.PicklingError):
        return id(part)


def _try(case: Case, part: Any) -> Report | None:
    return answer_or_refusal(lambda: case.report(part), about=case.name)
