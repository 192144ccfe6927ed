"""Regular expressions that hold from the first to the last letter of a text."""

from __future__ import annotations

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
