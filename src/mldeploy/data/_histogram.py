"""The distribution of one column as bars, for people."""

from __future__ import annotations

from typing import Final, final

import numpy as np

from mldeploy._record import Record
from mldeploy.data._column_profile import ColumnProfile
from mldeploy.stats import ValueCounts

_N_BARS: Final = 32
_MOST_LEVELS: Final = 12
_TAIL: Final = 0.005
_BLOCKS: Final = "▁▂▃▄▅▆▇█"


@final
class Histogram(Record):
    """Bars of a column's known values, and what lies beyond them.

    Attributes
    ----------
    labels : tuple of str
        What each bar holds.
    shares : tuple of float
        Share of the known values in each.
    beyond : int
        Known values that no bar holds: outliers, infinities, rarer texts.
    """

    labels: tuple[str, ...]
    shares: tuple[float, ...]
    beyond: int = 0

    @classmethod
    def of(cls, column: ColumnProfile, *, n_bars: int = _N_BARS) -> Histogram:
        """Cut numbers and times into bars of one width, or one for each of few values.

        Where outliers would squeeze all other values into a few bars, bars end at the 0.5 % and
        99.5 % quantiles.
        """
        if not column.n_known:
            return cls(labels=(), shares=())
        if column.is_text:
            top = column.top(_MOST_LEVELS)
            shown = sum(top.values())
            shares = [n / column.n_known for n in top.values()]
            return cls(
                labels=tuple(map(str, top)),
                shares=tuple(shares),
                beyond=max(column.n_known - shown, 0),
            )
        table = column.table
        finite = np.isfinite(table.values)
        values, counts = table.values[finite], table.counts[finite]
        if not values.size:
            return cls(labels=(), shares=(), beyond=column.n_known)
        if values.size <= n_bars and column.is_exact:
            labels = tuple(column.readable(value) for value in values)
            shares = (counts / column.n_known).tolist()
            return cls(labels=labels, shares=tuple(shares), beyond=column.n_known - counts.sum())
        return cls._of_widths(column, ValueCounts(values=values, counts=counts), n_bars)

    @classmethod
    def _of_widths(cls, column: ColumnProfile, table: ValueCounts, n_bars: int) -> Histogram:
        low, high = _ends(table)
        edges = np.linspace(low / 2, high / 2, n_bars + 1) * 2  # halves cannot overflow
        if not (np.diff(edges) > 0).all():
            inside = int(table.counts.sum())
            label = f"{column.readable(low)} to {column.readable(high)}"
            return cls(labels=(label,), shares=(inside / column.n_known,))
        within = (table.values >= low) & (table.values <= high)
        places = np.clip(np.searchsorted(edges, table.values[within], "right") - 1, 0, n_bars - 1)
        counts = np.bincount(places, table.counts[within], n_bars)
        names = [column.readable(edge) for edge in edges]
        return cls(
            labels=tuple(f"{names[i]} to {names[i + 1]}" for i in range(n_bars)),
            shares=tuple((counts / column.n_known).tolist()),
            beyond=column.n_known - int(counts.sum()),
        )

    @property
    def sparkline(self) -> str:
        """The bars as characters, for a terminal."""
        tallest = max(self.shares, default=0.0)
        if not tallest:
            return ""
        top = len(_BLOCKS) - 1
        return "".join(
            " " if share == 0 else _BLOCKS[round(top * share / tallest)] for share in self.shares
        )


def _ends(table: ValueCounts) -> tuple[float, float]:
    reached = np.cumsum(table.counts)
    at = np.searchsorted(reached, np.array([_TAIL, 1 - _TAIL]) * reached[-1])
    inner = table.values[np.minimum(at, len(reached) - 1)]
    low, high = float(table.values[0]), float(table.values[-1])
    if (high / 2 - low / 2) > 4 * (inner[1] / 2 - inner[0] / 2) > 0:
        return float(inner[0]), float(inner[1])
    return low, high
