"""Why a compiled model is not opened, and why a row is not answered."""

from __future__ import annotations

from mldeploy.errors import IntegrityError, PredictionFailedError


def refuse(reason: str) -> IntegrityError:
    """Return the error for files that no compiled model wrote, with the reason."""
    return IntegrityError(f"the compiled model ({reason})")


def failed(reason: str) -> PredictionFailedError:
    """Return the error for a row on which the original raises as well."""
    return PredictionFailedError(reason)
