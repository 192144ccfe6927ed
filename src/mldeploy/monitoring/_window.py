"""What a monitor looks at: a slice of time, and what it is judged by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import final

import polars as pl

from mldeploy.data import Profile
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import html_fragment, html_table
from mldeploy.model import Signature
from mldeploy.monitoring._summary import (
    MetricEstimate,
    WindowSummary,
    estimates_of,
    label_columns,
    summary_of,
)
from mldeploy.problem import Problem, ScoredRows
from mldeploy.serving import logged_name, scored_rows_of


@final
@dataclass(frozen=True, kw_only=True)
class Window:
    """What was asked and answered in a slice of time, with the labels known by now.

    Attributes
    ----------
    answers : polars.DataFrame
        Rows of the prediction log from `start` to `end`, with the columns ``label`` and
        ``label_time``, null where no label is known by `as_of`.
    start, end : datetime
        The slice of time: from `start` (included) to `end` (left out), with zone.
    as_of : datetime
        Now; labels that came later are not in `answers`.
    problem : Problem
        What the answers are for.
    signature : Signature
        What the model asks for and answers.
    rejected, dropped : int
        Requests that the schema refused, and answers that the log had to drop.
    """

    answers: pl.DataFrame
    start: datetime
    end: datetime
    as_of: datetime
    problem: Problem
    signature: Signature
    rejected: int = 0
    dropped: int = 0

    def __post_init__(self) -> None:
        if self.start >= self.end:
            raise InvalidDataError(f"the window is empty: it ends at {self.end} or before")
        if min(self.rejected, self.dropped) < 0:
            raise InvalidDataError(f"{self.rejected=} and {self.dropped=} are counts, at least 0")
        for column in ("time", "prediction", "error", "label"):
            if column not in self.answers.columns:
                raise InvalidDataError(f"the answers of a window need the column {column!r}")

    def __len__(self) -> int:
        return self.answers.height

    @cached_property
    def answered(self) -> pl.DataFrame:
        """The answers that did not fail."""
        return self.answers.filter(pl.col("error").is_null())

    @cached_property
    def matured(self) -> pl.DataFrame:
        """The answers old enough that their labels should be known, and are.

        Judging "the labels so far" would be biased: which labels come first is no accident.
        """
        old = pl.col("time") <= self.as_of - self.problem.label_delay
        return self.answered.filter(old & pl.col("label").is_not_null())

    @property
    def is_mature(self) -> bool:
        """Whether every label of the window should be known by now."""
        return self.end + self.problem.label_delay <= self.as_of

    def scored(self, *, columns: Sequence[str] = ()) -> ScoredRows:
        """Return the matured answers as rows that the judge understands."""
        return scored_rows_of(self.matured, self.problem, self.signature, columns=columns)

    @cached_property
    def labelled(self) -> ScoredRows:
        """The matured answers, with the columns that criteria are cut by, if they were logged."""
        logged = [c for c in label_columns(self.problem) if logged_name(c) in self.answers.columns]
        return self.scored(columns=logged)

    @cached_property
    def summary(self) -> WindowSummary:
        """The metrics of the matured answers; worth keeping once the window `is_mature`."""
        return summary_of(self.labelled, self.problem, start=self.start, end=self.end)

    @cached_property
    def profile(self) -> Profile:
        """Profile of the features and of the model's answers."""
        return profile_of(self.answered, self.signature)

    def _repr_html_(self) -> str:
        labelled = self.answers["label"].count()
        facts = [
            ("from", self.start.isoformat()),
            ("to", self.end.isoformat()),
            ("answers", f"{len(self):,}"),
            ("with labels", f"{labelled:,}"),
            ("mature", "yes" if self.is_mature else "not yet"),
        ]
        return html_fragment(html_table(("Window", ""), facts))


