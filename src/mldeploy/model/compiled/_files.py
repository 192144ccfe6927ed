"""The two files of a compiled model: settings as JSON, arrays without pickle."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from mldeploy._record import canonical_json
from mldeploy.errors import IntegrityError
from mldeploy.model._archive import read_arrays, write_members
from mldeploy.model._signature import Signature
from mldeploy.model.compiled._encoding import Encoding
from mldeploy.model.compiled._kernel import Kernel
from mldeploy.model.compiled._link import Decision, Head, Link
from mldeploy.model.compiled._refuse import refuse
from mldeploy.model.compiled._registry import restore_chain, store_chain

SETTINGS, ARRAYS = "compiled.json", "compiled.npz"

_FORMAT: Final = 1
_MAX_JSON_BYTES: Final = 64 << 20
_MAX_BYTES: Final = 4 << 30
_FIELDS: Final = frozenset({"format", "digest", "classes", "encoding", "kernels", "head"})


def write_files(
    *, encoding: Encoding, kernels: Sequence[Kernel], head: Head, digest: str
) -> dict[str, bytes]:
    """Return the contents of the two files."""
    specs, arrays = store_chain(kernels, prefix="k")
    arrays |= {f"e-{name}": array for name, array in encoding.arrays().items()}
    settings = {
        "format": _FORMAT,
        "digest": digest,
        "classes": list(head.signature.classes),
        "encoding": encoding.spec(),
        "kernels": specs,
        "head": {
            "link": str(head.link),
            "decision": str(head.decision),
            "threshold": head.threshold,
            "threshold_class": head.threshold_class,
            "scored": head.scored,
        },
    }
    members = {f"{name}.npy": _npy(array) for name, array in arrays.items()}
    return {SETTINGS: canonical_json(settings), ARRAYS: write_members(members)}


def read_files(
    files: Mapping[str, bytes], *, signature: Signature, kinds: tuple[str, ...], digest: str
) -> tuple[Encoding, tuple[Kernel, ...], Head]:
    """Read back what `write_files` returned.

    Raises
    ------
    IntegrityError
        If anything is not what it would have written, or is of another model.
    """
    if missing := [name for name in (SETTINGS, ARRAYS) if name not in files]:
        raise refuse(f"it lacks {missing[0]}")
    settings = _settings(files[SETTINGS])
    if settings["format"] != _FORMAT:
        raise refuse(f"its format is {str(settings['format'])[:20]}, and {_FORMAT} is known")
    if settings["digest"] != digest:
        raise refuse("it was compiled from another model")
    if settings["classes"] != list(signature.classes):
        raise refuse("it answers other classes than the signature names")
    arrays = read_arrays(files[ARRAYS], max_bytes=_MAX_BYTES)
    try:
        return _restored(settings, arrays, signature=signature, kinds=kinds)
    except IntegrityError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, OverflowError, RecursionError) as error:
        raise refuse(f"it cannot be read: {type(error).__name__}: {str(error)[:200]}") from error


def _restored(
    settings: dict[str, Any],
    arrays: dict[str, npt.NDArray[Any]],
    *,
    signature: Signature,
    kinds: tuple[str, ...],
) -> tuple[Encoding, tuple[Kernel, ...], Head]:
    own = {name.removeprefix("e-"): a for name, a in arrays.items() if name.startswith("e-")}
    encoding = Encoding.restore(settings["encoding"], own, kinds=kinds)
    specs = settings["kernels"]
    kernels = restore_chain(specs, arrays, prefix="k", n_inputs=encoding.n_outputs)
    spec = settings["head"]
    names = {"link", "decision", "threshold", "threshold_class", "scored"}
    if not isinstance(spec, dict) or set(spec) != names or not isinstance(spec["scored"], bool):
        raise refuse("its answer has no settings")
    head = Head(
        link=Link(spec["link"]),
        decision=Decision(spec["decision"]),
        signature=signature,
        threshold=float(spec["threshold"]),
        threshold_class=int(spec["threshold_class"]),
        scored=spec["scored"],
    )
    return encoding, kernels, head


def _settings(content: bytes) -> dict[str, Any]:
    if len(content) > _MAX_JSON_BYTES:
        raise refuse(f"{SETTINGS} takes {len(content)} bytes of {_MAX_JSON_BYTES} allowed")
    try:
        settings = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise refuse(f"{SETTINGS} is no JSON: {str(error)[:200]}") from error
    if not isinstance(settings, dict) or set(settings) != _FIELDS:
        raise refuse(f"{SETTINGS} has not the fields {', '.join(sorted(_FIELDS))}")
    return settings


def _npy(array: npt.NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    return buffer.getvalue()
