"""One table for each criterion: estimate, interval, n, bound, margin, slice, verdict, rows."""

from __future__ import annotations

import numpy as np
import pytest

from mldeploy._record import utc_now
from mldeploy.evidence import Finding, Report, VerdictTable
from mldeploy.problem import Criterion, Judge, ScoredRows, Task


@pytest.fixture
def report() -> Report:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, 400)
    said = np.where(rng.random(400) < 0.8, y, 1 - y)
    who = np.where(np.arange(400) < 380, "many", "<b>few</b>")
    rows = ScoredRows(task=Task.BINARY, y_true=y, y_pred=said, columns={"who": who})
    judge = Judge(check="Demo", rivals={"baseline": {"dummy": ScoredRows(
        task=Task.BINARY, y_true=y, y_pred=np.ones(400, int), columns={"who": who})}})  # fmt: skip
    criteria = [
        Criterion("accuracy", at_least=0.7, better_than="baseline", by=0.1),
        Criterion("error_rate", at_most=0.1, slices=["who"]),
    ]
    findings = [f for c in criteria for f in judge.judge(c, rows)]
    note = Finding(check="Demo", name="note", verdict="PASS", severity="info", summary="Noted.")
    return Report(
        step="validate", made_by="Demo", findings=(*findings, note), started_at=utc_now()
    )


def test_each_criterion_and_slice_has_a_row_with_its_figures(report: Report) -> None:
    frame = VerdictTable.of(report).to_frame()

    assert frame["name"].tolist() == ["accuracy", "accuracy vs baseline", *["error_rate"] * 2]
    assert frame["slice"].tolist()[2:] == ["who=<b>few</b>", "who=many"]
    assert (frame["low"] <= frame["estimate"]).all()
    assert (frame["estimate"] <= frame["high"]).all()
    assert frame["n"].tolist() == [400, 400, 20, 380]
    assert frame["confidence"].tolist()[2:] == [pytest.approx(0.975)] * 2


def test_the_margin_is_positive_on_the_good_side_of_either_bound(report: Report) -> None:
    frame = VerdictTable.of(report).to_frame().set_index("name")

    accuracy = frame.loc["accuracy"]
    assert accuracy["margin"] == pytest.approx(accuracy["estimate"] - 0.7)
    rival = frame.loc["accuracy vs baseline"]
    assert rival["margin"] == pytest.approx(rival["estimate"] - 0.1)
    errors = frame.loc["error_rate"]
    assert np.allclose(errors["margin"], 0.1 - errors["estimate"])
    assert (errors["margin"] < 0).all()


def test_the_table_is_text_and_html_that_runs_nothing(report: Report) -> None:
    table = VerdictTable.of(report)

    assert table.to_text().startswith("FAIL\n\naccuracy\nSlice  Verdict")
    assert "note" not in table.to_text()
    html = table._repr_html_()
    assert "<b>few</b>" not in html
    assert "&lt;b&gt;few&lt;/b&gt;" in html
    assert html.count("<table>") == 3
