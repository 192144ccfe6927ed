"""An ONNX Runtime session (extra ``serve``), opened when it is first asked."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib.util import find_spec
from typing import TYPE_CHECKING, Final, final

from mldeploy.errors import MissingExtraError
from mldeploy.model.compiled._kernel import Floats
from mldeploy.model.compiled._refuse import failed, refuse

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

_FATAL_ONLY: Final = 4


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
        PredictionFailedError
            If the runtime fails on these rows.
        """
        session = self._session or self._open()
        try:
            return session.run([self._output], {"X": X})[0]  # type: ignore[no-any-return]
        except Exception as error:
            raise failed(f"ONNX Runtime failed: {error}") from error

    def _open(self) -> InferenceSession:
        with self._lock:
            if self._session is None:
                session = _open(self._model())
                inputs = [(i.name, i.type) for i in session.get_inputs()]
                if inputs != [("X", "tensor(double)")]:
                    raise refuse(f"its ONNX model reads {inputs}")
                if self._output not in [o.name for o in session.get_outputs()]:
                    raise refuse(f"its ONNX model has no output {self._output!r}")
                self._session = session
            return self._session


def _open(model: bytes) -> InferenceSession:
    try:
        import onnxruntime  # noqa: PLC0415 (an extra, and 0.1 s)
    except ImportError as error:
        raise MissingExtraError("this compiled model", extra="serve") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.enable_cpu_mem_arena = False
    options.log_severity_level = _FATAL_ONLY
    try:
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        raise refuse(f"ONNX Runtime does not take its ONNX model: {error}") from error
