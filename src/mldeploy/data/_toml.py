"""Schemas as TOML files that people edit; their comments survive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomlkit
import tomlkit.exceptions
from tomlkit.items import InlineTable, Table

from mldeploy.data._column import ColumnSchema
from mldeploy.data._table_rules import Dependency
from mldeploy.errors import InvalidDataError

_FORMAT = 1
_HEADER = "What data must look like. Edit it: schema.check and serving hold rows against it."


def write_schema(
    path: Path,
    columns: tuple[ColumnSchema, ...],
    keys: tuple[tuple[str, ...], ...],
    dependencies: tuple[Dependency, ...],
) -> None:
    """Write a schema over `path`, keeping the comments that people wrote there."""
    document = _read(path) if path.exists() else _new_document()
    old = document.pop("columns", tomlkit.table())
    tables = tomlkit.table(is_super_table=True)
    for column in columns:
        table = old.get(column.name)
        tables.append(tomlkit.key([column.name]), _updated(table, column))
    _set(document, "keys", [list(key) for key in keys])
    _set(document, "dependencies", [_stated(d) for d in dependencies])
    document["columns"] = tables
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(tomlkit.dumps(document), encoding="utf-8")
    temporary.replace(path)


def read_schema(path: Path) -> dict[str, Any]:
    """Read what `write_schema` wrote, as people have edited it."""
    if not path.exists():
        raise InvalidDataError(f"there is no schema at {path}; write one with schema.save(path)")
    document = _read(path).unwrap()
    if document.get("format") != _FORMAT or not isinstance(document.get("columns", {}), dict):
        raise InvalidDataError(f"{path} is no schema of format {_FORMAT}")
    if unknown := sorted(set(document) - {"format", "columns", "keys", "dependencies"}):
        raise InvalidDataError(f"{path}: a schema has no {', '.join(unknown)}")
    columns = []
    for name, settings in document.get("columns", {}).items():
        if not isinstance(settings, dict):
            raise InvalidDataError(f"{path}: column {name!r} is no table of settings")
        columns.append({**settings, "name": name})
    among_rows = {name: document.get(name, []) for name in ("keys", "dependencies")}
    return {"columns": columns, **among_rows}


def _new_document() -> tomlkit.TOMLDocument:
    document = tomlkit.document()
    document.add(tomlkit.comment(_HEADER))
    document.add("format", tomlkit.item(_FORMAT))
    document.add(tomlkit.nl())
    return document


def _read(path: Path) -> tomlkit.TOMLDocument:
    try:
        return tomlkit.parse(path.read_text(encoding="utf-8"))
    except tomlkit.exceptions.TOMLKitError as error:
        raise InvalidDataError(f"{path} is not TOML: {error}") from error


def _set(document: tomlkit.TOMLDocument, key: str, values: list[Any]) -> None:
    """Set a list that stands before the tables; where it says so already, leave it alone."""
    known = document.get(key)
    if known is not None and known.unwrap() == values:
        return
    array = tomlkit.array()
    for value in values:
        array.add_line(value)
    array.add_line(indent="")
    if known is not None:
        document.remove(key)
    if values:
        document.append(key, array)


def _stated(dependency: Dependency) -> InlineTable:
    table = tomlkit.inline_table()
    table.update({"given": list(dependency.given), "follows": dependency.follows})
    return table


def _updated(table: object, column: ColumnSchema) -> Table:
    settings = _settings(column)
    updated = table if isinstance(table, Table) else tomlkit.table()
    for key in [key for key in updated if key not in settings]:
        del updated[key]
    for key, value in settings.items():
        if key not in updated or updated[key] != value:
            updated[key] = value
    return updated


def _settings(column: ColumnSchema) -> dict[str, Any]:
    settings = {k: v for k, v in dict(column).items() if k != "name" and v is not None}
    for key in ("strict_range", "closed", "strict_pattern", "optional"):
        if not settings[key]:
            del settings[key]
    if column.categories is not None:
        settings["categories"] = list(column.categories)
    return settings
