"""Which criteria does a finding put in doubt?"""

from __future__ import annotations

from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.problem import Criterion, MetricKind, Problem

_OF_MODELS = (MetricKind.QUALITY, MetricKind.BUSINESS, MetricKind.FAIRNESS)

_FIGURES_ARE_WRONG = frozenset(
    {
        *("duplicate_rows", "near_duplicates", "row_overlap", "unit_overlap", "repeated_times"),
        *("tells_label", "known_with_label", "feature_time", "group_mean", "random_split"),
        *("conflicting_labels", "labels", "suspect_labels", "labels_of_unit", "unlabelled_rows"),
        *("rare_class", "class_share", "class_share_over_time", "unlike", "told_apart"),
        *("effective_rows", "weights", "label with weights", "score with weights"),
    }
)
"""Findings under which no figure of a model is what it seems, in all rows."""
_OF_FAIRNESS = frozenset({"sensitive_feature", "proxy", "told_together"})
_WEIGHT = {Severity.BLOCKER: 0, Severity.WARNING: 1, Severity.INFO: 2}
_WORST_FIRST = {Verdict.FAIL: 0, Verdict.INSUFFICIENT: 1, Verdict.PASS: 2}


def in_doubt(finding: Finding, problem: Problem) -> tuple[Criterion, ...]:
    """Return the criteria whose verdict a finding, if it is not settled, makes doubtful.

    The one that it judges; all on models, if it says that their figures are not what they seem;
    those on fairness, if a model may decide by a sensitive column; and those that speak of the
    finding's column. A feature that is broken makes every criterion on models doubtful, too, but
    less than these, and is not counted.
    """
    if _settled(finding):
        return ()
    if finding.criterion is not None:
        return tuple(c for c in problem.criteria if c.digest == finding.criterion)
    return tuple(c for c in problem.criteria if _doubtful(c, finding))


def _doubtful(criterion: Criterion, finding: Finding) -> bool:
    kind = criterion.metric.kind
    if finding.name in _FIGURES_ARE_WRONG and kind in _OF_MODELS:
        return True
    if finding.name in _OF_FAIRNESS and kind is MetricKind.FAIRNESS:
        return True
    return finding.column is not None and finding.column in (
        *criterion.columns,
        *criterion.used_columns,
    )


def _settled(finding: Finding) -> bool:
    return finding.severity is Severity.INFO or finding.verdict is Verdict.PASS


def ranked(findings: list[Finding], problem: Problem) -> list[Finding]:
    """Order findings by their consequence, and name in each the criteria that it puts in doubt.

    What blocks comes first, then warnings, each by the number of criteria in doubt, then what
    holds, then what is for the record.
    """
    named = [(f, in_doubt(f, problem)) for f in findings]
    named.sort(
        key=lambda pair: (
            _settled(pair[0]),
            _WEIGHT[pair[0].severity],
            -len(pair[1]),
            _WORST_FIRST[pair[0].verdict],
        )
    )
    return [
        f.model_copy(update={"details": f.details | {"in_doubt": "; ".join(map(str, doubts))}})
        if doubts
        else f
        for f, doubts in named
    ]
