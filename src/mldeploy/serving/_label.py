"""What was true of a prediction, as a client says it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import final


@final
@dataclass(frozen=True, kw_only=True)
class Label:
    """What was true of one prediction."""

    value: bool | int | float | str
    prediction_id: str | None = None
    key: str | None = None
    time: datetime | None = None
    observed_at: datetime | None = None
