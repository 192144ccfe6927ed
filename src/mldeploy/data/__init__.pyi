from ._bins import ColumnBins, comparable
from ._column import ColumnSchema
from ._column_drift import ColumnDrift
from ._column_profile import ColumnProfile
from ._column_rules import COLUMN_RULES, ColumnRule
from ._convert import to_pandas, to_polars
from ._data_report import DataReport
from ._dataset import Dataset
from ._drift_report import DriftReport
from ._fingerprint import fingerprint_of
from ._for_problem import dataset_for, require_roles
from ._named_change import Change
from ._profile import Profile
from ._profile_part import profile_part
from ._roles import Roles
from ._schema import Schema
from ._split import GroupSplit, Partition, RandomSplit, Split, TimeSplit, default_split

__all__ = [
    "COLUMN_RULES",
    "Change",
    "ColumnBins",
    "ColumnDrift",
    "ColumnProfile",
    "ColumnRule",
    "ColumnSchema",
    "DataReport",
    "Dataset",
    "DriftReport",
    "GroupSplit",
    "Partition",
    "Profile",
    "RandomSplit",
    "Roles",
    "Schema",
    "Split",
    "TimeSplit",
    "comparable",
    "dataset_for",
    "default_split",
    "fingerprint_of",
    "profile_part",
    "require_roles",
    "to_pandas",
    "to_polars",
]
