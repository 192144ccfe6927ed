"""Columns that are known only after the prediction, or only once the label is known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.assessment._outcome import halves
from mldeploy.assessment._say import skipped
from mldeploy.assessment._share import estimate_share, missing
from mldeploy.data import Dataset
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.stats import Estimate, holm_confidence

_CHANCE = 0.01
"""Share of late values that clocks may explain."""
_EMPTY_WITHOUT_LABEL, _EMPTY_WITH_LABEL = 0.5, 0.05
"""A column known with the label is empty in most rows without one, and in few with one."""
_FEW = 20

Flags = npt.NDArray[np.bool_]


def known_late(
    check: str,
    dataset: Dataset,
    available_at: Mapping[str, timedelta | str],
    *,
    confidence: float,
) -> Iterator[Finding]:
    """Yield the features whose values, or whose declared availability, are later than asked."""
    for name, when in available_at.items():
        if name not in dataset.columns:
            raise InvalidDataError(f"available_at names {name!r}, which the data do not have")
        if name in dataset.features:
            yield from _declared(check, dataset, name, when, confidence)
    if dataset.roles.time is None:
        yield skipped(check, "feature_time", "there is no prediction time")
        return
    for name in dataset.features:
        column = dataset.polars()[name]
        if name in available_at or name == dataset.roles.time:
            continue
        if isinstance(column.dtype, pl.Datetime) and column.dtype.time_zone is not None:
            yield from _later(check, dataset, name, column, "It holds times after", confidence)


def _declared(
    check: str, dataset: Dataset, name: str, when: timedelta | str, confidence: float
) -> Iterator[Finding]:
    if isinstance(when, timedelta):
        if when > timedelta(0):
            yield Finding(
                check=check,
                name="feature_time",
                verdict=Verdict.FAIL,
                summary=f"It is declared to be known {when} after the prediction.",
                action=f"Drop {name!r} from the features.",
                column=name,
                estimate=when.total_seconds(),
                threshold=0.0,
                unit="s",
            )
        return
    if when not in dataset.columns:
        raise InvalidDataError(
            f"available_at says that {when!r} tells when {name!r} is known, but the data have "
            "no such column"
        )
    column = dataset.polars()[when]
    if not isinstance(column.dtype, pl.Datetime) or column.dtype.time_zone is None:
        raise InvalidDataError(f"{when!r} holds {column.dtype}, not times with a zone")
    if dataset.roles.time is not None:
        yield from _later(
            check, dataset, name, column, f"By {when!r} it is known after", confidence
        )


def _later(
    check: str, dataset: Dataset, name: str, column: pl.Series, what: str, confidence: float
) -> Iterator[Finding]:
    moments = column.dt.convert_time_zone("UTC").dt.cast_time_unit("us").to_numpy()
    known = column.is_not_null().to_numpy()
    if not known.any():
        return
    late, units = moments[known] > dataset.times()[known], dataset.units()
    share = estimate_share(
        late, units=None if units is None else units[known], confidence=confidence
    )
    if share.interval.low <= _CHANCE:
        return
    yield Finding(
        check=check,
        name="feature_time",
        verdict=Verdict.FAIL,
        summary=f"{what} the prediction in {share.value:.1%} of the rows.",
        action=f"Drop {name!r} from the features; if it is planned beforehand, say so with "
        f"available_at={{{name!r}: timedelta(0)}}.",
        estimate=share.value,
        interval=share.interval,
        n=share.n,
        threshold=_CHANCE,
        column=name,
    )


def known_with_the_label(
    check: str,
    dataset: Dataset,
    target: str,
    declared: Mapping[str, Any],
    *,
    confidence: float,
    rng: np.random.Generator,
) -> Iterator[Finding]:
    """Yield the features that are empty where the label is, and filled where it is known.

    What is recorded at the outcome (the time of an arrival, the date of a repayment) is missing
    for those rows whose outcome never came, even if it tells little of the label where it is
    there. Found on one half of the rows or units and confirmed on the other. If most features
    are empty there, the rows are, and it is a warning.
    """
    unlabelled = missing(dataset.polars()[target])
    if not _FEW <= unlabelled.sum() <= len(dataset) - _FEW:
        yield skipped(
            check, "known_with_label",
            f"{int(unlabelled.sum()):,} of {len(dataset):,} rows have no label",
        )  # fmt: skip
        return
    nulls = dataset.polars().select(dataset.features).null_count().row(0)
    holed = [c for c, n in zip(dataset.features, nulls, strict=True) if n and c not in declared]
    first, second = halves(dataset, rng)
    flags = {c: missing(dataset.polars()[c]) for c in holed}
    suspects = [
        c for c in holed if _coincides(flags[c][first], unlabelled[first], None, confidence)
    ]
    units = dataset.units()
    found = {}
    for c in suspects:
        level = holm_confidence(len(suspects), confidence)
        theirs = None if units is None else units[second]
        share = _coincides(flags[c][second], unlabelled[second], theirs, level)
        if share is not None:
            found[c] = share
    stubs = len(found) > max(1, len(dataset.features) // 2)
    for c, share in found.items():
        yield _with_label(check, c, target, share, stubs=stubs)


def _coincides(
    empty: Flags, unlabelled: Flags, units: npt.NDArray[Any] | None, confidence: float
) -> Estimate | None:
    """Return the share that is empty without a label, if it is empty there and not elsewhere."""
    if unlabelled.sum() < _FEW / 2 or unlabelled.all():
        return None
    if empty[~unlabelled].mean() > _EMPTY_WITH_LABEL or not empty[unlabelled].any():
        return None
    share = estimate_share(
        empty[unlabelled],
        units=None if units is None else units[unlabelled],
        confidence=confidence,
    )
    return share if share.interval.low > _EMPTY_WITHOUT_LABEL else None


def _with_label(check: str, column: str, target: str, share: Estimate, *, stubs: bool) -> Finding:
    why = (
        "So are most features: these rows are stubs."
        if stubs
        else "So it is recorded when the outcome is, after the prediction."
    )
    return Finding(
        check=check,
        name="known_with_label",
        verdict=Verdict.FAIL,
        severity=Severity.WARNING if stubs else Severity.BLOCKER,
        summary=f"It is missing in {share.value:.1%} of the rows without a label, and hardly "
        f"anywhere else. {why}",
        action="Leave out the rows that never had a chance of a label."
        if stubs
        else f"Drop {column!r} from the features; if it is known beforehand, say so with "
        f"available_at={{{column!r}: timedelta(0)}}.",
        estimate=share.value,
        interval=share.interval,
        n=share.n,
        threshold=_EMPTY_WITHOUT_LABEL,
        column=column,
        details={"target": target},
    )
