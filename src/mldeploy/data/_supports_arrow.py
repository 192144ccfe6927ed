"""Tables of others that speak Arrow."""

from __future__ import annotations

from typing import Protocol, runtime_checkable


@runtime_checkable
class SupportsArrow(Protocol):
    """Any table that speaks the Arrow PyCapsule interface, such as a pyarrow Table."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Export the table as a stream of record batches."""
        ...
