"""Which answers cannot be ruled out, said beside an answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mldeploy.errors import NotFoundError
from mldeploy.serving._answers import Answer

if TYPE_CHECKING:
    from mldeploy.model import CompiledModel, Model


def uncertain(answer: Answer, model: Model | CompiledModel) -> Answer:
    """Return an answer with the set or interval that its model was validated with.

    Raises
    ------
    NotFoundError
        If the model was registered without one.
    """
    conformal = model.conformal
    if conformal is None:
        raise NotFoundError(
            f"version {answer.version} came without prediction sets or intervals; validate a "
            "version with UncertaintyValidator, and register it with that report"
        )
    if conformal.labels:
        assert answer.score is not None, "sets were made of this model's probabilities"
        found = {"prediction_set": conformal.prediction_set(answer.score)}
        return answer.model_copy(update=found)
    return answer.model_copy(update={"interval": conformal.interval(float(answer.prediction))})
