"""Answer rows with a model, and write down what was asked and answered."""

from mldeploy.serving._answers import Answer, Answers
from mldeploy.serving._batch import PredictionBatch, logged_name
from mldeploy.serving._compact import compact
from mldeploy.serving._parquet_log import ParquetLog
from mldeploy.serving._predictor import Counts, Predictor
from mldeploy.serving._read import read_log
from mldeploy.serving._row import PlainRows
from mldeploy.serving._scored import scored_rows_of
from mldeploy.serving._segments import Partition
from mldeploy.serving._sink import MemoryLog, PredictionSink, SupportsReading
from mldeploy.serving._writer import DropNewest, Wait

__all__ = [
    "Answer",
    "Answers",
    "Counts",
    "DropNewest",
    "MemoryLog",
    "ParquetLog",
    "Partition",
    "PlainRows",
    "PredictionBatch",
    "PredictionSink",
    "Predictor",
    "SupportsReading",
    "Wait",
    "compact",
    "logged_name",
    "read_log",
    "scored_rows_of",
]
