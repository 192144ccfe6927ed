"""Regular expressions that hold from the first to the last letter of a text."""

from __future__ import annotations

import re

import polars as pl

from mldeploy.errors import InvalidDataError


def whole(pattern: str) -> str:
    """Return a pattern that holds from the first to the last letter."""
    return rf"\A(?:{pattern})\z"


def require_pattern(pattern: str) -> None:
    """Refuse what polars cannot read as a regular expression."""
    try:
        pl.Series([""]).str.contains(whole(pattern))
    except pl.exceptions.PolarsError as error:
        raise InvalidDataError(
            f"{pattern!r} is no regular expression without look-around: {error}"
        ) from error


def whole_text_pattern(pattern: str, *, from_start: bool = False) -> str:
    """Return what a whole text matches if a pattern is found in it.

    Parameters
    ----------
    pattern : str
        A regular expression that other tools look for anywhere in a text.
    from_start : bool, default=False
        Whether they look for it at the first letter only.

    Returns
    -------
    str
        For a `ColumnSchema`, whose pattern reaches from the first to the last letter.

    Examples
    --------
    >>> whole_text_pattern("^N[0-9]+$"), whole_text_pattern("N", from_start=True)
    ('N[0-9]+', '(?:N)(?s:.*)')
    """
    start = "" if from_start else "(?s:.*)"
    if pattern.endswith("$") and (from_start or pattern.startswith("^")):
        inner = pattern.removeprefix("^")[:-1]
        if inner.startswith("(?:") and inner.endswith(")") and _is_balanced(inner[3:-1]):
            return inner[3:-1]
        if "|" not in inner and not inner.endswith("\\"):
            return inner
    return f"{start}(?:{pattern})(?s:.*)"


def _is_balanced(pattern: str) -> bool:
    """Whether each bracket that closes was opened before; doubtful where some are escaped."""
    if re.search(r"\\[()]|\[[^\]]*[()]", pattern):
        return False
    depth = 0
    for letter in pattern:
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth < 0:
            return False
    return depth == 0
