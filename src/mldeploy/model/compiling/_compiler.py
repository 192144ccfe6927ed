"""What turns a model into a compiled one."""

from __future__ import annotations

from typing import Protocol

from mldeploy.model._model import Model
from mldeploy.model.compiled._model import CompiledModel


class Compiler(Protocol):
    """Turn a fitted model into one that answers without scikit-learn.

    Several may be tried on one model; which of them serves is decided by proof, not by the
    compiler.
    """

    @property
    def name(self) -> str:
        """Under which it is reported."""
        ...

    def compile(self, model: Model) -> CompiledModel:
        """Return the compiled model.

        Raises
        ------
        NotCompilableError
            If a step is not known; it names every such step.
        """
        ...
