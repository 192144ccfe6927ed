"""Kernels by the name under which they are stored, and chains of them in files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mldeploy.model.compiled._kernel import Arrays, Floats, Kernel
from mldeploy.model.compiled._refuse import refuse

_KINDS: Final[Mapping[str, str]] = {
    "append": "_dense:Append",
    "average": "_average:Average",
    "calibrator": "_calibrate:Calibrator",
    "constant": "_smooth:Constant",
    "elementwise": "_dense:Elementwise",
    "gaussian": "_smooth:Gaussian",
    "guard": "_dense:Guard",
    "layers": "_smooth:Layers",
    "linear": "_linear:Linear",
    "linked": "_average:Linked",
    "normalise": "_combined:Normalise",
    "onnx": "_onnx:OnnxKernel",
    "polynomial": "_combined:Polynomial",
    "take": "_dense:Take",
    "trees": "_trees:TreeKernel",
}
"""Module and class of each kind; a module is imported when a model first needs it."""


def kernel_class(kind: object) -> type[Kernel]:
    """Return the class of a kind of kernel.

    Raises
    ------
    IntegrityError
        If there is no such kind.
    """
    place = _KINDS.get(kind) if isinstance(kind, str) else None
    if place is None:
        raise refuse(f"it names the unknown kernel {str(kind)[:80]!r}")
    module, _, name = place.partition(":")
    found: type[Kernel] = getattr(import_module(f"{__package__}.{module}"), name)
    return found


def run(kernels: Sequence[Kernel], X: Floats) -> Floats:
    """Return what a chain of kernels makes of rows."""
    for kernel in kernels:
        X = kernel(X)
    return X


def store_chain(
    kernels: Sequence[Kernel], *, prefix: str = ""
) -> tuple[list[dict[str, Any]], dict[str, npt.NDArray[Any]]]:
    """Return settings and arrays of a chain; the arrays' names tell them apart."""
    specs: list[dict[str, Any]] = []
    arrays: dict[str, npt.NDArray[Any]] = {}
    for number, kernel in enumerate(kernels):
        specs.append({**kernel.spec(), "kind": kernel.kind})
        arrays |= {f"{prefix}{number}-{name}": a for name, a in kernel.arrays().items()}
    return specs, arrays


def restore_chain(
    specs: object, arrays: Arrays, *, prefix: str = "", n_inputs: int
) -> tuple[Kernel, ...]:
    """Bring back what `store_chain` returned.

    Parameters
    ----------
    specs : object
        What should be the settings.
    arrays : mapping of str to ndarray
        What should be the arrays.
    prefix : str
        As it was stored.
    n_inputs : int
        Number of columns that the first kernel is given.

    Raises
    ------
    IntegrityError
        If a kernel is unknown, is not what it would have written, or does not fit the one
        before it.
    """
    if not isinstance(specs, list):
        raise refuse("its kernels are no list")
    kernels: list[Kernel] = []
    for number, spec in enumerate(specs):
        if not isinstance(spec, dict):
            raise refuse(f"kernel {number} has no settings")
        start = f"{prefix}{number}-"
        own = {n.removeprefix(start): a for n, a in arrays.items() if n.startswith(start)}
        kernel = kernel_class(spec.get("kind")).restore(spec, own)
        if kernel.n_inputs != n_inputs:
            raise refuse(f"kernel {number} reads {kernel.n_inputs} columns and gets {n_inputs}")
        kernels.append(kernel)
        n_inputs = kernel.n_outputs
    return tuple(kernels)


def require_no_more(
    spec: Mapping[str, Any], arrays: Arrays, *, fields: Sequence[str] = (), named: Sequence[str]
) -> None:
    """Refuse settings or arrays that a kernel does not have.

    Raises
    ------
    IntegrityError
        If there are other fields than these and the kind, or other arrays than those named.
    """
    if set(spec) != {"kind", *fields}:
        raise refuse(f"a {str(spec.get('kind'))[:40]} has not the fields {list(fields)}")
    if strange := set(arrays) - set(named):
        raise refuse(f"a {str(spec.get('kind'))[:40]} has an array {min(strange)[:40]!r}")


def array_of(
    arrays: Arrays, name: str, *, ndim: int = 1, dtype: npt.DTypeLike = np.float64
) -> npt.NDArray[Any]:
    """Return one of a kernel's arrays.

    Raises
    ------
    IntegrityError
        If it is absent, or has another type or number of dimensions.
    """
    found = arrays.get(name)
    if found is None or found.dtype != np.dtype(dtype) or found.ndim != ndim:
        raise refuse(f"the array {name!r} is absent, or of another type or shape")
    return np.ascontiguousarray(found)
