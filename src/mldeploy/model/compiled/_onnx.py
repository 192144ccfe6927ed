"""Estimators that ONNX Runtime answers for (extra ``serve``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self, final

import numpy as np
import numpy.typing as npt

from mldeploy.model.compiled._kernel import Arrays, Floats
from mldeploy.model.compiled._onnx_check import require_plain
from mldeploy.model.compiled._onnx_session import OnnxSession
from mldeploy.model.compiled._refuse import failed, refuse
from mldeploy.model.compiled._registry import array_of


@final
class OnnxKernel:
    """Answer with one output of an ONNX model, whose input is a float64 matrix called ``X``.

    Parameters
    ----------
    model : bytes
        The model; only operators of ONNX itself are allowed, and no data outside it.
    output : str
        Name of the output.
    n_inputs : int
        Number of columns that it reads.
    n_outputs : int
        Number of columns that it returns: the last ones of the output.

    Raises
    ------
    IntegrityError
        If the model could do more than calculate.
    """

    kind: ClassVar[str] = "onnx"

    def __init__(self, model: bytes, *, output: str, n_inputs: int, n_outputs: int) -> None:
        require_plain(model)
        self._model, self._output = model, output
        self._n_inputs, self._n_outputs = n_inputs, n_outputs
        self._session = OnnxSession(lambda: model, output=output)

    @property
    def n_inputs(self) -> int:
        """Number of columns that it reads."""
        return self._n_inputs

    @property
    def n_outputs(self) -> int:
        """Number of columns that it returns."""
        return self._n_outputs

    def __call__(self, X: Floats) -> Floats:
        """Return the output for the rows.

        Raises
        ------
        IntegrityError
            If the runtime refuses the model, or the output is not what it should be.
        PredictionFailedError
            If the runtime fails on these rows.
        """
        if not len(X):
            return np.empty((0, self._n_outputs))
        found = self._session(X)
        if not isinstance(found, np.ndarray) or found.dtype.kind not in "fiu":
            raise refuse(f"the output {self._output!r} of its ONNX model is no matrix of numbers")
        if found.size % len(X) or found.size < len(X) * self._n_outputs:
            raise failed(f"the ONNX model answered {found.shape} for {len(X)} rows")
        columns = found.reshape(len(X), -1)[:, -self._n_outputs :]
        return np.ascontiguousarray(columns, np.float64)

    def breakpoints(self) -> dict[int, Floats]:
        """Return none: where it jumps is not known."""
        return {}

    def spec(self) -> dict[str, Any]:
        """Return its settings."""
        return {
            "kind": self.kind,
            "output": self._output,
            "n_inputs": self._n_inputs,
            "n_outputs": self._n_outputs,
        }

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return the model as bytes."""
        return {"model": np.frombuffer(self._model, np.uint8)}

    @classmethod
    def restore(cls, spec: Mapping[str, Any], arrays: Arrays) -> Self:
        """Bring it back.

        Raises
        ------
        IntegrityError
            If the settings are not its own, or the model could do more than calculate.
        """
        output, sizes = spec.get("output"), [spec.get("n_inputs"), spec.get("n_outputs")]
        if not isinstance(output, str) or not all(type(n) is int and n > 0 for n in sizes):
            raise refuse("an ONNX model has no output or no size")
        model = array_of(arrays, "model", dtype=np.uint8).tobytes()
        return cls(model, output=output, n_inputs=spec["n_inputs"], n_outputs=spec["n_outputs"])
