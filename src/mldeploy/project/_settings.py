"""The settings of a part, by which a step knows whether it was done before."""

from __future__ import annotations

import dataclasses
import hashlib
import pickle
import re
from collections.abc import Mapping
from functools import partial
from types import CodeType, FunctionType
from typing import Any, Final

import numpy as np
import pandas as pd
import polars as pl
from sklearn.base import BaseEstimator

from mldeploy.store import JsonValue

_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")
_DEEPEST: Final = 20


def settings_of(part: object, *, depth: int = 0) -> JsonValue:
    """Return the settings of a part: parts that do otherwise have other settings.

    Parts that do the same have equal settings within reason; where it cannot be told, such as
    for an object that orders its content by address, a step is done once more.
    """
    if isinstance(part, str | int | bool | None):
        return part
    inner = partial(settings_of, depth=depth + 1)
    settings: JsonValue
    if isinstance(part, list | tuple):
        settings = [inner(value) for value in part]
    elif isinstance(part, Mapping):
        settings = [[inner(key), inner(value)] for key, value in part.items()]
    elif isinstance(part, set | frozenset):
        settings = list[JsonValue](sorted(map(repr, part)))
    elif isinstance(part, FunctionType):
        settings = _of_function(part, depth)
    elif isinstance(part, type):
        settings = _name(part)
    elif isinstance(part, np.ndarray | pd.DataFrame | pd.Series | pl.DataFrame | pl.Series):
        settings = f"{_name(type(part))} {_digest(pickle.dumps(part))}"
    elif depth <= _DEEPEST and (own := _own(part)) is not None:
        settings = {_name(type(part)): {key: inner(own[key]) for key in sorted(own)}}
    else:
        settings = _ADDRESS.sub("", repr(part))
    return settings


def _name(of: type | FunctionType) -> str:
    return f"{of.__module__}.{of.__qualname__}"


def _own(part: object) -> dict[str, Any] | None:
    """Return what a part was made with; None if its text says it all."""
    if isinstance(part, BaseEstimator):
        parameters: dict[str, Any] = part.get_params(deep=False)
        return parameters
    if dataclasses.is_dataclass(part):
        return {f.name: getattr(part, f.name) for f in dataclasses.fields(part)}
    if isinstance(part, np.random.RandomState):
        return {"state": part.get_state(legacy=True)}
    if isinstance(part, np.random.Generator):
        return {"state": part.bit_generator.state}
    if type(part).__repr__ is object.__repr__ and hasattr(part, "__dict__"):
        return {key: value for key, value in vars(part).items() if key.isidentifier()}
    return None


def _of_function(function: FunctionType, depth: int) -> JsonValue:
    """Return its name, what it does, and what it holds: a notebook's cell keeps its name."""
    cells = [cell.cell_contents for cell in function.__closure__ or () if _is_full(cell)]
    return {
        _name(function): [
            _digest(_code(function.__code__)),
            settings_of(function.__defaults__, depth=depth + 1),
            settings_of(function.__kwdefaults__, depth=depth + 1),
            [
                settings_of(c, depth=depth + 1) if depth < _DEEPEST else repr(type(c))
                for c in cells
            ],
        ]
    }


def _is_full(cell: Any) -> bool:
    try:
        return cell.cell_contents is not None
    except ValueError:
        return False


def _code(code: CodeType) -> bytes:
    constants = [_code(c).hex() if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return code.co_code + repr((code.co_names, sorted(constants))).encode()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
