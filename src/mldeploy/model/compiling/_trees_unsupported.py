"""How an estimator that cannot be compiled says why."""

from __future__ import annotations

from mldeploy.errors import NotCompilableError


def unsupported(estimator: object, reason: str) -> NotCompilableError:
    """Return the error for an estimator, with the reason as a clause."""
    return NotCompilableError(steps=[f"{type(estimator).__name__}: {reason}"])
