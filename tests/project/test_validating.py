"""Validations are kept, counted and found again; what was not made here proves nothing."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.linear_model import LogisticRegression

from mldeploy.data import Dataset
from mldeploy.errors import IntegrityError, PromotionError
from mldeploy.evidence import Finding, Report, Severity, Verdict
from mldeploy.model import Model
from mldeploy.problem import Criterion, Problem
from mldeploy.project import Project
from mldeploy.training import EstimatorTrainer
from mldeploy.validation import CriteriaValidator, Validator

PROBLEM = Problem(
    name="demo",
    statement="Is it late?",
    target="late",
    positive=True,
    criteria=[Criterion("accuracy", at_least=0.6)],
)
Open = Callable[..., Any]


def table(n: int = 600, *, seed: int = 0) -> pd.DataFrame:
    """Rows whose label follows from x and noise."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    return pd.DataFrame({"x": x, "z": rng.normal(size=n), "late": x + rng.normal(size=n) > 0})


def model_of(project: Project, **settings: float) -> Model:
    return project.train(LogisticRegression(**settings), project.data(table(300, seed=9)))


ASKED: list[str] = []


@dataclass(frozen=True)
class Asked(Validator):
    """Writes down that it was asked, and says what it was told to."""

    verdict: str = "PASS"

    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        ASKED.append(self.verdict)
        yield Finding(check="Asked", name="asked", verdict=self.verdict, summary="Asked.")


@dataclass(frozen=True)
class Interrupted(Validator):
    """Is interrupted when its work is nearly done."""

    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterator[Finding]:
        yield Finding(check="Interrupted", name="asked", verdict="PASS", summary="Nearly.")
        raise KeyboardInterrupt


@pytest.fixture
def open_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.chdir(tmp_path)

    @contextmanager
    def opened(**parts: Any) -> Iterator[Project]:
        given: dict[str, Any] = {
            "validator": CriteriaValidator(),
            "trainer": lambda e: EstimatorTrainer(e, baselines={"dummy": DummyClassifier()}),
            "by": "tom",
        }
        with Project(PROBLEM, store=tmp_path / "store", **(given | parts)) as project:
            yield project

    return opened


def test_the_same_things_are_judged_once_also_by_another_process(open_project: Open) -> None:
    ASKED.clear()
    with open_project(validator=Asked()) as project:
        model = model_of(project)
        first = project.validate(model, project.data(table()))
        again = project.validate(model, project.data(table().iloc[::-1]))
    with open_project(validator=Asked()) as project:
        later = project.validate(model, project.data(table()))
        assert project.verify() == ()
        assert [look.report for look in project.registry.evaluations.looks()] == [first.digest]

    assert first == again == later
    assert len(ASKED) == 1


def test_what_differs_is_judged_anew(open_project: Open) -> None:
    ASKED.clear()
    with open_project(validator=Asked()) as project:
        model, rows = model_of(project), project.data(table())
        project.validate(model, rows)
        project.validate(model_of(project, C=0.01), rows)
        project.validate(model, project.data(table(seed=1)))
        project.validate(replace(model, baselines={}), rows)
        project.validate(model, rows, champion=model)
        project.validate(model, rows.take(range(599)))
        assert len(ASKED) == 6
    with open_project(validator=Asked("INSUFFICIENT")) as project:
        assert project.validate(model, rows).verdict is Verdict.INSUFFICIENT
    assert len(ASKED) == 7


