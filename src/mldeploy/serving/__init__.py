"""Answer rows with a model, and write down what was asked and answered."""

from mldeploy.serving._batch import PredictionBatch, logged_name
from mldeploy.serving._compact import compact
from mldeploy.serving._parquet_log import ParquetLog
from mldeploy.serving._read import read_log
from mldeploy.serving._segments import Partition
from mldeploy.serving._sink import MemoryLog, PredictionSink
from mldeploy.serving._writer import DropNewest, Wait

__all__ = [
    "DropNewest",
    "MemoryLog",
    "ParquetLog",
    "Partition",
    "PredictionBatch",
    "PredictionSink",
    "Wait",
    "compact",
    "logged_name",
    "read_log",
]
