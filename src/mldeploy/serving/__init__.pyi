from ._answers import Answer, Answered, Answers
from ._batch import PredictionBatch, logged_name
from ._batcher import Batcher
from ._compact import compact
from ._counts import Counts
from ._one_row import LoggedRow
from ._parquet_log import ParquetLog
from ._predictor import Predictor
from ._read import read_log
from ._request import Asked
from ._row import PlainRows
from ._scored import scored_rows_of
from ._segments import Partition
from ._sink import MemoryLog, PredictionSink, SupportsReading
from ._traffic import Traffic
from ._writer import DropNewest, Wait

__all__ = [
    "Answer",
    "Answered",
    "Answers",
    "Asked",
    "Batcher",
    "Counts",
    "DropNewest",
    "LoggedRow",
    "MemoryLog",
    "ParquetLog",
    "Partition",
    "PlainRows",
    "PredictionBatch",
    "PredictionSink",
    "Predictor",
    "SupportsReading",
    "Traffic",
    "Wait",
    "compact",
    "logged_name",
    "read_log",
    "scored_rows_of",
]
