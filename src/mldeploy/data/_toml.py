"""Schemas as TOML files that people edit; their comments survive."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import tomlkit
import tomlkit.exceptions
from tomlkit.items import Table

from mldeploy.data._column import ColumnSchema
from mldeploy.data._roles import valid_record
from mldeploy.errors import InvalidDataError

_FORMAT = 1
_HEADER = "What data must look like. Edit it: schema.check and serving hold rows against it."


def write_columns(path: Path, columns: tuple[ColumnSchema, ...]) -> None:
    """Write columns over `path`, keeping the comments that people wrote there."""
    document = _read(path) if path.exists() else _new_document()
    old = document.get("columns", tomlkit.table())
    tables = tomlkit.table(is_super_table=True)
    for column in columns:
        table = old.get(column.name)
        tables.append(tomlkit.key([column.name]), _updated(table, column))
    document["columns"] = tables
    temporary = path.with_name(f".{path.name}.new")
    temporary.write_text(tomlkit.dumps(document), encoding="utf-8")
    temporary.replace(path)


def read_columns(path: Path) -> tuple[ColumnSchema, ...]:
    """Read the columns that `write_columns` wrote, as people have edited them."""
    if not path.exists():
        raise InvalidDataError(f"there is no schema at {path}; write one with schema.save(path)")
    document = _read(path).unwrap()
    if document.get("format") != _FORMAT or not isinstance(document.get("columns", {}), dict):
        raise InvalidDataError(f"{path} is no schema of format {_FORMAT}")
    columns = []
    for name, settings in document.get("columns", {}).items():
        if not isinstance(settings, dict):
            raise InvalidDataError(f"{path}: column {name!r} is no table of settings")
        with valid_record():
            columns.append(ColumnSchema.model_validate({**settings, "name": name}))
    return tuple(columns)


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
    for key in ("strict_range", "closed"):
        if not settings[key]:
            del settings[key]
    if column.categories is not None:
        settings["categories"] = list(column.categories)
    return settings
