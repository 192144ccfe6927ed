"""What each column of a table is for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Self, final

import pydantic

from mldeploy._record import Record
from mldeploy.errors import InvalidDataError


@final
class Roles(Record):
    """Which column is the target, the time, the unit, the weight, and which are features.

    The target and the weight are never features: neither is known when a prediction is asked
    for. A time, unit or sensitive column is a feature only if it is named as one.

    Attributes
    ----------
    target : str or None
        Column with the label.
    time : str or None
        Column with the moment of the prediction.
    unit : str or None
        Column naming the entity (customer, aircraft, session, day) whose rows are not
        independent of each other: splits keep a unit whole, intervals are clustered by it.
    weight : str or None
        Column with sample or survey weights, at least 0.
    sensitive : tuple of str
        Columns that fairness is judged by.
    features : tuple of str
        Columns that the model reads, in order.

    Raises
    ------
    InvalidDataError
        By `Dataset.of`, which builds roles, if a column has two roles that exclude each other
        or is not there. A record built by hand raises pydantic's ValidationError instead.

    Examples
    --------
    >>> Roles(target="late", time="departure", features=("origin", "carrier")).target
    'late'
    """

    target: str | None = None
    time: str | None = None
    unit: str | None = None
    weight: str | None = None
    sensitive: tuple[str, ...] = ()
    features: tuple[str, ...] = ()

    @pydantic.model_validator(mode="after")
    def _refuse_conflicts(self) -> Self:
        if self.target is not None and self.target in self.features:
            raise _conflict(self.target, "the target and a feature", "the model would read it")
        if self.weight is not None and self.weight in self.features:
            raise _conflict(self.weight, "the weight and a feature", "it is unknown when serving")
        single = {"time": self.time, "unit": self.unit, "weight": self.weight}
        for role, column in single.items():
            if column is not None and column == self.target:
                raise _conflict(
                    column, f"the target and the {role}", "one would explain the other"
                )
        if self.weight is not None and self.weight in (self.time, self.unit, *self.sensitive):
            raise _conflict(
                self.weight, "the weight and another role", "a weight is only a weight"
            )
        for kind, names in (("features", self.features), ("sensitive", self.sensitive)):
            if repeated := [name for name, n in Counter(names).items() if n > 1]:
                raise InvalidDataError(f"{kind} name {repeated} twice; name each column once")
        return self

    @property
    def named(self) -> tuple[str, ...]:
        """Every column that has a role, once each, features first."""
        single = (self.target, self.time, self.unit, self.weight)
        names = (*self.features, *(n for n in single if n is not None), *self.sensitive)
        return tuple(dict.fromkeys(names))


def _conflict(column: str, roles: str, reason: str) -> InvalidDataError:
    return InvalidDataError(
        f"column {column!r} is both {roles}: {reason}; leave it out of one of the two"
    )


@contextmanager
def valid_record() -> Iterator[None]:
    """Raise what pydantic found wrong with a record as InvalidDataError."""
    try:
        yield
    except pydantic.ValidationError as error:
        reasons = [
            str(e["ctx"]["error"]) if "error" in e.get("ctx", {}) else f"{e['loc']}: {e['msg']}"
            for e in error.errors()
        ]
        raise InvalidDataError("; ".join(reasons)) from error
