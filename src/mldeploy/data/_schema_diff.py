"""What changed from one schema to the next, and whom it breaks."""

from __future__ import annotations

import enum
from collections.abc import Iterator
from typing import final

from mldeploy._record import Record
from mldeploy.data._accepts import objections
from mldeploy.data._column import ColumnSchema
from mldeploy.data._schema import Schema
from mldeploy.data._table_rules import Dependency
from mldeploy.errors import IncompatibleSchemaError, InvalidDataError


@final
class Compatibility(enum.StrEnum):
    """Who must still be served after a schema has changed.

    Attributes
    ----------
    BACKWARD
        Who reads with the new schema can read tables written under the old one.
    FORWARD
        Who reads with the old schema can read tables written under the new one.
    FULL
        Both.
    """

    BACKWARD = "backward"
    FORWARD = "forward"
    FULL = "full"


@final
class ColumnChange(Record):
    """One column that was added, removed or changed.

    Attributes
    ----------
    before, after : ColumnSchema or None
        The column in the old and in the new schema; None where it is in only one of them.
    """

    before: ColumnSchema | None = None
    after: ColumnSchema | None = None

    @property
    def name(self) -> str:
        """Name of the column."""
        return next(c.name for c in (self.before, self.after) if c is not None)

    def __str__(self) -> str:
        if self.before is None or self.after is None:
            return f"{self.name}: {'added' if self.before is None else 'removed'}"
        old, new = dict(self.before), dict(self.after)
        told = [f"{k} {_brief(old[k])} → {_brief(new[k])}" for k in old if old[k] != new[k]]
        return f"{self.name}: {', '.join(told)}"

    def objections(self, compatibility: Compatibility) -> tuple[str, ...]:
        """Return whom the change breaks, and why; empty if nobody.

        Parameters
        ----------
        compatibility : Compatibility
            Who must still be served.
        """
        reasons: list[str] = []
        if compatibility is not Compatibility.FORWARD:
            reasons += _objections(reader=self.after, writer=self.before)
        if compatibility is not Compatibility.BACKWARD:
            reasons += _objections(reader=self.before, writer=self.after)
        return tuple(f"{self.name}: {reason}" for reason in dict.fromkeys(reasons))


@final
class SchemaDiff(Record):
    """What changed from one schema to the next; applied to the one, it gives the other.

    Compatibility is about tables that `Schema.check` accepts: columns that it does not know are
    ignored there, whereas a request that serves predictions may hold no unknown field.

    Attributes
    ----------
    changes : tuple of ColumnChange
        Columns removed, changed and added.
    order : tuple of str
        Names of the columns in the new schema.
    keys_before, keys_after : tuple of tuple of str
        The keys of both.
    dependencies_before, dependencies_after : tuple of Dependency
        The dependencies of both.

    Examples
    --------
    >>> import polars as pl
    >>> old = Schema.infer(pl.DataFrame({"hour": [5, 23], "gate": ["A", "B"]}))
    >>> old = old.edit("hour", strict_range=True)
    >>> new = old.edit("hour", minimum=0).select(["hour"])
    >>> diff = SchemaDiff.of(old, new)
    >>> [str(change) for change in diff.changes]
    ['gate: removed', 'hour: minimum 5 → 0']
    >>> diff.objections(Compatibility.BACKWARD)
    ()
    >>> diff.objections(Compatibility.FORWARD)
    ('gate: the column may be absent', 'hour: values may be outside [5, 23]')
    """

    changes: tuple[ColumnChange, ...]
    order: tuple[str, ...]
    keys_before: tuple[tuple[str, ...], ...] = ()
    keys_after: tuple[tuple[str, ...], ...] = ()
    dependencies_before: tuple[Dependency, ...] = ()
    dependencies_after: tuple[Dependency, ...] = ()

    @classmethod
    def of(cls, before: Schema, after: Schema) -> SchemaDiff:
        """Compare two schemas.

        Parameters
        ----------
        before, after : Schema
            The old and the new one.
        """
        old = {column.name: column for column in before.columns}
        new = {column.name: column for column in after.columns}
        removed = [ColumnChange(before=c) for c in before.columns if c.name not in new]
        kept = [ColumnChange(before=old[n], after=c) for n, c in new.items() if n in old]
        added = [ColumnChange(after=c) for c in after.columns if c.name not in old]
        return cls(
            changes=(*removed, *(c for c in kept if c.before != c.after), *added),
            order=after.names,
            keys_before=before.keys,
            keys_after=after.keys,
            dependencies_before=before.dependencies,
            dependencies_after=after.dependencies,
        )

    def apply(self, schema: Schema) -> Schema:
        """Return the new schema, given the old one.

        Raises
        ------
        InvalidDataError
            If the schema is not the one that the difference was taken from.
        """
        columns = {column.name: column for column in schema.columns}
        for change in self.changes:
            if columns.get(change.name) != change.before:
                raise InvalidDataError(
                    f"the difference was taken from another schema: column {change.name!r} is "
                    "not what it was there"
                )
            if change.after is None:
                del columns[change.name]
            else:
                columns[change.name] = change.after
        told = (schema.keys, schema.dependencies, set(columns))
        if told != (self.keys_before, self.dependencies_before, set(self.order)):
            raise InvalidDataError(
                "the difference was taken from another schema: it has other columns, keys or "
                "dependencies"
            )
        return Schema(
            columns=tuple(columns[name] for name in self.order),
            keys=self.keys_after,
            dependencies=self.dependencies_after,
        )

    def objections(self, compatibility: Compatibility) -> tuple[str, ...]:
        """Return whom the changes break, and why; empty if nobody.

        Parameters
        ----------
        compatibility : Compatibility
            Who must still be served.
        """
        reasons = [r for change in self.changes for r in change.objections(compatibility)]
        if compatibility is not Compatibility.FORWARD:
            reasons += _broken_keys(self.keys_before, self.keys_after)
            reasons += _broken_dependencies(self.dependencies_before, self.dependencies_after)
        if compatibility is not Compatibility.BACKWARD:
            reasons += _broken_keys(self.keys_after, self.keys_before)
            reasons += _broken_dependencies(self.dependencies_after, self.dependencies_before)
        return tuple(reasons)

    def require(self, compatibility: Compatibility) -> None:
        """Refuse changes that break those who must still be served.

        Parameters
        ----------
        compatibility : Compatibility
            Who must still be served.

        Raises
        ------
        IncompatibleSchemaError
            If they are not; `reasons` says why.
        """
        if reasons := self.objections(compatibility):
            raise IncompatibleSchemaError(reasons)


def _objections(*, reader: ColumnSchema | None, writer: ColumnSchema | None) -> Iterator[str]:
    if reader is None:
        return
    if writer is not None:
        yield from objections(reader, writer)
    elif not reader.optional:
        yield "the column may be absent"


def _broken_keys(
    kept: tuple[tuple[str, ...], ...], wanted: tuple[tuple[str, ...], ...]
) -> Iterator[str]:
    for key in wanted:
        if not any({*shorter} <= {*key} for shorter in kept):
            yield f"rows may be alike in the key {', '.join(key)}"


def _broken_dependencies(
    kept: tuple[Dependency, ...], wanted: tuple[Dependency, ...]
) -> Iterator[str]:
    for need in wanted:
        if not any(k.follows == need.follows and {*k.given} <= {*need.given} for k in kept):
            yield f"{need.follows} may not follow from {', '.join(need.given)}"


def _brief(value: object) -> str:
    text = ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."
