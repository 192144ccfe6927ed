"""Dask: parts of a table on the workers of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar, final

from mldeploy.data import merge_in_pairs
from mldeploy.errors import MissingExtraError

try:
    from dask.distributed import Client, Future
except ImportError as error:
    raise MissingExtraError("mldeploy.integrations.dask", extra="dask") from error

T = TypeVar("T")
P = TypeVar("P")

__all__ = ["DaskEngine"]


@final
@dataclass(frozen=True, kw_only=True)
class DaskEngine:
    """Runs on the workers of a Dask cluster; results are merged there, two at a time.

    Attributes
    ----------
    client : dask.distributed.Client
        Connected to the cluster; whoever made it closes it. The workers have mldeploy, and reach
        the files by the same paths.

    Examples
    --------
    >>> import polars as pl
    >>> from dask.distributed import Client
    >>> from mldeploy.data import profile_source
    >>> with Client(processes=False, n_workers=1, dashboard_address=None) as client:
    ...     profile = profile_source(pl.DataFrame({"x": [1, 2]}), engine=DaskEngine(client=client))
    >>> profile["x"].mean
    1.5
    """

    client: Client

    def map_merge(
        self, function: Callable[[T], P], parts: Sequence[T], merge: Callable[[P, P], P]
    ) -> P:
        """Return the merged results of a function on each part; see `mldeploy.data.Engine`."""
        mapped = self.client.map(function, list(parts), pure=False)

        def submit(one: Future, other: Future) -> Future:
            return self.client.submit(merge, one, other, pure=False)

        whole: P = merge_in_pairs(mapped, submit).result()
        return whole
