"""Patterns of personal data in texts and numbers; what matched is counted, never shown."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import final

import polars as pl

_LOOKED_AT = 5_000
"""Distinct values of a column that are looked at."""
_LEAST, _LEAST_SHARE = 3, 0.005
_NUMBERS_SHARE = 0.9

_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(\.[\w-]{1,63})*\.[A-Za-z]{2,24}\b")
_PHONE = re.compile(
    r"(?<![\w+])(\+\d{1,3}[ ./-]?|\(0\d{1,4}\) ?|0\d{1,4}[ ./-])\d[\d ./-]{5,13}\d(?!\w)"
)
_IBAN = re.compile(r"\b[A-Z]{2}\d{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b")
_CARD = re.compile(r"(?<![\d.])\d(?:[ -]?\d){12,18}(?![\d.])")
_BYTE = r"(?:25[0-5]|2[0-4]\d|1?\d?\d)"
_ADDRESS = re.compile(rf"(?<![\d.])(?:{_BYTE}\.){{3}}{_BYTE}(?![\d.])")
_SSN = re.compile(r"(?<![\d-])(?!000|666|9\d\d)\d{3}-(?!00)\d{2}-(?!0000)\d{4}(?![\d-])")
_NAME = re.compile(
    r"(^|[_\W])((first|last|full|family|given|sur)_?name|e?-?mail|phone|mobile|ssn|iban|passport|"
    r"birth_?(date|day)|date_?of_?birth|dob|street|street_?address|home_?address)($|[_\W])",
    re.IGNORECASE,
)


def luhn(digits: str) -> bool:
    """Tell whether a number has the check digit of payment cards (ISO/IEC 7812).

    Examples
    --------
    >>> luhn("4111 1111 1111 1111"), luhn("4111 1111 1111 1112")
    (True, False)
    """
    figures = [int(c) for c in reversed(digits) if c.isdigit()]
    doubled = [d * 2 - 9 * (d > 4) if odd else d for d, odd in zip(figures, cycle([False, True]))]
    return len(set(figures)) > 1 and sum(doubled) % 10 == 0


def iban(text: str) -> bool:
    """Tell whether a bank account's number has the right check digits (ISO 13616).

    Examples
    --------
    >>> iban("DE89 3704 0044 0532 0130 00"), iban("DE88 3704 0044 0532 0130 00")
    (True, False)
    """
    plain = text.replace(" ", "").upper()
    moved = plain[4:] + plain[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def _always(_: str) -> bool:
    return True


_KINDS: Mapping[str, tuple[re.Pattern[str], Callable[[str], bool]]] = {
    "e-mail addresses": (_EMAIL, _always),
    "bank account numbers": (_IBAN, iban),
    "payment card numbers": (_CARD, luhn),
    "social security numbers": (_SSN, _always),
    "internet addresses": (_ADDRESS, _always),
    "telephone numbers": (_PHONE, _always),
}


@final
@dataclass(frozen=True, kw_only=True)
class Personal:
    """Personal data in a column: the kind, how many of the distinct values looked at have it."""

    column: str
    kind: str
    n_matching: int
    n_looked_at: int


def personal_data(table: pl.DataFrame) -> Iterator[Personal]:
    """Yield the columns whose names or values look like personal data."""
    for column in table.get_columns():
        found = _values(column)
        if found is not None:
            yield found
        elif (match := _NAME.search(column.name)) is not None:
            kind = match.group(2).lower().replace("_", " ")
            yield Personal(column=column.name, kind=f"{kind}, by its name", n_matching=0,
                           n_looked_at=0)  # fmt: skip


def _values(column: pl.Series) -> Personal | None:
    numbers = column.dtype.is_integer()
    if not numbers and column.dtype != pl.String:
        return None
    if numbers and (column.max() or 0) < 10**12:  # type: ignore[operator]
        return None
    values = column.drop_nulls().unique().sort().cast(pl.String)
    step = max(len(values) // _LOOKED_AT, 1)
    texts = [t[:1_000] for t in values.gather_every(step).to_list()]
    matching = {
        kind: sum(any(right(m.group()) for m in pattern.finditer(t)) for t in texts)
        for kind, (pattern, right) in _KINDS.items()
    }
    kind = max(matching, key=lambda k: matching[k])
    enough = max(_LEAST, (_NUMBERS_SHARE if numbers else _LEAST_SHARE) * len(texts))
    if matching[kind] < enough:
        return None
    return Personal(
        column=column.name, kind=kind, n_matching=matching[kind], n_looked_at=len(texts)
    )
