"""Metrics: what is measured, in which unit, and which way is better."""

from __future__ import annotations

import enum
import hashlib
import inspect
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias, final, runtime_checkable

import numpy as np
import numpy.typing as npt
import pydantic

from mldeploy.errors import InvalidProblemError
from mldeploy.problem._stated import Stated
from mldeploy.problem._task import Task

Array: TypeAlias = npt.NDArray[Any]
PerRow: TypeAlias = Callable[[Array, Array], tuple[Array, Array]]


@runtime_checkable
class Statistic(Protocol):
    """A metric over all rows, as scikit-learn's: from truth, answer and weights to a number."""

    def __call__(self, y_true: Array, y_hat: Array, *, sample_weight: Array) -> float:
        """Return the metric."""
        ...


@final
class MetricKind(enum.StrEnum):
    """What a metric tells about, and so what it is measured on."""

    QUALITY = "quality"
    FAIRNESS = "fairness"
    LATENCY = "latency"
    RESOURCE = "resource"
    DATA = "data"
    BUSINESS = "business"


@final
class Direction(enum.StrEnum):
    """Which way is better."""

    HIGHER = "higher"
    LOWER = "lower"


@final
class Needs(enum.StrEnum):
    """Which of the model's answers a metric is computed from."""

    PREDICTION = "prediction"
    SCORE = "score"
    NOTHING = "nothing"


@final
class Metric(Stated):
    """What is measured, in which unit, and which way is better.

    Built-in metrics and scikit-learn's scorers are known by name. One of your own needs either
    `function`, over all rows, or, where the metric is a ratio of sums, `per_row`, from which
    intervals are computed a hundred times faster.

    Attributes
    ----------
    name : str
        The field's standard name.
    kind : MetricKind
        What it tells about.
    direction : Direction
        Which way is better.
    needs : Needs
        Whether it is computed from decisions or from probabilities.
    tasks : tuple of Task
        Where it makes sense.
    unit : str
        Unit of its values: ``"s"`` for seconds, empty for shares and scores.
    lowest, highest : float
        Its range, in `unit`.
    quantile : float, optional
        For latencies: which quantile.
    definition : str
        Digest of the source of a user's function, so that a changed metric is another metric.
    function : callable, optional
        ``function(y_true, y_hat, sample_weight=...) -> float``.
    per_row : callable, optional
        ``per_row(y_true, y_hat) -> (numerators, denominators)``; the metric is the ratio of
        their weighted sums.

    Examples
    --------
    >>> import numpy as np
    >>> def saved(y_true, y_hat):
    ...     return 120.0 * (y_hat * y_true) - 15.0 * y_hat, np.ones(len(y_true))
    >>> metric = Metric("euros_saved_per_flight", kind="business", unit="EUR",
    ...                 tasks=("binary",), per_row=saved)
    >>> str(metric.direction), len(metric.definition)
    ('higher', 64)
    """

    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    name: str = pydantic.Field(min_length=1)
    kind: MetricKind = MetricKind.QUALITY
    direction: Direction = Direction.HIGHER
    needs: Needs = Needs.PREDICTION
    tasks: tuple[Task, ...] = tuple(Task)
    unit: str = ""
    lowest: float = -np.inf
    highest: float = np.inf
    quantile: float | None = pydantic.Field(default=None, gt=0, lt=1)
    definition: str = ""
    function: Statistic | None = pydantic.Field(default=None, exclude=True, repr=False)
    per_row: PerRow | None = pydantic.Field(default=None, exclude=True, repr=False)

    def __init__(self, name: str, **fields: Any) -> None:
        code = fields.get("function") or fields.get("per_row")
        if code is not None and not fields.get("definition"):
            fields["definition"] = _definition(code)
        super().__init__(name=name, **fields)

    @pydantic.model_validator(mode="after")
    def _has_one_way_to_be_computed(self) -> Metric:
        if self.function is not None and self.per_row is not None:
            raise InvalidProblemError(
                f"metric {self.name!r} has a function and a per_row; keep one, since they "
                "could disagree"
            )
        return self

    @property
    def is_resolved(self) -> bool:
        """Whether it can be computed here; a user's metric read from JSON cannot."""
        computed = self.function is not None or self.per_row is not None
        return computed or self.needs is Needs.NOTHING

    @property
    def is_share(self) -> bool:
        """Whether every value lies in [0, 1]."""
        return self.lowest >= 0 and self.highest <= 1

    @property
    def higher_is_better(self) -> bool:
        """Whether larger values are better."""
        return self.direction is Direction.HIGHER


def _definition(code: Callable[..., Any]) -> str:
    """Return the digest of a function's source, or of its name when it has none at hand."""
    name = (
        f"{getattr(code, '__module__', '')}.{getattr(code, '__qualname__', type(code).__name__)}"
    )
    try:
        source = inspect.getsource(code)
    except (OSError, TypeError):
        compiled = getattr(code, "__code__", None)
        source = name if compiled is None else f"{compiled.co_code!r}{compiled.co_consts!r}"
    return hashlib.sha256(source.encode()).hexdigest()
