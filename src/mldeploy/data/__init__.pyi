from ._associations import Association, associations_of
from ._bins import ColumnBins, comparable
from ._catalogue import Catalogue
from ._catalogue_lineage import Derivation, Lineage
from ._catalogue_records import AccessRule, DatasetEntry, DatasetVersion
from ._catalogue_search import Found
from ._catalogue_sheet import DataSheet, SheetSection
from ._claims import Claim
from ._column import ColumnSchema
from ._column_drift import ColumnDrift
from ._column_profile import ColumnProfile
from ._column_rules import COLUMN_RULES, ColumnRule
from ._convert import to_pandas, to_polars
from ._cursor_source import CursorSource
from ._data_report import DataReport
from ._data_source import DataSource, Position, SupportsIncrements, SupportsParts
from ._dataset import Dataset
from ._drift_report import DriftReport
from ._engine import Engine, LocalEngine, PlacedReduction, Reduction, merge_in_pairs
from ._engine_reductions import (
    Fingerprint,
    FingerprintReduction,
    ProfileReduction,
    RowDigests,
    fingerprint_source,
    profile_source,
)
from ._engine_run import reduce_source
from ._file_source import FileSource
from ._fingerprint import fingerprint_of
from ._for_problem import dataset_for, require_roles
from ._foreign_schema import ForeignSchema
from ._increments import GrowingSource, Increment, IncrementalReader
from ._join import Stream, join_as_of
from ._named_change import Change
from ._pattern import whole_text_pattern
from ._profile import Profile
from ._profile_part import profile_part
from ._proposal import SchemaProposal
from ._roles import Roles
from ._row_digests import row_digests
from ._sample import UnitSample
from ._schema import Schema
from ._schema_diff import ColumnChange, Compatibility, SchemaDiff
from ._sifted import Sifted
from ._sources import FrameSource, QuerySource, rows_of, source_of
from ._split import GroupSplit, Partition, RandomSplit, Split, TimeSplit, default_split
from ._table_rules import Dependency

__all__ = [
    "AccessRule",
    "Association",
    "COLUMN_RULES",
    "Catalogue",
    "Change",
    "Claim",
    "ColumnBins",
    "ColumnChange",
    "ColumnDrift",
    "ColumnProfile",
    "ColumnRule",
    "ColumnSchema",
    "Compatibility",
    "CursorSource",
    "DataReport",
    "DataSheet",
    "DataSource",
    "Dataset",
    "DatasetEntry",
    "DatasetVersion",
    "Dependency",
    "Derivation",
    "DriftReport",
    "Engine",
    "FileSource",
    "Fingerprint",
    "FingerprintReduction",
    "ForeignSchema",
    "Found",
    "FrameSource",
    "GroupSplit",
    "GrowingSource",
    "Increment",
    "IncrementalReader",
    "Lineage",
    "LocalEngine",
    "Partition",
    "PlacedReduction",
    "Position",
    "Profile",
    "ProfileReduction",
    "QuerySource",
    "RandomSplit",
    "Reduction",
    "Roles",
    "RowDigests",
    "Schema",
    "SchemaDiff",
    "SchemaProposal",
    "SheetSection",
    "Sifted",
    "Split",
    "Stream",
    "SupportsIncrements",
    "SupportsParts",
    "TimeSplit",
    "UnitSample",
    "associations_of",
    "comparable",
    "dataset_for",
    "default_split",
    "fingerprint_of",
    "fingerprint_source",
    "join_as_of",
    "merge_in_pairs",
    "profile_part",
    "profile_source",
    "reduce_source",
    "require_roles",
    "row_digests",
    "rows_of",
    "source_of",
    "to_pandas",
    "to_polars",
    "whole_text_pattern",
]
