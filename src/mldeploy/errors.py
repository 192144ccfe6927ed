"""Every error that mldeploy raises on purpose.

Each carries typed facts for code and one sentence for people: what was found, what to do.
Each is also the builtin that a generic handler would expect.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = [
    "AccessDeniedError",
    "AlreadyExistsError",
    "ApprovalError",
    "DeploymentError",
    "DuplicateColumnsError",
    "EmptyDataError",
    "FieldError",
    "IncompatibleSchemaError",
    "IntegrityError",
    "InvalidDataError",
    "InvalidProblemError",
    "InvalidRowsError",
    "JobChangedError",
    "JobRunningError",
    "JobUnfinishedError",
    "LedgerKeyError",
    "LiveVersionError",
    "MLDeployError",
    "MissingExtraError",
    "NotCompilableError",
    "NotFoundError",
    "NotMeasurableError",
    "PartFailedError",
    "PredictionFailedError",
    "PredictionLogError",
    "PredictionLogFullError",
    "PromotionError",
    "SchemaMismatchError",
    "SerializationError",
    "StepFailedError",
    "StoreBusyError",
    "StoreFullError",
    "StoreVersionError",
    "TrainingFailedError",
    "UnfitDataError",
    "UnknownMetricError",
    "UnreadableFileError",
    "UnsupportedTaskError",
    "UnsupportedWeightsError",
    "UntrustedTypesError",
]


class MLDeployError(Exception):
    """Base of every error that mldeploy raises on purpose; processes can tell each other of it."""

    def __reduce__(self) -> tuple[Callable[..., MLDeployError], tuple[object, ...]]:
        return _restored, (type(self), self.args, self.__dict__)


def _restored(
    kind: type[MLDeployError], args: tuple[object, ...], facts: dict[str, object]
) -> MLDeployError:
    """Return an error as it was, without asking its constructor for the facts again."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(facts)
    return error


# --- the problem --------------------------------------------------------------------------


class InvalidProblemError(MLDeployError, ValueError):
    """A problem or criterion that nobody could judge."""


class UnknownMetricError(InvalidProblemError):
    """A metric that is neither built in, nor a scikit-learn scorer, nor a `Metric`."""

    def __init__(self, name: str, *, suggestions: Sequence[str] = ()) -> None:
        self.name = name
        self.suggestions = tuple(suggestions)
        hint = f"did you mean {' or '.join(suggestions)}? " if suggestions else ""
        super().__init__(
            f"no metric is called {name!r}; {hint}"
            "pass a built-in name, a scikit-learn scorer's name, or a Metric of your own"
        )


class UnsupportedTaskError(InvalidProblemError):
    """A learning task that mldeploy does not judge."""


# --- data ---------------------------------------------------------------------------------


class InvalidDataError(MLDeployError, ValueError):
    """A table that cannot be read as the data it is said to be."""


class EmptyDataError(InvalidDataError):
    """A table without rows, or without a column that is needed."""


class DuplicateColumnsError(InvalidDataError):
    """A table in which several columns share a name; `path` is its file, if it is one."""

    def __init__(self, names: Iterable[str], *, path: str = "") -> None:
        self.names = tuple(names)
        self.path = path
        where = f" of {path}" if path else ""
        super().__init__(
            f"several columns{where} are called {', '.join(map(repr, self.names))}; rename them, "
            "since a role or a rule could mean either"
        )


class UnreadableFileError(InvalidDataError, OSError):
    """A file that is not there, not allowed, cut off or damaged, or no table as it goes on.

    Attributes
    ----------
    path : str
        The file, or the address of an object.
    row : int or None
        The first row that cannot be read, where that is known; the first row of all is 1.
    column : str or None
        Its column, where that is known.
    """

    def __init__(
        self, path: str, why: str, *, row: int | None = None, column: str | None = None
    ) -> None:
        self.path = path
        self.row = row
        self.column = column
        where = "" if row is None else f" in row {row}"
        where += "" if column is None else f", column {column!r}"
        super().__init__(f"{path} cannot be read{where}: {why}")


class SchemaMismatchError(InvalidDataError):
    """Data that lacks columns of a schema, or holds them in another type; `path` is the file."""

    def __init__(
        self,
        *,
        missing: Sequence[str] = (),
        mistyped: Mapping[str, str] | None = None,
        path: str = "",
    ) -> None:
        self.missing = tuple(missing)
        self.mistyped = dict(mistyped or {})
        self.path = path
        parts = []
        if self.missing:
            who = path or "the data"
            parts.append(f"{who} lacks {', '.join(map(repr, self.missing))}")
        where = f" of {path}" if path else ""
        parts += [f"column {name!r}{where} {why}" for name, why in self.mistyped.items()]
        super().__init__("; ".join(parts) + "; mend the data, or edit the schema if it is wrong")


