"""Ray: parts of a table as tasks of a cluster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, final

from mldeploy.data import merge_in_pairs
from mldeploy.errors import MissingExtraError

try:
    import ray
except ImportError as error:
    raise MissingExtraError("mldeploy.integrations.ray", extra="ray") from error

T = TypeVar("T")
P = TypeVar("P")

__all__ = ["RayEngine"]


@final
@dataclass(frozen=True, kw_only=True)
class RayEngine:
    """Runs as tasks of the Ray cluster that this process is connected to (``ray.init``).

    Attributes
    ----------
    n_cpus : float
        Processors that Ray keeps free for each task.
    n_retries : int
        How often a task is done again whose machine was lost.
    """

    n_cpus: float = 1.0
    n_retries: int = 3

    def map_merge(
        self, function: Callable[[T], P], parts: Sequence[T], merge: Callable[[P, P], P]
    ) -> P:
        """Return the merged results of a function on each part; see `mldeploy.data.Engine`.

        Raises
        ------
        RuntimeError
            If this process is not connected to a cluster; Ray would start one that nobody ends.
        """
        if not ray.is_initialized():
            raise RuntimeError(
                "this process is connected to no Ray cluster; call ray.init() first"
            )
        asked, shared = ray.remote(_asked), ray.put(function)
        apply = asked.options(num_cpus=self.n_cpus, max_retries=self.n_retries)
        mapped = [apply.remote(shared, part) for part in parts]
        together = ray.put(merge)

        def submit(one: Any, other: Any) -> Any:
            return apply.remote(together, one, other)

        whole: P = ray.get(merge_in_pairs(mapped, submit))
        return whole


def _asked(function: Callable[..., P], *arguments: object) -> P:
    return function(*arguments)
