"""Did the distribution of a feature, or of the model's answers, change?"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

from typing_extensions import override

from mldeploy.evidence import Finding, Severity, Verdict
from mldeploy.monitoring._base import Monitor
from mldeploy.monitoring._columns import Comparison, comparisons, few_rows
from mldeploy.monitoring._window import Reference, Window
from mldeploy.stats import (
    history_limit,
    holm,
    leave_one_out_distances,
    psi_test,
    total_variation,
)


@final
@dataclass(frozen=True, kw_only=True)
class DriftMonitor(Monitor):
    """Alarm when a column's distribution changed, beyond chance and by enough to matter.

    The features are watched, and the model's answers as ``model.prediction`` and
    ``model.score``. A column alarms when two things hold: by the exchangeable test its
    population stability index is above `epsilon` (Holm's correction over all columns keeps the
    false alarms of a whole report below `alpha`); and the share of rows that moved to other
    bins is above a limit. With at least `min_history` past windows that limit is set by the
    past itself, since rows of real systems are not independent; else it is `floor`.

    Drift is news, not a failure of a criterion: findings are warnings.

    Attributes
    ----------
    epsilon : float
        Largest population stability index that does not matter, in nats.
    alpha : float
        Chance of a false alarm in a report, over all columns, for independent rows.
    floor : float
        Smallest share of moved rows that matters, in [0, 1].
    n_sd : float
        How far beyond the mean distance of past windows, in their standard deviations.
    min_history : int
        Past windows from which on the past is asked; at least 3.
    n_bins : int
        Bins of a number, at quantiles of the reference.
    min_rows : int
        Rows below which a window is not judged.

    Notes
    -----
    See `psi_test` and `history_limit` for the methods and their sources. Where past windows were
    so unlike each other that the limit would exceed what a distance can reach, it lies halfway
    between their largest distance and 1. Bins are cut
    on the reference profile; texts have bins for levels of at least 1 %, all others share one.
    """

    epsilon: float = 0.02
    alpha: float = 0.01
    floor: float = 0.03
    n_sd: float = 4.0
    min_history: int = 6
    n_bins: int = 10
    min_rows: int = 100

    def __post_init__(self) -> None:
        if not 0 < self.alpha < 1:
            raise ValueError(f"{self.alpha=} is no chance; it lies in (0, 1)")
        if self.epsilon < 0 or self.n_sd < 0 or not 0 <= self.floor < 1:
            raise ValueError(
                f"{self.epsilon=}, {self.n_sd=} and {self.floor=} must not be below 0"
            )
        if self.min_history < 3 or self.n_bins < 2 or self.min_rows < 2:
            raise ValueError(
                f"{self.min_history=} must be at least 3, {self.n_bins=} and {self.min_rows=} "
                "at least 2"
            )

    @override
    def _check(self, window: Window, reference: Reference) -> Iterator[Finding]:
        check = type(self).__name__
        if len(window.answered) < self.min_rows:
            yield few_rows(check, "drift", len(window.answered), self.min_rows)
            return
        pairs = comparisons(window, reference, n_bins=self.n_bins)
        by_history = [len(pair.history) >= self.min_history for pair in pairs]
        tests = [
            psi_test(p.pooled if past else p.reference, p.current, epsilon=self.epsilon)
            for p, past in zip(pairs, by_history, strict=True)
        ]
        adjusted = holm([test.p_value for test in tests])
        for pair, past, test, p_value in zip(pairs, by_history, tests, adjusted, strict=True):
            limit = self._past_limit(pair) if past else None
            yield self._finding(check, pair, test.psi, float(p_value), limit)

    def _past_limit(self, pair: Comparison) -> float:
        """Return the limit that the past sets; below 1, which no distance exceeds."""
        distances = leave_one_out_distances(pair.history)
        limit = history_limit(distances, n_sd=self.n_sd, floor=self.floor)
        return min(limit, (1 + float(distances.max())) / 2)

    def _finding(
        self,
        check: str,
        pair: Comparison,
        psi: float,
        p_value: float,
        past_limit: float | None,
    ) -> Finding:
        past = past_limit is not None
        effect = total_variation(pair.pooled if past else pair.reference, pair.current)
        limit = self.floor if past_limit is None else past_limit
        drifted = effect > limit and p_value <= self.alpha
        rule = "past windows and test" if past else "exchangeable test"
        if drifted:
            summary = f"{effect:.1%} of {pair.column} moved to other bins ({rule})."
        else:
            summary = f"{pair.column} is distributed as before ({rule})."
        return Finding(
            check=check,
            name="drift",
            verdict=Verdict.FAIL if drifted else Verdict.PASS,
            severity=Severity.WARNING,
            summary=summary,
            action="Look at its source, and whether the metrics hold." if drifted else "",
            estimate=effect,
            n=int(pair.current.sum()),
            threshold=limit,
            column=pair.column,
            details={
                "rule": rule,
                "psi": psi,
                "epsilon": self.epsilon,
                "p_value_adjusted": p_value,
                "past_windows": len(pair.history),
            },
        )
