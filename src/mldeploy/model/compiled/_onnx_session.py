"""An ONNX Runtime session (extra ``serve``), opened when it is first asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, final

import numpy as np

from mldeploy.errors import IntegrityError, MissingExtraError
from mldeploy.model.compiled._kernel import Floats

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_ERRORS_ONLY: Final = 3


def is_installed() -> bool:
    """Return whether the runtime can be imported, without importing it."""
    return find_spec("onnxruntime") is not None


@final
class OnnxSession:
    """One input ``X`` and one output, both float64 matrices; one thread for each caller."""

    def __init__(self, model: Callable[[], bytes], *, output: str = "Y") -> None:
        self._model, self._output = model, output
        self._lock = threading.Lock()
        self._session: InferenceSession | None = None

    def __call__(self, X: Floats) -> Floats:
        """Return the output for the rows.

        Raises
        ------
        IntegrityError
            If the runtime refuses the model.
        MissingExtraError
            If ONNX Runtime is not installed.
        """
        session = self._session or self._open()
        return session.run([self._output], {"X": X})[0]  # type: ignore[no-any-return]

    def _open(self) -> InferenceSession:
        with self._lock:
            if self._session is None:
                self._session = _open(self._model())
            return self._session


def _open(model: bytes) -> InferenceSession:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingExtraError("this compiled model", extra="serve") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = _ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise IntegrityError(f"the ONNX model (the runtime refuses it: {error})") from error
