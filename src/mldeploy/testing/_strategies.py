"""Hypothesis strategies: what mldeploy accepts, and awkward."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np
import pandas as pd
from hypothesis import strategies as st

from mldeploy.data import Dataset, dataset_for
from mldeploy.evidence import Finding, Report, Severity, Verdict
from mldeploy.problem import Criterion, Problem, ScoredRows, Task
from mldeploy.stats import Interval
from mldeploy.testing._samples import HOSTILE_NAMES

_SHARES = {Task.BINARY: "recall", Task.MULTICLASS: "accuracy", Task.REGRESSION: "r2"}
_RIVALS: tuple[Literal["baseline", "champion"] | None, ...] = (None, "baseline", "champion")
_LABELS = {Task.BINARY: (False, True), Task.MULTICLASS: ("a", "b", "<c>")}
_finite = st.floats(-1e12, 1e12)
_texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
_names = st.sampled_from(HOSTILE_NAMES) | _texts.filter(lambda s: bool(s.strip()))
_times = st.datetimes(datetime(2000, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "float": _finite | st.just(np.nan),
    "int": st.integers(-(2**53), 2**53),
    "bool": st.booleans(),
    "text": _texts | st.none(),
    "time": _times,
}


def frames(*, min_rows: int = 1, max_rows: int = 20) -> st.SearchStrategy[pd.DataFrame]:
    """Draw tables with hostile names, several types, and missing values.

    Parameters
    ----------
    min_rows, max_rows : int
        Number of rows; the columns are one to five.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(frames())
    ... def check(frame):
    ...     assert Dataset.of(frame).n_rows == len(frame)
    >>> check()
    """
    return _frames(min_rows=min_rows, max_rows=max_rows)


@st.composite
def _frames(draw: st.DrawFn, *, min_rows: int, max_rows: int) -> pd.DataFrame:
    n_rows = draw(st.integers(min_rows, max_rows))
    names = draw(st.lists(_names, min_size=1, max_size=5, unique=True))
    return pd.DataFrame({name: draw(_columns(n_rows)) for name in names})


def problems(*, task: Task | None = None) -> st.SearchStrategy[Problem]:
    """Draw problems that can be judged, with the target ``target`` and no further column.

    Parameters
    ----------
    task : Task, optional
        Any when None.
    """
    return _problems(task=task)


@st.composite
def _problems(draw: st.DrawFn, *, task: Task | None) -> Problem:
    chosen = task or draw(st.sampled_from(list(Task)))
    bound = draw(st.floats(0, 1))
    rival = draw(st.sampled_from(_RIVALS))
    criterion = Criterion(
        _SHARES[chosen],
        at_least=bound,
        better_than=rival,
        by=draw(st.floats(0, 0.5)) if rival else 0.0,
        confidence=draw(st.floats(0.6, 0.999)),
        severity=draw(st.sampled_from(list(Severity))),
    )
    return Problem(
        name=draw(st.from_regex(r"[a-z][a-z0-9-]{0,20}", fullmatch=True)),
        statement=draw(_names),
        target="target",
        task=chosen,
        positive=True if chosen is Task.BINARY else None,
        label_delay=timedelta(seconds=draw(st.integers(0, 10**7))),
        criteria=[criterion],
    )


def datasets(
    *, problem: Problem | None = None, min_rows: int = 1, max_rows: int = 20
) -> st.SearchStrategy[Dataset]:
    """Draw datasets with a target, of which some labels may be missing.

    Parameters
    ----------
    problem : Problem, optional
        Decides target and labels, as those that `problems` draws; a binary one when None.
    min_rows, max_rows : int
        Number of rows.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(datasets())
    ... def check(data):
    ...     assert "target" not in data.features
    >>> check()
    """
    return _datasets(problem=problem, min_rows=min_rows, max_rows=max_rows)


@st.composite
def _datasets(
    draw: st.DrawFn, *, problem: Problem | None, min_rows: int, max_rows: int
) -> Dataset:
    frame = draw(frames(min_rows=min_rows, max_rows=max_rows))
    target = "target" if problem is None else problem.target
    task = Task.BINARY if problem is None else problem.task
    columns = [name for name in frame.columns if name != target]
    label = st.none() | _labels(task)
    labels = draw(st.lists(label, min_size=len(frame), max_size=len(frame)))
    given = frame[columns].assign(feature=1.0)
    given[target] = pd.Series(labels, dtype=object)
    return Dataset.of(given, target=target) if problem is None else dataset_for(given, problem)


def findings() -> st.SearchStrategy[Finding]:
    """Draw findings with any verdict, figures and hostile text."""
    return _findings()


@st.composite
def _findings(draw: st.DrawFn) -> Finding:
    low, high = sorted([draw(_finite), draw(_finite)])
    interval = Interval(low=low, high=high, confidence=draw(st.floats(0.5, 0.999)))
    return Finding(
        check=draw(_names),
        name=draw(_names),
        verdict=draw(st.sampled_from(list(Verdict))),
        severity=draw(st.sampled_from(list(Severity))),
        summary=draw(_names),
        action=draw(_texts),
        estimate=draw(st.none() | _finite),
        interval=draw(st.none() | st.just(interval)),
        n=draw(st.none() | st.integers(0, 10**9)),
        threshold=draw(st.none() | _finite),
        unit=draw(st.sampled_from(["", "s", "MB"])),
        column=draw(st.none() | _names),
        slice=draw(st.none() | _names),
        waived_by=draw(st.none() | _names),
        details=draw(st.dictionaries(_texts, _finite | _texts | st.booleans(), max_size=3)),
    )


def reports(*, max_findings: int = 5) -> st.SearchStrategy[Report]:
    """Draw reports of any step.

    Parameters
    ----------
    max_findings : int, default=5
        Number of findings at most.

    Examples
    --------
    >>> from hypothesis import given
    >>> @given(reports())
    ... def check(report):
    ...     assert Report.model_validate_json(report.to_json()) == report
    >>> check()
    """
    return _reports(max_findings=max_findings)


@st.composite
def _reports(draw: st.DrawFn, *, max_findings: int) -> Report:
    return Report(
        step=draw(st.sampled_from(["assess", "validate", "monitor", "rollout"])),
        made_by=draw(_names),
        findings=tuple(draw(st.lists(findings(), max_size=max_findings))),
        about=draw(st.dictionaries(_texts, _texts, max_size=3)),
        started_at=draw(_times),
        duration=timedelta(milliseconds=draw(st.integers(0, 10**9))),
    )


def scored_rows(
    *, task: Task | None = None, min_rows: int = 1, max_rows: int = 30
) -> st.SearchStrategy[ScoredRows]:
    """Draw what was true and what a model said, with or without scores, weights and units.

    Parameters
    ----------
    task : Task, optional
        Any when None.
    min_rows, max_rows : int
        Number of rows.
    """
    return _scored_rows(task=task, min_rows=min_rows, max_rows=max_rows)


@st.composite
def _scored_rows(
    draw: st.DrawFn, *, task: Task | None, min_rows: int, max_rows: int
) -> ScoredRows:
    chosen = task or draw(st.sampled_from(list(Task)))
    n_rows = draw(st.integers(min_rows, max_rows))

    def array(values: st.SearchStrategy[Any]) -> Any:
        return np.array(draw(st.lists(values, min_size=n_rows, max_size=n_rows)))

    value = st.integers(0, 1) if chosen is Task.BINARY else _labels(chosen)
    share = st.floats(0, 1)
    classes = _LABELS.get(chosen, ())
    y_score = None
    if chosen is Task.BINARY:
        y_score = array(share)
    elif chosen is Task.MULTICLASS:
        raw = np.column_stack([array(share) for _ in classes]) + 1e-3
        y_score = raw / raw.sum(axis=1, keepdims=True)
    return ScoredRows(
        task=chosen,
        y_true=array(value),
        y_pred=array(value),
        y_score=y_score if draw(st.booleans()) else None,
        classes=classes,
        weight=array(st.floats(0.1, 10)) if draw(st.booleans()) else None,
        unit=array(st.integers(0, 5)) if draw(st.booleans()) else None,
    )


@st.composite
def _columns(draw: st.DrawFn, n_rows: int) -> pd.Series:
    kind = draw(st.sampled_from(sorted(_VALUES)))
    values = draw(st.lists(_VALUES[kind], min_size=n_rows, max_size=n_rows))
    return pd.Series(values, dtype="object" if kind == "text" else None)


def _labels(task: Task) -> st.SearchStrategy[Any]:
    return _finite if task is Task.REGRESSION else st.sampled_from(_LABELS[task])
