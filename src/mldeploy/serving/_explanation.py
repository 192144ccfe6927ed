"""What each column contributed to one answer, as a value, a table and a chart."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias, final

from mldeploy._record import Record
from mldeploy.evidence import escape, html_fragment, html_table

Plain: TypeAlias = bool | int | float | str | None

_MOST_SHOWN: Final = 20
_LONGEST: Final = 40
_WIDTH, _ROW, _LABELS, _FIGURES = 900, 24, 330, 110


@final
class Contribution(Record):
    """What one column contributed.

    Attributes
    ----------
    column : str
        Name of the column.
    value : bool, int, float, str or None
        What the row holds; None where it is missing, times as text.
    amount : float
        By how much it moved the answer, on the answer's own scale.
    error : float
        Standard error of `amount`, from the orders that were drawn; 0 where it is exact.
    """

    column: str
    value: Plain
    amount: float
    error: float


@final
class Explanation(Record):
    """What each column of one row contributed to its answer.

    Attributes
    ----------
    prediction : bool, int, str or float
        What was answered.
    answer : float
        The number that is explained; see `unit`.
    base : float
        The mean of this number over the background rows.
    unit : str
        What the number is, such as ``"probability of late = True"``.
    contributions : tuple of Contribution
        In the order of the features; their amounts sum to `answer` less `base`.
    n_background : int
        Rows that the row was compared with.
    n_permutations : int
        Orders of the columns that were averaged.

    Examples
    --------
    >>> wind = Contribution(column="wind", value=31.0, amount=0.4, error=0.01)
    >>> explanation = Explanation(
    ...     prediction=True, answer=0.6, base=0.2, unit="probability of late = True",
    ...     contributions=(wind,), n_background=20, n_permutations=200,
    ... )
    >>> print(explanation)
    probability of late = True: 0.6, 0.2 on average
    +0.4  wind = 31
    """

    prediction: bool | int | float | str
    answer: float
    base: float
    unit: str
    contributions: tuple[Contribution, ...]
    n_background: int
    n_permutations: int

    def largest(self, n: int = _MOST_SHOWN) -> tuple[Contribution, ...]:
        """Return the contributions that moved the answer most, largest first."""
        ordered = sorted(self.contributions, key=lambda c: -abs(c.amount))
        return tuple(ordered[:n])

    def __str__(self) -> str:
        lines = [f"{c.amount:+.3g}  {_name(c)} = {_text(c.value)}" for c in self.largest()]
        return "\n".join([self._headline(), *lines])

    def _headline(self) -> str:
        return f"{self.unit}: {self.answer:.3g}, {self.base:.3g} on average"

    def _repr_html_(self) -> str:
        shown = self.largest()
        rest = sum(c.amount for c in self.contributions) - sum(c.amount for c in shown)
        n_others = len(self.contributions) - len(shown)
        rows = [
            (c.column, _text(c.value), f"{c.amount:+.4g}", f"± {2 * c.error:.2g}") for c in shown
        ]
        if n_others:
            rows.append((f"{n_others} other columns", "", f"{rest:+.4g}", ""))
        bars = [(f"{c.column} = {_text(c.value)}", c.amount) for c in shown]
        about = f"{self.n_background} rows to compare with, {self.n_permutations} orders"
        return html_fragment(
            f"<p><b>{escape(self._headline())}</b> "
            f'<span class="quiet">({escape(about)})</span></p>'
            + bar_chart(self._headline(), bars)
            + html_table(("Column", "Value", "Contribution", "Two standard errors"), rows)
        )


def bar_chart(title: str, bars: Sequence[tuple[str, float]]) -> str:
    """Return horizontal bars to both sides of zero as one `<svg>`; every text is escaped.

    Parameters
    ----------
    title : str
        Read out by screen readers.
    bars : sequence of (str, float)
        Label and length of each bar, from top to bottom.
    """
    height = _ROW * max(len(bars), 1)
    drawn = "".join(_bars(bars))
    return (
        f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" font-size="12" '
        f'font-family="system-ui,sans-serif"><title>{escape(title)}</title>{drawn}</svg>'
    )


def _bars(bars: Sequence[tuple[str, float]]) -> Iterator[str]:
    half = (_WIDTH - _LABELS - 2 * _FIGURES) / 2
    zero = _LABELS + _FIGURES + half
    largest = max((abs(amount) for _, amount in bars), default=0.0) or 1.0
    yield (
        f'<line x1="{zero:.1f}" x2="{zero:.1f}" y1="0" y2="{_ROW * len(bars)}" '
        'stroke="currentColor" stroke-opacity=".4"/>'
    )
    for number, (label, amount) in enumerate(bars):
        y, length = number * _ROW, abs(amount) / largest * half
        left = zero if amount >= 0 else zero - length
        colour, anchor = ("#0969da", "start") if amount >= 0 else ("#bc4c00", "end")
        end = zero + length + 4 if amount >= 0 else zero - length - 4
        yield (
            f'<text x="{_LABELS - 8}" y="{y + 16}" text-anchor="end" fill="currentColor">'
            f"{escape(_short(label))}</text>"
            f'<rect x="{left:.1f}" y="{y + 4}" width="{length:.1f}" height="{_ROW - 8}" '
            f'fill="{colour}"/>'
            f'<text x="{end:.1f}" y="{y + 16}" text-anchor="{anchor}" fill="currentColor">'
            f"{amount:+.3g}</text>"
        )


def _name(contribution: Contribution) -> str:
    return _short(contribution.column)


def _text(value: Plain) -> str:
    if value is None:
        return "missing"
    return f"{value:.6g}" if isinstance(value, float) else _short(str(value))


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…"
