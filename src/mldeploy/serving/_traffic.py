"""Which version answers which request."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeAlias, TypeVar, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.errors import InvalidDataError, InvalidRowsError, MLDeployError, NotFoundError
from mldeploy.model import Signature
from mldeploy.serving._answers import Answer, Answered, Answers
from mldeploy.serving._counts import Counter, Counts
from mldeploy.serving._predictor import Predictor
from mldeploy.serving._request import Asked, Keys, Rows, Times, key_of

Later: TypeAlias = Callable[[Callable[[], object]], object]
"""Takes a piece of work for which nobody waits."""

Anything = TypeVar("Anything")


@final
@dataclass(frozen=True)
class Split:
    """Who answers: swapped as one reference, so that no request sees half a change."""

    champion: Predictor
    candidate: Predictor | None = None
    share: float = 0.0
    is_shadow: bool = False


def _at_once(work: Callable[[], object]) -> object:
    return work()


@final
class Traffic:
    """One version that answers, or two that share the requests.

    Requests with a key are assigned by its hash, so that one key always meets the same version
    and, as the share grows, keys only ever move from the champion to the candidate. It depends on
    the key and the candidate alone: all processes agree on it, and so does the next start.

    Changes are atomic: a request that has begun ends with the version that it began with.

    Parameters
    ----------
    champion : Predictor
        What answers.
    random_state : int, default=0
        Seed of the assignment of requests without a key.
    later : callable, optional
        Runs a shadow's part of the work; by default the caller waits for it.
    """

    def __init__(
        self, champion: Predictor, *, random_state: int = 0, later: Later = _at_once
    ) -> None:
        self._split = Split(champion)
        self._counters: list[Counter] = [champion.counter]
        self._refused = Counter()
        self._random = random.Random(random_state)  # noqa: S311 - an assignment, not a secret
        self._later = later

    # --- who answers ----------------------------------------------------------------------

    @property
    def champion(self) -> Predictor:
        """What answers, unless a candidate does."""
        return self._split.champion

    @property
    def candidate(self) -> Predictor | None:
        """What is on its way."""
        return self._split.candidate

    @property
    def share(self) -> float:
        """Share of the requests that the candidate answers, in [0, 1]."""
        return self._split.share

    @property
    def is_shadow(self) -> bool:
        """Whether the candidate's answers are only written down."""
        return self._split.is_shadow

    @property
    def signature(self) -> Signature:
        """What goes in and what comes out."""
        return self._split.champion.model.signature

    @property
    def is_compiled(self) -> bool:
        """Whether compiled models give all the answers."""
        split = self._split
        return split.champion.is_compiled and (
            split.candidate is None or split.candidate.is_compiled
        )

    @property
    def version(self) -> str:
        """Label of the champion."""
        return self._split.champion.version

    def now(self) -> Split:
        """Return who answers at this moment, as one value that does not change."""
        return self._split

    def serve(self, champion: Predictor) -> None:
        """Let one version answer everything from now on."""
        self._note(champion)
        self._split = Split(champion)

    def split(
        self,
        champion: Predictor,
        candidate: Predictor,
        *,
        share: float,
        is_shadow: bool = False,
    ) -> None:
        """Let two versions share the requests from now on.

        Parameters
        ----------
        champion, candidate : Predictor
            The two.
        share : float
            Share of the candidate, in [0, 1].
        is_shadow : bool, default=False
            Let the champion answer everything; what the candidate says is only written down.
        """
        if not 0 <= share <= 1:
            raise ValueError(f"{share=} is no share; pass a number from 0 to 1")
        self._note(champion, candidate)
        self._split = Split(champion, candidate, share, is_shadow)

    @property
    def counts(self) -> Counts:
        """Rows answered, refused and failed so far, by all versions that ever served."""
        return sum((counter.counts for counter in self._counters), self._refused.counts)

    # --- answering ------------------------------------------------------------------------

    def predict(
        self,
        row: Mapping[str, object],
        *,
        key: str | int | None = None,
        time: datetime | None = None,
    ) -> Answer:
        """Answer one row; see `Predictor.predict`."""
        return self._one(key, lambda predictor: predictor.predict(row, key=key, time=time))

    def uncertain(self, answer: Answer) -> Answer:
        """Return an answer with what its version cannot rule out; see `Predictor.uncertain`.

        Raises
        ------
        NotFoundError
            If that version was registered without sets or intervals, or serves no more.
        """
        split = self._split
        for predictor in (split.champion, split.candidate):
            if predictor is not None and predictor.version == answer.version:
                return predictor.uncertain(answer)
        raise NotFoundError(f"version {answer.version} serves no more; ask again")

    def predict_values(
        self,
        values: Sequence[object],
        *,
        key: str | int | None = None,
        time: datetime | None = None,
        order: tuple[str, ...] | None = None,
    ) -> Answered:
        """Answer one row in the order of the champion's features, or of `order`.

        See `Predictor.predict_values`.
        """
        split = self._split
        if split.candidate is None:
            return split.champion.predict_values(values, key=key, time=time, order=order)
        known = split.champion.signature.features if order is None else order
        return self._one(key, lambda p: p.predict_values(values, key=key, time=time, order=known))

    def predict_frame(
        self, rows: Rows, *, keys: Keys | None = None, times: Times | None = None
    ) -> Answers:
        """Answer many rows, each by the version that the traffic gives it to.

        See `Predictor.predict_frame`; if one version refuses a row, no row is answered.
        """
        split = self._split
        champion, candidate = split.champion, split.candidate
        if candidate is None:
            return champion.predict_frame(rows, keys=keys, times=times)
        if split.is_shadow:
            answers = champion.predict_frame(rows, keys=keys, times=times)
            self._later(
                lambda: _quietly(lambda: candidate.predict_frame(rows, keys=keys, times=times))
            )
            return answers
        to_candidate = self._positions(candidate, rows, keys, times) < split.share
        if to_candidate.all() or not to_candidate.any():
            only = candidate if to_candidate.any() else champion
            return only.predict_frame(rows, keys=keys, times=times)
        arms = [
            (np.flatnonzero(~to_candidate), champion),
            (np.flatnonzero(to_candidate), candidate),
        ]
        try:
            for chosen, predictor in arms:
                _refuse_misfits(_rows(rows, chosen), chosen, predictor)
        except InvalidDataError:
            self._refused.add(rejected=len(rows))
            raise
        parts = [
            (
                chosen,
                predictor.predict_frame(
                    _rows(rows, chosen), keys=_at(keys, chosen), times=_at(times, chosen)
                ),
            )
            for chosen, predictor in arms
        ]
        return Answers.interleave(parts)

    def predict_each(self, asked: Sequence[Asked]) -> list[Answered | MLDeployError]:
        """Answer rows of different callers, each by its version; see `Predictor.predict_each`."""
        split = self._split
        champion, candidate = split.champion, split.candidate
        if candidate is None:
            return champion.predict_each(asked)
        if split.is_shadow:
            outcomes = champion.predict_each(asked)
            self._later(lambda: _quietly(lambda: candidate.predict_each(asked)))
            return outcomes
        chosen = [self._is_for(candidate, one.key, split.share) for one in asked]
        parts = {
            predictor: iter(predictor.predict_each(mine))
            for predictor, is_mine in ((champion, False), (candidate, True))
            if (mine := [one for one, c in zip(asked, chosen, strict=True) if c is is_mine])
        }
        return [next(parts[candidate if c else champion]) for c in chosen]

    def _is_for(self, candidate: Predictor, key: object, share: float) -> bool:
        try:
            return self._position(key, candidate) < share
        except InvalidDataError:
            return False  # the champion refuses it in its own words

    def _one(self, key: str | int | None, ask: Callable[[Predictor], Anything]) -> Anything:
        split = self._split
        champion, candidate = split.champion, split.candidate
        if candidate is None:
            return ask(champion)
        if split.is_shadow:
            answer = ask(champion)
            self._later(lambda: _quietly(lambda: ask(candidate)))
            return answer
        return ask(candidate if self._position(key, candidate) < split.share else champion)

    def _positions(
        self, candidate: Predictor, rows: Rows, keys: Any, times: Any
    ) -> npt.NDArray[np.float64]:
        n_rows = len(rows)
        for what, values in (("keys", keys), ("times", times)):
            if values is None or isinstance(values, datetime) or len(values) == n_rows:
                continue
            self._refused.add(rejected=n_rows)
            raise InvalidDataError(
                f"{what}= has {len(values)} values for {n_rows} rows; pass one for each"
            )
        given = keys if keys is not None else [None] * n_rows
        return np.array([self._position(key, candidate) for key in given], dtype=float)

    def _position(self, key: object, candidate: Predictor) -> float:
        """Return where a key stands in [0, 1); without a key, anywhere."""
        text = None if key is None else key_of(key)
        if text is None:
            return self._random.random()
        return place_of(text, candidate.version)

    def _note(self, *predictors: Predictor) -> None:
        known = set(map(id, self._counters))
        self._counters += [p.counter for p in predictors if id(p.counter) not in known]