def test_an_edited_method_of_ones_own_validator_is_judged_anew(
    open_project: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open_project(validator=Asked()) as project:
        model, rows = model_of(project), project.data(table())
        assert project.validate(model, rows).passed

        def edited(self: Asked, *_: object, champion: Model | None) -> Iterator[Finding]:
            yield Finding(check="Asked", name="asked", verdict="FAIL", summary="Edited.")

        monkeypatch.setattr(Asked, "_validate", edited)
        assert project.validate(model, rows).verdict is Verdict.FAIL


def test_an_interrupt_leaves_nothing_behind(open_project: Open) -> None:
    with open_project(validator=Interrupted()) as project:
        model, rows = model_of(project), project.data(table())
        head = project.store.ledger.head()

        with pytest.raises(KeyboardInterrupt):
            project.validate(model, rows)

        assert project.store.ledger.head() == head
        assert project.registry.evaluations.looks() == ()
        assert project.verify() == ()


def widths(report: Report) -> float:
    (finding,) = report.select(name="accuracy")
    assert finding.interval is not None
    return finding.interval.high - finding.interval.low


def test_each_further_model_has_wider_intervals_on_rows_that_were_looked_at(
    open_project: Open,
) -> None:
    """Scheffé's reach for two looks is 2.4477 standard errors, after 1.9600 for one: 1.249."""
    with open_project() as project:
        rows = project.data(table())
        first = project.validate(model_of(project), rows)
        second = project.validate(model_of(project, C=0.5), rows)
        most = project.validate(model_of(project, C=0.6), rows.take(range(400)))
        fresh = project.validate(model_of(project, C=0.5), project.data(table(seed=5)))
        looks = project.registry.evaluations.looks(data=rows.fingerprint)

    assert first.select(name="evaluation_looks") == fresh.select(name="evaluation_looks") == ()
    assert widths(second) / widths(first) == pytest.approx(1.249, abs=0.02)
    assert second.select(name="evaluation_looks")[0].estimate == 2
    assert most.select(name="evaluation_looks")[0].estimate == 3
    assert [look.by for look in looks] == ["tom", "tom"]


def test_another_bar_for_the_same_model_is_another_look(open_project: Open) -> None:
    with open_project() as project:
        model, rows = model_of(project), project.data(table())
        project.validate(model, rows)
    lower = PROBLEM.model_copy(update={"criteria": (Criterion("accuracy", at_least=0.5),)})
    with Project(
        lower, store=project.store.root, validator=CriteriaValidator(), by="tom"
    ) as other:
        report = other.validate(model, rows)

    assert report.select(name="evaluation_looks")[0].estimate == 2


def test_worn_out_rows_warn_and_then_prove_nothing(open_project: Open) -> None:
    """Worth less than a quarter of fresh rows from the 8th look, than a tenth from the 26th."""
    with open_project(validator=Asked()) as project:
        rows, model = project.data(table()), model_of(project)
        told = {}
        for k in range(1, 27):
            report = project.validate(relabelled(model, k), rows)
            told[k] = (report.verdict, *report.select(name="evaluation_looks"))

    assert told[1] == (Verdict.PASS,)
    assert told[7][0] is told[25][0] is Verdict.PASS
    assert told[26][0] is Verdict.INSUFFICIENT
    assert told[26][1].severity is Severity.BLOCKER
    assert "nobody has looked at" in told[26][1].action


def relabelled(model: Model, k: int) -> Model:
    """Return the same model as if it had other bytes, which is all that the count goes by."""
    other = replace(model)
    other.__dict__["digest"] = f"{k:064d}"
    return other


def test_warnings_come_from_the_eighth_look(open_project: Open) -> None:
    with open_project() as project:
        rows, model = project.data(table()), model_of(project)
        reports = [project.validate(relabelled(model, k), rows) for k in range(1, 9)]

    severities = [r.select(name="evaluation_looks")[0].severity for r in reports[1:]]
    assert severities == [Severity.INFO] * 6 + [Severity.WARNING]


def test_who_looked_meanwhile_makes_the_model_be_judged_again(open_project: Open) -> None:
    ASKED.clear()
    with open_project(validator=Asked()) as project, open_project(validator=Asked()) as rival:
        model, rows = model_of(project), project.data(table())

        @dataclass(frozen=True)
        class Overtaken(Validator):
            def _validate(self, *_: object, champion: Model | None) -> Iterator[Finding]:
                rival.validate(relabelled(model, 1), rows)
                yield Finding(check="Asked", name="asked", verdict="PASS", summary="Asked.")

        project.validator = Overtaken()
        report = project.validate(model, rows)

    assert report.select(name="evaluation_looks")[0].estimate == 2
    assert ASKED == ["PASS"]


# --- forged verdicts ------------------------------------------------------------------------


def test_a_report_that_was_changed_or_made_up_is_not_registered(open_project: Open) -> None:
    with open_project(validator=Asked("FAIL")) as project:
        model, rows = model_of(project), project.data(table())
        report = project.validate(model, rows)
        passing = report.findings[0].model_copy(update={"verdict": Verdict.PASS})
        forged = (
            report.model_copy(update={"findings": (passing,)}),
            report.model_copy(update={"findings": ()}),
            report.model_copy(update={"about": {**report.about, "data": "0" * 64}}),
            report.model_copy(update={"about": {**report.about, "model": "0" * 64}}),
            report.model_copy(update={"started_at": report.started_at.replace(year=2020)}),
            Asked().validate(model, rows, PROBLEM),
        )
        for one in forged:
            with pytest.raises(PromotionError, match="not a report that a validation in this"):
                project.register(model, one)
        assert project.registry.names() == ()


def test_the_report_of_another_model_or_problem_is_not_registered(open_project: Open) -> None:
    with open_project(validator=Asked()) as project:
        model, other = model_of(project), model_of(project, C=0.01)
        report = project.validate(model, project.data(table()))

        with pytest.raises(PromotionError, match="about another model"):
            project.register(other, report)
        harder = PROBLEM.model_copy(update={"criteria": (Criterion("accuracy", at_least=0.9),)})
        with pytest.raises(PromotionError, match="about another problem"):
            project.register(replace(model, problem=harder), report)
        elsewhere = model.provenance.model_copy(update={"data": "0" * 64})
        with pytest.raises(PromotionError, match="other training data"):
            project.register(replace(model, provenance=elsewhere), report)
        code = model.provenance.code.model_copy(update={"commit": "0" * 40})
        changed = model.provenance.model_copy(update={"code": code})
        with pytest.raises(PromotionError, match="other code"):
            project.register(replace(model, provenance=changed), report)


def test_an_old_pass_is_not_replayed_after_a_failure(open_project: Open) -> None:
    with open_project(validator=Asked()) as project:
        model = model_of(project)
        old = project.validate(model, project.data(table()))
        version = project.register(model, old)
        project.approve(version, by="ana", reason="looked at it")
    with open_project(validator=Asked("FAIL")) as project:
        project.validate(model, project.data(table(seed=3)))
    with open_project(validator=Asked()) as project:
        replayed = project.validate(model, project.data(table()))  # found, not judged anew
        assert replayed == old

        with pytest.raises(PromotionError, match="later validation of the same model"):
            project.register(model, replayed)
        with pytest.raises(PromotionError, match="later validation of the same model"):
            project.promote(version)

        passed = project.validate(model, project.data(table(seed=4)))
        assert project.register(model, passed).number == 2


@pytest.mark.parametrize("table_of", ["reports", "ledger", "steps"])
def test_a_verdict_that_was_edited_in_the_database_is_refused(
    open_project: Open, table_of: str
) -> None:
    with open_project(validator=Asked("FAIL")) as project:
        run = project.run(table(), LogisticRegression())
        root = project.store.root
    edit(root / "store.sqlite", table_of)

    with open_project(validator=Asked("FAIL")) as project:
        if table_of == "steps":
            with pytest.raises(Exception, match="not a report that a validation in this"):
                project.run(table(), LogisticRegression())
        else:
            with pytest.raises(IntegrityError):
                project.validate(run.model, run.data)


def edit(database: Path, table_of: str) -> None:
    """Turn what failed into what passed, as somebody with an editor would."""
    column = {"reports": "json", "ledger": "details", "steps": "details"}[table_of]
    with sqlite3.connect(database) as connection:
        rows = connection.execute(f"SELECT rowid, {column} FROM {table_of}").fetchall()
        for rowid, text in rows:
            edited = text.replace('"FAIL"', '"PASS"')
            assert json.loads(edited)
            connection.execute(
                f"UPDATE {table_of} SET {column} = ? WHERE rowid = ?", (edited, rowid)
            )
    connection.close()
