"""The interface of validators: may this model ship?"""

from __future__ import annotations

import abc
import time
from collections.abc import Iterable
from datetime import timedelta
from typing import final

from mldeploy._record import Clock, utc_now
from mldeploy.data import Dataset
from mldeploy.errors import EmptyDataError, InvalidDataError
from mldeploy.evidence import Finding, Report, Severity, Verdict
from mldeploy.model import Model
from mldeploy.problem import Problem


class Validator(abc.ABC):
    """Judge a fitted model on data that it has not seen.

    Implement `_validate`; the rest is final. Instances are immutable, hold no data, and may be
    shared between threads.

    Examples
    --------
    >>> class SmallEnough(Validator):
    ...     def _validate(self, model, dataset, problem, *, champion):
    ...         n = len(model.signature.inputs.columns)
    ...         yield Finding(check="SmallEnough", name="n_features", estimate=n, threshold=50,
    ...                       verdict="PASS" if n <= 50 else "FAIL", summary=f"{n} features.")
    >>> SmallEnough().validate.__name__
    'validate'
    """

    @final
    def validate(
        self,
        model: Model,
        dataset: Dataset,
        problem: Problem,
        *,
        champion: Model | None = None,
        clock: Clock = utc_now,
    ) -> Report:
        """Return what was found, bound to the digests of everything that was judged.

        Parameters
        ----------
        model : Model
            The candidate.
        dataset : Dataset
            Held-out rows; those without a label are left out, and counted in a finding.
        problem : Problem
            What "good" means.
        champion : Model, optional
            What serves now.
        clock : Clock, default=utc_now
            Tells the time.

        Raises
        ------
        InvalidProblemError
            If the data lacks a column that the problem speaks of.
        EmptyDataError
            If no row has a label.
        InvalidDataError
            If the model was made for another target than the problem's, or was trained on just
            these rows.
        """
        started, tick = clock(), time.perf_counter()
        problem.check_columns(dataset.columns)
        if model.signature.target != problem.target:
            raise InvalidDataError(
                f"the model predicts {model.signature.target!r}, the problem asks for "
                f"{problem.target!r}; validate it with its own problem"
            )
        labelled = dataset.labelled()
        if len(labelled) == 0:
            raise EmptyDataError(
                f"none of the {len(dataset):,} rows has a label in {problem.target!r}; wait for "
                f"labels (they come after {problem.label_delay}) or choose earlier rows"
            )
        if model.provenance.data in {dataset.fingerprint, labelled.fingerprint}:
            raise InvalidDataError(
                "these are the very rows that the model was trained on, which prove nothing; "
                "validate it on rows that it has not seen"
            )
        findings = [*_unlabelled(type(self).__qualname__, dataset, labelled)]
        for finding in self._validate(model, labelled, problem, champion=champion):
            if not isinstance(finding, Finding):
                raise TypeError(
                    f"{type(self).__qualname__} yielded {finding!r}; yield Finding(...)"
                )
            findings.append(finding)
        return Report(
            step="validate",
            made_by=type(self).__qualname__,
            findings=tuple(findings),
            about=about(model, dataset, problem, champion=champion),
            started_at=started,
            duration=timedelta(seconds=time.perf_counter() - tick),
        )

    @abc.abstractmethod
    def _validate(
        self, model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
    ) -> Iterable[Finding]:
        """Yield the findings; every row of `dataset` has a label."""


def about(
    model: Model, dataset: Dataset, problem: Problem, *, champion: Model | None
) -> dict[str, str]:
    """Return the digests of what a validation judges."""
    named = {
        "model": model.digest,
        "data": dataset.fingerprint,
        "problem": problem.digest,
        "training_data": model.provenance.data,
        "code": model.provenance.code.digest,
    }
    return named | ({} if champion is None else {"champion": champion.digest})


def _unlabelled(check: str, dataset: Dataset, labelled: Dataset) -> Iterable[Finding]:
    missing = len(dataset) - len(labelled)
    if missing:
        yield Finding(
            check=check,
            name="unlabelled_rows",
            verdict=Verdict.PASS,
            severity=Severity.INFO,
            summary=f"{missing:,} of {len(dataset):,} rows have no label and were left out.",
            estimate=missing / len(dataset),
            n=len(dataset),
        )
