"""Any table that a user may hold, read into polars."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pandas as pd
import polars as pl

from mldeploy.data._convert import check_names, to_polars
from mldeploy.data._scan_files import Opening, format_of, matching_files, reading, schema_of
from mldeploy.data._supports_arrow import SupportsArrow
from mldeploy.errors import InvalidDataError, SchemaMismatchError

__all__ = ["SupportsArrow", "TableLike", "read_table"]


TableLike: TypeAlias = pd.DataFrame | pl.DataFrame | pl.LazyFrame | SupportsArrow | str | Path


def read_table(source: TableLike) -> pl.DataFrame:
    """Read a table of any accepted kind, or the files of a path or glob."""
    if isinstance(source, pd.DataFrame | pl.DataFrame):
        return to_polars(source)
    if isinstance(source, pl.LazyFrame):
        return to_polars(_collect(source, "the query"))
    if isinstance(source, str | Path):
        return to_polars(_read_files(str(source)))
    if isinstance(source, SupportsArrow):
        names = getattr(source, "column_names", None)
        if names is not None:
            check_names(names)
        frame = pl.DataFrame(source)
        if isinstance(frame, pl.DataFrame):
            return to_polars(frame)
    raise InvalidDataError(
        f"a {type(source).__name__} is not a table; pass a pandas or polars frame, an Arrow "
        "table, or the path of Parquet, CSV, NDJSON or Arrow files"
    )


def _read_files(pattern: str) -> pl.DataFrame:
    paths = matching_files(pattern)
    if len({format_of(path) for path in paths}) > 1:
        raise InvalidDataError(f"{pattern} names files of several formats; pass those of one")
    opening = Opening(types={}, storage_options={}, probes_all=True)
    frames = [_read_file(path, opening) for path in paths]
    for path, frame in zip(paths[1:], frames[1:], strict=True):
        _require_same(frames[0], paths[0], frame, path)
    names = frames[0].columns
    return pl.concat([frame.select(names) for frame in frames], how="vertical_relaxed")


def _read_file(path: str, opening: Opening) -> pl.DataFrame:
    schema_of(path, opening)
    with reading(path):
        return opening.scan(path).collect()


def _require_same(first: pl.DataFrame, of: str, frame: pl.DataFrame, path: str) -> None:
    if lacking := [name for name in first.columns if name not in frame.columns]:
        raise SchemaMismatchError(missing=lacking, path=path)
    if more := [name for name in frame.columns if name not in first.columns]:
        raise SchemaMismatchError(missing=more, path=of)
    for name, dtype in first.schema.items():
        if not _go_together(dtype, frame.schema[name]):
            said = f"holds {frame.schema[name]}, and {dtype} in {of}"
            raise SchemaMismatchError(mistyped={name: said}, path=path)


def _go_together(one: pl.DataType, other: pl.DataType) -> bool:
    """Whether values of both types make one column without changing what they are."""
    if one == other or pl.Null in (one, other) or (one.is_numeric() and other.is_numeric()):
        return True
    if isinstance(one, pl.Datetime) and isinstance(other, pl.Datetime):
        return one.time_zone == other.time_zone
    texts = (pl.String, pl.Categorical, pl.Enum)
    return isinstance(one, texts) and isinstance(other, texts)


def _collect(query: pl.LazyFrame, what: str) -> pl.DataFrame:
    collect: Callable[[], Any] = query.collect
    try:
        frame = collect()
    except pl.exceptions.DuplicateError as error:
        raise InvalidDataError(f"{what} yields two columns of one name: {error}") from error
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InvalidDataError(f"{what} cannot be read as a table: {error}") from error
    if not isinstance(frame, pl.DataFrame):
        raise InvalidDataError(f"{what} yields no frame but a {type(frame).__name__}")
    return frame
