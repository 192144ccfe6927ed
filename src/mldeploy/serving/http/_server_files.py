"""Room for connections: a process may have only so many files open."""

from __future__ import annotations

from typing import Final

_OTHERS: Final = 128
"""Files that a process keeps open besides its connections."""


def room_for(n_connections: int) -> int:
    """Raise this process's limit of open files as far as needed; return what there is room for.

    Parameters
    ----------
    n_connections : int
        Connections that should be open at the same time.

    Returns
    -------
    int
        As many, or fewer if the system allows no more.
    """
    try:
        import resource  # noqa: PLC0415 - not on every platform
    except ImportError:
        return n_connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = n_connections + _OTHERS
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(n_connections, soft - _OTHERS))
