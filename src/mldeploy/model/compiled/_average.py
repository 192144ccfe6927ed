"""Kernels made of kernels: the mean of several, and a link inside a chain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from mldeploy.model.compiled._kernel import Arrays, Floats, Kernel
from mldeploy.model.compiled._link import Link, shares_of
from mldeploy.model.compiled._refuse import refuse
from mldeploy.model.compiled._registry import (
    array_of,
    require_no_more,
    restore_chain,
    run,
    store_chain,
)

_PAIRS = frozenset({Link.SIGMOID, Link.SIGMOID_TWICE})


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Average:
    """The weighted mean of what several chains return.

    Attributes
    ----------
    members : tuple of tuple of Kernel
        Chains that read the same columns and return as many.
    weights : ndarray of shape (n_members,)
        What each counts for.
    """

    members: tuple[tuple[Kernel, ...], ...]
    weights: Floats

    kind: ClassVar[str] = "average"

    def __post_init__(self) -> None:
        if not self.members or not all(self.members):
            raise refuse("a mean has no members")
        first = self.members[0]
        alike = all(
            m[0].n_inputs == first[0].n_inputs and m[-1].n_outputs == first[-1].n_outputs
            for m in self.members
        )
        if not alike or self.weights.shape != (len(self.members),) or not self.weights.sum():
            raise refuse("the members of a mean do not fit each other")

    @property
    def n_inputs(self) -> int:
        """Number of columns that it reads."""
        return self.members[0][0].n_inputs

    @property
    def n_outputs(self) -> int:
        """Number of columns that it returns."""
        return self.members[0][-1].n_outputs

    def __call__(self, X: Floats) -> Floats:
        """Return the mean."""
        total = np.zeros((len(X), self.n_outputs))
        for chain, weight in zip(self.members, self.weights.tolist(), strict=True):
            total += weight * run(chain, X)
        total /= self.weights.sum()
        return total

    def breakpoints(self) -> dict[int, Floats]:
        """Return the values at which some member's answer may jump."""
        found: dict[int, list[Floats]] = {}
        for chain in self.members:
            for column, values in breakpoints_of(chain).items():
                found.setdefault(column, []).append(values)
        return {column: np.unique(np.concatenate(v)) for column, v in found.items()}

    def spec(self) -> dict[str, Any]:
        """Return its settings, and those of its members."""
        members = [store_chain(chain)[0] for chain in self.members]
        return {"kind": self.kind, "members": members, "width": self.n_inputs}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return its weights, and the arrays of its members."""
        arrays: dict[str, npt.NDArray[Any]] = {"weights": self.weights}
        for number, chain in enumerate(self.members):
            arrays |= store_chain(chain, prefix=f"m{number}-")[1]
        return arrays

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Arrays) -> Self:
        """Bring it back."""
        specs, width = spec.get("members"), spec.get("width")
        weights = array_of(arrays, "weights")
        if not isinstance(specs, list) or not isinstance(width, int):
            raise refuse("a mean has no members")
        members = tuple(
            restore_chain(chain, arrays, prefix=f"m{number}-", n_inputs=width)
            for number, chain in enumerate(specs)
        )
        return cls(members=members, weights=weights)


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Linked:
    """Return probabilities instead of the numbers that a link starts from.

    Attributes
    ----------
    link : Link
        Which one.
    width : int
        Number of columns that it reads.
    """

    link: Link
    width: int

    kind: ClassVar[str] = "linked"

    def __post_init__(self) -> None:
        if (self.link in _PAIRS) != (self.width == 1):
            raise refuse(f"the link {self.link} does not fit {self.width} columns")

    @property
    def n_inputs(self) -> int:
        """Number of columns that it reads."""
        return self.width

    @property
    def n_outputs(self) -> int:
        """Number of classes."""
        return 2 if self.link in _PAIRS else self.width

    def __call__(self, X: Floats) -> Floats:
        """Return one probability for each class."""
        return shares_of(self.link, X)

    def breakpoints(self) -> dict[int, Floats]:
        """Return none: its answer does not jump."""
        return {}

    def spec(self) -> dict[str, Any]:
        """Return its settings."""
        return {"kind": self.kind, "link": str(self.link), "width": self.width}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return none."""
        return {}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Arrays) -> Self:
        """Bring it back."""
        require_no_more(spec, arrays, fields=("link", "width"), named=())
        link, width = spec.get("link"), spec.get("width")
        if link not in [str(known) for known in Link] or not isinstance(width, int) or width < 1:
            raise refuse("a link is unknown")
        return cls(link=Link(link), width=width)


def breakpoints_of(chain: tuple[Kernel, ...]) -> dict[int, Floats]:
    """Return where the answer of a chain may jump, by column of its first kernel.

    What stands behind a kernel that mixes columns cannot be told by column, and is left out.
    """
    places: list[int] | None = None
    for kernel in chain:
        if kernel.kind == "guard":
            continue
        if kernel.kind == "take":
            taken = kernel.arrays()["columns"].tolist()
            places = taken if places is None else [places[i] for i in taken]
            continue
        found: dict[int, Floats] = {}
        for column, values in kernel.breakpoints().items():
            place = column if places is None else places[column]
            known = found.get(place)
            found[place] = values if known is None else np.union1d(known, values)
        return found
    return {}
