"""Tables with roles, their schemas, splits and profiles."""

from mldeploy.data._column import ColumnSchema
from mldeploy.data._column_profile import ColumnProfile
from mldeploy.data._convert import to_pandas, to_polars
from mldeploy.data._dataset import Dataset
from mldeploy.data._fingerprint import fingerprint_of
from mldeploy.data._for_problem import dataset_for, require_roles
from mldeploy.data._profile import Profile
from mldeploy.data._roles import Roles
from mldeploy.data._schema import Schema
from mldeploy.data._split import (
    GroupSplit,
    Partition,
    RandomSplit,
    Split,
    TimeSplit,
    default_split,
)

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
    "require_roles",
    "to_pandas",
    "to_polars",
]
