"""What went wrong in an object store, said so that one can mend it."""

from __future__ import annotations

import re
from typing import Final

_STATUS: Final = re.compile(r"status code: (\d{3})")
"""What a store answered; polars tells it in the text alone where a folder is listed."""

_DENIED: Final = (401, 403)
_GONE: Final = 404


def said_of_store(error: BaseException) -> str:
    """Return what an error of reading an address says, and what to do."""
    first = str(error).partition("\n")[0]
    found = _STATUS.search(first)
    status = int(found[1]) if found else None
    if isinstance(error, PermissionError) or status in _DENIED:
        return (
            "permission denied; pass credentials that may read it (and list it, for a folder or "
            "a glob) as storage_options=, or set them in the environment"
        )
    if isinstance(error, FileNotFoundError) or status == _GONE:
        return (
            "there is no such object, or no such bucket; check the address, and whether "
            "something was deleted while the table was read"
        )
    if "error sending request" in first:
        return f"the store does not answer; check its endpoint in storage_options=: {first}"
    return first
