"""Any table that a user may hold, read into polars."""

from __future__ import annotations

import glob
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, TypeAlias, runtime_checkable

import pandas as pd
import polars as pl

from mldeploy.data._convert import check_names, to_polars
from mldeploy.errors import DuplicateColumnsError, InvalidDataError


@runtime_checkable
class SupportsArrow(Protocol):
    """Any table that speaks the Arrow PyCapsule interface, such as a pyarrow Table."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Export the table as a stream of record batches."""
        ...


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
        "table, or the path of Parquet or CSV files"
    )


def _read_files(pattern: str) -> pl.DataFrame:
    paths = _matching(pattern)
    suffixes = {Path(path).suffix.lower() for path in paths}
    if suffixes <= {".parquet", ".pq"}:
        return _collect(pl.scan_parquet(paths), pattern)
    if suffixes <= {".csv"}:
        for path in paths:
            _check_csv_header(path)
        scan = pl.scan_csv(paths, try_parse_dates=True, infer_schema_length=None)
        return _collect(scan, pattern)
    raise InvalidDataError(
        f"{pattern} ends in {', '.join(sorted(suffixes))}; pass .parquet or .csv files, all of "
        "one kind, or read them yourself and pass the frame"
    )


def _matching(pattern: str) -> list[str]:
    path = Path(pattern)
    if path.is_dir():
        found = sorted(str(p) for p in path.rglob("*") if p.suffix in (".parquet", ".pq", ".csv"))
    elif path.is_file():
        found = [pattern]
    else:
        found = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207 (absolute globs)
    if not found:
        raise InvalidDataError(f"no file matches {pattern!r}; check the path or the glob")
    return found


def _check_csv_header(path: str) -> None:
    try:
        header = pl.read_csv(path, has_header=False, n_rows=1, infer_schema=False)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise InvalidDataError(f"{path} cannot be read as a table: {error}") from error
    names = [str(name) for name in header.row(0)] if header.height else []
    if len(set(names)) != len(names):
        raise DuplicateColumnsError(dict.fromkeys(n for n in names if names.count(n) > 1))


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
