"""Answers of two versions, cut into blocks of time that count as one observation each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

import polars as pl

CHAMPION, CANDIDATE, SHADOW = "champion", "candidate", "shadow"
"""Arms of the traffic, as the prediction log names them; answers of a shadow are never given."""


@dataclass(frozen=True, kw_only=True)
class Block:
    """The answers of both versions within one stretch of time."""

    champion: pl.DataFrame
    candidate: pl.DataFrame


def blocks_of(outcomes: pl.DataFrame, *, every: timedelta, min_rows: int) -> tuple[Block, ...]:
    """Cut answers into blocks of `every`, joined until each version has `min_rows` answers.

    Where a block ends depends on how many answers there are, never on what they are, so a mean
    over blocks is not biased. What remains at the end and is too short waits for more.
    """
    rows = _marked(outcomes, every)
    counts = (
        rows.group_by("block")
        .agg(
            (pl.col("arm") == CHAMPION).sum().alias(CHAMPION),
            (pl.col("arm") == CANDIDATE).sum().alias(CANDIDATE),
        )
        .sort("block")
    )
    number, champion, candidate, numbers = 0, 0, 0, []
    for theirs, ours in counts.select(CHAMPION, CANDIDATE).iter_rows():
        champion, candidate = champion + theirs, candidate + ours
        numbers.append(number)
        if min(champion, candidate) >= min_rows:
            number, champion, candidate = number + 1, 0, 0
    complete = counts.select("block").with_columns(pl.Series("number", numbers, dtype=pl.Int64))
    whole = rows.join(complete, on="block").filter(pl.col("number") < number)
    in_order = whole.sort("number", maintain_order=True)
    return tuple(
        Block(
            champion=part.filter(pl.col("arm") == CHAMPION),
            candidate=part.filter(pl.col("arm") == CANDIDATE),
        )
        for part in in_order.partition_by("number", maintain_order=True)
    )


def lone_blocks_of(
    outcomes: pl.DataFrame, *, every: timedelta, min_rows: int
) -> tuple[Block, ...]:
    """Cut the candidate's answers into blocks, where the champion gives none."""
    rows = _marked(outcomes, every).filter(pl.col("arm") == CANDIDATE).sort("time")
    nobody = rows.clear()
    blocks, pending = [], nobody
    for part in rows.partition_by("block", maintain_order=True):
        pending = pl.concat([pending, part])
        if pending.height >= min_rows:
            blocks.append(Block(champion=nobody, candidate=pending))
            pending = nobody
    return tuple(blocks)


def _marked(outcomes: pl.DataFrame, every: timedelta) -> pl.DataFrame:
    return outcomes.with_columns(
        pl.when(pl.col("arm") == CHAMPION)
        .then(pl.lit(CHAMPION))
        .otherwise(pl.lit(CANDIDATE))
        .alias("arm"),
        pl.col("error").is_not_null().alias("failed"),
        pl.col("time").dt.truncate(every).alias("block"),
    )
