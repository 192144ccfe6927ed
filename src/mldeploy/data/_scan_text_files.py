"""Where a file of text goes wrong: the row, the column, and what stands there."""

from __future__ import annotations

import codecs
import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, final

import polars as pl

from mldeploy.errors import DuplicateColumnsError, UnreadableFileError

Types: TypeAlias = Mapping[str, pl.DataType | type[pl.DataType]]

_UNPARSED: Final = re.compile(
    r"could not parse `(?P<text>.*)` as dtype `(?P<type>\w+)\W?.*` at column '(?P<column>.*)' \(",
    re.DOTALL,
)
_BLOCK: Final = 1 << 20


@final
@dataclass(frozen=True, kw_only=True)
class Fault:
    """What is wrong, and where."""

    why: str
    row: int | None = None
    column: str | None = None


def csv_header(path: str) -> list[str]:
    """Return the names in the first line of a CSV file."""
    first = pl.read_csv(path, has_header=False, n_rows=1, infer_schema=False)
    return [str(name) for name in first.row(0)] if first.height else []


def require_unique(path: str, names: list[str]) -> None:
    """Refuse a header in which a name occurs twice."""
    if twice := [name for name, times in Counter(names).items() if times > 1]:
        raise DuplicateColumnsError(twice, path=path)


def text_error(path: str, fault: Fault | None, error: UnreadableFileError) -> UnreadableFileError:
    """Return the error that names the row, or the given one if the row is not known."""
    if fault is None:
        return error
    return UnreadableFileError(path, fault.why, row=fault.row, column=fault.column)


def widened(said: str, types: Types) -> dict[str, pl.DataType | type[pl.DataType]] | None:
    """Return wider types if polars stumbled over a fraction among whole numbers."""
    found = _UNPARSED.search(said)
    if found is None or not found["type"].startswith(("i", "u")) or found["column"] in types:
        return None
    try:
        float(found["text"].strip())
    except ValueError:
        return None
    return {**types, found["column"]: pl.Float64}


def first_fault(path: str, kind: str, said: str) -> Fault | None:
    """Look for the first row of a local file that cannot be read; None if none is found."""
    try:
        return _first_fault(path, kind, said)
    except (OSError, csv.Error, UnicodeError, pl.exceptions.PolarsError):
        return None


def _first_fault(path: str, kind: str, said: str) -> Fault | None:
    fault = _no_utf8(path)
    if fault is not None:
        return fault
    if kind == "ndjson":
        return _odd_line(path)
    if "not properly escaped" in said:
        return _unclosed(path)
    found = _UNPARSED.search(said)
    return _other_width(path) if found is None else _unparsed(path, found)


def _no_utf8(path: str) -> Fault | None:
    decoder, n_lines = codecs.getincrementaldecoder("utf-8")(), 0
    with open(path, "rb") as opened:  # noqa: PTH123 - a path as text
        while block := opened.read(_BLOCK):
            try:
                decoder.decode(block)
            except UnicodeDecodeError as error:
                n_lines += error.object[: error.start].count(b"\n")
                byte = error.object[error.start]
                return Fault(
                    why=f"line {n_lines + 1} holds the byte 0x{byte:02x}, which is no UTF-8; "
                    "convert the file, or say its encoding when you read it yourself",
                    row=max(n_lines, 1),
                )
            n_lines += block.count(b"\n")
    return None


def _unparsed(path: str, found: re.Match[str]) -> Fault:
    column, text = found["column"], found["text"]
    rows = pl.scan_csv(path, infer_schema=False, glob=False).with_row_index("row of the file")
    stripped = pl.col(column).str.strip_chars()
    first = rows.filter(stripped == text.strip()).select("row of the file").head(1).collect()
    kind = {"i64": "whole numbers", "f64": "numbers", "bool": "booleans", "date": "dates"}
    expected = kind.get(found["type"], found["type"])
    return Fault(
        why=f"{text[:80]!r} stands among {expected}; mend it, pass types={{{column!r}: "
        "pl.String}, or, if it means that nothing is known, pl.scan_csv(..., null_values=...)",
        row=int(first.item()) + 1 if first.height else None,
        column=column,
    )


def _unclosed(path: str) -> Fault:
    with open(path, encoding="utf-8", newline="") as opened:  # noqa: PTH123 - as above
        n_rows = sum(1 for _ in csv.reader(opened)) - 1
    why = "a quotation mark is not closed, or one inside a text is not doubled"
    return Fault(why=why, row=max(n_rows, 1))


def _other_width(path: str) -> Fault | None:
    with open(path, encoding="utf-8", newline="") as opened:  # noqa: PTH123 - as above
        rows = csv.reader(opened)
        width = len(next(rows, []))
        for number, row in enumerate(rows):
            if len(row) > width:
                return Fault(
                    why=f"it has {len(row)} fields, and the header {width}; a comma in a text "
                    "needs quotes around it",
                    row=number + 1,
                )
    return None


def _odd_line(path: str) -> Fault | None:
    kinds: dict[str, str] = {}
    for number, line in _lines(path):
        try:
            value = json.loads(line)
        except json.JSONDecodeError as error:
            return Fault(why=f"it is no JSON: {error}", row=number)
        if not isinstance(value, dict):
            return Fault(why=f"it is a {type(value).__name__}, and no object", row=number)
        for name, item in value.items():
            kind = "number" if type(item) in (int, float) else type(item).__name__
            if item is not None and kinds.setdefault(name, kind) != kind:
                why = f"a {kind} stands among values of kind {kinds[name]}"
                return Fault(why=why, row=number, column=name)
    return None


def _lines(path: str) -> Iterator[tuple[int, str]]:
    with open(path, encoding="utf-8") as opened:  # noqa: PTH123 - as above
        for number, line in enumerate(opened):
            if line.strip():
                yield number + 1, line
