"""How the store answers each test of the scorecard."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from mldeploy.evidence import Verdict
from mldeploy.governance._score_facts import Facts, Point, by_check, pointed
from mldeploy.stats import Interval

Rule: TypeAlias = Callable[[Facts], Point | None]


def _validated(*checks: str, name: str = "") -> Rule:
    return lambda facts: facts.validated(by_check(*checks, name=name))


def _assessed(*checks: str) -> Rule:
    return lambda facts: facts.assessed(by_check(*checks))


def _monitored(*checks: str) -> Rule:
    return lambda facts: facts.monitored(by_check(*checks))


def _schema(facts: Facts) -> Point:
    n = len(facts.bundle.signature.features)
    return Point(
        points=1.0,
        summary=f"Type, range and categories of {n} features; training and service enforce them.",
        evidence=f"bundle {facts.bundle.digest}, schema.toml",
    )


def _reviewed(facts: Facts) -> Point | None:
    code = facts.bundle.provenance.code
    others = [a for a in facts.approvals if a.by != facts.bundle.provenance.trained_by]
    if code.commit is None or code.dirty is not False:
        return None
    if not others:
        return Point(
            points=0.5,
            summary="Trained from committed code; nobody else has approved it.",
            evidence=f"commit {code.commit}",
        )
    return Point(
        points=1.0,
        summary=f"Trained from committed code, approved by {others[-1].by}.",
        evidence=f"commit {code.commit}, approval {others[-1].digest}",
    )


def _agrees(facts: Facts) -> Point | None:
    """Hold the newest figures with labels against those of the validation."""
    offline: dict[tuple[str | None, str, str | None], Interval] = {
        (f.criterion, f.name, f.slice): f.interval
        for f in facts.evidence.findings
        if f.criterion and f.interval is not None
    }
    for report in reversed(facts.windows):
        both = [
            (f, offline[f.criterion, f.name, f.slice])
            for f in report.findings
            if f.interval is not None and (f.criterion, f.name, f.slice) in offline
            and f.check == "PerformanceMonitor"
        ]  # fmt: skip
        if both:
            apart = [f for f, before in both if not _overlap(f.interval, before)]
            point = pointed(
                (apart or [both[0][0]])[0], report.digest, points=0.0 if apart else 1.0
            )
            told = "far from" if apart else "within the uncertainty of"
            summary = f"The figure online is {told} that of the validation. {point.summary}"
            return Point(points=point.points, summary=summary, evidence=point.evidence)
    return None


def _overlap(one: Interval | None, other: Interval | None) -> bool:
    if one is None or other is None:
        return False
    return one.low <= other.high and other.low <= one.high


def _simpler(facts: Facts) -> Point | None:
    """Return how it compares with its baselines; criteria and validators name them alike."""
    beside = facts.validated(lambda f: f.name.endswith(" vs baseline"))
    if beside is not None and not beside.is_open:
        return beside
    return facts.validated(by_check("FitValidator")) or beside


def _ageing(facts: Facts) -> Point | None:
    """Return whether it is known how the model ages; bad news is known as well."""
    found = facts.validated(by_check("StalenessValidator", name="retraining_period"))
    return found if found is None or found.is_open else replace(found, points=1.0)


def _slices(facts: Facts) -> Point | None:
    """Return how it does on slices that criteria name, or that were searched."""
    return facts.validated(
        lambda f: f.check == "SliceValidator" or (f.criterion is not None and f.slice is not None)
    )


def _searched(facts: Facts) -> Point | None:
    if facts.trials is None or facts.trials[1] < 2:
        return None
    run, n = facts.trials
    return Point(points=1.0, summary=f"{n} settings were tried on folds.", evidence=f"run {run}")


def _repeatable(facts: Facts) -> Point | None:
    made = facts.bundle.provenance
    known = made.code.commit is not None and made.code.dirty is False and made.seed is not None
    seeds = facts.validated(by_check("StabilityValidator", name="seeds"))
    if known and seeds is not None and seeds.points:
        return seeds
    if not known:
        return None
    return Point(
        points=0.5,
        summary="Data, code, seed and environment are recorded; training was not repeated.",
        evidence=f"bundle {facts.bundle.digest}, provenance.json",
    )


def _whole_way(facts: Facts) -> Point | None:
    if not facts.whole_ways:
        return None
    n = len(facts.whole_ways)
    return Point(
        points=1.0 if n > 1 else 0.5,
        summary=f"{n} runs went the whole way from data to a version.",
        evidence=f"steps of run {facts.whole_ways[-1]}",
    )


def _gate(facts: Facts) -> Point:
    passed = facts.evidence.verdict is Verdict.PASS
    return Point(
        points=1.0 if passed else 0.0,
        summary=f"The validation says {facts.evidence.verdict}; only what passed can serve.",
        evidence=f"report {facts.version.report}",
    )


def _followed(facts: Facts) -> Point | None:
    explained = facts.validated(by_check("ExplanationValidator"))
    if explained is not None and explained.points:
        return explained
    if not facts.bundle.has_golden:
        return None
    return Point(
        points=0.5,
        summary="Golden rows are kept with the model's answers.",
        evidence=f"bundle {facts.bundle.digest}, golden.parquet",
    )


def _canaried(facts: Facts) -> Point | None:
    steps = [e for e in facts.events if e.kind == "rollout.advance"]
    if not steps:
        return None
    return Point(
        points=1.0,
        summary=f"It met more traffic in {len(steps)} steps, each decided on its answers.",
        evidence=f"event {steps[-1].sequence} of the ledger",
    )


def _way_back(facts: Facts) -> Point | None:
    drill = [
        f
        for f in facts.evidence.findings
        if f.check == "RehearsalValidator" and f.name == "rollback" and "seconds" in f.details
    ]
    if drill and drill[0].verdict is Verdict.PASS:
        return pointed(drill[0], facts.version.report, points=1.0)
    back = [move for move in facts.moves if move.is_rollback]
    if back:
        return Point(points=1.0, summary=str(back[-1]), evidence=f"promotion {back[-1].digest}")
    if len({move.number for move in facts.moves}) < 2:
        return None
    return Point(
        points=0.5,
        summary="An earlier champion is kept; going back was not tried.",
        evidence=f"promotion {facts.moves[-1].digest}",
    )


def _same_features(facts: Facts) -> Point | None:
    golden = facts.validated(by_check("RehearsalValidator", name="golden_rows"))
    if golden is not None:
        return golden
    compiled = facts.bundle.compiled_report
    if compiled is None:
        return None
    told = compiled.select(name="serves") or compiled.findings
    if not told:
        return None
    evidence = f"bundle {facts.bundle.digest}, compiled_report.json"
    return Point(points=1.0, summary=told[0].summary, evidence=evidence)


def _fresh(facts: Facts) -> Point | None:
    if not facts.windows:
        return None
    age = (facts.now - facts.bundle.provenance.trained_at).total_seconds() / 86_400
    latest = facts.windows[-1]
    period = facts.evidence.select(name="retraining_period", check="StalenessValidator")
    days = period[0].estimate if period else None
    if days is None:
        return Point(
            points=0.5,
            summary=f"It is {age:.0f} days old and monitored; how it ages is not known.",
            evidence=f"report {latest.digest}",
        )
    days /= 86_400
    most = f"of {days:.0f} that it may be" if math.isfinite(days) else "and was not seen to age"
    return Point(
        points=1.0 if age <= days else 0.0,
        summary=f"It is {age:.0f} days old, {most}.",
        evidence=f"report {facts.version.report}, finding StalenessValidator/retraining_period",
    )


RULES: Final[Mapping[str, Rule]] = {
    "data 1": _schema,
    "data 2": _validated("StabilityValidator", name="columns_that_earn_nothing"),
    "data 3": _assessed("FeatureCostAssessor"),
    "data 4": _assessed("SchemaAssessor", "LeakageAssessor", "ExpectationAssessor"),
    "data 5": _assessed("SensitiveAssessor"),
    "model 1": _reviewed,
    "model 2": _agrees,
    "model 3": _searched,
    "model 4": _ageing,
    "model 5": _simpler,
    "model 6": _slices,
    "model 7": _validated("FairnessValidator"),
    "infrastructure 1": _repeatable,
    "infrastructure 3": _whole_way,
    "infrastructure 4": _gate,
    "infrastructure 5": _followed,
    "infrastructure 6": _canaried,
    "infrastructure 7": _way_back,
    "monitoring 2": _monitored("DataQualityMonitor"),
    "monitoring 3": _same_features,
    "monitoring 4": _fresh,
    "monitoring 5": _validated("RobustnessValidator"),
    "monitoring 6": _monitored("LatencyMonitor"),
    "monitoring 7": _monitored("PerformanceMonitor"),
}
"""By test; those without a rule can only be declared."""
