"""Finding data sets by words."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Final, final

from mldeploy._record import Record
from mldeploy.data._catalogue_records import DatasetEntry

_WORD: Final = re.compile(r"\w+")
_WEIGHTS: Final = {
    "name": 8, "tag": 4, "column": 2, "description": 1, "owner": 1, "licence": 1
}  # fmt: skip


@final
class Found(Record):
    """A data set that was found, and why.

    Attributes
    ----------
    name : str
        Its name.
    entry : DatasetEntry
        What is said of it.
    because : tuple of str
        Where the words were found, such as ``"tag"`` and ``"column"``.
    score : int
        How telling these places are; what was found in the name comes first.
    """

    name: str
    entry: DatasetEntry
    because: tuple[str, ...] = ()
    score: int = 0


def found_in(
    entries: Sequence[DatasetEntry],
    columns: Mapping[str, tuple[str, ...]],
    *,
    text: str,
    tags: Sequence[str],
    owner: str | None,
    column: str | None,
) -> tuple[Found, ...]:
    """Return the data sets in which every word occurs, the likeliest first."""
    words = [word.casefold() for word in _WORD.findall(text)]
    found = []
    for entry in entries:
        has = columns.get(entry.name, ())
        if not set(tags) <= set(entry.tags) or owner not in (None, entry.owner):
            continue
        if column is not None and column not in has:
            continue
        because = _places(entry, has, words)
        if because is not None:
            score = sum(_WEIGHTS[place] for place in because)
            found.append(Found(name=entry.name, entry=entry, because=because, score=score))
    return tuple(sorted(found, key=lambda f: (-f.score, f.name)))


def _places(
    entry: DatasetEntry, columns: Sequence[str], words: Sequence[str]
) -> tuple[str, ...] | None:
    """Return where the words occur, or None if one does not."""
    texts = {
        "name": entry.name,
        "tag": " ".join(entry.tags),
        "column": " ".join(columns),
        "description": entry.description,
        "owner": entry.owner,
        "licence": entry.licence,
    }
    begins = {place: _beginnings(text) for place, text in texts.items()}
    because: dict[str, None] = {}
    for word in words:
        places = [p for p, there in begins.items() if any(t.startswith(word) for t in there)]
        if not places:
            return None
        because.update(dict.fromkeys(places))
    return tuple(because)


def _beginnings(text: str) -> set[str]:
    """Return the words of a text, and the parts of those joined by underscores."""
    words = {word.casefold() for word in _WORD.findall(text)}
    return words | {part for word in words for part in word.split("_") if part}
