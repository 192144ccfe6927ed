"""How answers move with one column, all else as it is."""

from __future__ import annotations

from typing import final

import numpy as np
import pandas as pd

from mldeploy._record import Record
from mldeploy.data import Dataset
from mldeploy.errors import InvalidDataError
from mldeploy.evidence import Curve, CurveChart, figure
from mldeploy.model import Model
from mldeploy.problem import Task
from mldeploy.validation._shuffled import drawn

_MAX_ROWS = 500


@final
class PartialDependence(Record):
    """The mean answer over rows when a column has each of some values.

    Attributes
    ----------
    column : str
        The column.
    values : tuple of float or str
        Quantiles of a number, or the most frequent values of anything else.
    mean : tuple of float
        Mean answer: probability of the positive class, share of the most frequent class of
        several, decision value, or number.
    low, high : tuple of float
        Between which the answers to 80 % of the rows lie: far apart where other columns decide.
    answer : str
        What the answer is.
    """

    column: str
    values: tuple[float | str, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    answer: str

    @property
    def range(self) -> float:
        """Largest less smallest mean answer."""
        return max(self.mean) - min(self.mean)

    def to_chart(self) -> CurveChart:
        """Return the chart; values that are no numbers stand side by side."""
        numbers = [v for v in self.values if not isinstance(v, str)]
        x = numbers if len(numbers) == len(self.values) else list(range(len(self.values)))
        curve = Curve(name="mean answer", x=x, y=self.mean, low=self.low, high=self.high)
        return CurveChart(
            title=f"{self.answer} over {self.column}",
            curves=[curve],
            x_name=self.column,
            y_name=self.answer,
        )

    def __str__(self) -> str:
        told = ", ".join(
            f"{value if isinstance(value, str) else figure(value)}: {figure(mean)}"
            for value, mean in zip(self.values, self.mean, strict=True)
        )
        return f"{self.answer} by {self.column}: {told}"


def partial_dependence(
    model: Model, dataset: Dataset, column: str, *, n_values: int = 12, random_state: int = 0
) -> PartialDependence:
    """Ask a model about rows in which one column has each of some values.

    Parameters
    ----------
    model : Model
        What answers.
    dataset : Dataset
        Rows; at most 500 of them are asked about.
    column : str
        One of the model's features.
    n_values : int, default=12
        Values that are tried.
    random_state : int, default=0
        Seed of the draw of rows.

    Raises
    ------
    InvalidDataError
        If the model does not read the column, or all its values are missing.

    Notes
    -----
    J. H. Friedman, Annals of Statistics 29, 2001. Where columns depend on each other, rows are
    asked about that do not occur; see `ExplanationValidator` for which do.
    """
    if column not in model.signature.features:
        raise InvalidDataError(
            f"the model does not read {column!r}; ask about one of its features"
        )
    rows = drawn(dataset, _MAX_ROWS, np.random.default_rng(random_state))
    X = rows.pandas(model.signature.features)
    values = _values(dataset.pandas([column])[column], n_values)
    if not values:
        raise InvalidDataError(f"all values of {column!r} are missing, so none can be tried")
    tried = pd.concat([X.assign(**{column: _filled(value, X[column])}) for value in values])
    answers, told = _answers(model, tried)
    by_value = answers.reshape(len(values), len(X))
    return PartialDependence(
        column=column,
        values=tuple(_plain(value) for value in values),
        mean=tuple(by_value.mean(axis=1).tolist()),
        low=tuple(np.quantile(by_value, 0.1, axis=1).tolist()),
        high=tuple(np.quantile(by_value, 0.9, axis=1).tolist()),
        answer=told,
    )


def _values(column: pd.Series, n_values: int) -> list[object]:
    known = column.dropna()
    if known.empty:
        return []
    if pd.api.types.is_numeric_dtype(known) and not pd.api.types.is_bool_dtype(known):
        shares = np.linspace(0.02, 0.98, n_values)
        return list(dict.fromkeys(np.quantile(known, shares, method="nearest").tolist()))
    if known.dtype.kind in "mM":
        order = known.sort_values()
        return list(
            dict.fromkeys(order.iloc[np.linspace(0, len(order) - 1, n_values).astype(int)])
        )
    return [value for value in known.value_counts().index if pd.notna(value)][:n_values]


def _filled(value: object, column: pd.Series) -> pd.Series:
    return pd.Series([value] * len(column), index=column.index, dtype=column.dtype)


def _plain(value: object) -> float | str:
    return float(value) if isinstance(value, int | float) else str(value)


def _answers(model: Model, X: pd.DataFrame) -> tuple[np.ndarray, str]:
    signature = model.signature
    if signature.task is Task.REGRESSION:
        return np.asarray(model.predict(X), float), signature.target
    scores = model.score(X)
    if scores is None:
        first = signature.classes[-1] if signature.positive is None else signature.positive
        said = np.asarray(model.predict(X)) == first
        return said.astype(float), f"share of {signature.target} = {first}"
    if scores.ndim == 1:
        return np.asarray(scores, float), f"score of {signature.target} = {signature.positive}"
    place = int(scores.mean(axis=0).argmax())
    return np.asarray(scores[:, place], float), (
        f"score of {signature.target} = {signature.classes[place]}"
    )
