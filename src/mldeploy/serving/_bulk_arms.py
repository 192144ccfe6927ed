"""Which version scores which row of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy._record import digest_of
from mldeploy.errors import PredictionFailedError
from mldeploy.problem import Route, Routing
from mldeploy.serving._counts import Counter
from mldeploy.serving._predictor import Predictor
from mldeploy.serving._traffic import Traffic, place_of

if TYPE_CHECKING:
    from mldeploy.data import Schema
    from mldeploy.model import CompiledModel, Model

Array = npt.NDArray[Any]
Scorer = Callable[[pl.DataFrame], tuple[Array, Array | None]]

_ROWS_AT_ONCE: Final = 20_000
"""Rows that an estimator of scikit-learn is given at once, so that its work tables stay small."""

_ADVICE: Final = Routing(certain=Route.ADVICE, uncertain=Route.ADVICE)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Arm:
    """One version, and the part of the rows that it has.

    Attributes
    ----------
    model : Model or CompiledModel
        What answers.
    version : str
        Label of the version.
    name : str
        Which part of the traffic it is, as the log names it.
    counter : Counter
        Counts the rows that it answered and refused.
    """

    model: Model | CompiledModel
    version: str
    name: str = "champion"
    counter: Counter = field(default_factory=Counter)

    @cached_property
    def _many(self) -> Scorer:
        return _scorer_of(self.model)

    def answer(self, accepted: pl.DataFrame) -> tuple[Array, Array | None, Array]:
        """Return decisions, scores and routes of rows that its schema has accepted.

        Raises
        ------
        PredictionFailedError
            If the model raised.
        """
        try:
            predictions, scores = self._many(accepted)
        except Exception as error:
            raise PredictionFailedError(
                f"version {self.version} accepted {accepted.height} rows and then raised "
                f"{type(error).__name__}: {error}"
            ) from error
        told = scores if self.model.signature.probabilistic else None
        routes = (self.model.routing or _ADVICE).route(told, n_rows=accepted.height)
        return predictions, scores, routes


def _scorer_of(model: Any) -> Scorer:
    if hasattr(model, "score_frame"):
        compiled: Scorer = model.score_frame
        return compiled
    from mldeploy.serving._original import OriginalBackend  # noqa: PLC0415 - loads scikit-learn

    many = OriginalBackend(model).many

    def in_slices(frame: pl.DataFrame) -> tuple[Array, Array | None]:
        parts = [many(part) for part in frame.iter_slices(_ROWS_AT_ONCE)]
        scores = [scores for _, scores in parts if scores is not None]
        return np.concatenate([p for p, _ in parts]), np.concatenate(scores) if scores else None

    return in_slices


def _arm(predictor: Predictor) -> Arm:
    return Arm(
        model=predictor.model,
        version=predictor.version,
        name=predictor.arm,
        counter=predictor.counter,
    )


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Arms:
    """The versions that share the rows of one job, as they were when it began."""

    champion: Arm
    candidate: Arm | None = None
    share: float = 0.0
    is_shadow: bool = False

    @classmethod
    def of(cls, by: Model | CompiledModel | Traffic, *, version: str) -> Self:
        """Return what a model, or the traffic of a deployment, means for the rows of a table."""
        if not isinstance(by, Traffic):
            return cls(champion=Arm(model=by, version=version or by.digest[:12]))
        now = by.now()
        return cls(
            champion=_arm(now.champion),
            candidate=None if now.candidate is None else _arm(now.candidate),
            share=now.share,
            is_shadow=now.is_shadow,
        )

    @property
    def _all(self) -> list[Arm]:
        return [arm for arm in (self.champion, self.candidate) if arm is not None]

    @property
    def versions(self) -> tuple[str, ...]:
        """Labels of the versions whose answers are given."""
        given = self._all[:1] if self.is_shadow else self._all
        return tuple(arm.version for arm in given)

    @property
    def schemas(self) -> tuple[Schema, ...]:
        """What is asked of the rows."""
        return tuple(arm.model.signature.inputs for arm in self._all)

    @property
    def digest(self) -> str:
        """Tells two ways to answer rows apart."""
        facts = [(arm.version, arm.model.digest, arm.name) for arm in self._all]
        return digest_of([facts, self.share, self.is_shadow])

    def count(self, answers: pl.DataFrame, *, refused: int) -> None:
        """Add rows to the counts of the versions that answered them."""
        if len(self.versions) == 1:
            self.champion.counter.add(accepted=answers.height, rejected=refused)
            return
        self.champion.counter.add(rejected=refused)
        for arm in self._all:
            n_rows = int((answers["version"] == arm.version).sum())
            arm.counter.add(accepted=n_rows)

    def split(self, keys: Sequence[str]) -> list[tuple[Arm, npt.NDArray[np.int64] | None]]:
        """Return who answers which rows; None stands for all of them.

        Parameters
        ----------
        keys : sequence of str, length n_rows
            What each row is about; a row without a key has something of its own.
        """
        if self.candidate is None or self.is_shadow:
            return [(self.champion, None)]
        version = self.candidate.version
        places = np.array([place_of(key, version) for key in keys])
        theirs = places < self.share
        parts = [(self.champion, ~theirs), (self.candidate, theirs)]
        return [(arm, np.flatnonzero(rows)) for arm, rows in parts if rows.any()]
