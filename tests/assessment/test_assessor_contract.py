"""What every assessor promises, whoever writes it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd
import pytest

from mldeploy.assessment import AssessorSuite, DataAssessor, default_assessors
from mldeploy.data import Dataset, dataset_for
from mldeploy.errors import InvalidDataError, InvalidProblemError
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Criterion, Problem

PROBLEM = Problem(
    name="late", statement="Which flights land late?", target="late", positive=True,
    criteria=[Criterion("roc_auc", at_least=0.7)],
)  # fmt: skip
FRAME = pd.DataFrame({"hour": [5, 23, 7, 9], "late": [False, True, None, True]})


class Says(DataAssessor):
    def __init__(self, *findings: object) -> None:
        self.findings = findings

    def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
        yield from self.findings  # type: ignore[misc]


def finding(name: str, verdict: str, severity: str = "blocker") -> Finding:
    return Finding(check="Says", name=name, verdict=verdict, severity=severity, summary=name)


def test_report_is_bound_to_the_problem_and_the_data_and_timed_by_the_clock() -> None:
    data, noon = dataset_for(FRAME, PROBLEM), datetime(2030, 1, 1, 12, tzinfo=UTC)

    report = Says(finding("a", "PASS")).assess(data, PROBLEM, clock=lambda: noon)

    assert report.about == {"problem": PROBLEM.digest, "data": data.fingerprint}
    assert (report.step, report.made_by, report.started_at) == ("assess", "Says", noon)


def test_what_is_no_finding_is_refused() -> None:
    with pytest.raises(TypeError, match="yield Finding"):
        Says("fine").assess(dataset_for(FRAME, PROBLEM), PROBLEM)


def test_an_error_of_the_hook_is_not_a_finding() -> None:
    class Broken(DataAssessor):
        def _assess(self, dataset: Dataset, problem: Problem) -> Iterator[Finding]:
            raise ZeroDivisionError
            yield

    with pytest.raises(ZeroDivisionError):
        Broken().assess(dataset_for(FRAME, PROBLEM), PROBLEM)


def test_data_without_a_column_of_the_problem_are_refused() -> None:
    with pytest.raises(InvalidProblemError, match="'late' \\(the target\\)"):
        Says().assess(Dataset.of(FRAME[["hour"]]), PROBLEM)


def test_data_read_in_other_roles_are_refused() -> None:
    with pytest.raises(InvalidDataError, match="dataset_for"):
        Says().assess(Dataset.of(FRAME), PROBLEM)


def test_suite_puts_what_blocks_first_and_the_record_last() -> None:
    suite = AssessorSuite(
        (
            Says(finding("note", "INSUFFICIENT", "info"), finding("fine", "PASS")),
            Says(finding("warned", "FAIL", "warning"), finding("open", "INSUFFICIENT")),
            Says(finding("stop", "FAIL")),
        )
    )

    report = suite.assess(dataset_for(FRAME, PROBLEM), PROBLEM)

    assert [f.name for f in report.findings] == ["stop", "open", "warned", "fine", "note"]
    assert report.verdict is Verdict.FAIL


def test_a_suite_without_assessors_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one"):
        AssessorSuite(())


def test_default_suite_says_what_it_did_not_check_for_the_record_only() -> None:
    report = default_assessors(PROBLEM).assess(dataset_for(FRAME, PROBLEM), PROBLEM)

    notes = [f for f in report.findings if f.summary.startswith("Not checked")]
    assert notes
    assert {f.severity for f in notes} == {Severity.INFO}


def test_inputs_are_left_untouched() -> None:
    frame = FRAME.copy()

    default_assessors(PROBLEM).assess(dataset_for(frame, PROBLEM), PROBLEM)

    pd.testing.assert_frame_equal(frame, FRAME)


def test_an_assessor_of_a_users_own_has_under_twenty_lines() -> None:
    page = Path(__file__).parents[2] / "docs" / "how-to" / "write-an-assessor.md"
    (written,) = re.findall(r"^class Adults.*?\n\n\n", page.read_text(), re.DOTALL | re.MULTILINE)

    assert len([line for line in written.splitlines() if line.strip()]) < 20
