"""When to train anew: on alarms, on schedule, on new data, and not too often."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import final

from mldeploy.retraining._decision import RetrainingDecision, RetrainingPolicy, Situation


@final
@dataclass(frozen=True, kw_only=True)
class OnAlarm:
    """Train anew when the monitors alarm.

    Attributes
    ----------
    names : tuple of str
        Only findings of these names count; all when empty. Drift alone rarely pays: the names
        of performance criteria are a good choice.
    at_least : int
        How many such alarms are needed.
    within : timedelta, optional
        Only alarms this recent count.

    Examples
    --------
    >>> from datetime import UTC, datetime
    >>> from mldeploy.evidence import Finding
    >>> alarm = Finding(check="P", name="roc_auc", verdict="FAIL", summary="It fell.")
    >>> day = datetime(2030, 1, 1, tzinfo=UTC)
    >>> situation = Situation(now=day, trained_at=day, alarms=(alarm,), alarmed_at=(day,))
    >>> print(OnAlarm(names=("roc_auc",)).decide(situation))
    retrain (OnAlarm): 1 alarm about roc_auc: It fell.
    """

    names: tuple[str, ...] = ()
    at_least: int = 1
    within: timedelta | None = None

    def __post_init__(self) -> None:
        if self.at_least < 1:
            raise ValueError(f"{self.at_least=}: at least one alarm is needed to speak of one")

    def decide(self, situation: Situation) -> RetrainingDecision:
        """Return the decision for a situation."""
        counted = [
            alarm
            for alarm, at in zip(situation.alarms, situation.alarmed_at, strict=True)
            if (not self.names or alarm.name in self.names)
            and (self.within is None or situation.now - at <= self.within)
        ]
        if len(counted) < self.at_least:
            reason = f"{len(counted)} of {self.at_least} alarms that would matter."
            return _decision(self, situation, reason, retrain=False)
        about = ", ".join(sorted({a.name for a in counted}))
        plural = "alarm" if len(counted) == 1 else "alarms"
        reason = f"{len(counted)} {plural} about {about}: {counted[-1].summary}"
        return _decision(self, situation, reason, retrain=True)


@final
@dataclass(frozen=True, kw_only=True)
class OnSchedule:
    """Train anew when the model has reached an age.

    Attributes
    ----------
    every : timedelta
        That age.
    """

    every: timedelta

    def __post_init__(self) -> None:
        if self.every <= timedelta(0):
            raise ValueError(f"{self.every=} must be positive")

    def decide(self, situation: Situation) -> RetrainingDecision:
        """Return the decision for a situation."""
        age, due = situation.now - situation.trained_at, situation.trained_at + self.every
        reason = f"The model is {age.days} days old, and due every {self.every.days}."
        decision = _decision(self, situation, reason, retrain=age >= self.every)
        return decision.model_copy(update={"not_before": due})


@final
@dataclass(frozen=True, kw_only=True)
class OnNewData:
    """Train anew when enough labelled rows have come in.

    Attributes
    ----------
    growth : float
        New rows as a share of those that the model was trained on.
    min_rows : int
        And at least so many.
    """

    growth: float = 0.5
    min_rows: int = 1000

    def __post_init__(self) -> None:
        if self.growth <= 0 or self.min_rows < 1:
            raise ValueError(f"{self.growth=} and {self.min_rows=} must be positive")

    def decide(self, situation: Situation) -> RetrainingDecision:
        """Return the decision for a situation."""
        wanted = max(self.min_rows, round(self.growth * situation.rows_trained_on))
        reason = f"{situation.new_rows:,} new labelled rows; {wanted:,} are asked for."
        return _decision(self, situation, reason, retrain=situation.new_rows >= wanted)


@final
@dataclass(frozen=True)
class AnyOf:
    """Train anew when one of several policies says so; the first that does is named.

    Attributes
    ----------
    policies : tuple of RetrainingPolicy
        At least one.
    """

    policies: tuple[RetrainingPolicy, ...]

    def __post_init__(self) -> None:
        if not self.policies:
            raise ValueError("name at least one policy")

    def decide(self, situation: Situation) -> RetrainingDecision:
        """Return the decision for a situation."""
        decisions = [policy.decide(situation) for policy in self.policies]
        for decision in decisions:
            if decision.retrain:
                return decision
        reason = " ".join(d.reason for d in decisions)
        return _decision(self, situation, reason, retrain=False)


@final
@dataclass(frozen=True, kw_only=True)
class CoolDown:
    """Keep a policy from training anew again and again.

    Attributes
    ----------
    policy : RetrainingPolicy
        The one that is held back.
    pause : timedelta
        How long after one decision to train anew the next may come.
    """

    policy: RetrainingPolicy
    pause: timedelta

    def __post_init__(self) -> None:
        if self.pause < timedelta(0):
            raise ValueError(f"{self.pause=} is negative")

    def decide(self, situation: Situation) -> RetrainingDecision:
        """Return the decision for a situation."""
        decision = self.policy.decide(situation)
        last = situation.last_decided_at
        if not decision.retrain or last is None or situation.now - last >= self.pause:
            return decision
        reason = f"It was last decided on {last:%Y-%m-%d}; waiting. ({decision.reason})"
        held = _decision(self, situation, reason, retrain=False)
        return held.model_copy(update={"not_before": last + self.pause})


def _decision(
    policy: object, situation: Situation, reason: str, *, retrain: bool
) -> RetrainingDecision:
    return RetrainingDecision(
        retrain=retrain, trigger=type(policy).__name__, reason=reason, at=situation.now
    )
