"""What an estimator refuses, found by asking it."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from mldeploy.model.compiled._dense import Guard
from mldeploy.model.compiled._kernel import Kernel

_BEYOND_FLOAT32 = 1e300


def guarded(estimator: Any, n_inputs: int) -> tuple[Kernel, ...]:
    """Return the kernel that refuses what an estimator refuses; none if it takes everything.

    Parameters
    ----------
    estimator : estimator
        Fitted.
    n_inputs : int
        Number of columns that it reads.
    """
    if not n_inputs or not _takes(estimator, n_inputs, 0.0):
        return ()
    guard = Guard(
        width=n_inputs,
        allows_missing=_takes(estimator, n_inputs, np.nan),
        allows_infinite=_takes(estimator, n_inputs, np.inf),
        as_float32=not _takes(estimator, n_inputs, _BEYOND_FLOAT32),
    )
    return () if guard.allows_missing and guard.allows_infinite else (guard,)


def _takes(estimator: Any, n_inputs: int, value: float) -> bool:
    row = np.zeros((1, n_inputs))
    row[0, 0] = value
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            estimator.predict(row)
        except (ValueError, OverflowError):
            return False
    return True
