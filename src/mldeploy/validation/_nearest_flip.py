"""The smallest change of a row's numbers that turns its decision, searched for on purpose."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, final

import numpy as np
import numpy.typing as npt
import pandas as pd

from mldeploy.model import Model
from mldeploy.validation._probes import like, numbers_in, spread_of

Array: TypeAlias = npt.NDArray[Any]
_SIZES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_N_RANDOM = 8


@final
@dataclass(frozen=True, kw_only=True)
class Flips:
    """How far each row is from another decision.

    Attributes
    ----------
    distance : ndarray of shape (n_rows,)
        The largest change of any number, in standard deviations of its column; infinite where
        no change that was tried turned the decision.
    columns : dict of str to int
        In how many rows a column alone was enough.
    """

    distance: Array
    columns: dict[str, int]


def nearest_flips(model: Model, X: pd.DataFrame, *, rng: np.random.Generator) -> Flips | None:
    """Search each row for the nearest change that turns its decision; None without numbers.

    At each size every number is moved alone, up and down. The moves that brought the score
    nearest to another decision are then made together, and so are moves in random directions.
    """
    spreads = {name: s for name in numbers_in(X) if (s := spread_of(X[name])) > 0}
    if not spreads:
        return None
    decided, distance = np.asarray(model.predict(X)), np.full(len(X), np.inf)
    alone: dict[str, int] = {}
    for size in _SIZES:
        left = np.flatnonzero(np.isinf(distance))
        if not left.size:
            break
        rows = X.iloc[left]
        turned, signs = _one_by_one(model, rows, decided[left], spreads, size, alone)
        random = [
            {name: rng.choice([-1.0, 1.0], len(rows)) for name in spreads}
            for _ in range(_N_RANDOM)
        ]
        turned |= _together(model, rows, decided[left], spreads, size, [signs, *random])
        distance[left[turned]] = size
    return Flips(distance=distance, columns=alone)


def _one_by_one(
    model: Model,
    rows: pd.DataFrame,
    decided: Array,
    spreads: dict[str, float],
    size: float,
    alone: dict[str, int],
) -> tuple[Array, dict[str, Array]]:
    names = list(spreads)
    moves = [(name, sign) for name in names for sign in (-1.0, 1.0)]
    tried = pd.concat(
        [
            rows.assign(**{name: like(rows[name] + sign * size * spreads[name], rows[name])})
            for name, sign in moves
        ]
    )
    answers = np.asarray(model.predict(tried)).reshape(len(moves), len(rows))
    turned = answers != decided
    for (name, _), hit in zip(moves, turned, strict=True):
        if hit.any():
            alone[name] = alone.get(name, 0) + int(hit.sum())
    doubt = _doubt(model, tried, np.tile(decided, len(moves))).reshape(len(moves), len(rows))
    up = doubt[1::2] >= doubt[::2]
    signs = {name: np.where(up[i], 1.0, -1.0) for i, name in enumerate(names)}
    return turned.any(axis=0), signs


def _together(
    model: Model,
    rows: pd.DataFrame,
    decided: Array,
    spreads: dict[str, float],
    size: float,
    directions: Sequence[dict[str, Array]],
) -> Array:
    tried = pd.concat(
        [
            rows.assign(
                **{
                    name: like(rows[name] + signs[name] * size * spread, rows[name])
                    for name, spread in spreads.items()
                }
            )
            for signs in directions
        ]
    )
    answers = np.asarray(model.predict(tried)).reshape(len(directions), len(rows))
    return np.asarray((answers != decided).any(axis=0))


def _doubt(model: Model, rows: pd.DataFrame, decided: Array) -> Array:
    """Return how near each answer is to another decision than the given one."""
    scores = model.score(rows)
    if scores is None:
        return np.zeros(len(rows))
    if scores.ndim == 1:
        return np.where(decided == model.signature.positive, -scores, scores)
    place = {label: i for i, label in enumerate(model.signature.classes)}
    own = np.array([place.get(label, 0) for label in decided.tolist()])
    return np.asarray(-scores[np.arange(len(rows)), own])
