"""What a server lets a client ask of it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, final

import pydantic

from mldeploy._record import Record

_Count = Annotated[int, pydantic.Field(ge=1)]
_Span = Annotated[timedelta, pydantic.Field(gt=timedelta(0))]


@final
class Limits(Record):
    """What a server lets a client ask of it.

    Attributes
    ----------
    max_body : int
        Bytes of a body, as sent and after decompression; more is refused with 413, unread.
    max_head : int
        Bytes of the request line and the headers; more is refused with 431.
    max_headers : int
        Number of headers.
    head_time, body_time : timedelta
        How long the head, and then the body, may take to arrive as a whole; then 408.
    idle_time : timedelta
        How long a connection may say nothing between two requests.
    answer_time : timedelta
        How long an answer may take; then 504.
    max_connections : int
        Open connections; further ones are told 503 and closed.
    max_waiting : int
        Requests that wait for their answer; further ones are told 503 at once, and when to try
        again. Health checks always pass.
    max_rows : int
        Rows of one request; more is refused with 413.
    """

    max_body: _Count = 32 * 2**20
    max_head: _Count = 16 * 2**10
    max_headers: _Count = 100
    head_time: _Span = timedelta(seconds=30)
    body_time: _Span = timedelta(seconds=30)
    idle_time: _Span = timedelta(seconds=75)
    answer_time: _Span = timedelta(seconds=30)
    max_connections: _Count = 4096
    max_waiting: _Count = 512
    max_rows: _Count = 100_000
