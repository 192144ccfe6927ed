"""What is compared between two versions, block by block."""

from __future__ import annotations

import abc
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
from typing_extensions import override

from mldeploy.deployment._blocks import Block
from mldeploy.errors import NotMeasurableError
from mldeploy.model import Signature
from mldeploy.problem import Criterion, MetricKind, Problem, point_value
from mldeploy.serving import scored_rows_of

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Stream(abc.ABC):
    """One number a block: by how much the candidate is worse than the champion."""

    name: str
    margin: float
    unit: str = ""
    criterion: str | None = None
    may_be_better: bool = False
    """Whether being better in it is a reason to prefer a version."""

    def differences(self, blocks: Sequence[Block]) -> Floats:
        """Return the number of each block that has one, in order."""
        values = (self._difference(block) for block in blocks)
        return np.array([v for v in values if v is not None and math.isfinite(v)], dtype=float)

    def min_sd(self, min_rows: int) -> float:
        """Return the smallest standard deviation of a block's number to believe."""
        return 0.5 / min_rows

    @abc.abstractmethod
    def _difference(self, block: Block) -> float | None: ...


@dataclass(frozen=True, kw_only=True)
class _Failures(Stream):
    @override
    def _difference(self, block: Block) -> float | None:
        return _mean(block.candidate["failed"]) - _mean(block.champion["failed"])


@dataclass(frozen=True, kw_only=True)
class _Slow(Stream):
    """Share of answers slower than a latency criterion's bound."""

    bound: float

    @override
    def _difference(self, block: Block) -> float | None:
        ours, theirs = block.candidate["latency_s"], block.champion["latency_s"]
        return _mean(ours > self.bound) - _mean(theirs > self.bound)


@dataclass(frozen=True, kw_only=True)
class _Quality(Stream):
    """Loss of a quality metric, on the answers whose labels are known."""

    of: Criterion
    problem: Problem
    signature: Signature

    @override
    def _difference(self, block: Block) -> float | None:
        values = [self._value(arm) for arm in (block.champion, block.candidate)]
        if values[0] is None or values[1] is None:
            return None
        loss = values[0] - values[1]
        return loss if self.of.metric.higher_is_better else -loss

    def _value(self, answers: pl.DataFrame) -> float | None:
        known = answers.filter(pl.col("label").is_not_null() & ~pl.col("failed"))
        if known.is_empty():
            return None
        where = self.of.where
        columns = () if where is None else (where.column,)
        rows = scored_rows_of(known, self.problem, self.signature, columns=columns)
        if where is not None:
            rows = rows.take(where.mask(rows.columns))
        try:
            return point_value(self.of.metric, rows)
        except NotMeasurableError:
            return None


def streams_of(
    problem: Problem, signature: Signature, *, failure_margin: float, quality_margin: float
) -> tuple[Stream, ...]:
    """Return what the criteria of a problem want compared."""
    failures: Stream = _Failures(name="failure_share", margin=failure_margin)
    return (failures, *_asked(problem, signature, quality_margin))


def _asked(problem: Problem, signature: Signature, quality_margin: float) -> Iterator[Stream]:
    seen: set[str] = set()
    for criterion in problem.criteria:
        metric = criterion.metric
        if criterion.slices or metric.name in seen:
            continue
        facts: dict[str, Any] = {"name": metric.name, "criterion": criterion.digest}
        if metric.quantile is not None and criterion.at_most is not None:
            seen.add(metric.name)
            margin = 1 - metric.quantile
            yield _Slow(**facts, margin=margin, bound=criterion.at_most)
        elif metric.kind in {MetricKind.QUALITY, MetricKind.BUSINESS}:
            seen.add(metric.name)
            champion = "champion" in {criterion.better_than, criterion.not_worse_than}
            yield _Quality(
                **facts,
                margin=criterion.by if champion else quality_margin,
                unit=metric.unit,
                may_be_better=True,
                of=criterion,
                problem=problem,
                signature=signature,
            )


def _mean(values: pl.Series) -> float:
    mean = values.mean()
    return float(mean) if isinstance(mean, int | float) else 0.0
