"""Try every compiler; what is proven equal and answers fastest is kept."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Final, final

import numpy as np
import polars as pl
from tqdm import tqdm

from mldeploy._record import Clock, utc_now
from mldeploy.data import Dataset
from mldeploy.errors import MissingExtraError, NotCompilableError
from mldeploy.evidence import Finding, Report, Severity, Verdict
from mldeploy.model._compiled_files import digest_of_files
from mldeploy.model._model import Model
from mldeploy.model.compiled._kernel import Floats
from mldeploy.model.compiled._model import CompiledModel
from mldeploy.model.compiling._compiler import Compiler
from mldeploy.model.compiling._parity import Trial, real_rows
from mldeploy.model.compiling._tables import TableCompiler

CHECK: Final = "Compilation"

_ROWS_TIMED: Final = 100
_ROUNDS: Final = 3


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Compilation:
    """What came of compiling a model.

    Attributes
    ----------
    compiled : CompiledModel or None
        The fastest that is proven equal; None if there is none.
    files : mapping of str to bytes
        Its files; empty if there is none.
    report : Report
        The proof, or why there is none. It passes if `compiled` may serve.
    """

    compiled: CompiledModel | None
    files: Mapping[str, bytes] = field(repr=False)
    report: Report


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class _Candidate:
    name: str
    compiled: CompiledModel
    files: Mapping[str, bytes]


@final
@dataclass(frozen=True, kw_only=True)
class _Speed:
    """Seconds for one row asked alone, and for one of many."""

    row: float
    batch: float

    @property
    def cost(self) -> float:
        return math.sqrt(self.row * self.batch)


def default_compilers() -> tuple[Compiler, ...]:
    """Return every compiler that mldeploy has."""
    return (TableCompiler(),)


def compile_model(
    model: Model,
    rows: Dataset | pl.DataFrame,
    compilers: Sequence[Compiler] | None = None,
    *,
    random_state: int = 0,
    clock: Clock = utc_now,
) -> Compilation:
    """Compile a model, and keep what is proven equal to it on these rows.

    Parameters
    ----------
    model : Model
        The original.
    rows : Dataset or polars.DataFrame
        Real rows, by which equality is proven and around which trouble is searched.
    compilers : sequence of Compiler, optional
        What is tried; by default all that mldeploy has.
    random_state : int, default=0
        Seed of the search.
    clock : Clock, default=utc_now
        Tells the time.

    Returns
    -------
    Compilation
        Of several that are equal, that whose row alone and row in a frame take least time (the
        geometric mean of both). A compiler that raises, or whose model is not equal, is
        reported; it does not serve, and the original does.
    """
    started = clock()
    if compilers is None:
        compilers = default_compilers()
    real = real_rows(model, rows)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        findings, winner = _tried(model, real, compilers, random_state)
    about = {"model": model.digest, "problem": model.problem.digest}
    if winner is not None:
        about["compiled"] = digest_of_files(winner.files)
    report = Report(
        step="compile",
        made_by="compile_model",
        findings=tuple(findings),
        about=about,
        started_at=started,
        duration=clock() - started,
    )
    if winner is None:
        return Compilation(compiled=None, files={}, report=report)
    return Compilation(compiled=winner.compiled, files=winner.files, report=report)


def _tried(
    model: Model, real: pl.DataFrame, compilers: Sequence[Compiler], random_state: int
) -> tuple[list[Finding], _Candidate | None]:
    if not compilers:
        return [_not_compiled("no compiler was asked", [])], None
    if real.is_empty():
        return [_not_compiled("there is no real row to prove it on", [])], None
    reasons: list[Finding] = []
    candidates: list[_Candidate] = []
    for compiler in tqdm(compilers, desc="compile", delay=1, leave=False):
        try:
            candidate = _compiled(compiler, model)
        except NotCompilableError as error:
            reasons += [_reason(compiler.name, step) for step in error.steps]
        except MissingExtraError as error:
            reasons.append(_reason(compiler.name, str(error)))
        except Exception as error:  # noqa: BLE001 - it is told, and the original serves
            reasons.append(_reason(compiler.name, f"raised {type(error).__name__}: {error}"))
        else:
            if all(candidate.files != other.files for other in candidates):
                candidates.append(candidate)
    if not candidates:
        return [_not_compiled("no compiler knows every step", reasons), *reasons], None
    trial = Trial.of(model, real, _all_breakpoints(candidates), random_state=random_state)
    return _judged(model, trial, candidates, reasons)


def _compiled(compiler: Compiler, model: Model) -> _Candidate:
    """Compile, and read back what was written: what is proven is what will be loaded."""
    files = compiler.compile(model).to_files()
    restored = CompiledModel.from_files(
        files, signature=model.signature, routing=model.routing, digest=model.digest
    )
    return _Candidate(name=compiler.name, compiled=restored, files=files)


def _judged(
    model: Model, trial: Trial, candidates: Sequence[_Candidate], reasons: Sequence[Finding]
) -> tuple[list[Finding], _Candidate | None]:
    equal: list[tuple[float, _Candidate, list[Finding]]] = []
    others: list[Finding] = []
    original = _original_speed(model, trial.real)
    for candidate in tqdm(candidates, desc="prove equal", delay=1, leave=False):
        try:
            proof = trial.findings(candidate.compiled)
            speed = _speed(candidate.compiled, trial.real)
        except Exception as error:  # noqa: BLE001 - it is told, and the original serves
            told = f"raised {type(error).__name__}: {error}"
            others.append(_reason(candidate.name, told))
            continue
        timing = _timing(candidate.name, speed, original)
        if all(f.verdict is Verdict.PASS for f in proof):
            equal.append((speed.cost, candidate, [timing, *proof]))
        else:
            others += [_beside(f, candidate.name) for f in (timing, *proof)]
    searched = trial.searched_finding()
    if not equal:
        failed = _not_compiled("what was compiled is not equal", [*others, *reasons])
        return [failed, searched, *others, *reasons], None
    _, winner, own = min(equal, key=lambda entry: entry[0])
    for _, candidate, about_it in equal:
        if candidate is not winner:
            others += [_beside(f, candidate.name) for f in about_it]
    return [_serves(winner.name), searched, *own, *others, *reasons], winner


def _all_breakpoints(candidates: Sequence[_Candidate]) -> dict[str, Floats]:
    found: dict[str, list[Floats]] = {}
    for candidate in candidates:
        for name, values in candidate.compiled.breakpoints().items():
            found.setdefault(name, []).append(values)
    return {name: np.unique(np.concatenate(values)) for name, values in found.items()}


# --- time ---------------------------------------------------------------------------------


def _speed(compiled: CompiledModel, real: pl.DataFrame) -> _Speed:
    values = list(islice(_forever(real), _ROWS_TIMED))

    def one_by_one() -> None:
        for row in values:
            compiled.score_row(row)

    return _Speed(
        row=_fastest(one_by_one) / len(values),
        batch=_fastest(lambda: compiled.score_frame(real)) / real.height,
    )


def _original_speed(model: Model, real: pl.DataFrame) -> float:
    one = real[:1]

    def ask() -> None:
        model.predict(one)
        model.score(one)

    return _fastest(ask)


def _fastest(do: Callable[[], object]) -> float:
    times = []
    for _ in range(_ROUNDS):
        begin = time.perf_counter()
        do()
        times.append(time.perf_counter() - begin)
    return min(times)


def _forever(real: pl.DataFrame) -> Iterator[tuple[object, ...]]:
    while True:
        yield from real.iter_rows()


# --- findings -----------------------------------------------------------------------------


def _serves(name: str) -> Finding:
    return Finding(
        check=CHECK,
        name="serves",
        verdict=Verdict.PASS,
        summary=f"The model compiled by {name} is equal to the original, and serves.",
        details={"compiler": name},
    )


def _not_compiled(why: str, reasons: Sequence[Finding]) -> Finding:
    failed = [f.summary for f in reasons if f.verdict is Verdict.FAIL]
    told = f" ({'; '.join(dict.fromkeys(s.rstrip('.') for s in failed))})" if failed else ""
    return Finding(
        check=CHECK,
        name="serves",
        verdict=Verdict.FAIL,
        summary=f"The original serves: {why}{told}.",
        action="Use steps that are known, or accept that it answers as slowly as scikit-learn.",
    )


def _reason(name: str, step: str) -> Finding:
    return Finding(
        check=CHECK,
        name="unsupported",
        verdict=Verdict.FAIL,
        severity=Severity.INFO,
        summary=f"{name}: {step}",
        details={"compiler": name},
    )


def _beside(finding: Finding, name: str) -> Finding:
    """Return a finding about a compiled model that does not serve."""
    return finding.model_copy(
        update={
            "severity": Severity.INFO,
            "summary": f"{name}: {finding.summary}",
            "details": {**finding.details, "compiler": name},
        }
    )


def _timing(name: str, speed: _Speed, original: float) -> Finding:
    return Finding(
        check=CHECK,
        name="time_of_one_row",
        verdict=Verdict.PASS,
        severity=Severity.INFO,
        summary=(
            f"One row takes {speed.row * 1e6:.3g} µs compiled by {name} and "
            f"{original * 1e6:,.0f} µs in the original; of many, "
            f"{1 / speed.batch:,.0f} are answered in a second."
        ),
        estimate=speed.row,
        unit="s",
        details={"compiler": name, "rows_per_second": 1 / speed.batch, "original_row": original},
    )
