"""What a search tried, as trials that a store keeps and compares."""

from __future__ import annotations

import math
import re
from collections.abc import Hashable, Mapping
from datetime import timedelta
from typing import Any, Final

import numpy as np
import pandas as pd

from mldeploy.store import JsonValue
from mldeploy.tracking import Folds, Trial

_SPLIT: Final = re.compile(r"split(\d+)_test_(.+)")
_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")
_FOLDS: Final = "folds"
_LONGEST: Final = 500


def trials_of(table: pd.DataFrame) -> list[tuple[Folds | None, list[Trial]]]:
    """Read what a search tried, as ``cv_results_`` has it, or as `Model.trials` is.

    Parameters
    ----------
    table : pandas.DataFrame
        One row for each candidate.

    Returns
    -------
    list of (Folds or None, list of Trial)
        Trials that were scored on the same folds together. A halving search uses more rows in
        each round, so each of its rounds stands for itself. None where the folds are not known.

    Examples
    --------
    >>> table = pd.DataFrame({"params": [{"C": 1.0}], "split0_test_score": [0.7],
    ...                       "split1_test_score": [0.8], "mean_fit_time": [0.5]})
    >>> ((folds, (trial,)),) = trials_of(table)
    >>> trial.parameters, trial.scores
    ({'C': 1.0}, {'score': (0.7, 0.8)})
    """
    described = table.attrs.get(_FOLDS)
    folds = None if described is None else Folds.model_validate(described)
    if "n_resources" not in table:
        return [(folds, [_trial(row) for row in _rows(table)])]
    rounds = []
    for n, part in table.groupby("n_resources", sort=True):
        rounds.append((_of_round(folds, n), [_trial(row) for row in _rows(part)]))
    return rounds


def with_folds(table: pd.DataFrame, fingerprint: str, cv: object) -> pd.DataFrame:
    """Note on what folds a search scored its candidates, if it was given them as positions."""
    if isinstance(cv, list) and len(cv) > 1 and all(isinstance(fold, tuple) for fold in cv):
        table.attrs[_FOLDS] = Folds.of(fingerprint, cv).to_jsonable()
    return table


def _of_round(folds: Folds | None, n_resources: Hashable) -> Folds | None:
    """Return the folds of one round of a halving search; `n_resources` may be no rows."""
    if folds is None:
        return None
    return folds.model_copy(update={"rows": f"{folds.rows}:{n_resources}"})


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    columns = {str(name): table[name].tolist() for name in table.columns}
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]


def _trial(row: Mapping[str, Any]) -> Trial:
    scores: dict[str, dict[int, float]] = {}
    for name, value in row.items():
        if found := _SPLIT.fullmatch(name):
            scores.setdefault(found[2], {})[int(found[1])] = float(value)
    seconds = [float(row.get(name, 0.0)) for name in ("mean_fit_time", "mean_score_time")]
    n_folds = max(map(len, scores.values()), default=1)
    took = n_folds * sum(s for s in seconds if math.isfinite(s))
    return Trial(
        parameters={str(name): _jsonable(value) for name, value in row["params"].items()},
        scores={name: tuple(found[i] for i in sorted(found)) for name, found in scores.items()},
        metrics={"fit_seconds": seconds[0]} if math.isfinite(seconds[0]) else {},
        duration=timedelta(seconds=took),
    )


def _jsonable(value: object) -> JsonValue:
    """Return a setting as JSON; what has no such form as its text."""
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    if isinstance(value, list | tuple):
        return [_jsonable(part) for part in value]
    text = _ADDRESS.sub("", repr(value))
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
