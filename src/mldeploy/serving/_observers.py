"""Who sees rows once they are written."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import TypeAlias, final

import polars as pl

_logger = logging.getLogger(__name__)

Observer: TypeAlias = "Callable[[pl.DataFrame], None]"
"""Called with rows of the log, as they were written; sketches of drift hang here."""


@final
class Observers:
    """Tell observers about rows; one that raises is logged and not asked again."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._active = list(observers)
        self.failed = 0

    def __call__(self, rows: pl.DataFrame) -> None:
        """Show rows to each of them, in the thread that wrote the rows."""
        for observer in tuple(self._active):
            try:
                observer(rows)
            except Exception:
                _logger.exception(
                    "%r failed on rows of a prediction log and is left out from now on; "
                    "the log goes on",
                    observer,
                )
                self._active.remove(observer)
                self.failed += 1
