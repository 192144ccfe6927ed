"""The problem statement: what is decided, and what "good" means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import combinations
from typing import Annotated, Any, final

import pydantic

from mldeploy.errors import InvalidProblemError
from mldeploy.evidence import escape, figure, html_fragment, html_table
from mldeploy.problem._autonomy import Advise, Autonomy, ReviewUncertain
from mldeploy.problem._criterion import Criterion
from mldeploy.problem._metric import Metric
from mldeploy.problem._stated import Stated
from mldeploy.problem._task import Task

Text = Annotated[str, pydantic.StringConstraints(strip_whitespace=True, min_length=1)]
Slug = Annotated[str, pydantic.StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]


def _task(value: object) -> object:
    return Task(value) if isinstance(value, str) else value


@final
class Problem(Stated):
    """What is decided, on which data, and what "good" means.

    Parameters
    ----------
    name : str
        A short name of letters, digits, ``-``, ``_`` and ``.``; the model is registered under it.
    statement : str
        One sentence: who needs to know what, and when.
    target : str
        The column to predict.
    criteria : sequence of Criterion
        What "good" means; at least one.
    task : Task, optional
        What is predicted; taken as binary when `positive` is given.
    positive : scalar, optional
        The class that counts as positive in a binary task.
    decision, owner : str
        What is done with an answer, and who answers for it.
    prediction_time : str, optional
        The column that says when each row would have been predicted.
    label_delay : timedelta, default=0
        How long after the prediction the truth is known for practically every row.
    unit : str, optional
        The column that says which rows belong together (a customer, a machine).
    weight : str, optional
        The column that says how many rows of the population each row stands for.
    sensitive : sequence of str
        Columns that must not be used to decide, but by which fairness is judged.
    features : sequence of str, optional
        The columns the model may use; every column without another role when None.
    columns : sequence of str, optional
        All columns that the data has. When given, every name above is checked against them now;
        otherwise when the problem first meets data.
    autonomy : Autonomy, default=Advise()
        Where the model may decide by itself.

    Raises
    ------
    InvalidProblemError
        If it could not be judged: an unknown metric, contradictory bounds, a criterion that
        does not suit the task, a role given twice, a column that is not there.

    Examples
    --------
    >>> problem = Problem(name="late", statement="Which flights land late?", target="late",
    ...                   positive=True, criteria=[Criterion("roc_auc", at_least=0.7)])
    >>> str(problem.task), len(problem.digest)
    ('binary', 64)
    """

    name: Slug
    statement: Text
    target: Text
    criteria: tuple[Criterion, ...]
    task: Annotated[Task, pydantic.BeforeValidator(_task)]
    positive: bool | int | str | None = None
    decision: str = ""
    owner: str = ""
    prediction_time: str | None = None
    label_delay: timedelta = timedelta(0)
    unit: str | None = None
    weight: str | None = None
    sensitive: tuple[str, ...] = ()
    features: tuple[str, ...] | None = None
    columns: tuple[str, ...] | None = None
    autonomy: Autonomy = Advise()

    def __init__(
        self,
        *,
        name: str,
        statement: str,
        target: str,
        criteria: Sequence[Criterion],
        task: Task | str | None = None,
        positive: bool | int | str | None = None,
        decision: str = "",
        owner: str = "",
        prediction_time: str | None = None,
        label_delay: timedelta = timedelta(0),
        unit: str | None = None,
        weight: str | None = None,
        sensitive: Sequence[str] = (),
        features: Sequence[str] | None = None,
        columns: Iterable[str] | None = None,
        autonomy: Autonomy | None = None,
    ) -> None:
        if task is None and positive is None:
            raise InvalidProblemError(
                "say what is predicted: positive=... for a binary task, or task='multiclass' "
                "or task='regression'"
            )
        super().__init__(
            name=name,
            statement=statement,
            target=target,
            criteria=tuple(criteria),
            task=task or Task.BINARY,
            positive=positive,
            decision=decision,
            owner=owner,
            prediction_time=prediction_time,
            label_delay=label_delay,
            unit=unit,
            weight=weight,
            sensitive=tuple(sensitive),
            features=None if features is None else tuple(features),
            columns=None if columns is None else tuple(columns),
            autonomy=autonomy or Advise(),
        )

    @pydantic.model_validator(mode="after")
    def _can_be_judged(self) -> Problem:
        for check in (self._about_the_task, self._about_roles, self._about_criteria):
            for complaint in check():
                raise InvalidProblemError(f"problem {self.name!r}: {complaint}")
        if self.columns is not None:
            self.check_columns(self.columns)
        return self

    def _about_the_task(self) -> Iterable[str]:
        if self.task is Task.BINARY and self.positive is None:
            yield "a binary task needs positive=..., the class that counts as positive"
        if self.task is not Task.BINARY and self.positive is not None:
            yield f"positive= belongs to binary tasks; this one is a {self.task} task"
        if self.label_delay < timedelta(0):
            yield "label_delay is negative; labels cannot be known before the prediction"
        if isinstance(self.autonomy, ReviewUncertain) and not self.task.is_classification:
            yield "ReviewUncertain needs probabilities of classes; use Advise() or Automatic()"

    def _about_roles(self) -> Iterable[str]:
        roles = {
            "target": self.target,
            "prediction_time": self.prediction_time,
            "weight": self.weight,
        }
        given = {role: column for role, column in roles.items() if column is not None}
        for (role, column), (other, same) in combinations(given.items(), 2):
            if column == same:
                yield f"column {column!r} is both {role} and {other}"
        for column in self.features or ():
            if column in {self.target, self.weight}:
                role = "target" if column == self.target else "weight"
                yield f"the {role} {column!r} is among the features; the model would be told it"
        if self.target in self.sensitive:
            yield f"the target {self.target!r} cannot be a sensitive column"

    def _about_criteria(self) -> Iterable[str]:
        if not self.criteria:
            yield "it has no criterion, so nobody could say whether a model is good; add one"
        for criterion in self.criteria:
            metric = criterion.metric
            if self.task not in metric.tasks:
                fit = ", ".join(map(str, metric.tasks))
                yield f"{metric.name!r} judges {fit} tasks, and this is a {self.task} task"
        for one, other in combinations(self.criteria, 2):
            same = (one.where, one.columns) == (other.where, other.columns)
            if one.metric.name != other.metric.name or not same:
                continue
            if one == other:
                yield f"the criterion {str(one)!r} stands there twice"
            for low, high in ((one, other), (other, one)):
                if _contradict(low, high):
                    yield f"the criteria {str(low)!r} and {str(high)!r} contradict each other"

    def check_columns(self, columns: Iterable[str]) -> None:
        """Refuse data that lacks a column which the problem speaks of.

        Raises
        ------
        InvalidProblemError
            Naming the columns and who needs them.
        """
        present = set(columns)
        wanted: dict[str, str] = {self.target: "the target"}
        for role in ("prediction_time", "unit", "weight"):
            if (column := getattr(self, role)) is not None:
                wanted.setdefault(column, role)
        wanted |= dict.fromkeys(self.sensitive, "a sensitive column")
        wanted |= dict.fromkeys(self.features or (), "a feature")
        for criterion in self.criteria:
            wanted |= {c: f"the criterion {str(criterion)!r}" for c in criterion.used_columns}
        missing = [f"{c!r} ({why})" for c, why in wanted.items() if c not in present]
        if missing:
            raise InvalidProblemError(
                f"problem {self.name!r} speaks of columns that the data does not have: "
                f"{', '.join(missing)}; it has {', '.join(map(repr, sorted(present)[:20]))}"
            )

    def with_metrics(self, metrics: Iterable[Metric]) -> Problem:
        """Return the problem with the functions of a user's metrics, which JSON does not carry.

        Raises
        ------
        InvalidProblemError
            If a metric's source is not the one that the problem was written with.
        """
        given = {m.name: m for m in metrics}

        def resolved(criterion: Criterion) -> Criterion:
            metric = given.get(criterion.metric.name)
            if metric is None or criterion.metric.is_resolved:
                return criterion
            if metric.definition != criterion.metric.definition:
                raise InvalidProblemError(
                    f"metric {metric.name!r} has changed since the problem was written; restore "
                    "its source, or state the problem anew"
                )
            return criterion.model_copy(update={"metric": metric})

        return self.model_copy(update={"criteria": tuple(map(resolved, self.criteria))})

    def __str__(self) -> str:
        lines = [f"{self.name} ({self.task}): {self.statement}"]
        lines += [f"  - {c} [{c.severity}]" for c in self.criteria]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        facts: list[tuple[str, Any]] = [
            ("Decision", self.decision or "-"),
            ("Owner", self.owner or "-"),
            (
                "Target",
                self.target if self.positive is None else f"{self.target} = {self.positive}",
            ),
            ("Known after", figure(self.label_delay.total_seconds(), "s")),
            ("Autonomy", type(self.autonomy).__name__),
        ]
        criteria = [(str(c), str(c.severity)) for c in self.criteria]
        return html_fragment(
            f"<p><b>{escape(self.name)}</b>: {escape(self.statement)}</p>"
            + html_table(("", ""), facts)
            + html_table(("Criterion", "Severity"), criteria)
        )


def _contradict(low: Criterion, high: Criterion) -> bool:
    if low.at_least is None or high.at_most is None:
        return False
    return low.at_least > high.at_most
