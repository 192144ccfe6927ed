"""What was made from what."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import final

from mldeploy._record import Record
from mldeploy.data._catalogue_records import DatasetVersion


@final
class Derivation(Record):
    """One step: a version was made from another, by a program.

    Attributes
    ----------
    made : str
        The version that was made, as ``name:number``.
    made_from : str
        The version that it was made from.
    made_by : str
        What made it; empty if nobody has said.
    """

    made: str
    made_from: str
    made_by: str = ""


@final
class Lineage(Record):
    """What a version was made from and what was made from it, over all steps.

    Attributes
    ----------
    of : str
        The version, as ``name:number``.
    before : tuple of Derivation
        The steps that led to it, those nearest to it first.
    after : tuple of Derivation
        The steps that followed from it, those nearest to it first.
    """

    of: str
    before: tuple[Derivation, ...] = ()
    after: tuple[Derivation, ...] = ()

    @property
    def ancestors(self) -> tuple[str, ...]:
        """Every version that it was made from, nearest first."""
        return tuple(dict.fromkeys(step.made_from for step in self.before))

    @property
    def descendants(self) -> tuple[str, ...]:
        """Every version that was made from it, nearest first."""
        return tuple(dict.fromkeys(step.made for step in self.after))

    def __str__(self) -> str:
        steps = (*reversed(self.before), *self.after)
        lines = [
            f"{step.made_from} -> {step.made}{f' ({step.made_by})' if step.made_by else ''}"
            for step in steps
        ]
        return "\n".join(lines) or f"{self.of} was made from nothing else that is known"


def lineage_of(version: DatasetVersion, known: Sequence[DatasetVersion]) -> Lineage:
    """Follow the steps to and from a version."""
    by_label = {v.label: v for v in known}
    up = {
        v.label: [_step(v, parent) for parent in v.made_from if parent in by_label] for v in known
    }
    down: dict[str, list[Derivation]] = defaultdict(list)
    for steps in up.values():
        for step in steps:
            down[step.made_from].append(step)
    return Lineage(
        of=version.label,
        before=tuple(_walk(version.label, up, "made_from")),
        after=tuple(_walk(version.label, down, "made")),
    )


def _step(version: DatasetVersion, parent: str) -> Derivation:
    return Derivation(made=version.label, made_from=parent, made_by=version.made_by)


def _walk(start: str, steps: Mapping[str, Sequence[Derivation]], to: str) -> Iterator[Derivation]:
    """Yield the steps from a version on, each once, nearest first."""
    seen, waiting = {start}, [start]
    while waiting:
        label = waiting.pop(0)
        for step in steps.get(label, ()):
            yield step
            following = str(getattr(step, to))
            if following not in seen:
                seen.add(following)
                waiting.append(following)
