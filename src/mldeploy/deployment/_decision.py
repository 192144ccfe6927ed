"""What a rollout does next: a value, computed from what both versions answered."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import final

import polars as pl
import pydantic

from mldeploy._record import Record
from mldeploy.deployment._blocks import CHAMPION, Block, blocks_of, lone_blocks_of
from mldeploy.deployment._rollout import ABTest, AllAtOnce, BlueGreen, Canary, Rollout, Shadow
from mldeploy.deployment._streams import Stream, streams_of
from mldeploy.evidence import Finding, Report, Severity, Verdict, figure, html_fragment
from mldeploy.model import Signature
from mldeploy.problem import Problem
from mldeploy.stats import OutageGuard, TEProcess, sample_ratio_p_value


@final
class Action(enum.StrEnum):
    """What a rollout does next."""

    HOLD = "hold"
    ADVANCE = "advance"
    COMPLETE = "complete"
    ROLL_BACK = "roll_back"


@final
class RolloutDecision(Record):
    """What a rollout does next, and why.

    Attributes
    ----------
    action : Action
        Hold, advance to the next step, complete, or roll back.
    share : float
        Share of the traffic that the candidate has from now on, in [0, 1].
    at : datetime
        When it was decided.
    reason : str
        In one sentence.
    report : Report
        The comparisons behind it.
    """

    action: Action
    share: float = pydantic.Field(ge=0, le=1)
    at: pydantic.AwareDatetime
    reason: str
    report: Report

    def __str__(self) -> str:
        return f"{self.action} at {self.at:%Y-%m-%d %H:%M} (share {self.share:.0%}): {self.reason}"

    def _repr_html_(self) -> str:
        return html_fragment(f"<p><b>{self.action}</b></p>{self.report.to_html()}")


@final
@dataclass(frozen=True, kw_only=True)
class RolloutState:
    """How far a rollout has come.

    Attributes
    ----------
    rollout : Rollout
        Its plan.
    step : int
        Which of the plan's steps holds now, from 0.
    since : datetime
        Since when that step holds.
    has_champion : bool
        Whether another version serves beside the candidate.
    """

    rollout: Rollout
    step: int
    since: datetime
    has_champion: bool

    @property
    def share(self) -> float:
        """Share of the traffic that the candidate has."""
        return self.rollout.steps[self.step] if self.has_champion else 1.0


def decide(
    state: RolloutState,
    outcomes: pl.DataFrame,
    *,
    problem: Problem,
    signature: Signature,
    at: datetime,
) -> RolloutDecision:
    """Decide what a rollout does next.

    Parameters
    ----------
    state : RolloutState
        How far it has come.
    outcomes : polars.DataFrame
        Every answer since the rollout began, as the prediction log has it, with the labels that
        are known by now (null where unknown). The whole rollout, not only the last step: the
        evidence adds up, and the bound on false alarms holds for all looks together.
    problem : Problem
        Whose criteria say what is compared and which difference matters.
    signature : Signature
        How labels are coded.
    at : datetime
        Now.

    Returns
    -------
    RolloutDecision
        ROLL_BACK as soon as the candidate is shown to be worse by more than the margin in
        failures, slow answers or a quality criterion.

    Notes
    -----
    Each comparison is a t e-process on blocks [1]_ at its share of `alpha`: it may be looked at
    after every request without more false alarms. An outage guard stops a candidate that fails
    conspicuously in three blocks running. Late labels arrive alike for both versions, since who
    answers is drawn at random, so the comparison is fair on the labels that are there.

    References
    ----------
    .. [1] H. Wang and A. Ramdas, "Anytime-valid t-tests and confidence sequences for Gaussian
       means with unknown variance", Sequential Analysis 44 (2025) 56-110.
    """
    rollout = state.rollout
    if isinstance(rollout, AllAtOnce) or not state.has_champion:
        reason = "There is no other version to be compared with; it serves all requests."
        return _decision(Action.COMPLETE, 1.0, at, reason, ())
    if isinstance(rollout, BlueGreen):
        return _switched(rollout, state, outcomes, at=at)
    streams = streams_of(
        problem,
        signature,
        failure_margin=rollout.failure_margin,
        quality_margin=rollout.quality_margin,
    )
    blocks = blocks_of(outcomes, every=rollout.block, min_rows=rollout.min_rows)
    findings = [_outage(blocks), *_comparisons(streams, blocks, rollout)]
    findings += _sample_ratio(outcomes, state)
    if harm := _harm(findings):
        return _decision(Action.ROLL_BACK, 0.0, at, harm, findings)
    if isinstance(rollout, ABTest):
        return _tested(rollout, state, streams, blocks, findings, at=at)
    answered = outcomes.filter(
        (pl.col("arm") != CHAMPION) & (pl.col("time") >= state.since)
    ).height
    waited = at - state.since
    if waited < rollout.hold or answered < rollout.min_rows:
        reason = f"No harm so far; {answered:,} answers in {_span(waited)} at this step."
        return _decision(Action.HOLD, state.share, at, reason, findings)
    following = (*rollout.steps, 1.0)[state.step + 1]
    action = Action.COMPLETE if following == 1 else Action.ADVANCE
    reason = f"No harm in {answered:,} answers over {_span(waited)} at {state.share:.0%}."
    return _decision(action, following, at, reason, findings)


def _harm(findings: Sequence[Finding]) -> str | None:
    """Return what a finding says that stops a rollout."""
    for finding in findings:
        if finding.verdict is Verdict.FAIL and finding.severity is Severity.BLOCKER:
            return finding.summary
    return None


def _switched(
    rollout: BlueGreen, state: RolloutState, outcomes: pl.DataFrame, *, at: datetime
) -> RolloutDecision:
    """Decide on a version that answers everything while the old one is kept ready."""
    recent = outcomes.filter(pl.col("time") >= state.since)
    findings = [_outage(lone_blocks_of(recent, every=rollout.block, min_rows=rollout.min_rows))]
    if harm := _harm(findings):
        return _decision(Action.ROLL_BACK, 0.0, at, harm, findings)
    waited = at - state.since
    answered = recent.filter(pl.col("arm") != CHAMPION).height
    reason = f"{answered:,} answers in {_span(waited)} without an outage."
    done = waited >= rollout.hold and answered >= rollout.min_rows
    return _decision(Action.COMPLETE if done else Action.HOLD, 1.0, at, reason, findings)


def _tested(
    rollout: ABTest,
    state: RolloutState,
    streams: Sequence[Stream],
    blocks: Sequence[Block],
    findings: Sequence[Finding],
    *,
    at: datetime,
) -> RolloutDecision:
    """Decide on a candidate that is not shown to be worse: is it shown to be better?"""
    hopes = [stream for stream in streams if stream.may_be_better]
    better = list(_improvements(hopes, blocks, rollout))
    report = (*findings, *better)
    if shown := [f for f in better if f.verdict is Verdict.PASS]:
        return _decision(Action.COMPLETE, 1.0, at, shown[0].summary, report)
    waited = at - state.since
    if waited < rollout.hold:
        reason = f"Neither version is shown to be better after {_span(waited)}."
        return _decision(Action.HOLD, state.share, at, reason, report)
    reason = f"The candidate is not shown to be better after {_span(waited)}; the champion stays."
    return _decision(Action.ROLL_BACK, 0.0, at, reason, report)


def _improvements(
    streams: Sequence[Stream], blocks: Sequence[Block], rollout: ABTest
) -> Iterator[Finding]:
    for stream in streams:
        gains = -stream.differences(blocks)
        process = TEProcess(margin=0.0, min_sd=stream.min_sd(rollout.min_rows)).update(gains)
        alpha = rollout.alpha / len(streams)
        better = process.rejects(alpha)
        yield Finding(
            check="decide",
            name=f"better_{stream.name}",
            verdict=Verdict.PASS if better else Verdict.INSUFFICIENT,
            severity=Severity.INFO,
            summary=(
                f"The candidate is {'shown to be' if better else 'not shown to be'} better in "
                f"{stream.name}."
            ),
            estimate=float(gains.mean()) if len(gains) else None,
            threshold=0.0,
            unit=stream.unit,
            n=len(gains),
            criterion=stream.criterion,
            details={"log_e_value": process.log_e_value, "alpha": alpha},
        )


def _span(span: timedelta) -> str:
    return figure(span.total_seconds(), "s")


def _decision(
    action: Action, share: float, at: datetime, reason: str, findings: Sequence[Finding]
) -> RolloutDecision:
    report = Report(step="rollout", made_by="decide", findings=tuple(findings), started_at=at)
    return RolloutDecision(action=action, share=share, at=at, reason=reason, report=report)


def _comparisons(
    streams: Sequence[Stream], blocks: Sequence[Block], rollout: Canary | Shadow | ABTest
) -> Iterator[Finding]:
    for stream, alpha in zip(streams, _budget(rollout.alpha, len(streams)), strict=True):
        values = stream.differences(blocks)
        process = TEProcess(margin=stream.margin, min_sd=stream.min_sd(rollout.min_rows))
        process = process.update(values)
        worse = process.rejects(alpha)
        mean = float(values.mean()) if len(values) else None
        yield Finding(
            check="decide",
            name=stream.name,
            verdict=_verdict(worse=worse, n_blocks=len(values)),
            summary=(
                f"The candidate is {'shown to be' if worse else 'not shown to be'} worse in "
                f"{stream.name} by more than {figure(stream.margin, stream.unit)}."
            ),
            action="Roll back." if worse else "",
            estimate=mean,
            threshold=stream.margin,
            unit=stream.unit,
            n=len(values),
            criterion=stream.criterion,
            details={"log_e_value": process.log_e_value, "alpha": alpha},
        )


def _budget(alpha: float, n_streams: int) -> list[float]:
    """Share the accepted chance of a false alarm: half for failures, which must be seen first."""
    if n_streams == 1:
        return [alpha]
    return [alpha / 2, *[alpha / 2 / (n_streams - 1)] * (n_streams - 1)]


def _verdict(*, worse: bool, n_blocks: int) -> Verdict:
    if worse:
        return Verdict.FAIL
    return Verdict.PASS if n_blocks else Verdict.INSUFFICIENT


def _outage(blocks: Sequence[Block]) -> Finding:
    guard = OutageGuard()
    for block in blocks:
        failed = block.candidate["failed"]
        share = float(block.champion["failed"].mean() or 0.0)  # type: ignore[arg-type]
        guard = guard.update(failures=int(failed.sum()), total=len(failed), comparison_share=share)
    return Finding(
        check="decide",
        name="outage",
        verdict=Verdict.FAIL if guard.outage else Verdict.PASS,
        summary=(
            f"{guard.longest} blocks in a row failed conspicuously."
            if guard.longest
            else "No block failed conspicuously."
        ),
        action="Roll back." if guard.outage else "",
        n=len(blocks),
        threshold=float(guard.n_in_a_row),
        estimate=float(guard.longest),
    )


def _sample_ratio(outcomes: pl.DataFrame, state: RolloutState) -> Iterator[Finding]:
    if not isinstance(state.rollout, Canary | ABTest):
        return
    recent = outcomes.filter(pl.col("time") >= state.since)
    n = {arm: recent.filter(pl.col("arm") == arm).height for arm in ("champion", "candidate")}
    if not all(n.values()):
        return
    p = sample_ratio_p_value(n["champion"], n["candidate"], share_b=state.share)
    yield Finding(
        check="decide",
        name="sample_ratio",
        verdict=Verdict.FAIL if p < 1e-4 else Verdict.PASS,
        severity=Severity.WARNING,
        summary=f"The candidate answered {n['candidate']:,} of {sum(n.values()):,} requests.",
        action="Few keys make many requests, or requests get lost." if p < 1e-4 else "",
        estimate=n["candidate"] / sum(n.values()),
        threshold=state.share,
        n=sum(n.values()),
        details={"p_value": p},
    )
