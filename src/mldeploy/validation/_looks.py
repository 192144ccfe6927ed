"""What a validator may be able to do beside judging: to allow for earlier looks at its rows."""

from __future__ import annotations

from typing import Protocol, Self, runtime_checkable


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


def must_be_a_look(n_looks: int) -> None:
    """Refuse a count of looks that leaves out the one that is taken now."""
    if n_looks < 1:
        raise ValueError(f"{n_looks=}: the look that is taken now counts, too")
