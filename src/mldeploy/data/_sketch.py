"""Summaries of columns with too many distinct values to list."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Any, Literal, final

import numpy as np
import numpy.typing as npt
import polars as pl
import pydantic

from mldeploy.data._hashing import hashes_of_texts, mixed
from mldeploy.data._profile_arrays import ArrayRecord, Counts, Hashes, Weights
from mldeploy.errors import InvalidDataError

_ROWS, _WIDTH, _KEPT = 4, 4_096, 1_024


@final
class DistinctSketch(ArrayRecord):
    """A sample of the distinct values of a column: those of the 1,024 smallest hashes [1]_.

    Each value is as likely to be in it as any other, and it is counted exactly. Sketches add
    up: that of two samples together is the sum, in any order.

    Attributes
    ----------
    smallest : ndarray of uint64
        The smallest hashes, in order.
    occurrences : ndarray of int64
        How often the value of each occurs.

    References
    ----------
    .. [1] Z. Bar-Yossef et al., "Counting distinct elements in a data stream", RANDOM 2002.
    """

    smallest: Hashes
    occurrences: Counts

    @classmethod
    def of(cls, hashes: npt.NDArray[np.uint64], counts: npt.NDArray[np.int64]) -> DistinctSketch:
        """Sketch values by their hashes, each with its count; hashes may come again."""
        smallest, where = np.unique(hashes, return_inverse=True)
        occurrences = np.zeros(smallest.size, np.int64)
        np.add.at(occurrences, where, counts)
        return cls(smallest=smallest[:_KEPT], occurrences=occurrences[:_KEPT])

    def __add__(self, other: DistinctSketch) -> DistinctSketch:
        """Return the sketch of both samples together."""
        return DistinctSketch.of(
            np.concatenate([self.smallest, other.smallest]),
            np.concatenate([self.occurrences, other.occurrences]),
        )

    @property
    def largest_kept(self) -> np.uint64:
        """The hash above which values are no longer kept."""
        full = self.smallest.size >= _KEPT
        return np.uint64(self.smallest[-1] if full else 2**64 - 1)

    @property
    def n_distinct(self) -> int:
        """Number of distinct values: exact below 1,024; else with a standard error of 3.1 %."""
        if self.smallest.size < _KEPT:
            return int(self.smallest.size)
        return round((_KEPT - 1) * 2.0**64 / int(self.smallest[-1]))


@final
class TextSketch(ArrayRecord):
    r"""Counts and the number of distinct values of a multiset of texts, both approximate.

    Sketches add up: that of two samples together is the sum, in any order.

    Attributes
    ----------
    counters : ndarray of int64
        A count-min sketch of 4 rows of 4,096 counters [1]_: an estimate is never below the
        count, and above it by more than :math:`e n / 4096 = 0.07\,\%` of all values with a
        chance of at most :math:`e^{-4} = 1.8\,\%`.
    distinct : DistinctSketch
        A sample of the distinct texts, with their counts.
    weights : ndarray of float64
        The same sketch of the weights of the rows, if they have any; else empty.
    hashing : {"murmur64a", "blake2b"}
        The hash by which it was made; profiles of version 1 have the latter.

    References
    ----------
    .. [1] G. Cormode and S. Muthukrishnan, "An improved data stream summary: the count-min
       sketch and its applications", Journal of Algorithms 55, 2005.
    """

    counters: Counts
    distinct: DistinctSketch
    weights: Weights = pydantic.Field(default_factory=lambda: np.zeros(0))
    hashing: Literal["murmur64a", "blake2b"] = "murmur64a"

    @pydantic.model_validator(mode="before")
    @classmethod
    def _read_version_1(cls, given: Any) -> Any:
        if not isinstance(given, dict) or "smallest" not in given:
            return given
        smallest = given["smallest"]
        return {
            "counters": given.get("counters"),
            "distinct": {"smallest": smallest, "occurrences": [0] * len(smallest)},
            "hashing": "blake2b",
        }

    @classmethod
    def of(
        cls,
        texts: pl.Series | Sequence[str],
        counts: npt.NDArray[np.int64],
        weights: npt.NDArray[np.float64] | None = None,
    ) -> TextSketch:
        """Sketch distinct texts with their counts, and weights if there are any."""
        hashes = hashes_of_texts(texts)
        places = _places(hashes, mixed(hashes))
        weighted = np.zeros(0)
        if weights is not None and weights.size:
            weighted = _summed(places, weights, np.float64)
        return cls(
            counters=_summed(places, counts, np.int64),
            distinct=DistinctSketch.of(hashes, counts), weights=weighted,
        )  # fmt: skip

    def __add__(self, other: TextSketch) -> TextSketch:
        """Return the sketch of both samples together.

        Raises
        ------
        InvalidDataError
            If one of them was made by an older version with another hash.
        """
        if self.hashing != other.hashing:
            raise InvalidDataError(
                "one profile was made by an older version that hashed texts differently; make "
                "it anew from its table"
            )
        return TextSketch(
            counters=self.counters + other.counters,
            distinct=self.distinct + other.distinct,
            weights=_sum_of_weights(self.weights, other.weights),
            hashing=self.hashing,
        )

    @property
    def n_distinct(self) -> int:
        """Estimated number of distinct texts; exact below 1,024."""
        return self.distinct.n_distinct

    @property
    def weight(self) -> float:
        """Weight of all rows with a text."""
        return float(self.weights[:_WIDTH].sum())

    def counts_of(self, texts: Sequence[str]) -> npt.NDArray[np.int64]:
        """Estimate how often each text occurs; never too low."""
        return self._estimated(texts, self.counters).astype(np.int64)

    def weights_of(self, texts: Sequence[str]) -> npt.NDArray[np.float64]:
        """Estimate the weight of the rows with each text; never too low but for rounding."""
        return self._estimated(texts, self.weights)

    def _estimated(self, texts: Sequence[str], sums: npt.NDArray[Any]) -> npt.NDArray[Any]:
        if self.hashing == "blake2b":
            hashes, second = _blake2b(texts)
        else:
            hashes = hashes_of_texts(texts)
            second = mixed(hashes)
        counters = sums.reshape(_ROWS, _WIDTH)
        estimates = [counters[row, at] for row, at in enumerate(_places(hashes, second))]
        return reduce(np.minimum, estimates)


def _summed(
    places: list[npt.NDArray[np.int64]], amounts: npt.NDArray[Any], dtype: type[np.generic]
) -> npt.NDArray[Any]:
    counters = np.zeros((_ROWS, _WIDTH), dtype)
    for row, at in enumerate(places):
        np.add.at(counters[row], at, amounts)
    return counters.ravel()


def _sum_of_weights(
    one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]
) -> npt.NDArray[np.float64]:
    if not (one.size and other.size):
        return one if one.size else other
    return one + other


def _blake2b(texts: Iterable[str]) -> tuple[Hashes, Hashes]:
    digests = b"".join(hashlib.blake2b(t.encode(), digest_size=16).digest() for t in texts)
    both = np.frombuffer(digests, ">u8").astype(np.uint64).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _places(
    first: npt.NDArray[np.uint64], second: npt.NDArray[np.uint64]
) -> list[npt.NDArray[np.int64]]:
    """Return the counter of each hash in each row, by double hashing."""
    odd, shift = second | np.uint64(1), np.uint64(64 - 12)
    return [((first + np.uint64(r) * odd) >> shift).astype(np.int64) for r in range(_ROWS)]
