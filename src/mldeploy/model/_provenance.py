"""Where a model comes from: data, code, settings, people and machine."""

from __future__ import annotations

import math
import platform
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from importlib import metadata
from typing import Any, TypeAlias, final

from mldeploy._record import Record
from mldeploy.model._code import CodeState

Scalar: TypeAlias = str | int | float | bool | None

_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")
_LONGEST_TEXT = 500


@final
class Provenance(Record):
    """Where a model comes from: data, code, settings, people and machine.

    Attributes
    ----------
    problem : str
        Digest of the problem it answers.
    data : str
        Fingerprint of the rows it was trained on.
    n_rows : int
        Number of those rows.
    features : tuple of str
        The columns it reads.
    trained_at : datetime
        When training began, in UTC.
    trained_by : str
        Who trained it; an approval by the same person needs a waiver.
    duration : timedelta
        How long the fit took.
    seed : int or None
        Seed of its random numbers.
    trainer : str
        The part that trained it.
    estimator : str
        What was fitted, as text.
    parameters : dict of str to scalar
        Settings of the estimator; what is no number, boolean or text is shown as text.
    code : CodeState
        The commit it was trained from, and whether the tree differed from it.
    environment : dict of str to str
        Version of every installed distribution.
    python, platform : str
        Version of Python, and the machine's system and architecture.
    trained_until : datetime, optional
        Time of the last row it was trained on, where rows have a time: later rows alone are
        evidence about it.
    """

    problem: str
    data: str
    n_rows: int
    features: tuple[str, ...]
    trained_at: datetime
    trained_by: str
    duration: timedelta
    seed: int | None
    trainer: str
    estimator: str
    parameters: dict[str, Scalar]
    code: CodeState
    environment: dict[str, str]
    python: str
    platform: str
    trained_until: datetime | None = None

    @classmethod
    def of(
        cls,
        estimator: Any,
        *,
        problem: str,
        data: str,
        n_rows: int,
        features: Sequence[str],
        trainer: str,
        trained_by: str,
        trained_at: datetime,
        duration: timedelta,
        seed: int | None,
        code: CodeState,
        trained_until: datetime | None = None,
    ) -> Provenance:
        """Describe a fit; settings, environment and machine are found here.

        Parameters
        ----------
        estimator : object
            The fitted estimator, whose settings `get_params` names.
        problem, data, n_rows, features, trainer, trained_by, trained_at, duration, seed, code
            As the attributes.
        trained_until : datetime, optional
            As the attribute.
        """
        parameters = estimator.get_params(deep=True) if hasattr(estimator, "get_params") else {}
        return cls(
            problem=problem,
            data=data,
            n_rows=n_rows,
            features=tuple(features),
            trained_at=trained_at,
            trained_by=trained_by,
            duration=duration,
            seed=seed,
            trainer=trainer,
            estimator=_text_of(estimator),
            parameters=_flat(parameters),
            code=code,
            environment=dict(_installed()),
            python=sys.version.split()[0],
            platform=f"{platform.system()}-{platform.machine()}",
            trained_until=trained_until,
        )


@lru_cache(maxsize=1)
def _installed() -> tuple[tuple[str, str], ...]:
    names = {d.metadata["Name"]: d.version for d in metadata.distributions()}
    return tuple(sorted((n, v) for n, v in names.items() if n and v))


def _text_of(value: object) -> str:
    return _ADDRESS.sub("", repr(value))


def _flat(parameters: Mapping[str, Any]) -> dict[str, Scalar]:
    return {name: _scalar(value) for name, value in sorted(parameters.items())}


def _scalar(value: object) -> Scalar:
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return float(value)
    text = _text_of(value)
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"
