"""A model that answers without scikit-learn."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.data import Schema
from mldeploy.model._signature import Signature
from mldeploy.model.compiled._average import breakpoints_of
from mldeploy.model.compiled._encoding import Encoding
from mldeploy.model.compiled._files import read_files, write_files
from mldeploy.model.compiled._kernel import Floats, Kernel
from mldeploy.model.compiled._linear import Fused, Linear
from mldeploy.model.compiled._link import Head, Score
from mldeploy.model.compiled._pull_back import pulled_back
from mldeploy.model.compiled._refuse import refuse
from mldeploy.model.compiled._registry import run

if TYPE_CHECKING:
    from mldeploy.problem import Conformal, Routing

Array: TypeAlias = npt.NDArray[Any]

_CELLS_AT_ONCE: Final = 1 << 21
"""Numbers in the rows that are encoded at once: 16 MB."""
_ROWS_AT_ONCE: Final = 1 << 15
_MOST_SUMS: Final = 8
"""Up to here sums of one row are taken one by one, which is faster than a row of numbers."""
_KINDS: Final = {
    **dict.fromkeys(("integer", "number", "boolean"), "number"),
    **dict.fromkeys(("string", "category"), "text"),
}


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class CompiledModel:
    """A fitted model as plain tables and numbers: it answers as the original does, and faster.

    A `Compiler` makes one, and `Bundle.load_compiled` reads one back. It never changes, may be
    shared between threads, and needs neither scikit-learn nor pandas.

    Attributes
    ----------
    signature : Signature
        What goes in and what comes out; as the original's.
    routing : Routing or None
        Which answers stand by themselves; as the original's.
    digest : str
        Digest of the original.
    encoding : Encoding
        From raw columns to numbers.
    kernels : tuple of Kernel
        From those to the numbers that the answer is made of.
    head : Head
        The answer.
    conformal : Conformal, optional
        Which answers cannot be ruled out; as the original's.
    """

    signature: Signature
    routing: Routing | None
    digest: str
    encoding: Encoding
    kernels: tuple[Kernel, ...]
    head: Head
    conformal: Conformal | None = None

    def __post_init__(self) -> None:
        width = self.encoding.n_outputs
        for kernel in self.kernels:
            if kernel.n_inputs != width:
                raise refuse(f"a kernel reads {kernel.n_inputs} columns and gets {width}")
            width = kernel.n_outputs
        self.head.require_outputs(width)
        if self.encoding.kinds != kinds_of(self.signature.inputs):
            raise refuse("its encoding reads other columns than the signature names")

    def score_row(self, values: Sequence[Any]) -> tuple[Any, Score]:
        """Return decision and score of one row.

        Parameters
        ----------
        values : sequence
            Plain values in the order of the signature's features, as its schema accepts them;
            None where a value is missing.

        Returns
        -------
        prediction : bool, int, str or float
            The label in the user's own coding, or a number in a regression.
        score : float, tuple of float or None
            As one row of `Model.score`.

        Raises
        ------
        PredictionFailedError
            If the original raises on such a row.
        """
        fused = self._fused
        if fused is not None:
            if fused.n_outputs == 1:
                total = fused.one(values)
                if total - total == 0.0:  # neither NaN nor infinite
                    return self.head.one_of_two(total)
            else:
                totals = fused.row(values)
                if math.isfinite(sum(totals)):
                    return self.head.one(totals)
        with np.errstate(all="ignore"):
            outputs = run(self.kernels, self.encoding.row(values))
        return self.head.one(outputs[0].tolist())

    def score_frame(self, frame: pl.DataFrame) -> tuple[Array, Array | None]:
        """Return decisions and scores of rows.

        Parameters
        ----------
        frame : polars.DataFrame
            As `Schema.enforce` of the signature's inputs returns it.

        Returns
        -------
        predictions : ndarray of shape (n_rows,)
            As of `Model.predict`.
        scores : ndarray of shape (n_rows,) or (n_rows, n_classes), or None
            As of `Model.score`.

        Raises
        ------
        PredictionFailedError
            If the original raises on one of the rows.
        """
        with np.errstate(all="ignore"):
            return self.head.many(self._outputs(frame))

    def breakpoints(self) -> Mapping[str, Floats]:
        """Return, by feature, the sorted values at which the answer may jump.

        Returns
        -------
        mapping of str to ndarray
            For features that are numbers: the largest values before a jump, or the smallest
            after it. Features without jumps are left out.
        """
        found = pulled_back(self.encoding, breakpoints_of(self.kernels))
        names = self.signature.features
        return MappingProxyType({names[source]: values for source, values in found.items()})

    def to_files(self) -> dict[str, bytes]:
        """Return it as the contents of ``compiled.json`` and ``compiled.npz``.

        Returns
        -------
        dict of str to bytes
            The same for equal models.
        """
        return write_files(
            encoding=self.encoding, kernels=self.kernels, head=self.head, digest=self.digest
        )

    @classmethod
    def from_files(
        cls,
        files: Mapping[str, bytes],
        *,
        signature: Signature,
        routing: Routing | None = None,
        digest: str,
    ) -> CompiledModel:
        """Read back what `to_files` returned; nothing in it is executed.

        Parameters
        ----------
        files : mapping of str to bytes
            The two files.
        signature : Signature
            The original's.
        routing : Routing, optional
            The original's.
        digest : str
            Digest of the original.

        Returns
        -------
        CompiledModel
            Equal to the one that was written.

        Raises
        ------
        IntegrityError
            If the files are damaged, hostile, or those of another model.
        """
        kinds = kinds_of(signature.inputs)
        encoding, kernels, head = read_files(
            files, signature=signature, kinds=kinds, digest=digest
        )
        return cls(
            signature=signature,
            routing=routing,
            digest=digest,
            encoding=encoding,
            kernels=kernels,
            head=head,
        )

    def _outputs(self, frame: pl.DataFrame) -> Floats:
        if self._fused is not None:
            totals = self._fused.many(frame)
            if math.isfinite(totals.sum()) or np.isfinite(totals).all():
                return totals
        prepared, n_rows = self.encoding.prepared(frame), frame.height
        at_once = min(_ROWS_AT_ONCE, _CELLS_AT_ONCE // max(self.encoding.n_outputs, 1))
        at_once = max(at_once, 1)
        if n_rows <= at_once:
            return run(self.kernels, self.encoding.block(prepared, slice(0, n_rows)))
        outputs = [
            run(self.kernels, self.encoding.block(prepared, slice(start, start + at_once)))
            for start in range(0, n_rows, at_once)
        ]
        return np.concatenate(outputs)

    @cached_property
    def _fused(self) -> Fused | None:
        """The short way of a few weighted sums, behind nothing but a guard."""
        kernels = [kernel for kernel in self.kernels if kernel.kind != "guard"]
        if len(kernels) != 1 or not isinstance(kernels[0], Linear) or not self.encoding.columns:
            return None
        kernel = kernels[0]
        if kernel.n_outputs > _MOST_SUMS or kernel.shift is not None:
            return None
        return Fused(self.encoding, kernel)


def kinds_of(inputs: Schema) -> tuple[str, ...]:
    """Return for each column whether it is read as a number, as text, or not at all."""
    return tuple(_KINDS.get(column.kind, "other") for column in inputs.columns)
