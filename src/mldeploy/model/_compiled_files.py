"""The compiled model in a bundle: only what was proven equal is there, and comes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mldeploy._record import digest_of, sha256_hex
from mldeploy.errors import IntegrityError
from mldeploy.evidence import Report
from mldeploy.model._signature import Signature
from mldeploy.model.compiled._model import CompiledModel
from mldeploy.problem import Routing

REPORT: Final = "compiled_report.json"
FILES: Final = ("compiled.json", "compiled.npz")


def digest_of_files(files: Mapping[str, bytes]) -> str:
    """Return one digest for the files of a compiled model."""
    return digest_of({name: sha256_hex(content) for name, content in files.items()})


def read_compiled(
    files: Mapping[str, bytes],
    report: Report,
    *,
    signature: Signature,
    routing: Routing | None,
    digest: str,
) -> CompiledModel:
    """Return a compiled model, if its report proves these very files equal to the original.

    Raises
    ------
    IntegrityError
        If the report is about another model or other files, or proves nothing.
    """
    facts = (
        ("the report on the compiled model", digest, report.about.get("model", "")),
        ("the compiled model", report.about.get("compiled", ""), digest_of_files(files)),
        ("the proof that the compiled model is equal", "PASS", str(report.verdict)),
    )
    for what, expected, found in facts:
        if expected != found:
            raise IntegrityError(what, expected=expected or "no such file", found=found)
    return CompiledModel.from_files(files, signature=signature, routing=routing, digest=digest)
