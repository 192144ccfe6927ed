"""What findings come to, how they are kept, and how they are shown."""

from __future__ import annotations

import itertools
import json
import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.evidence import Finding, Report, Severity, Verdict, Waiver
from mldeploy.stats import Interval

START = datetime(2030, 1, 1, tzinfo=UTC)
HOSTILE = "<script>alert(1)</script>|`x`\x1b[31m\nnext *b*"

names = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)
numbers = st.none() | st.floats(allow_nan=False, allow_infinity=False)
intervals = st.tuples(st.floats(allow_nan=False), st.floats(allow_nan=False)).map(
    lambda ends: Interval(low=min(ends), high=max(ends), confidence=0.95)
)
findings = st.builds(
    Finding,
    check=names,
    name=names,
    verdict=st.sampled_from(Verdict),
    severity=st.sampled_from(Severity),
    summary=names,
    estimate=numbers,
    interval=st.none() | intervals,
    n=st.none() | st.integers(0, 10**9),
    threshold=numbers,
    slice=st.none() | names,
    waived_by=st.none() | names,
    details=st.dictionaries(names, st.none() | st.booleans() | names | st.integers(-9, 9)),
)


def report(*found: Finding, **more: object) -> Report:
    fields = {"step": "validate", "made_by": "Test", "started_at": START, **more}
    return Report(findings=found, **fields)


def finding(verdict: str = "PASS", severity: str = "blocker", **more: object) -> Finding:
    return Finding(check="A", name="f1", verdict=verdict, severity=severity, summary="S.", **more)


@given(st.lists(findings, max_size=4))
def test_a_report_survives_json(found: list[Finding]) -> None:
    before = report(*found)

    after = Report.model_validate_json(before.to_json())

    assert after == before
    assert after.digest == before.digest


def test_an_end_without_limit_survives_json() -> None:
    open_ended = finding(interval=Interval(low=-math.inf, high=math.inf, confidence=0.9))

    text = report(open_ended).to_json()

    assert json.loads(text)["findings"][0]["interval"]["high"] == "Infinity"
    assert Report.model_validate_json(text).findings[0].interval.low == -math.inf


@given(st.lists(st.sampled_from(Verdict), min_size=1), st.randoms(use_true_random=False))
def test_combining_does_not_depend_on_order_or_grouping(
    verdicts: list[Verdict], random: object
) -> None:
    shuffled = [*verdicts]
    random.shuffle(shuffled)
    cut = len(verdicts) // 2
    parts = [part for part in (verdicts[:cut], verdicts[cut:]) if part]

    whole = Verdict.combine(verdicts)

    assert Verdict.combine(shuffled) is whole
    assert Verdict.combine(map(Verdict.combine, parts)) is whole
    assert (whole is Verdict.PASS) == all(v is Verdict.PASS for v in verdicts)


def test_nothing_shown_passes_nothing() -> None:
    assert report().verdict is Verdict.INSUFFICIENT
    assert report(finding("PASS", "warning")).verdict is Verdict.INSUFFICIENT
    assert report(finding("PASS"), finding("FAIL", "warning")).passed


def test_only_valid_waivers_that_cover_a_finding_count() -> None:
    bad = report(finding("FAIL", slice="c=a"), finding())
    until = START + timedelta(days=1)
    covering = Waiver(by="ana", reason="known", until=until, name="f1", slice="c=a")
    other = Waiver(by="ben", reason="known", until=until, check="B")

    waived = bad.waive([covering, other], at=START)

    assert waived.passed
    assert [f.waived_by for f in waived.findings] == ["ana", None]
    assert waived.waivers == (covering, other)
    assert not bad.waive([covering], at=until).passed
    assert not bad.waive([other], at=START).passed
    assert "waived by ana" in waived.to_text()
    assert not waived.alarms
    with pytest.raises(ValueError, match="must name"):
        Waiver(by="ana", reason="all", until=until)


def test_merging_keeps_findings_and_refuses_other_things() -> None:
    first = report(finding(), about={"data": "1"}, duration=timedelta(seconds=1))
    second = report(finding("FAIL"), about={"model": "2"}, duration=timedelta(seconds=2))

    merged = Report.merge([first, second], made_by="Both")

    assert merged.about == {"data": "1", "model": "2"}
    assert merged.duration == timedelta(seconds=3)
    assert merged.findings == first.findings + second.findings
    with pytest.raises(ValueError, match="two digests of 'data'"):
        Report.merge([first, report(about={"data": "other"})], made_by="Both")
    with pytest.raises(ValueError, match="different steps"):
        Report.merge([first, report(step="assess")], made_by="Both")
    with pytest.raises(ValueError, match="no report"):
        Report.merge([], made_by="Both")


def test_hostile_names_stay_text_in_every_form() -> None:
    told = Finding(
        check=HOSTILE, name=HOSTILE, verdict="FAIL", summary=HOSTILE, column=HOSTILE,
        slice=HOSTILE, unit=HOSTILE, estimate=0.5, waived_by=HOSTILE,
    )  # fmt: skip
    shown = report(told, made_by=HOSTILE, step=HOSTILE)

    text, markdown = shown.to_text(), shown.to_markdown()

    assert "<script" not in shown.to_html() + shown._repr_html_() + told._repr_html_()
    assert "\x1b" not in text + markdown
    assert len(text.splitlines()) == 3
    assert "<script" not in markdown
    (row,) = [line for line in markdown.splitlines() if "FAIL" in line and line[0] == "|"]
    assert row.replace("\\|", "").count("|") == 9
    assert "`" not in row.replace("\\`", "")


def test_a_frame_has_a_row_for_each_finding() -> None:
    interval = Interval(low=0.1, high=0.2, confidence=0.95)

    frame = report(finding(interval=interval, estimate=0.15), finding("FAIL")).to_frame()

    assert frame["verdict"].tolist() == ["PASS", "FAIL"]
    assert frame.loc[0, ["low", "high"]].tolist() == [0.1, 0.2]
    assert len(report().to_frame()) == 0
    assert "verdict" in report().to_frame()


def test_findings_are_selected_by_what_they_say() -> None:
    both = report(finding(slice="a"), finding("FAIL", slice="b"))

    assert both.select(name="f1") == both.findings
    assert both.select(slice="b", verdict=Verdict.FAIL) == both.findings[1:]
    assert both.select(check="B") == ()


def test_the_published_schema_names_every_field() -> None:
    schema = Report.model_json_schema()

    written = json.loads(report(finding(estimate=0.5)).to_json())

    assert set(written) == set(schema["properties"])
    assert set(written["findings"][0]) == set(schema["$defs"]["Finding"]["properties"])
    assert schema["additionalProperties"] is False


@pytest.mark.parametrize(("verdict", "severity"), [*itertools.product(Verdict, Severity)])
def test_only_failures_that_matter_alarm(verdict: Verdict, severity: Severity) -> None:
    expected = verdict is Verdict.FAIL and severity is not Severity.INFO

    assert finding(str(verdict), str(severity)).alarms is expected
