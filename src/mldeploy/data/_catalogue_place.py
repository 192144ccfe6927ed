"""Where data lie, and that they are still what was catalogued."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mldeploy.data._catalogue_records import DatasetVersion
from mldeploy.data._data_source import DataSource
from mldeploy.data._file_source import FileSource, digests_of
from mldeploy.data._schema import Schema
from mldeploy.errors import NotFoundError


def in_one_place(source: DataSource) -> DataSource:
    """Return the same files by a path that is right from any folder."""
    if not isinstance(source, FileSource):
        return source
    return replace(source, pattern=str(Path(source.pattern).absolute()))


def files_of(source: DataSource) -> Mapping[str, str]:
    """Return the digest of each file of a source; none if it is not of files."""
    if not isinstance(source, FileSource):
        return {}
    return digests_of(source.position())


def place_of(source: DataSource) -> dict[str, str | None]:
    """Return what a version keeps of where its data lie and how they are read."""
    if not isinstance(source, FileSource):
        return {}
    return {"location": source.pattern, "time": source.time, "timezone": source.timezone}


def source_at(version: DatasetVersion, schema: Schema) -> FileSource:
    """Return the files of a version, each held against its digest before it is read."""
    if not version.location:
        raise NotFoundError(
            f"the catalogue does not know where the data of {version.label} lie; they were added "
            "from memory or by a query. Add them from the path of their files"
        )
    localised = version.time if version.timezone is not None else None
    types = {
        column.name: column.dtype
        for column in schema.columns
        if column.kind != "category" and column.name != localised
    }
    return FileSource(
        pattern=version.location,
        time=version.time,
        timezone=version.timezone,
        name=version.label,
        types=types,
        only=version.files,
    )
