"""What a validator may be able to do beside judging: to allow for earlier looks at its rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Protocol, Self, final, runtime_checkable

from mldeploy.stats import holm_confidence, looks_confidence
from mldeploy.validation._base import Validator


@runtime_checkable
class SupportsLooks(Protocol):
    """A validator whose intervals can allow for models that were judged on the same rows.

    Examples
    --------
    >>> from mldeploy.validation import CriteriaValidator
    >>> isinstance(CriteriaValidator(), SupportsLooks)
    True
    """

    def after_looks(self, n_looks: int) -> Self:
        """Return the same validator for the `n_looks`-th model that these rows judge."""
        ...


@dataclass(frozen=True, kw_only=True)
class LookingValidator(Validator):
    """A validator that claims something about a model by an interval, whichever look it is.

    Attributes
    ----------
    n_looks : int
        The how-manieth model it is that these rows judge; a project counts, see
        `mldeploy.stats.looks_confidence`.
    """

    n_looks: int = 1

    def __post_init__(self) -> None:
        if self.n_looks < 1:
            raise ValueError(f"{self.n_looks=}: the look that is taken now counts, too")

    @final
    def after_looks(self, n_looks: int) -> Self:
        """Return the same validator for the `n_looks`-th model that these rows judge."""
        return replace(self, n_looks=n_looks)

    @final
    def _level(self, confidence: float, n_together: int = 1) -> float:
        """Return the level of each of several intervals that shall hold together, at this look."""
        return looks_confidence(self.n_looks, holm_confidence(max(n_together, 1), confidence))
