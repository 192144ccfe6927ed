"""What a label may be, and how it is stored."""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, final

import numpy as np
import polars as pl

from mldeploy.problem import Problem, Task

Label: TypeAlias = bool | int | float | str


@final
class Kind(enum.StrEnum):
    """The type that all labels of a ledger share."""

    BOOLEAN = "boolean"
    INTEGER = "integer"
    NUMBER = "number"
    STRING = "string"


@final
@dataclass(frozen=True, kw_only=True)
class LabelRule:
    """What a value must be to count as a label of a problem.

    Attributes
    ----------
    kind : Kind, optional
        Type of every label; None if nobody has said, and none is stored yet.
    classes : tuple
        The labels there are; empty if nobody has said.
    """

    kind: Kind | None = None
    classes: tuple[Label, ...] = ()

    @classmethod
    def of(cls, problem: Problem | None, classes: Sequence[Label]) -> LabelRule:
        """Return what a problem and its classes say."""
        if problem is not None and problem.task is Task.REGRESSION:
            return cls(kind=Kind.NUMBER)
        known = tuple(classes)
        example = known[0] if known else None if problem is None else problem.positive
        return cls(kind=None if example is None else kind_of(example), classes=known)

    def read(self, value: object) -> Label:
        """Return the value as a label.

        Raises
        ------
        ValueError
            Saying what it is instead.
        """
        plain = value.item() if isinstance(value, np.generic) else value
        kind = self.kind or kind_of(plain)
        label = _READ[kind](plain)
        if label is None:
            wanted = f", since labels of this problem are of kind {kind}"
            raise ValueError(f"{_shown(plain)} is a {type(plain).__name__}{wanted}")
        if self.classes and label not in self.classes:
            known = ", ".join(map(repr, self.classes[:5]))
            more = f" and {len(self.classes) - 5} more" if len(self.classes) > 5 else ""
            raise ValueError(f"{_shown(label)} is none of the classes {known}{more}")
        return label


def kind_of(value: object) -> Kind:
    """Return the kind of a value.

    Raises
    ------
    ValueError
        If no label is like that.
    """
    if isinstance(value, bool):
        return Kind.BOOLEAN
    if isinstance(value, int):
        return Kind.INTEGER
    if isinstance(value, float):
        return Kind.NUMBER
    if isinstance(value, str):
        return Kind.STRING
    raise ValueError(
        f"{_shown(value)} is a {type(value).__name__}; a label is a boolean, a number or text"
    )


def kind_of_texts(texts: Iterable[str]) -> Kind | None:
    """Return the kind of stored labels, or None without any."""
    kinds = {_kind_of_text(text) for text in texts}
    if kinds == {Kind.INTEGER, Kind.NUMBER}:
        return Kind.NUMBER
    return kinds.pop() if kinds else None


def text_of(value: Label) -> str:
    """Return a label as the JSON text that is stored."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def values_of(texts: pl.Series, kind: Kind | None) -> pl.Series:
    """Return stored labels in their own type."""
    if kind is None:
        return texts.cast(pl.Boolean) if texts.null_count() == len(texts) else texts
    if kind is Kind.STRING:
        known = {t: json.loads(t) for t in texts.drop_nulls().unique()}
        return texts.replace_strict(known, default=None, return_dtype=pl.String)
    if kind is Kind.BOOLEAN:
        return texts == "true"
    return texts.cast(pl.Int64 if kind is Kind.INTEGER else pl.Float64)


def _kind_of_text(text: str) -> Kind:
    if text in ("true", "false"):
        return Kind.BOOLEAN
    if text.startswith('"'):
        return Kind.STRING
    return Kind.INTEGER if text.lstrip("-").isdigit() else Kind.NUMBER


def _boolean(value: object) -> Label | None:
    return value if isinstance(value, bool) else None


def _integer(value: object) -> Label | None:
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if -(2**63) <= value < 2**63 else None


def _number(value: object) -> Label | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"{number} is not finite; a label that is unknown is left out")
    return number


def _string(value: object) -> Label | None:
    return value if isinstance(value, str) else None


_READ: Final[dict[Kind, Callable[[object], Label | None]]] = {
    Kind.BOOLEAN: _boolean,
    Kind.INTEGER: _integer,
    Kind.NUMBER: _number,
    Kind.STRING: _string,
}


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
