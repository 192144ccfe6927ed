"""The interface of robustness probes: change rows on purpose, and say what may follow."""

from __future__ import annotations

import abc
import enum
from typing import final

import numpy as np
import pandas as pd

from mldeploy.evidence import Severity


@final
class Expects(enum.StrEnum):
    """What the answers may do when rows are changed."""

    SAME = "same"
    """The decision stays; a number moves little."""
    NOT_LOWER = "not_lower"
    """The score of the positive class, or the number, does not fall."""
    NOT_HIGHER = "not_higher"
    """It does not rise."""
    ANSWERED = "answered"
    """Whatever is said, something finite is said."""


class Probe(abc.ABC):
    """Change rows on purpose, and say what the answers may do then.

    Implement `_change`; a `RobustnessValidator` asks the model about the rows before and after,
    and counts the changed rows whose answers do what they may not. Rows that the model's schema
    refuses never reach it, and count as fine. Instances are immutable and hold no data.

    Attributes
    ----------
    expects : Expects
        What the answers may do.
    at_most : float
        Share of the changed rows that may do otherwise.
    severity : Severity
        Of what does not hold.

    Examples
    --------
    >>> class Shouting(Probe):
    ...     expects = Expects.SAME
    ...     def _change(self, rows, rng):
    ...         return rows.assign(city=rows["city"].str.upper()) if "city" in rows else None
    >>> Shouting().changed(pd.DataFrame({"city": ["Oslo"]}), rng=np.random.default_rng(0))
       city
    0  OSLO
    """

    expects: Expects = Expects.SAME
    at_most: float = 0.05
    severity: Severity = Severity.WARNING

    @final
    def changed(self, rows: pd.DataFrame, *, rng: np.random.Generator) -> pd.DataFrame | None:
        """Return the rows after the change, or None where it does not apply.

        Raises
        ------
        ValueError
            If rows or columns were added, dropped or put in another order.
        """
        after = self._change(rows.copy(), rng)
        if after is None:
            return None
        if list(after.columns) != list(rows.columns) or not after.index.equals(rows.index):
            raise ValueError(
                f"{type(self).__qualname__} returned other rows or columns than it was given; "
                "change values, and keep the rows and columns in their order"
            )
        return after

    @abc.abstractmethod
    def _change(self, rows: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame | None:
        """Return the model's inputs after the change; None where it does not apply."""