def place_of(key: str, version: str) -> float:
    """Return where a key stands in [0, 1): a candidate has those below its share."""
    digest = hashlib.blake2b(f"{version}/{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2.0**64


def _quietly(answer: Callable[[], object]) -> None:
    """Let a shadow answer; whatever goes wrong there is logged, and nobody waits for it."""
    try:
        answer()
    except Exception:  # noqa: BLE001 - a shadow must not break what serves; the log counts it
        return


def _refuse_misfits(part: Any, rows: npt.NDArray[np.int64], predictor: Predictor) -> None:
    """Refuse a call of which one arm cannot answer its rows before the other has answered."""
    schema = predictor.model.signature.inputs
    if isinstance(part, list | tuple):
        _, errors = schema.parse_rows(part)
    else:
        from mldeploy.data import to_polars  # noqa: PLC0415 - a server needs no pandas

        chosen = [name for name in schema.names if name in set(part.columns)]
        errors = schema.check(to_polars(part[chosen]))
    if errors:
        raise InvalidRowsError([replace(e, row=int(rows[e.row])) for e in errors])


def _rows(rows: Any, chosen: npt.NDArray[np.int64]) -> Any:
    if isinstance(rows, pl.DataFrame):
        return rows[chosen]
    if isinstance(rows, list | tuple):
        return [rows[i] for i in chosen]
    return rows.take(chosen) if hasattr(rows, "roles") else rows.iloc[chosen]


def _at(values: Any, chosen: npt.NDArray[np.int64]) -> Any:
    if values is None or isinstance(values, datetime):
        return values
    if hasattr(values, "iloc"):
        return values.iloc[chosen]
    if isinstance(values, np.ndarray | pl.Series):
        return values[chosen]
    return [values[i] for i in chosen]
