"""The search for a slow decay of a metric, over all windows since the promotion."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
import numpy.typing as npt

from mldeploy.monitoring._summary import MetricEstimate
from mldeploy.stats import ShiryaevRoberts

Floats = npt.NDArray[np.float64]
_PRIOR_PAIRS = 10
"""Weight, in pairs of windows, of the assumption that standard errors tell the whole spread."""


@final
@dataclass(frozen=True, kw_only=True, eq=False)
class Decay:
    """What the detector says after the last window.

    Attributes
    ----------
    detector : ShiryaevRoberts
        Its state.
    spread : float
        By which factor windows differ more than their standard errors tell; at least 1.
    bound : float
        The value, in the metric's unit, that windows were held against.
    """

    detector: ShiryaevRoberts
    spread: float
    bound: float


def search_decay(
    estimates: Sequence[MetricEstimate],
    *,
    bound: float,
    higher_is_better: bool,
    detector: ShiryaevRoberts,
) -> Decay:
    r"""Feed windows to a detector of values worse than a bound.

    Parameters
    ----------
    estimates : sequence of MetricEstimate
        Of windows in order, at least one.
    bound : float
        The worst value that does not matter, in the metric's unit.
    higher_is_better : bool
        Which way is worse.
    detector : ShiryaevRoberts
        At its start.

    Returns
    -------
    Decay
        The state after the last window.

    Notes
    -----
    Days differ by more than chance: storms, sales, holidays. Each window's standard error is
    therefore multiplied by how much *earlier* neighbours differed in relation to theirs,

    .. math:: \hat\varphi_t^2 = \max\Big(1, \frac{k + \sum_{i<t} (v_i - v_{i-1})^2 /
       (s_i^2 + s_{i-1}^2)}{k + t - 2}\Big)

    with k = 10 pairs' worth of trust in the standard errors. Neighbours' differences
    [1]_ hardly see a slow decay or a single drop, which a standard deviation would take for
    spread. Only the past is used, so that the detector's budget holds.

    References
    ----------
    .. [1] J. von Neumann, R. H. Kent, H. R. Bellinson and B. I. Hart, "The mean square successive
       difference", Annals of Mathematical Statistics 12 (1941) 153-162.
    """
    values = np.array([e.value for e in estimates])
    errors = np.array([e.standard_error for e in estimates])
    spreads = _spreads(values, errors)
    worse = bound - values if higher_is_better else values - bound
    return Decay(
        detector=detector.update(worse / (errors * spreads)),
        spread=float(spreads[-1]),
        bound=bound,
    )


def _spreads(values: Floats, errors: Floats) -> Floats:
    """Return the factor for each window, from the windows before it."""
    ratios = np.diff(values) ** 2 / (errors[1:] ** 2 + errors[:-1] ** 2)
    before = np.concatenate([[0.0, 0.0], np.cumsum(ratios)])[: values.size]
    n_pairs = np.maximum(np.arange(values.size) - 1, 0)
    factors: Floats = np.sqrt(np.maximum((_PRIOR_PAIRS + before) / (_PRIOR_PAIRS + n_pairs), 1.0))
    return factors
