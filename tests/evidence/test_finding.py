"""One measured statement."""

from __future__ import annotations

import pydantic
import pytest

from mldeploy.evidence import Finding, figure
from mldeploy.stats import Interval


def told(**more: object) -> Finding:
    return Finding(check="A", name="age", verdict="INSUFFICIENT", summary="Too few.", **more)


def test_cells_carry_units_bounds_and_what_to_do() -> None:
    finding = told(
        estimate=0.012, interval=Interval(low=0.01, high=0.02, confidence=0.95), n=1200,
        threshold=0.02, unit="s", column="c", slice="x=1", rows_needed=2300, action="Wait.",
    )  # fmt: skip

    assert finding.cells() == (
        "INSUFFICIENT", "age", "c · x=1", "12 ms [10 ms, 20 ms]", "20 ms", "1,200", "2,300",
        "Too few. Wait.",
    )  # fmt: skip


def test_a_weaker_severity_is_said() -> None:
    assert told(severity="warning").cells()[0] == "INSUFFICIENT (warning)"


@pytest.mark.parametrize("wrong", [{"n": -1}, {"rows_needed": -1}, {"unknown": 1}])
def test_fields_without_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(pydantic.ValidationError):
        told(**wrong)


def test_a_finding_never_changes() -> None:
    with pytest.raises(pydantic.ValidationError, match="frozen"):
        told().name = "other"


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (float("nan"), "", "-"),
        (float("inf"), "s", "∞"),
        (0.0, "", "0"),
        (0.0, "s", "0 µs"),
        (90.0, "s", "90 s"),
        (7200.0, "s", "2 h"),
        (259_200.0, "s", "3 d"),
        (12345.6, "EUR", "12,345.6 EUR"),
    ],
)
def test_figures_are_written_for_people(value: float, unit: str, text: str) -> None:
    assert figure(value, unit) == text