@final
@dataclass(frozen=True, kw_only=True)
class Reference:
    """What a window is judged by.

    Attributes
    ----------
    profile : Profile
        Of the features and of the model's answers, on rows from before the deployment.
    scored : ScoredRows
        The rows on which the model was validated, with what it answered.
    history : tuple of Profile
        Profiles of past ordinary windows, of the same length as the one to be judged, oldest
        first. With about six or more, drift is judged by the reference's own past.
    past : tuple of ScoredRows
        Matured answers of the last windows, oldest first: criteria are judged on them and the
        window together. See `after`.
    summaries : tuple of WindowSummary
        Of *all* matured windows since the model was promoted, oldest first: a slow decay shows
        over many windows, not in one.
    validated : tuple of MetricEstimate
        The criteria's metrics on `scored`, so that they are measured once and not with every
        window; empty to have them measured. See `Reference.of`.
    """

    profile: Profile
    scored: ScoredRows
    history: tuple[Profile, ...] = field(default=())
    past: tuple[ScoredRows, ...] = field(default=())
    summaries: tuple[WindowSummary, ...] = field(default=())
    validated: tuple[MetricEstimate, ...] = field(default=())

    @classmethod
    def of(
        cls,
        profile: Profile,
        scored: ScoredRows,
        problem: Problem,
        *,
        history: Sequence[Profile] = (),
    ) -> Reference:
        """Return the reference of a model that has just been promoted.

        Parameters
        ----------
        profile, scored : Profile, ScoredRows
            See the attributes.
        problem : Problem
            Whose criteria were judged on `scored`.
        history : sequence of Profile
            See the attributes.
        """
        validated = estimates_of(scored, problem)
        return cls(profile=profile, scored=scored, history=tuple(history), validated=validated)

    def after(self, window: Window, *, keep: int = 27) -> Reference:
        """Return the reference for what comes after a matured window.

        Its labelled rows and its summary are added; `history` is not, since only people can
        tell whether a window was ordinary.

        Parameters
        ----------
        window : Window
            One whose labels have matured, later than those before.
        keep : int, default=27
            Windows of labelled rows to keep; summaries are all kept.

        Raises
        ------
        InvalidDataError
            If the window is not mature, or not later than the last.
        """
        if not window.is_mature:
            raise InvalidDataError(
                f"labels of the window up to {window.end} are due until "
                f"{window.end + window.problem.label_delay}; keep it once they have matured"
            )
        if self.summaries and window.start < self.summaries[-1].end:
            raise InvalidDataError(
                f"the window from {window.start} overlaps one that ends at "
                f"{self.summaries[-1].end}; add windows in order, each once"
            )
        past = (*self.past, window.labelled) if len(window.labelled) else self.past
        return replace(
            self,
            past=past[len(past) - keep :] if len(past) > keep else past,
            summaries=(*self.summaries, window.summary),
        )

    def validated_on(self, problem: Problem) -> tuple[MetricEstimate, ...]:
        """Return `validated`, measured now if it was not given."""
        return self.validated or estimates_of(self.scored, problem)


def profile_of(answers: pl.DataFrame, signature: Signature) -> Profile:
    """Return the profile of features, and of answers as ``model.prediction`` and ``.score``.

    A column that is null throughout, and so of no type, has the type of the signature.

    Parameters
    ----------
    answers : polars.DataFrame
        Rows of the prediction log; columns that are not there are left out.
    signature : Signature
        Which columns are features.
    """
    features = [
        _typed(pl.col(logged_name(c.name)), answers.schema[logged_name(c.name)], c.dtype)
        .alias(c.name)
        for c in signature.inputs.columns
        if logged_name(c.name) in answers.columns
    ]  # fmt: skip
    outputs = [
        pl.col(c).alias(f"model.{c}")
        for c in ("prediction", "score")
        if c in answers.columns
        and not answers.schema[c].is_nested()
        and answers.schema[c] != pl.Null
    ]
    return Profile.of(answers.select(*features, *outputs))


def _typed(column: pl.Expr, dtype: pl.DataType, wanted: pl.DataType) -> pl.Expr:
    return column.cast(wanted) if dtype == pl.Null else column
