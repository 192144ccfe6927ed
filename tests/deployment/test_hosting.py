"""Ways of hosting are judged by the problem's criteria, and shown side by side."""

from __future__ import annotations

from datetime import timedelta

import pytest

from mldeploy.deployment import Hosting, HostingComparison
from mldeploy.evidence import Verdict
from mldeploy.problem import Criterion, Problem

FAST = Hosting(
    name="compiled, in process", rows_per_s=20_000.0, latency_s=(0.00005,) * 2000,
    memory_mb=90.0, start_s=0.3,
)  # fmt: skip
SLOW = Hosting(
    name="original, in process", rows_per_s=100.0, latency_s=(0.01,) * 2000,
    memory_mb=300.0, start_s=2.5,
)  # fmt: skip
BULK = Hosting(name="compiled, in bulk", rows_per_s=1e6, memory_mb=120.0, start_s=0.4)


def problem(*criteria: Criterion) -> Problem:
    return Problem(
        name="late", statement="Is it late?", target="late", positive=True,
        criteria=[Criterion("roc_auc", at_least=0.6), *criteria],
    )  # fmt: skip


def compare(*criteria: Criterion, version: str = "late:3", **prices: float) -> HostingComparison:
    return HostingComparison.of(
        [SLOW, FAST, BULK], problem=problem(*criteria), version=version, prices=prices
    )


def test_a_million_answers_cost_what_the_machine_costs_while_it_gives_them() -> None:
    """A million at 20,000 a second take 50 s: a 72nd of an hour."""
    assert FAST.cost_per_million(0.72) == pytest.approx(0.01)


def test_a_way_that_is_too_slow_does_not_fit() -> None:
    comparison = compare(Criterion("latency_p99", at_most=timedelta(milliseconds=5)))

    assert comparison.fitting == ("compiled, in process", "compiled, in bulk")
    assert "original, in process: " in comparison.to_text()


@pytest.mark.parametrize(
    ("criterion", "fitting"),
    [
        (Criterion("memory", at_most=100), {"compiled, in process"}),
        (Criterion("start_time", at_most=0.35), {"compiled, in process"}),
        (
            Criterion("cost_per_million", at_most=0.01),
            {"compiled, in process", "compiled, in bulk"},
        ),
    ],
    ids=lambda value: value.metric.name if isinstance(value, Criterion) else "",
)
def test_resources_are_judged_by_their_criteria(criterion: Criterion, fitting: set[str]) -> None:
    assert set(compare(criterion, small=0.05).fitting) == fitting


def test_a_few_answers_cannot_show_that_a_tail_is_short() -> None:
    few = FAST.model_copy(update={"latency_s": (0.00005,) * 20})
    criterion = Criterion("latency_p99", at_most=timedelta(milliseconds=5))

    comparison = HostingComparison.of([few], problem=problem(criterion), version="late:3")

    assert [f.verdict for f in comparison.report.findings] == [Verdict.INSUFFICIENT]


def test_the_page_shows_every_way_and_runs_no_name() -> None:
    comparison = compare(version="<script>alert(1)</script>", small=0.05)

    page = comparison.to_html()

    assert "<script" not in page
    assert all(way.name in page for way in comparison.ways)
    assert page.count("<polyline") == 2


def test_it_survives_its_own_json() -> None:
    comparison = compare(Criterion("memory", at_most=100), small=0.05)

    assert HostingComparison.model_validate_json(comparison.to_json()) == comparison
