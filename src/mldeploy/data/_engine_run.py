"""Reducing a source on an engine, such that a part that failed is never left out of the whole."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeAlias, TypeVar, final

import polars as pl

from mldeploy.data._data_source import DataSource, SupportsParts
from mldeploy.data._dataset import Dataset
from mldeploy.data._engine import Engine, LocalEngine, PlacedReduction, Reduction
from mldeploy.data._source import TableLike
from mldeploy.data._sources import source_of
from mldeploy.errors import MLDeployError, PartFailedError

P = TypeVar("P")
R = TypeVar("R")


def reduce_source(
    source: DataSource | TableLike | Dataset,
    reduction: Reduction[P, R] | PlacedReduction[P, R],
    *,
    engine: Engine | None = None,
) -> R:
    """Answer a question about all rows of a source, part by part.

    Parameters
    ----------
    source : DataSource, or any table
        What is read; its parts are read at once if it has parts.
    reduction : Reduction or PlacedReduction
        What is asked.
    engine : Engine, optional
        Where it runs; threads of this process by default.

    Returns
    -------
    object
        What the reduction finishes with: the same on every engine.

    Raises
    ------
    MLDeployError
        What reading or mapping the first part that failed has raised; there is no partial
        answer.
    PartFailedError
        If that was another exception, which is named.

    Examples
    --------
    >>> from mldeploy.data import ProfileReduction
    >>> rows = pl.DataFrame({"carrier": ["UA", "AA", "UA"]})
    >>> reduce_source(rows, ProfileReduction())["carrier"].top(1)
    {'UA': 2}
    """
    whole = source_of(source)
    parts = _parts_of(whole)
    empty = pl.DataFrame(schema=whole.schema())
    outcome = (engine or LocalEngine()).map_merge(
        _ReadAndMap(reduction, empty), list(enumerate(parts)), _Merge(reduction)
    )
    if isinstance(outcome, _Failure):
        raise outcome.error
    return reduction.finish(outcome.value)


@final
@dataclass(frozen=True)
class _Value(Generic[P]):
    value: P


@final
@dataclass(frozen=True)
class _Failure:
    """The first part, in their order, that could not be had."""

    number: int
    error: MLDeployError


_Outcome: TypeAlias = _Value[P] | _Failure


@final
@dataclass(frozen=True)
class _ReadAndMap(Generic[P, R]):
    """Reads one part and maps its batches; what goes wrong is a result like any other."""

    reduction: Reduction[P, R] | PlacedReduction[P, R]
    empty: pl.DataFrame

    def __call__(self, numbered: tuple[int, DataSource]) -> _Outcome[P]:
        number, part = numbered
        try:
            return _Value(self._mapped(part, number))
        except MLDeployError as error:
            return _Failure(number, _portable(error, part.name))
        except Exception as error:  # noqa: BLE001 (it is raised again where it was asked for)
            return _Failure(number, PartFailedError(part.name, cause=_told(error)))

    def _mapped(self, part: DataSource, number: int) -> P:
        found: _Value[P] | None = None
        start = 0
        for batch in part.batches():
            value = self._map(batch, number, start)
            merged = value if found is None else self.reduction.merge(found.value, value)
            found, start = _Value(merged), start + batch.height
        return self._map(self.empty, number, 0) if found is None else found.value

    def _map(self, rows: pl.DataFrame, part: int, start: int) -> P:
        if isinstance(self.reduction, PlacedReduction):
            return self.reduction.map_at(rows, part, start)
        return self.reduction.map(rows)


@final
@dataclass(frozen=True)
class _Merge(Generic[P, R]):
    reduction: Reduction[P, R] | PlacedReduction[P, R]

    def __call__(self, one: _Outcome[P], other: _Outcome[P]) -> _Outcome[P]:
        if isinstance(one, _Failure):
            return min(one, other, key=_number) if isinstance(other, _Failure) else one
        if isinstance(other, _Failure):
            return other
        return _Value(self.reduction.merge(one.value, other.value))


def _number(failure: _Failure) -> int:
    return failure.number


def _parts_of(source: DataSource) -> Sequence[DataSource]:
    return (source.parts() if isinstance(source, SupportsParts) else None) or [source]


def _portable(error: MLDeployError, part: str) -> MLDeployError:
    """Return an error that another process can be told of."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 (our own, of a moment ago)
    except Exception as unfit:  # noqa: BLE001 (anything may go wrong in it)
        return PartFailedError(part, cause=f"{_told(error)} ({_told(unfit)})")
    return error


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
