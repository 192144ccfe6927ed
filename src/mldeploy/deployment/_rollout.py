"""How traffic moves to a new version."""

from __future__ import annotations

from datetime import timedelta
from itertools import pairwise
from typing import Annotated, Literal, TypeAlias, final

import pydantic

from mldeploy._record import Record

_Span = Annotated[timedelta, pydantic.Field(gt=timedelta(0))]


@final
class AllAtOnce(Record):
    """Every request goes to the new version from now on."""

    kind: Literal["all_at_once"] = "all_at_once"

    @property
    def steps(self) -> tuple[float, ...]:
        """Shares of the traffic, one after the other."""
        return (1.0,)


class _Watched(Record):
    """What is compared while two versions answer, and how much is made of it."""

    block: _Span = timedelta(minutes=1)
    """Rows this close together are one observation, however many fail at once."""
    min_rows: Annotated[int, pydantic.Field(ge=1)] = 50
    """Answers of each version that a block needs; shorter blocks are joined."""
    hold: _Span = timedelta(minutes=10)
    """How long each step lasts at least."""
    alpha: Annotated[float, pydantic.Field(gt=0, lt=0.5)] = 0.01
    """Chance that a version which is not worse is ever rolled back, however often one looks."""
    failure_margin: Annotated[float, pydantic.Field(ge=0, lt=1)] = 0.005
    """Additional share of failed answers that does not matter."""
    quality_margin: Annotated[float, pydantic.Field(ge=0)] = 0.01
    """Loss of a quality metric that does not matter, in its unit, where no criterion says."""


@final
class Canary(_Watched):
    """A growing share of the traffic goes to the new version while it does no harm.

    Parameters
    ----------
    steps : sequence of float
        Shares of the traffic, ascending in (0, 1]; the last one, 1, ends the rollout.
    block, min_rows : timedelta, int
        What one observation is: answers within `block` of each other, at least `min_rows` of
        each version. Metrics that rank rows see only differences *within* a block, so a block
        should cover the cycle of the traffic, such as a day, where there is one.
    hold : timedelta
        How long each step lasts at least.
    alpha : float
        Chance that a version which is not worse is ever rolled back, over all looks together.
    failure_margin, quality_margin : float
        The difference that does not matter: in the share of failed answers, and in a quality
        metric for which no criterion names a margin towards the champion.

    Examples
    --------
    >>> Canary([0.01, 0.1, 1.0]).steps
    (0.01, 0.1, 1.0)
    """

    kind: Literal["canary"] = "canary"
    steps: tuple[float, ...] = (0.01, 0.1, 1.0)

    def __init__(
        self, steps: tuple[float, ...] | list[float] = (0.01, 0.1, 1.0), **fields: object
    ):
        fields["steps"] = tuple(steps)
        super().__init__(**fields)

    @pydantic.field_validator("steps")
    @classmethod
    def _ascend_to_one(cls, steps: tuple[float, ...]) -> tuple[float, ...]:
        ascending = all(a < b for a, b in pairwise(steps))
        if not steps or steps[0] <= 0 or steps[-1] != 1 or not ascending:
            raise ValueError(f"steps={steps} must ascend from above 0 to 1")
        return steps


@final
class Shadow(_Watched):
    """The new version answers every request too; its answers are only compared, never given.

    After `hold` without harm it takes over.
    """

    kind: Literal["shadow"] = "shadow"

    @property
    def steps(self) -> tuple[float, ...]:
        """Shares of the traffic, one after the other: none, then all."""
        return (0.0, 1.0)


@final
class BlueGreen(Record):
    """The new version, made ready beside the old one, takes all requests at one moment.

    The old version stays ready for `hold`: if the new one fails conspicuously, or somebody calls
    for a roll-back, the traffic returns to it at once. Quality is not compared, since only one
    version answers; use `Canary` where that matters.
    """

    kind: Literal["blue_green"] = "blue_green"
    hold: _Span = timedelta(minutes=10)
    """How long the old version is kept ready."""
    block: _Span = timedelta(minutes=1)
    """Answers this close together are one observation, however many fail at once."""
    min_rows: Annotated[int, pydantic.Field(ge=1)] = 50
    """Answers that a block needs; shorter blocks are joined."""

    @property
    def steps(self) -> tuple[float, ...]:
        """Shares of the traffic, one after the other."""
        return (1.0,)


@final
class ABTest(_Watched):
    """Both versions answer their share until one is shown to be better, or time is up.

    The candidate takes over as soon as a quality or business metric of the criteria is shown to
    be better and none to be worse; it is rolled back when it is shown to be worse, or when `hold`
    has passed without a decision. Each key meets the same version all the time.
    """

    kind: Literal["ab_test"] = "ab_test"
    share: Annotated[float, pydantic.Field(gt=0, lt=1)] = 0.5
    """Share of the candidate."""
    hold: _Span = timedelta(days=14)
    """How long it lasts at most."""

    @property
    def steps(self) -> tuple[float, ...]:
        """Shares of the traffic, one after the other."""
        return (self.share, 1.0)


Rollout: TypeAlias = Annotated[
    AllAtOnce | BlueGreen | Canary | Shadow | ABTest, pydantic.Field(discriminator="kind")
]
