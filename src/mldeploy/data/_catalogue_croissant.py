"""A version of a data set in the Croissant vocabulary [1]_, as JSON-LD.

References
----------
.. [1] MLCommons, "Croissant Format Specification 1.0", 2024,
   https://docs.mlcommons.org/croissant/docs/croissant-spec.html.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Final

from mldeploy.data._catalogue_records import DatasetEntry, DatasetVersion
from mldeploy.data._schema import Schema
from mldeploy.errors import InvalidDataError

_OF_CROISSANT: Final = (
    *("citeAs", "column", "equivalentProperty", "extract", "field", "fileObject", "fileProperty"),
    *("fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key", "md5", "parentField"),
    *("path", "recordSet", "references", "regex", "repeated", "replace", "samplingRate"),
    *("separator", "source", "subField", "transform"),
)
CONTEXT: Final[Mapping[str, Any]] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    **{name: f"cr:{name}" for name in _OF_CROISSANT},
}
_TYPES: Final = {
    "integer": "sc:Integer",
    "number": "sc:Float",
    "boolean": "sc:Boolean",
    "datetime": "sc:DateTime",
    "date": "sc:Date",
    "time": "sc:Time",
}
"""By kind of column; all else is text."""
_FORMATS: Final = {
    ".parquet": "application/x-parquet",
    ".pq": "application/x-parquet",
    ".csv": "text/csv",
    ".ndjson": "application/jsonlines",
    ".jsonl": "application/jsonlines",
}
_SPDX: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+-]*")


def croissant(
    entry: DatasetEntry,
    version: DatasetVersion,
    schema: Schema,
    *,
    url: str,
    files: Mapping[str, str],
) -> dict[str, Any]:
    """Describe a version; without known files there is no record set, for want of a source."""
    if unknown := sorted(set(files) - set(version.files)):
        raise InvalidDataError(
            f"{version.label} has no file {', '.join(unknown[:5])}; it has "
            f"{', '.join([*version.files][:5]) or 'none that the catalogue knows'}"
        )
    objects = [_file_object(place, version, files) for place in sorted(version.files)]
    facts = {
        "@context": dict(CONTEXT),
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": entry.name,
        "description": entry.description,
        "version": f"{version.number}.0.0",
        "datePublished": version.added_at.isoformat(),
        "creator": {"@type": "sc:Organization", "name": entry.owner},
        "license": _licence(entry.licence),
        "url": url,
        "keywords": list(entry.tags),
        "citeAs": (
            f"{entry.owner}. {entry.name}, version {version.number} "
            f"({version.added_at:%Y}), sha256:{version.fingerprint}"
        ),
        "identifier": f"sha256:{version.fingerprint}",
        "isBasedOn": list(version.made_from),
    }
    known = {name: value for name, value in facts.items() if value not in ("", [])}
    sets, records = _records(objects, schema, has_addresses=bool(files))
    return {**known, "distribution": [*objects, *sets], "recordSet": records}


def _records(
    objects: list[dict[str, Any]], schema: Schema, *, has_addresses: bool
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the file sets, and the record sets that are read from files or from a set of them."""
    if len(objects) < 2 or has_addresses:
        named = [("rows" if len(objects) == 1 else f"rows of {o['@id']}", o) for o in objects]
        return [], [_record_set(n, {"fileObject": {"@id": o["@id"]}}, schema) for n, o in named]
    together = {
        "@type": "cr:FileSet",
        "@id": "files",
        "name": "files",
        "encodingFormat": objects[0]["encodingFormat"],
        "includes": [o["contentUrl"] for o in objects],
    }
    return [together], [_record_set("rows", {"fileSet": {"@id": "files"}}, schema)]


def _file_object(place: str, version: DatasetVersion, files: Mapping[str, str]) -> dict[str, Any]:
    path = PurePosixPath(place)
    relative = path.name if Path(place).is_absolute() else place
    return {
        "@type": "cr:FileObject",
        "@id": relative,
        "name": path.name,
        "contentUrl": files.get(place, relative),
        "encodingFormat": _FORMATS[path.suffix.lower()],
        "sha256": version.files[place],
    }


def _record_set(name: str, source: dict[str, Any], schema: Schema) -> dict[str, Any]:
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"{name}/{column.name}",
            "name": column.name,
            "dataType": _TYPES.get(column.kind, "sc:Text"),
            "source": {**source, "extract": {"column": column.name}},
        }
        for column in schema.columns
    ]
    return {"@type": "cr:RecordSet", "@id": name, "name": name, "field": fields}


def _licence(licence: str) -> str:
    """Return the address of a licence that is named by its SPDX identifier."""
    if _SPDX.fullmatch(licence):
        return f"https://spdx.org/licenses/{licence}.html"
    return licence
