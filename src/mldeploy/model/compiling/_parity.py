"""The proof that a compiled model answers as its original does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy._record import Clock, utc_now
from mldeploy.data import Dataset
from mldeploy.evidence import Finding, Report, Severity, Verdict
from mldeploy.model._model import Model
from mldeploy.model.compiled._kernel import Floats
from mldeploy.model.compiled._model import CompiledModel
from mldeploy.model.compiling._adversarial import AT_SEVERAL, SearchedRows, searched_rows
from mldeploy.model.compiling._asked import Asked, ask_frame, ask_original, ask_rows
from mldeploy.model.compiling._gap import Gap, Yardstick, yardstick

CHECK: Final = "Parity"

_PATHS: Final = 1e-12
_REAL: Final = "real rows"
_MOST_REAL: Final = 2_000
_MOST_CELLS: Final = 4_000_000
_FEWEST_REAL: Final = 64
_FEW, _EVERY = 500, 4
_SERVES_ITSELF: Final = "The original serves; report this, with the model."


def prove(
    model: Model,
    compiled: CompiledModel,
    rows: Dataset | pl.DataFrame,
    *,
    random_state: int = 0,
    clock: Clock = utc_now,
) -> Report:
    """Hold a compiled model against its original, on real rows and on rows searched for trouble.

    Parameters
    ----------
    model : Model
        The original.
    compiled : CompiledModel
        What should answer as it does.
    rows : Dataset or polars.DataFrame
        Real rows; of many, 2,000 are used, evenly spaced.
    random_state : int, default=0
        Seed of the search.
    clock : Clock, default=utc_now
        Tells the time.

    Returns
    -------
    Report
        It passes if there are real rows that both answer; if no label differs, except where the
        original's own two shares are equal within 1e-12; if scores differ by at most 1e-9, or
        1e-12 where the model jumps as trees do, or 1e-6 where the original itself calculates in
        float32; if both refuse the same rows; and if rows asked one by one are answered as in a
        frame, within 1e-12: all odd rows, and a quarter of the others where they are more than
        500. Scores that are no probabilities are measured in units of the score, or of a usual
        one.

    Raises
    ------
    EmptyDataError
        If there is no row that the model's schema accepts.
    """
    started = clock()
    trial = Trial.of(
        model, real_rows(model, rows), compiled.breakpoints(), random_state=random_state
    )
    return Report(
        step="compile",
        made_by="prove",
        findings=(trial.searched_finding(), *trial.findings(compiled)),
        about={"model": model.digest, "problem": model.problem.digest},
        started_at=started,
        duration=clock() - started,
    )


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Trial:
    """Rows with what the original answers to them, against which compiled models are held.

    Attributes
    ----------
    probabilistic : bool
        Whether the original's scores are probabilities.
    real, searched : polars.DataFrame, SearchedRows
        The rows.
    to_real, to_searched : Asked
        What the original answers.
    """

    probabilistic: bool
    real: pl.DataFrame
    searched: SearchedRows
    to_real: Asked
    to_searched: Asked

    @classmethod
    def of(
        cls,
        model: Model,
        real: pl.DataFrame,
        breakpoints: Mapping[str, Floats],
        *,
        random_state: int = 0,
    ) -> Trial:
        """Search rows, and ask the original for all of them."""
        searched = searched_rows(
            real, model.signature.inputs, breakpoints, random_state=random_state
        )
        return cls(
            probabilistic=model.signature.probabilistic,
            real=real,
            searched=searched,
            to_real=ask_original(model, real),
            to_searched=ask_original(model, searched.frame, searched.why),
        )

    def findings(self, compiled: CompiledModel) -> tuple[Finding, ...]:
        """Return what speaks for and against one compiled model."""
        jumps = any(map(len, compiled.breakpoints().values()))
        rule = yardstick(self.to_real, probabilistic=self.probabilistic, jumps=jumps)
        found: list[Finding] = []
        for rows, frame, why, original in (
            (_REAL, self.real, (), self.to_real),
            ("searched rows", self.searched.frame, self.searched.why, self.to_searched),
        ):
            answers = ask_frame(compiled, frame, why)
            found += _against_original(rule.gap(original, answers), rule, rows)
            chosen = _asked_alone(frame.height, why)
            alone = ask_rows(compiled, frame.filter(pl.Series(chosen)))
            gap = rule.gap(answers.of(chosen), alone, bar=_PATHS, same_types=True)
            found.append(_row_by_row(gap, rows))
        return tuple(found)

    def searched_finding(self) -> Finding:
        """Return what was searched, and how much of what could be."""
        searched, n_refused = self.searched, int((~self.to_searched.accepted).sum())
        return Finding(
            check=CHECK,
            name="searched",
            verdict=Verdict.PASS,
            severity=Severity.INFO,
            summary=(
                f"{searched.frame.height:,} rows were searched for trouble: at and next to "
                f"{searched.n_covered:,} of {searched.n_thresholds:,} thresholds, odd numbers and "
                f"texts, and missing values; the original refuses {n_refused:,} of them."
            ),
            n=searched.frame.height,
            details={
                "thresholds": searched.n_thresholds,
                "thresholds_covered": searched.n_covered,
                "refused_by_original": n_refused,
            },
        )


def real_rows(model: Model, rows: Dataset | pl.DataFrame) -> pl.DataFrame:
    """Return some of the rows that a model's schema accepts, evenly spaced, in its types."""
    schema = model.signature.inputs
    frame = (rows.polars() if isinstance(rows, Dataset) else rows).select(schema.names)
    most = min(_MOST_REAL, max(_FEWEST_REAL, _MOST_CELLS // max(frame.width, 1)))
    if frame.height > most:
        frame = frame[np.linspace(0, frame.height - 1, most).astype(np.int64)]
    refused = {error.row for error in schema.check(frame, limit=frame.height + 1)}
    return schema.enforce(frame[[i for i in range(frame.height) if i not in refused]])


def _asked_alone(n_rows: int, why: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Return which rows are also asked one by one: all odd ones, a quarter of many others."""
    many = np.array([w == AT_SEVERAL for w in why]) if why else np.ones(n_rows, dtype=bool)
    many &= n_rows > _FEW
    chosen: npt.NDArray[np.bool_] = ~many | (np.arange(n_rows) % _EVERY == 0)
    return chosen


def _against_original(gap: Gap, rule: Yardstick, rows: str) -> Iterator[Finding]:
    share = gap.n_beyond / max(gap.n_both, 1)
    yield _finding(
        name="largest_difference",
        rows=rows,
        holds=gap.n_beyond == 0 and (gap.n_both > 0 or rows != _REAL),
        summary=(
            f"Scores of {gap.n_both:,} {rows} differ by at most {gap.largest:.2g}"
            f"{'' if rule.typical is None else ' of their size'}; {share:.2%} differ by more "
            f"than {rule.bar:g}."
        ),
        estimate=gap.largest,
        n=gap.n_both,
        threshold=rule.bar,
        details={"share_beyond": share, "rows_beyond": gap.n_beyond},
    )
    ties = f", and {gap.n_ties:,} where its shares are equal" if gap.n_ties else ""
    yield _finding(
        name="label_flips",
        rows=rows,
        holds=gap.n_flips == 0,
        summary=f"{gap.n_flips:,} of {gap.n_both:,} {rows} get another label{ties}.",
        estimate=gap.n_flips / max(gap.n_both, 1),
        n=gap.n_both,
        threshold=0.0,
        details={"flips": gap.n_flips, "ties": gap.n_ties},
    )
    yield _finding(
        name="refused_rows",
        rows=rows,
        holds=gap.n_only_one == 0,
        summary=(
            f"{gap.n_only_one:,} of {gap.n_rows:,} {rows} are refused by one of the two only."
        ),
        estimate=gap.n_only_one / max(gap.n_rows, 1),
        n=gap.n_rows,
        threshold=0.0,
        details={"refused_by_one": gap.n_only_one},
    )


def _row_by_row(gap: Gap, rows: str) -> Finding:
    n_others = gap.n_flips + gap.n_ties
    return _finding(
        name="row_and_frame",
        rows=rows,
        holds=gap.n_beyond == gap.n_only_one == n_others == 0,
        summary=(
            f"Asked one by one, {rows} get scores that differ from those in a frame by at most "
            f"{gap.largest:.2g}, {n_others:,} other labels, and {gap.n_only_one:,} other refusals."
        ),
        estimate=gap.largest,
        n=gap.n_rows,
        threshold=_PATHS,
        details={"other_labels": n_others, "other_refusals": gap.n_only_one},
    )


def _finding(
    *,
    name: str,
    rows: str,
    holds: bool,
    summary: str,
    estimate: float,
    n: int,
    threshold: float,
    details: Mapping[str, float | int],
) -> Finding:
    return Finding(
        check=CHECK,
        name=name,
        slice=rows,
        verdict=Verdict.PASS if holds else Verdict.FAIL,
        summary=summary,
        action="" if holds else _SERVES_ITSELF,
        estimate=estimate,
        n=n,
        threshold=threshold,
        details=dict(details),
    )
