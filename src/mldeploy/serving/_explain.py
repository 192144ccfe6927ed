"""Why a model answered one row as it did: what each column contributed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt
import polars as pl

from mldeploy.errors import EmptyDataError, InvalidRowsError, PredictionFailedError
from mldeploy.model import CompiledModel
from mldeploy.problem import Task
from mldeploy.serving._explanation import Contribution, Explanation

if TYPE_CHECKING:
    from mldeploy.model import Model, Signature

Array: TypeAlias = npt.NDArray[Any]
Scored: TypeAlias = tuple[Array, Array | None]
Value: TypeAlias = "Callable[[pl.DataFrame], npt.NDArray[np.float64]]"

_MOST_ROWS: Final = 20_000
_CELLS_AT_ONCE: Final = 8_000_000
_FEWEST_PAIRS: Final = 2


def explain(
    model: Model | CompiledModel,
    row: Mapping[str, object],
    background: pl.DataFrame,
    *,
    n_permutations: int = 200,
    random_state: int = 0,
) -> Explanation:
    r"""Say what each column of a row contributed to the answer.

    Parameters
    ----------
    model : Model or CompiledModel
        What answers.
    row : mapping of str to value
        The features as plain values; None or an absent key is a missing value.
    background : polars.DataFrame
        Rows to compare with, such as `Bundle.golden_rows`: 20 rows spread over the data that
        the model was judged by tell what is usual.
    n_permutations : int, default=200
        Orders of the columns to average over; rounded up, so that each background row gets the
        same number. Of wide tables, fewer background rows are taken.
    random_state : int, default=0
        Seed of the orders; the same arguments give the same explanation.

    Returns
    -------
    Explanation
        Its contributions are on the scale of the answer itself: probability of the positive
        class, or of the answered one of several; value of the decision function where the model
        knows no probabilities; the number in a regression; 1 or 0 for the answered label or
        another where it knows labels only. They sum to the answer less the base.

    Raises
    ------
    InvalidRowsError
        If the schema refuses a value of the row, or of the background.
    EmptyDataError
        If there is no background row.
    PredictionFailedError
        If the model raises on the row, or on it with values of a background row.

    Notes
    -----
    Shapley values of the game in which a set of columns is worth the mean answer over the
    background when these columns have the row's values [1]_:
    :math:`v(S) = \frac{1}{m} \sum_i f(x_S, b^i_{\bar S})`. They are estimated by walking
    from each background row to the row, column by column, in random orders and each order also
    backwards, which cancels much of the noise [2]_. Where the answer is a sum of functions of
    single columns every order gives the same, and the estimate is exact.

    References
    ----------
    .. [1] S. M. Lundberg and S.-I. Lee, "A unified approach to interpreting model predictions",
       NeurIPS 2017, arXiv:1705.07874.
    .. [2] R. Mitchell et al., "Sampling permutations for Shapley value estimation", JMLR 23
       (2022), arXiv:2104.12199.
    """
    signature = model.signature
    schema = signature.inputs
    asked, refused = schema.parse_rows([row])
    if refused:
        raise InvalidRowsError(refused)
    usual = _some(schema.enforce(background), asked.width)
    if usual.is_empty():
        raise EmptyDataError("there is no background row to compare with; pass at least one")
    answer, shares = _ask(model)(asked)
    prediction = answer.tolist()[0]
    value, unit = _value(model, signature, prediction, shares)
    n_pairs = max(_FEWEST_PAIRS, -(-n_permutations // (2 * usual.height)))
    room = _MOST_ROWS // (2 * (asked.width + 1) * usual.height)
    n_pairs = max(_FEWEST_PAIRS, min(n_pairs, room))
    steps = _walks(value, asked, usual, n_pairs, np.random.default_rng(random_state))
    by_pair = steps.mean(axis=2)
    errors = np.sqrt((by_pair.var(axis=1, ddof=1) / n_pairs).mean(axis=0) / usual.height)
    return Explanation(
        prediction=prediction,
        answer=float(value(asked)[0]),
        base=float(value(usual).mean()),
        unit=unit,
        contributions=tuple(
            Contribution(column=name, value=_shown(given), amount=amount, error=error)
            for name, given, amount, error in zip(
                schema.names,
                asked.row(0),
                by_pair.mean(axis=(0, 1)).tolist(),
                errors.tolist(),
                strict=True,
            )
        ),
        n_background=usual.height,
        n_permutations=2 * n_pairs * usual.height,
    )


def _walks(
    value: Value, row: pl.DataFrame, usual: pl.DataFrame, n_pairs: int, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """Return what each column changed on each walk: (n_usual, n_pairs, 2, n_columns)."""
    n_usual, width = usual.height, row.width
    orders = np.empty((n_usual, n_pairs, 2, width), dtype=np.int64)
    orders[:, :, 0] = rng.permuted(np.tile(np.arange(width), (n_usual, n_pairs, 1)), axis=2)
    orders[:, :, 1] = orders[:, :, 0, ::-1]
    flat = orders.reshape(-1, width)
    origins = np.repeat(np.arange(n_usual), 2 * n_pairs)
    at_once = max(1, _CELLS_AT_ONCE // (width * (width + 1)))
    values = np.concatenate(
        [
            value(_mixed(row, usual, flat[i : i + at_once], origins[i : i + at_once]))
            for i in range(0, len(flat), at_once)
        ]
    ).reshape(len(flat), width + 1)
    steps = np.empty((len(flat), width))
    np.put_along_axis(steps, flat, np.diff(values, axis=1), axis=1)
    return steps.reshape(orders.shape)


def _mixed(row: pl.DataFrame, usual: pl.DataFrame, orders: Array, origins: Array) -> pl.DataFrame:
    """Return the rows of walks: from a usual row, one column after the other becomes the row's."""
    n_walks, width = orders.shape
    turns = np.empty_like(orders)
    np.put_along_axis(turns, orders, np.broadcast_to(np.arange(width), orders.shape), axis=1)
    stations = np.arange(width + 1)
    columns = []
    for place, (own, others) in enumerate(
        zip(row.get_columns(), usual.get_columns(), strict=True)
    ):
        reached = turns[:, place, None] < stations
        chosen = np.where(reached, usual.height, origins[:, None])
        columns.append(pl.concat([others, own]).gather(chosen.reshape(n_walks * (width + 1))))
    return pl.DataFrame(columns)