class IncompatibleSchemaError(InvalidDataError):
    """A change of a schema that breaks those who read with, or write for, the one before."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__(
            f"the new schema is not compatible: {'; '.join(self.reasons)}; make the change in "
            "steps (first optional and nullable), or give the table a new name"
        )


@dataclass(frozen=True, kw_only=True)
class FieldError:
    """One value that a schema refuses: where, what, and why."""

    row: int
    column: str
    code: str
    """Machine-readable reason: missing, type, category, range, pattern, key, dependency, or
    unknown (a column)."""
    message: str


class InvalidRowsError(InvalidDataError):
    """Rows whose values a schema refuses; `errors` lists each field, with row and reason."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        self.errors = tuple(errors)
        shown = "; ".join(f"row {e.row}, {e.column!r}: {e.message}" for e in self.errors[:5])
        more = f"; and {len(self.errors) - 5} more" if len(self.errors) > 5 else ""
        super().__init__(f"{len(self.errors)} values are refused: {shown}{more}")


class UnfitDataError(InvalidDataError):
    """Data that an assessment found unfit for its problem; `reasons` says why."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        shown = "; ".join(self.reasons[:5])
        super().__init__(
            f"the data cannot carry this problem: {shown}. Mend it, or take responsibility with "
            "data.waive([Waiver(...)], at=...)"
        )


class PartFailedError(MLDeployError, RuntimeError):
    """A part of a table on which something raised; nothing was answered without it."""

    def __init__(self, part: str, *, cause: str) -> None:
        self.part, self.cause = part, cause
        super().__init__(
            f"{part or 'a part of the table'} could not be mapped: {cause}; the other parts alone "
            "would pass for the whole, so there is no answer"
        )


class NotMeasurableError(InvalidDataError):
    """Rows on which a metric has no value: too few, of one class, or without scores."""


# --- models and stores --------------------------------------------------------------------


class SerializationError(MLDeployError, TypeError):
    """An estimator or value that no safe format can write."""


class TrainingFailedError(MLDeployError, RuntimeError):
    """An estimator that raised while it was fitted; `__cause__` is what it raised."""

    def __init__(self, estimator: str, *, cause: BaseException) -> None:
        self.estimator = estimator
        super().__init__(
            f"{estimator} could not be fitted: {type(cause).__name__}: {cause}; mend the data or "
            "the estimator's settings"
        )


class UnsupportedWeightsError(MLDeployError, TypeError):
    """Rows with weights, and an estimator whose fit takes none."""

    def __init__(self, estimator: str) -> None:
        self.estimator = estimator
        super().__init__(
            f"rows have weights, and {estimator}.fit takes no sample_weight, so it would learn "
            "from another population; use an estimator that takes it, or drop the weight"
        )


class UntrustedTypesError(MLDeployError, PermissionError):
    """A model file that names types the loader has not been told to trust."""

    def __init__(self, types: Iterable[str]) -> None:
        self.types = tuple(sorted(types))
        super().__init__(
            f"the model holds types that this loader does not trust: {', '.join(self.types)}; "
            "if you know where the file comes from, pass them as trusted=[...]"
        )


class NotCompilableError(MLDeployError, TypeError):
    """A model with steps that no compiler knows; `steps` says which, and why."""

    def __init__(self, *, steps: Sequence[str]) -> None:
        self.steps = tuple(steps)
        super().__init__(
            f"this model cannot be compiled ({'; '.join(self.steps)}); the original serves instead"
        )


class IntegrityError(MLDeployError, ValueError):
    """Stored bytes or rows that are not what was written."""

    def __init__(self, what: str, *, expected: str = "", found: str = "") -> None:
        self.what, self.expected, self.found = what, expected, found
        detail = f" (expected {expected}, found {found})" if expected or found else ""
        super().__init__(
            f"{what} is not what was written{detail}; it was not loaded. "
            "Restore it from a backup, and run `mldeploy verify` to see what else is damaged"
        )


class NotFoundError(MLDeployError, LookupError):
    """A name, version, alias or artifact that the store does not hold."""


class AccessDeniedError(MLDeployError, PermissionError):
    """Data that somebody asked for, and may not read."""

    def __init__(self, what: str, *, person: str, readers: Sequence[str]) -> None:
        self.what, self.person, self.readers = what, person, tuple(readers)
        open_to = ", ".join(self.readers) or "nobody"
        super().__init__(
            f"{person} may not read {what}, which is open to {open_to}; ask its owner"
        )


class AlreadyExistsError(MLDeployError, FileExistsError):
    """A thing that would be written twice."""


class StoreBusyError(MLDeployError, TimeoutError):
    """Another process held the store's write lock for longer than the patience given."""


