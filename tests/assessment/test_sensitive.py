"""Personal data are counted and not shown; what stands for a sensitive column is named."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from mldeploy.assessment import SensitiveAssessor
from mldeploy.data import dataset_for
from mldeploy.evidence import Report
from mldeploy.problem import Criterion, Problem

N = 1_000


def problem(**fields: object) -> Problem:
    return Problem(
        name="p", statement="What is y?", target="y", positive=True,
        criteria=[Criterion("accuracy", at_least=0.7)], **fields,  # type: ignore[arg-type]
    )  # fmt: skip


def people(seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "sex": rng.choice(["f", "m"], N),
            "age": rng.integers(18, 90, N),
            "spent": rng.lognormal(3, 1, N),
            "code": [f"A{i:05d}" for i in rng.integers(0, 9_999, N)],
            "seen": rng.integers(10**9, 2 * 10**9, N),
            "y": rng.random(N) < 0.4,
        }
    )


def assessed(frame: pd.DataFrame, **fields: object) -> Report:
    asked = problem(**fields)
    return SensitiveAssessor().assess(dataset_for(frame, asked), asked)


PERSONAL = {
    "e-mail addresses": "ana.{i}@example.org",
    "bank account numbers": "DE89 3704 0044 0532 0130 00",
    "payment card numbers": "paid with 4111 1111 1111 1111",
    "social security numbers": "123-45-67{i:02d}",
    "internet addresses": "from 10.0.3.{i}",
    "telephone numbers": "call +49 89 1234{i:03d}",
}


@pytest.mark.parametrize("kind", PERSONAL)
def test_personal_data_in_free_text_are_counted_and_never_shown(kind: str) -> None:
    frame = people()
    notes = np.array(["nothing to say, order 12345, 3.14 of 2030-01-01"] * N, dtype=object)
    notes[:60] = [f"{PERSONAL[kind].format(i=i + 10)}, {i}" for i in range(60)]
    frame["note"] = notes

    (found,) = assessed(frame).alarms

    assert (found.name, found.column, found.details["kind"]) == ("personal_data", "note", kind)
    assert PERSONAL[kind][:6] not in found.summary + found.action


def test_ordinary_columns_raise_nothing() -> None:
    """Codes, numbers of ten digits, dates as texts, versions with three dots of no address."""
    frame = people().assign(day="2030-01-15", version="1.22.333.4444", long=10**14 + np.arange(N))

    assert not assessed(frame).alarms


def test_names_of_columns_are_enough() -> None:
    frame = people().rename(columns={"code": "customer_first_name"})

    (found,) = assessed(frame).alarms

    assert (found.column, found.details["kind"]) == (
        "customer_first_name", "first name, by its name",
    )  # fmt: skip


def test_a_proxy_of_a_sensitive_column_is_named() -> None:
    rng = np.random.default_rng(1)
    frame = people()
    frame["size"] = np.where(frame["sex"] == "f", 165, 179) + rng.normal(0, 5, N)

    report = assessed(frame, sensitive=["sex"])

    assert {(f.name, f.column) for f in report.alarms} == {
        ("proxy", "size"), ("told_together", "sex"),
    }  # fmt: skip
    assert report.select(name="proxy")[0].details["tells"] == "sex"


def test_features_that_tell_it_only_together_are_told() -> None:
    rng = np.random.default_rng(2)
    frame = people()
    sign = np.where(frame["sex"] == "f", 1.0, -1.0)
    a = rng.choice([-1.0, 1.0], N)
    frame["a"], frame["b"] = a + rng.normal(0, 0.1, N), a * sign + rng.normal(0, 0.1, N)

    report = assessed(frame, sensitive=["sex"])

    assert [(f.name, f.column) for f in report.alarms] == [("told_together", "sex")]


def test_a_sensitive_column_that_nothing_tells_passes_unless_it_is_a_feature() -> None:
    quiet = assessed(people(), sensitive=["sex", "age"])
    used = assessed(people(), sensitive=["sex"], features=["sex", "age"])

    assert not quiet.alarms
    assert [(f.name, f.column) for f in used.alarms] == [("sensitive_feature", "sex")]


@pytest.mark.parametrize("settings", [{"max_score": 0.4}, {"n_rows": 5}])
def test_settings_that_make_no_sense_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(settings))):
        SensitiveAssessor(**settings)  # type: ignore[arg-type]
