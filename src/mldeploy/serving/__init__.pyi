from ._answers import Answer, Answered, Answers
from ._batch import PredictionBatch, logged_name
from ._batcher import Batcher
from ._bulk import score_table
from ._bulk_log import BulkLog
from ._bulk_sql import SqlTable
from ._bulk_summary import BulkSummary
from ._compact import compact
from ._counts import Counts
from ._drift import DriftState, DriftWatch
from ._drift_figures import DriftFigure
from ._drift_versions import DriftWatches
from ._explain import explain
from ._explanation import Contribution, Explanation
from ._frame import Loggable
from ._label import Label
from ._observers import Observer
from ._on_full import DropNewest, Refuse, Wait
from ._one_row import LoggedRow
from ._parquet_log import ParquetLog
from ._plan import Arm, Plan, Switchboard
from ._predictor import Predictor
from ._privacy import ColumnRule, DropColumn, HashColumn
from ._read import read_log
from ._request import Asked
from ._retention import Expired, Retention, expire
from ._row import PlainRows
from ._scored import scored_rows_of
from ._segments import Partition
from ._sink import MemoryLog, PredictionSink, SupportsReading
from ._traffic import Traffic
from ._upkeep_round import Upkept

__all__ = [
    "Answer",
    "Answered",
    "Answers",
    "Arm",
    "Asked",
    "Batcher",
    "BulkLog",
    "BulkSummary",
    "ColumnRule",
    "Contribution",
    "Counts",
    "DriftFigure",
    "DriftState",
    "DriftWatch",
    "DriftWatches",
    "DropColumn",
    "DropNewest",
    "Expired",
    "Explanation",
    "HashColumn",
    "Loggable",
    "Label",
    "LoggedRow",
    "MemoryLog",
    "Observer",
    "ParquetLog",
    "Partition",
    "PlainRows",
    "Plan",
    "PredictionBatch",
    "PredictionSink",
    "Predictor",
    "Refuse",
    "Retention",
    "SqlTable",
    "SupportsReading",
    "Switchboard",
    "Traffic",
    "Upkept",
    "Wait",
    "compact",
    "expire",
    "explain",
    "logged_name",
    "read_log",
    "score_table",
    "scored_rows_of",
]
