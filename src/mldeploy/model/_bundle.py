"""The directory that serves a model."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar, final

import polars as pl
import pydantic

from mldeploy._record import Record, canonical_json, sha256_hex
from mldeploy.errors import IntegrityError, NotFoundError
from mldeploy.evidence import Finding, Report
from mldeploy.model._compiled_files import FILES as COMPILED_FILES
from mldeploy.model._compiled_files import REPORT as COMPILED_REPORT
from mldeploy.model._compiled_files import read_compiled
from mldeploy.model._golden import (
    PLAIN_ROWS,
    answers_to_frame,
    answers_to_rows,
    compare_golden,
    golden_files,
    read_golden,
    read_plain,
)
from mldeploy.model._manifest import (
    MANIFEST,
    BundleManifest,
    read_file,
    read_manifest,
    require_exactly,
    write_directory,
)
from mldeploy.model._signature import Signature
from mldeploy.model.compiled._model import CompiledModel
from mldeploy.problem import Routing

if TYPE_CHECKING:
    from mldeploy.data import Dataset, Profile
    from mldeploy.model._model import Model
    from mldeploy.model._provenance import Provenance
    from mldeploy.model.compiling._compiler import Compiler
    from mldeploy.problem import Conformal, Problem

_MODEL = "model.skops"
_REQUIREMENT = re.compile(r"[A-Za-z0-9._-]+")

AnyRecord = TypeVar("AnyRecord", bound=Record)


@final
@dataclass(frozen=True, kw_only=True)
class Bundle:
    """The directory that serves a model: everything it needs, each file with its hash.

    It holds ``manifest.json`` (the hash of every other file), ``model.skops``, ``signature.json``,
    ``schema.toml`` (the same inputs, for people), ``problem.json``, ``provenance.json``,
    ``requirements.txt``, and, where given, ``reference.json``, ``routing.json``, ``report.json``,
    ``card.md``, ``golden.parquet`` and ``golden_answers.json``. With golden rows the model is
    compiled: ``compiled_report.json`` says what came of it, and what was proven equal to the
    original is kept as ``compiled.json`` and ``compiled.npz``.

    Attributes
    ----------
    directory : Path
        Where it is.
    manifest : bytes
        The manifest as it was when the bundle was opened; every later read is held against it.
    """

    directory: Path
    manifest: bytes = field(repr=False)

    @classmethod
    def write(
        cls,
        directory: str | Path,
        model: Model,
        *,
        report: Report | None = None,
        card: str | None = None,
        golden: Dataset | None = None,
        compilers: Sequence[Compiler] | None = None,
    ) -> Bundle:
        """Write a model as a directory, which appears whole or not at all.

        Parameters
        ----------
        directory : path
            Must not exist; its parents are made.
        model : Model
            Its baselines and the trials of a search stay behind.
        report : Report, optional
            The evidence to carry along.
        card : str, optional
            The model card, as Markdown.
        golden : Dataset, optional
            Rows from which 20 are kept with the model's answers; `check_golden` repeats them.
            On all of them the compiled model is held against the original.
        compilers : sequence of Compiler, optional
            What tries to compile the model, if there are golden rows; by default all that
            mldeploy has. The fastest whose answers are equal is kept.

        Raises
        ------
        AlreadyExistsError
            If the directory exists.
        SerializationError
            If the estimator cannot be stored.
        """
        files = _files_of(model)
        if report is not None:
            files["report.json"] = report.to_json().encode()
        if card is not None:
            files["card.md"] = card.encode()
        if golden is not None:
            files |= golden_files(model, golden)
            files |= _compiled_files_of(model, golden, compilers)
        manifest = BundleManifest.of(files).content()
        target = Path(directory).absolute()
        write_directory(target, {**files, MANIFEST: manifest})
        return cls(directory=target, manifest=manifest)

    @classmethod
    def open(cls, directory: str | Path, *, digest: str | None = None) -> Bundle:
        """Open a bundle after every file was held against its hash; nothing is deserialised yet.

        Parameters
        ----------
        directory : path
            Where `write` put it.
        digest : str, optional
            The digest it must have, as kept by somebody else: only this tells a bundle that was
            rewritten as a whole.

        Raises
        ------
        NotFoundError
            If there is no bundle.
        IntegrityError
            If a byte was changed, or a file is missing, added, or a link.
        """
        place = Path(directory).absolute()
        content = read_manifest(place)
        if digest is not None and (found := sha256_hex(content)) != digest:
            raise IntegrityError(f"the bundle at {place}", expected=digest, found=found)
        bundle = cls(directory=place, manifest=content)
        entries = bundle._entries.files
        require_exactly(place, {MANIFEST, *entries})
        for name in entries:
            bundle._read(name)
        for required in (_MODEL, "signature.json", "problem.json", "provenance.json"):
            if required not in entries:
                raise IntegrityError(f"{place} (it lacks {required})")
        return bundle

    @property
    def digest(self) -> str:
        """SHA-256 of the manifest, and so of every file."""
        return sha256_hex(self.manifest)

    @property
    def model_digest(self) -> str:
        """SHA-256 of the stored estimator; equals `Model.digest`."""
        return self._entries.files[_MODEL].sha256

    @cached_property
    def signature(self) -> Signature:
        """What goes into the model, and what comes out."""
        return self._record("signature.json", Signature)

    @cached_property
    def problem(self) -> Problem:
        """The problem that the model answers."""
        from mldeploy.problem import Problem  # noqa: PLC0415 - told, not needed to answer

        return self._record("problem.json", Problem)

    @cached_property
    def provenance(self) -> Provenance:
        """Where the model comes from."""
        from mldeploy.model._provenance import Provenance  # noqa: PLC0415 - as above

        return self._record("provenance.json", Provenance)

    @cached_property
    def reference(self) -> Profile | None:
        """Profile of the columns that the model was trained on."""
        if not self._has("reference.json"):
            return None
        from mldeploy.data import Profile  # noqa: PLC0415 - a server is ready without it

        return self._record("reference.json", Profile)

    @cached_property
    def routing(self) -> Routing | None:
        """Which answers stand by themselves."""
        return self._record("routing.json", Routing) if self._has("routing.json") else None

    @cached_property
    def conformal(self) -> Conformal | None:
        """Which answers cannot be ruled out."""
        if not self._has("conformal.json"):
            return None
        from mldeploy.problem import Conformal  # noqa: PLC0415 - not every bundle has it

        return self._record("conformal.json", Conformal)

    @cached_property
    def report(self) -> Report | None:
        """The evidence that was carried along."""
        return self._record("report.json", Report) if self._has("report.json") else None

    @cached_property
    def card(self) -> str | None:
        """The model card, as Markdown."""
        return self._read("card.md").decode() if self._has("card.md") else None

    def load_model(self, *, trusted: Sequence[str] = ()) -> Model:
        """Bring the model back, without running anything that the files say.

        Parameters
        ----------
        trusted : sequence of str
            Full names of further types that may come to life; see `SkopsFormat.load`.

        Raises
        ------
        IntegrityError
            If a file is no longer what was written.
        UntrustedTypesError
            If the model holds types that are not trusted.
        """
        from mldeploy.model._format import SkopsFormat  # noqa: PLC0415 - loads scikit-learn
        from mldeploy.model._model import Model  # noqa: PLC0415 - as above

        model = Model(
            estimator=SkopsFormat().load(self._read(_MODEL), trusted=trusted),
            signature=self.signature,
            provenance=self.provenance,
            problem=self.problem,
            routing=self.routing,
            conformal=self.conformal,
            reference=self.reference,
        )
        model.__dict__["digest"] = self.model_digest
        return model

    def load_compiled(self) -> CompiledModel | None:
        """Return the compiled model, without scikit-learn, pandas, or any code from the files.

        Returns
        -------
        CompiledModel or None
            None if there is none: `compiled_report` says why, and `load_model` serves instead.

        Raises
        ------
        IntegrityError
            If a file is no longer what was written, or nothing proves that this compiled model
            is equal to the original.
        """
        if not any(map(self._has, COMPILED_FILES)):
            return None
        for name in (*COMPILED_FILES, COMPILED_REPORT):
            if not self._has(name):
                raise IntegrityError(f"the compiled model in {self.directory} (it lacks {name})")
        report = self.compiled_report
        assert report is not None, "its file is there"
        compiled = read_compiled(
            {name: self._read(name) for name in COMPILED_FILES},
            report,
            signature=self.signature,
            routing=self.routing,
            digest=self.model_digest,
        )
        return replace(compiled, conformal=self.conformal)

    @cached_property
    def compiled_report(self) -> Report | None:
        """What came of compiling, and why; None if it was not tried."""
        return self._record(COMPILED_REPORT, Report) if self._has(COMPILED_REPORT) else None

    @property
    def has_golden(self) -> bool:
        """Whether the bundle was written with golden rows."""
        return self._has("golden.parquet")

    def golden_rows(self) -> pl.DataFrame:
        """Return the rows kept with the model's answers, without their labels.

        Raises
        ------
        NotFoundError
            If the bundle was written without golden rows.
        """
        self._require_golden()
        return read_golden(self._read("golden.parquet"))

    def check_golden(self, model: Model | CompiledModel) -> Finding:
        """Return whether a model answers the golden rows as it did when the bundle was written.

        A compiled model is asked row by row, as a server asks it.

        Parameters
        ----------
        model : Model or CompiledModel
            What `load_model` or `load_compiled` returned.

        Raises
        ------
        NotFoundError
            If the bundle was written without golden rows.
        """
        self._require_golden()
        if isinstance(model, CompiledModel) and self._has(PLAIN_ROWS):
            found = answers_to_rows(model, read_plain(self._read(PLAIN_ROWS)))
        else:
            found = answers_to_frame(model, self.golden_rows())
        return compare_golden(found, self._read("golden_answers.json"))

    def _require_golden(self) -> None:
        if not self.has_golden:
            raise NotFoundError(
                f"the bundle at {self.directory} has no golden rows; pass golden= to Bundle.write"
            )

    @cached_property
    def _entries(self) -> BundleManifest:
        return BundleManifest.parse(self.manifest)

    def _has(self, name: str) -> bool:
        return name in self._entries.files

    def _read(self, name: str) -> bytes:
        return read_file(self.directory, name, self._entries.files[name])

    def _record(self, name: str, kind: type[AnyRecord]) -> AnyRecord:
        try:
            return kind.model_validate_json(self._read(name))
        except pydantic.ValidationError as error:
            raise IntegrityError(f"{self.directory / name} (it is no {kind.__name__})") from error


def _compiled_files_of(
    model: Model, rows: Dataset, compilers: Sequence[Compiler] | None
) -> dict[str, bytes]:
    from mldeploy.model.compiling._compile import compile_model  # noqa: PLC0415 - scikit-learn

    compilation = compile_model(model, rows, compilers=compilers)
    return {**compilation.files, COMPILED_REPORT: compilation.report.to_json().encode()}


def _files_of(model: Model) -> dict[str, bytes]:
    from mldeploy.model._format import SkopsFormat  # noqa: PLC0415 - loads scikit-learn

    estimator = SkopsFormat().dump(model.estimator)
    model.__dict__["digest"] = sha256_hex(estimator)
    files = {
        _MODEL: estimator,
        "signature.json": model.signature.to_json().encode(),
        "schema.toml": _schema_toml(model.signature),
        "problem.json": canonical_json(model.problem.to_jsonable()),
        "provenance.json": model.provenance.to_json().encode(),
        "requirements.txt": _requirements(model.provenance.environment),
    }
    if model.reference is not None:
        files["reference.json"] = model.reference.to_json().encode()
    if model.routing is not None:
        files["routing.json"] = model.routing.to_json().encode()
    if model.conformal is not None:
        files["conformal.json"] = model.conformal.to_json().encode()
    return files


def _schema_toml(signature: Signature) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "schema.toml"
        signature.inputs.save(path)
        return path.read_bytes()


def _requirements(environment: dict[str, str]) -> bytes:
    lines = [f"{n}=={v}" for n, v in environment.items() if _REQUIREMENT.fullmatch(n)]
    return "".join(f"{line}\n" for line in sorted(lines, key=str.lower)).encode()
