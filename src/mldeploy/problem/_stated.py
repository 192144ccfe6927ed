"""Base of what people state about a problem: refused at once when nobody could judge it."""

from __future__ import annotations

from typing import Any

import pydantic

from mldeploy._record import Record
from mldeploy.errors import InvalidProblemError


class Stated(Record):
    """A record whose mistakes are told as `InvalidProblemError`, in one sentence."""

    def __init__(self, **fields: Any) -> None:
        try:
            super().__init__(**fields)
        except pydantic.ValidationError as error:
            raise _typed(error, type(self).__name__) from None


def _typed(error: pydantic.ValidationError, name: str) -> InvalidProblemError:
    for detail in error.errors():
        cause = detail.get("ctx", {}).get("error")
        if isinstance(cause, InvalidProblemError):
            return cause
    lines = (
        f"{'.'.join(map(str, d['loc'])) or name}: {d['msg']} (found {d['input']!r:.80})"
        for d in error.errors()
    )
    return InvalidProblemError(f"this {name} cannot be judged: " + "; ".join(lines))
