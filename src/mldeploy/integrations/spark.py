"""Spark: parts of a table as a job of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar, final

from mldeploy.errors import MissingExtraError

try:
    from pyspark.sql import SparkSession
except ImportError as error:
    raise MissingExtraError("mldeploy.integrations.spark", extra="spark") from error

T = TypeVar("T")
P = TypeVar("P")

_DEPTH: Final = 2

__all__ = ["SparkEngine"]


@final
@dataclass(frozen=True, kw_only=True)
class SparkEngine:
    """Runs as a job of a Spark session, one task for each part, merged in a tree.

    The executors need mldeploy in the Python that ``PYSPARK_PYTHON`` names; where that is not
    set, Spark takes the ``python3`` of the path, not the one that runs this.

    Attributes
    ----------
    session : pyspark.sql.SparkSession
        A session that drives the cluster itself (Spark Connect has no such jobs); whoever made
        it stops it. The executors reach the files by the same paths.
    """

    session: SparkSession

    def map_merge(
        self, function: Callable[[T], P], parts: Sequence[T], merge: Callable[[P, P], P]
    ) -> P:
        """Return the merged results of a function on each part; see `mldeploy.data.Engine`."""
        spread = self.session.sparkContext.parallelize(list(parts), len(parts))
        whole: P = spread.map(function).treeReduce(merge, depth=_DEPTH)
        return whole
