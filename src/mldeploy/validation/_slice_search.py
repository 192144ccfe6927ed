"""Which slices look worse than the rest: a scan of all parts and all pairs of parts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import numpy.typing as npt

from mldeploy.validation._slice_cuts import Cut
from mldeploy.validation._slice_gap import Outcomes

Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One slice: one part of one cut, or where parts of two cuts meet."""

    parts: tuple[tuple[Cut, int], ...]

    @property
    def name(self) -> str:
        """The slice's name, e.g. ``"carrier=OO and distance>=1000"``."""
        return " and ".join(cut.names[code] for cut, code in self.parts)

    def mask(self) -> Mask:
        """Return which rows are in it."""
        masks = [cut.codes == code for cut, code in self.parts]
        return np.asarray(np.logical_and.reduce(masks), dtype=bool)

    def is_kin(self, other: Cell) -> bool:
        """Tell whether the two share a part, so that one may be bad because the other is."""
        mine = {(cut.column, code) for cut, code in self.parts}
        return any((cut.column, code) in mine for cut, code in other.parts)


@dataclass(frozen=True, kw_only=True)
class Suspects:
    """The slices that look worst, and among how many they were looked for."""

    cells: tuple[Cell, ...]
    n_searched: int


def cells_of(cut: Cut, rows: npt.NDArray[np.int64], min_rows: int) -> Iterator[Cell]:
    """Yield every part of one cut that has enough rows."""
    n = np.bincount(cut.codes[rows], minlength=len(cut.names))
    for code in np.flatnonzero(n >= min_rows):
        if cut.names[code]:
            yield Cell(parts=((cut, int(code)),))


def search(
    cuts: Sequence[Cut],
    pairs: Sequence[Cut],
    outcomes: Outcomes,
    rows: npt.NDArray[np.int64],
    *,
    gap: float,
    min_rows: int,
    max_suspects: int,
) -> Suspects:
    """Return the slices that stand out most, none of which shares a part with another.

    Parameters
    ----------
    cuts : sequence of Cut
        Columns that are searched on their own.
    pairs : sequence of Cut
        Columns that are searched two by two.
    outcomes : Outcomes
        All rows.
    rows : ndarray of int
        Positions of the rows that are searched.
    gap : float
        How much worse a slice must be to be of interest, in the metric's unit.
    min_rows, max_suspects : int
        Rows that a slice must have, and slices that are returned at most.
    """
    sums = _Sums.of(outcomes, rows)
    scored: list[tuple[float, Cell]] = []
    n_searched = 0
    for cut in cuts:
        found, n = _scan((cut,), sums, rows, gap=gap, min_rows=min_rows)
        scored += found
        n_searched += n
    for two in combinations(pairs, 2):
        found, n = _scan(two, sums, rows, gap=gap, min_rows=min_rows)
        scored += found
        n_searched += n
    scored.sort(key=lambda pair: (-pair[0], pair[1].name))
    chosen: list[Cell] = []
    for _, cell in scored:
        if len(chosen) == max_suspects:
            break
        if not any(cell.is_kin(other) for other in chosen):
            chosen.append(cell)
    return Suspects(cells=tuple(chosen), n_searched=n_searched)


@dataclass(frozen=True, kw_only=True)
class _Sums:
    above: npt.NDArray[Any]
    below: npt.NDArray[Any]
    sign: int
    total_above: float
    total_below: float
    variance: float

    @classmethod
    def of(cls, outcomes: Outcomes, rows: npt.NDArray[np.int64]) -> _Sums:
        part = outcomes.take(rows)
        residuals = part.above - part.value * part.below
        return cls(
            above=part.above,
            below=part.below,
            sign=part.sign,
            total_above=float(part.above.sum()),
            total_below=float(part.below.sum()),
            variance=float(residuals @ residuals) / len(rows),
        )


def _scan(
    cuts: tuple[Cut, ...],
    sums: _Sums,
    rows: npt.NDArray[np.int64],
    *,
    gap: float,
    min_rows: int,
) -> tuple[list[tuple[float, Cell]], int]:
    """Return the standard errors by which each cell exceeds the gap, where it does."""
    shape = tuple(len(cut.names) for cut in cuts)
    codes = cuts[0].codes[rows]
    for cut in cuts[1:]:
        codes = codes * len(cut.names) + cut.codes[rows]
    size = int(np.prod(shape))
    n = np.bincount(codes, minlength=size)
    above = np.bincount(codes, sums.above, size)
    below = np.bincount(codes, sums.below, size)
    rest = sums.total_below - below
    enough = (n >= min_rows) & (below > 0) & (rest > 0)
    here = np.divide(above, below, out=np.zeros(size), where=enough)
    there = np.divide(sums.total_above - above, rest, out=np.zeros(size), where=enough)
    excess = sums.sign * (there - here) - gap
    error = np.sqrt(sums.variance * n) / np.where(enough, below, 1.0)
    found = []
    for code in np.flatnonzero(enough & (excess > 0)):
        parts = tuple(zip(cuts, map(int, np.unravel_index(code, shape)), strict=True))
        if all(cut.names[part] for cut, part in parts):
            found.append((float(excess[code] / max(error[code], 1e-12)), Cell(parts=parts)))
    return found, int(enough.sum())
