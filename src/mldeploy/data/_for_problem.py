"""A table read in the roles that a problem speaks of."""

from __future__ import annotations

import pandas as pd

from mldeploy.data._dataset import Dataset
from mldeploy.data._source import TableLike, read_table
from mldeploy.errors import InvalidDataError
from mldeploy.problem import Problem


def dataset_for(
    source: TableLike | Dataset,
    problem: Problem,
    *,
    name: str = "",
    timezone: str | None = None,
) -> Dataset:
    """Read a table and give its columns the roles that a problem names.

    Parameters
    ----------
    source : pandas.DataFrame, polars frame, Arrow table, path or Dataset
        As in `Dataset.of`; a `Dataset` is read as its table, its roles are declared anew.
    problem : Problem
        Names the target, prediction time, unit, weight, sensitive columns and features.
    name : str, default=""
        What people call the table; that of `source` if it is a `Dataset`.
    timezone : str, optional
        Zone that a prediction time without a zone was written in.

    Returns
    -------
    Dataset
        With `problem.prediction_time` as its time.

    Raises
    ------
    InvalidProblemError
        If the table lacks a column that the problem speaks of.
    InvalidDataError
        As in `Dataset.of`.

    Examples
    --------
    >>> from mldeploy.problem import Criterion
    >>> problem = Problem(name="late", statement="Which flights land late?", target="late",
    ...                   positive=True, criteria=[Criterion("roc_auc", at_least=0.7)])
    >>> frame = pd.DataFrame({"hour": [5, 23], "late": [False, True]})
    >>> dataset_for(frame, problem).features
    ('hour',)
    """
    given = source if isinstance(source, Dataset | pd.DataFrame) else read_table(source)
    problem.check_columns(map(str, given.columns))
    return Dataset.of(
        given,
        target=problem.target,
        time=problem.prediction_time,
        unit=problem.unit,
        weight=problem.weight,
        sensitive=problem.sensitive,
        features=problem.features,
        name=name or (source.name if isinstance(source, Dataset) else ""),
        timezone=timezone,
    )


def require_roles(dataset: Dataset, problem: Problem) -> None:
    """Refuse a dataset whose columns play other roles than the problem says.

    Raises
    ------
    InvalidDataError
        Naming the role, and how to read the data so that it fits.
    """
    asked = {
        "target": problem.target,
        "time": problem.prediction_time,
        "unit": problem.unit,
        "weight": problem.weight,
        "features": problem.features,
    }
    for role, column in asked.items():
        found = getattr(dataset.roles, role)
        if column is not None and found != column:
            raise InvalidDataError(
                f"the dataset's {role} is {found!r}, problem {problem.name!r} says {column!r}; "
                "read the data with mldeploy.data.dataset_for(data, problem)"
            )