class StoreFullError(MLDeployError, OSError):
    """The disk took no more; nothing was half-written, and reading goes on."""


class LedgerKeyError(MLDeployError, PermissionError):
    """A ledger that was begun with another key than the one given, or with none."""

    def __init__(self, *, expected: str, found: str) -> None:
        self.expected, self.found = expected, found
        begun = f"with key {expected}" if expected else "without a key"
        given = f"key {found} was" if found else "no key was"
        super().__init__(
            f"the ledger was begun {begun}, and {given} given; set MLDEPLOY_LEDGER_KEY (or "
            "ledger_key=) to what it was begun with"
        )


class StoreVersionError(MLDeployError, RuntimeError):
    """A store written by a newer mldeploy than this one."""

    def __init__(self, path: Path | str, *, found: int, supported: int) -> None:
        self.path, self.found, self.supported = str(path), found, supported
        super().__init__(
            f"the store at {path} has format {found}, this mldeploy reads up to {supported}; "
            "upgrade mldeploy, or open another store"
        )


# --- the gate -----------------------------------------------------------------------------


class PromotionError(MLDeployError, PermissionError):
    """An alias that may not move: the evidence is missing, stale, or says no."""


class ApprovalError(MLDeployError, PermissionError):
    """An approval that does not count: by the trainer, expired, or of another version."""


class LiveVersionError(MLDeployError, PermissionError):
    """A version that serves, and therefore cannot be deleted."""


class DeploymentError(MLDeployError, RuntimeError):
    """A deployment that cannot do what was asked: stopped, or busy with another rollout."""


# --- running ------------------------------------------------------------------------------


class RehearsalFailedError(MLDeployError, RuntimeError):
    """A fresh process could not load or ask a model; `cause` is what it said."""

    def __init__(self, cause: str) -> None:
        self.cause = cause
        super().__init__(cause)


class StepFailedError(MLDeployError, RuntimeError):
    """A step of a pipeline run that raised; the earlier steps are kept and are not repeated."""

    def __init__(self, step: str, *, run: str, cause: BaseException) -> None:
        self.step, self.run = step, run
        super().__init__(
            f"step {step!r} of run {run} failed: {cause}; mend it and call "
            f"project.run(..., resume={run!r}) to go on from there"
        )


class PredictionFailedError(MLDeployError, RuntimeError):
    """A model that raised on rows which its schema accepts."""


class JobUnfinishedError(AlreadyExistsError):
    """A target that an earlier job began and did not finish; it can be resumed."""

    def __init__(self, target: object, *, place: object) -> None:
        self.target, self.place = str(target), str(place)
        super().__init__(
            f"{target} was begun by a job that did not end, which is kept in {place}; pass "
            "resume=True (--resume) to go on from there, or remove that to begin anew"
        )


class JobChangedError(MLDeployError, ValueError):
    """A job that cannot be resumed, since it would mix what it was and what it is now."""

    def __init__(self, target: object, *, changed: Sequence[str]) -> None:
        self.target, self.changed = str(target), tuple(changed)
        super().__init__(
            f"the job that began {target} had another {', another '.join(self.changed)}; going "
            "on would mix the two. Restore what it was, or remove the job to begin anew"
        )


class JobRunningError(MLDeployError, RuntimeError):
    """A job that another process is working on."""

    def __init__(self, place: object) -> None:
        self.place = str(place)
        super().__init__(f"another process is working on {place}; wait for it, or end it")


class PredictionLogError(MLDeployError, OSError):
    """Predictions that could not be written down, or a log that is closed."""


class PredictionLogFullError(PredictionLogError):
    """A log whose buffer has no room and whose policy is to refuse; nothing was taken."""


class MissingExtraError(MLDeployError, ImportError):
    """An optional part whose libraries are not installed."""

    def __init__(self, part: str, *, extra: str) -> None:
        self.part, self.extra = part, extra
        super().__init__(f"{part} needs more libraries: pip install 'mldeploy[{extra}]'")
