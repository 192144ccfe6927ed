"""A package that a process of ours loads when it first uses it, so that it starts sooner."""

from __future__ import annotations

import sys
from importlib import import_module
from threading import RLock
from types import ModuleType
from typing import Any, final

_lock = RLock()


def load_when_used(name: str) -> None:
    """Load a package when something of it is first asked for; at once where it is loaded already.

    For the main module of a process that is ours alone, before it imports what imports the
    package: everybody's ``import`` of it then finds the one that waits. Threads may ask at once.

    Parameters
    ----------
    name : str
        Name of a package that is installed.
    """
    sys.modules.setdefault(name, _Waiting(name))


@final
class _Waiting(ModuleType):
    def __getattr__(self, attribute: str) -> Any:
        with _lock:
            if sys.modules.get(self.__name__) is self:
                del sys.modules[self.__name__]
                try:
                    vars(self).update(vars(import_module(self.__name__)))
                except BaseException:
                    sys.modules[self.__name__] = self
                    raise
        try:
            return vars(self)[attribute]
        except KeyError:
            raise AttributeError(
                f"module {self.__name__!r} has no attribute {attribute!r}"
            ) from None
