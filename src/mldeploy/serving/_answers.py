"""What a predictor answers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, NamedTuple, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy._record import Record
from mldeploy.evidence import escape, figure, html_fragment, html_table
from mldeploy.problem import Route

Array = npt.NDArray[Any]
_SHOWN = 10
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@final
class Answer(Record):
    """The answer for one row.

    Attributes
    ----------
    id : str
        Identifier of the prediction, by which its label is recorded later.
    version : str
        Which version answered.
    prediction : bool, int, float or str
        The decision, in the labels' own values.
    score : float or tuple of float, optional
        Probability of the positive class, or of each class in the signature's order.
    route : Route
        Who decides: the model, a person, or a person whom the model advises.
    key : str, optional
        What the row is about.
    time : datetime
        When it was asked, in UTC.
    prediction_set : tuple of bool, int or str, optional
        The labels that cannot be ruled out; only where it was asked for.
    interval : tuple of two floats, optional
        The numbers that cannot be ruled out, from and to; only where it was asked for.
    """

    id: str
    version: str
    prediction: bool | int | float | str
    score: float | tuple[float, ...] | None
    route: Route
    key: str | None
    time: datetime
    prediction_set: tuple[bool | int | str, ...] | None = None
    interval: tuple[float, float] | None = None

    def _repr_html_(self) -> str:
        facts = [
            ("prediction", self.prediction),
            ("score", "-" if self.score is None else _score_text(self.score)),
            ("decided by", _DECIDES[self.route]),
            ("version", self.version),
            ("key", self.key or "-"),
            ("time", self.time.isoformat(timespec="seconds")),
            ("id", self.id),
        ]
        if self.prediction_set is not None:
            facts.insert(2, ("not ruled out", ", ".join(map(str, self.prediction_set))))
        if self.interval is not None:
            facts.insert(2, ("not ruled out", " to ".join(map(figure, self.interval))))
        return html_fragment(html_table(("Answer", ""), facts))


@final
class Answered(NamedTuple):
    """An answer as plain attributes: what an `Answer` is before anybody looks at it.

    `time` counts microseconds since 1970 in UTC, and `route` is the route's text.
    """

    id: str
    version: str
    prediction: Any
    score: Any
    route: str
    key: str | None
    time: int

    def answer(self) -> Answer:
        """Return the record."""
        return Answer.model_construct(
            id=self.id,
            version=self.version,
            prediction=self.prediction,
            score=self.score,
            route=Route(self.route),
            key=self.key,
            time=_EPOCH + timedelta(microseconds=self.time),
            prediction_set=None,
            interval=None,
        )


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Answers:
    """The answers for many rows, column by column, in the order of the rows.

    Attributes
    ----------
    versions : sequence of str, length n_rows
        Which version answered; more than one during a rollout.
    ids : sequence of str, length n_rows
        Identifiers of the predictions.
    keys : sequence of str or None, length n_rows, optional
        What each row is about.
    times : ndarray of shape (n_rows,), datetime64[us], UTC
        When each was asked.
    predictions : ndarray of shape (n_rows,)
        The decisions, in the labels' own values.
    scores : ndarray of shape (n_rows,) or (n_rows, n_classes), optional
        Probability of the positive class, or of each class.
    routes : ndarray of shape (n_rows,)
        Who decides on each answer: ``automatic``, ``review`` or ``advice``.
    latency_s : ndarray of shape (n_rows,)
        Seconds; the rows of one call share its time equally.
    """

    versions: Sequence[str]
    ids: Sequence[str]
    keys: Sequence[str | None] | None
    times: npt.NDArray[np.datetime64]
    predictions: Array
    scores: Array | None
    routes: npt.NDArray[np.str_]
    latency_s: Array

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, row: int) -> Answer:
        return self.answered(row).answer()

    def answered(self, row: int) -> Answered:
        """Return one answer as plain attributes."""
        score = None if self.scores is None else self.scores[row].tolist()
        prediction = self.predictions[row]
        return Answered(
            id=self.ids[row],
            version=self.versions[row],
            prediction=prediction.item() if isinstance(prediction, np.generic) else prediction,
            score=tuple(score) if isinstance(score, list) else score,
            route=str(self.routes[row]),
            key=None if self.keys is None else self.keys[row],
            time=int(self.times[row].astype("datetime64[us]").astype(np.int64)),
        )

    def __iter__(self) -> Iterator[Answer]:
        return (self[row] for row in range(len(self)))

    def to_frame(self) -> pl.DataFrame:
        """Return columns prediction_id, key, time, prediction, score, route and version."""
        n_rows, scores = len(self), self.scores
        values = [None] * n_rows if scores is None else scores.tolist()
        score = pl.List(pl.Float64) if scores is not None and scores.ndim == 2 else pl.Float64()
        return pl.DataFrame(
            {
                "prediction_id": pl.Series(list(self.ids), dtype=pl.String),
                "key": pl.Series(self.keys or [None] * n_rows, dtype=pl.String),
                "time": pl.Series(self.times).dt.replace_time_zone("UTC"),
                "prediction": pl.Series(self.predictions.tolist()),
                "score": pl.Series(values, dtype=score),
                "route": pl.Series(self.routes.tolist(), dtype=pl.String),
                "version": pl.Series(list(self.versions), dtype=pl.String),
            }
        )

    @classmethod
    def interleave(cls, parts: Sequence[tuple[npt.NDArray[np.int64], Answers]]) -> Answers:
        """Return the answers to parts of one call in the order of its rows.

        Parameters
        ----------
        parts : sequence of (ndarray of shape (n_part,), Answers)
            Positions of the rows, each in one part, and their answers.
        """
        order = np.argsort(np.concatenate([rows for rows, _ in parts]), kind="stable")
        answers = [part for _, part in parts]

        def joined(arrays: Sequence[Array]) -> Array:
            return np.concatenate(arrays)[order]

        def listed(columns: Sequence[Sequence[Any]]) -> list[Any]:
            flat = [value for column in columns for value in column]
            return [flat[i] for i in order]

        keys = [a.keys for a in answers if a.keys is not None]
        scores = [a.scores for a in answers if a.scores is not None]
        return cls(
            versions=listed([a.versions for a in answers]),
            ids=listed([a.ids for a in answers]),
            keys=listed(keys) if len(keys) == len(answers) else None,
            times=joined([a.times for a in answers]),
            predictions=joined([a.predictions for a in answers]),
            scores=joined(scores) if len(scores) == len(answers) else None,
            routes=joined([a.routes for a in answers]),
            latency_s=joined([a.latency_s for a in answers]),
        )

    def _repr_html_(self) -> str:
        routes, counts = np.unique(self.routes, return_counts=True)
        shares = ", ".join(
            f"{n:,} {_DECIDES[Route(str(route))]}" for route, n in zip(routes, counts, strict=True)
        )
        rows = [
            (
                *(a.key or "-", a.prediction, "-" if a.score is None else _score_text(a.score)),
                *(a.route, a.time.isoformat(timespec="seconds"), a.id),
            )
            for a in (self[row] for row in range(min(_SHOWN, len(self))))
        ]
        by = ", ".join(sorted(set(self.versions)))
        more = f"<p>and {len(self) - _SHOWN:,} more</p>" if len(self) > _SHOWN else ""
        return html_fragment(
            f"<p><b>{len(self):,} answers</b> by {escape(by)}: {escape(shares)}</p>"
            + html_table(("Key", "Prediction", "Score", "Route", "Time", "Id"), rows)
            + more
        )


_DECIDES = {
    Route.AUTOMATIC: "decided by the model",
    Route.REVIEW: "for a person to decide",
    Route.ADVICE: "as advice to a person",
}


def _score_text(score: float | tuple[float, ...]) -> str:
    return ", ".join(map(figure, score)) if isinstance(score, tuple) else figure(score)