def _value(
    model: Model | CompiledModel, signature: Signature, prediction: Any, shares: Array | None
) -> tuple[Value, str]:
    """Return the number that is explained, as a function of rows, and what it is."""
    ask = _ask(model)
    if signature.task is Task.REGRESSION:
        return (lambda frame: ask(frame)[0].astype(np.float64)), f"predicted {signature.target}"
    if shares is None:
        return _matches(ask, prediction), f"whether {signature.target} is {prediction}"
    place = None if shares.ndim == 1 else signature.classes.index(prediction)
    label = signature.positive if place is None else prediction
    kind = "probability" if signature.probabilistic else "decision value"
    return _scores(ask, place), f"{kind} of {signature.target} = {label}"


def _matches(ask: Callable[[pl.DataFrame], Scored], prediction: object) -> Value:
    def value(frame: pl.DataFrame) -> npt.NDArray[np.float64]:
        return np.array([float(label == prediction) for label in ask(frame)[0].tolist()])

    return value


def _scores(ask: Callable[[pl.DataFrame], Scored], place: int | None) -> Value:
    def value(frame: pl.DataFrame) -> npt.NDArray[np.float64]:
        scores = ask(frame)[1]
        assert scores is not None, "a model that has scores has them for every row"
        chosen: Array = scores if place is None else scores[:, place]
        return chosen.astype(np.float64)

    return value


def _ask(model: Model | CompiledModel) -> Callable[[pl.DataFrame], Scored]:
    def ask(frame: pl.DataFrame) -> Scored:
        try:
            if isinstance(model, CompiledModel):
                return model.score_frame(frame)
            return model.predict(frame), model.score(frame)
        except Exception as error:
            raise PredictionFailedError(
                f"the model raised {type(error).__name__}: {error}, on the row to explain or on "
                "it with values of a background row; explain with other background rows"
            ) from error

    return ask


def _some(background: pl.DataFrame, width: int) -> pl.DataFrame:
    """Return as many rows as there is room for walks from, evenly spaced."""
    room = max(1, _MOST_ROWS // (2 * _FEWEST_PAIRS * (width + 1)))
    if background.height <= room:
        return background
    return background[np.linspace(0, background.height - 1, room).astype(np.int64)]


def _shown(value: object) -> str | float | int | bool | None:
    return value if value is None or isinstance(value, str | float | int | bool) else str(value)
