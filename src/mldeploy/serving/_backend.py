"""What computes an answer: the estimator, or its compiled form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, final

import numpy.typing as npt
import polars as pl

from mldeploy.model import CompiledModel
from mldeploy.serving._reader import Values

if TYPE_CHECKING:
    from mldeploy.model import Model

Array: TypeAlias = npt.NDArray[Any]


class Backend(Protocol):
    """What computes decisions and scores: the estimator, or its compiled form."""

    def one(self, values: Values) -> tuple[Any, Any]:
        """Return decision and score of one row, as plain values."""
        ...

    def many(self, frame: pl.DataFrame) -> tuple[Array, Array | None]:
        """Return decisions and scores of rows in the schema's types."""
        ...


def backend_of(model: Model | CompiledModel) -> Backend:
    """Return what answers for a model; scikit-learn is loaded only if it was not compiled."""
    if isinstance(model, CompiledModel):
        return _CompiledBackend(model)
    from mldeploy.serving._original import OriginalBackend  # noqa: PLC0415 - loads scikit-learn

    return OriginalBackend(model)


@final
class _CompiledBackend:
    def __init__(self, model: CompiledModel) -> None:
        self.one = model.score_row
        self.many = model.score_frame
