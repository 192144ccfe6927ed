from ._column import ColumnSchema
from ._column_profile import ColumnProfile
from ._convert import to_pandas, to_polars
from ._dataset import Dataset
from ._fingerprint import fingerprint_of
from ._for_problem import dataset_for, require_roles
from ._profile import Profile
from ._profile_part import profile_part
from ._roles import Roles
from ._schema import Schema
from ._split import GroupSplit, Partition, RandomSplit, Split, TimeSplit, default_split

__all__ = [
    "ColumnProfile",
    "ColumnSchema",
    "Dataset",
    "GroupSplit",
    "Partition",
    "Profile",
    "RandomSplit",
    "Roles",
    "Schema",
    "Split",
    "TimeSplit",
    "dataset_for",
    "default_split",
    "fingerprint_of",
    "profile_part",
    "require_roles",
    "to_pandas",
    "to_polars",
]
