"""Profiles of the parts of a table: what an engine maps and merges."""

from __future__ import annotations

import pandas as pd
import polars as pl

from mldeploy.data._column_counts import MAX_DISTINCT
from mldeploy.data._profile import Profile


def profile_part(
    table: pd.DataFrame | pl.DataFrame, *, limit: int = MAX_DISTINCT, weight: str | None = None
) -> Profile:
    """Summarise one partition of a table, wherever it lies: what an engine maps.

    What comes back is small and can be sent; `Profile.merge_all` puts the parts together.

    Parameters
    ----------
    table : pandas.DataFrame or polars.DataFrame
        Rows of the partition; there may be none.
    limit : int, default=65536
        Most distinct values of a column to count exactly; the same for every partition.
    weight : str, optional
        Column with the weight of each row; in every partition, or in none.

    Returns
    -------
    Profile
        The summary of these rows.

    Examples
    --------
    >>> parts = [pl.DataFrame({"origin": names}) for names in (["JFK", "LGA"], ["JFK"])]
    >>> Profile.merge_all(map(profile_part, parts))["origin"].top()
    {'JFK': 2, 'LGA': 1}
    """
    return Profile.of(table, limit=limit, weight=weight, progress=False)
