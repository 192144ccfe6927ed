"""What every function here asks of its arguments before it computes."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from mldeploy.errors import EmptyDataError, InvalidDataError

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.intp]

_HUGE = 1e150


def vector(name: str, values: npt.ArrayLike, *, length: int | None = None) -> Floats:
    """Return `values` as a float vector, or say why they are none.

    Parameters
    ----------
    name : str
        What the caller calls these values; it opens the error's sentence.
    values : array-like of shape (n,)
        Numbers or booleans.
    length : int, optional
        Length that another argument already has.

    Returns
    -------
    ndarray of shape (n,)
        The values as floats; not a copy if they already were.

    Raises
    ------
    EmptyDataError
        If there are no values.
    InvalidDataError
        If the values hold NaN, have more than one dimension or another length.
    """
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidDataError(f"{name} holds what is no number: {error}") from error
    if array.ndim != 1:
        raise InvalidDataError(f"{name} has {array.ndim} dimensions; pass one value per row")
    if array.size == 0:
        raise EmptyDataError(f"{name} is empty; pass at least one row")
    if length is not None and array.size != length:
        raise InvalidDataError(f"{name} has {array.size} rows where {length} are expected")
    if np.isnan(array).any():
        n_missing = int(np.isnan(array).sum())
        raise InvalidDataError(
            f"{name} holds NaN in {n_missing} of {array.size} rows; drop or fill them"
        )
    return array


def finite(name: str, values: npt.ArrayLike, *, length: int | None = None) -> Floats:
    """Return `values` as a vector of finite floats, or raise an error that says why not."""
    array = vector(name, values, length=length)
    if not np.isfinite(array).all():
        raise InvalidDataError(
            f"{name} holds infinite values; a mean or variance of them has no meaning"
        )
    if np.abs(array).max() > _HUGE:
        raise InvalidDataError(f"{name} holds values above {_HUGE:g}, whose squares overflow")
    return array


def labels(
    name: str, values: npt.ArrayLike, *, length: int | None = None
) -> npt.NDArray[np.bool_]:
    """Return zeros and ones (or booleans) as booleans, or raise an error that says why not."""
    array = vector(name, values, length=length)
    positive: npt.NDArray[np.bool_] = array == 1
    if not (positive | (array == 0)).all():
        raise InvalidDataError(
            f"{name} holds values other than 0 and 1; encode the positive class as 1"
        )
    return positive


def check_confidence(confidence: float) -> None:
    """Raise ValueError unless `confidence` is a share strictly between 0 and 1."""
    if not 0 < confidence < 1:
        raise ValueError(f"{confidence=} is no level; pass a share between 0 and 1, as 0.95")


def check_share(name: str, value: float) -> None:
    """Raise ValueError unless `value` lies in [0, 1]."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name}={value} is no share; it must lie in [0, 1]")


def unit_codes(units: npt.ArrayLike, *, n_rows: int) -> tuple[Ints, int]:
    """Number the independent units that rows belong to.

    Returns
    -------
    codes : ndarray of shape (n_rows,)
        Number of each row's unit, from 0.
    n_units : int
        How many units there are, at least two.

    Raises
    ------
    InvalidDataError
        If there is not one unit per row, one is missing, or there are fewer than two.
    """
    array = np.asarray(units)
    if array.shape != (n_rows,):
        raise InvalidDataError(
            f"units has shape {array.shape}; pass one unit for each of {n_rows} rows"
        )
    missing = array != array  # noqa: PLR0124 - true of NaN and NaT only
    if array.dtype == object:
        missing = missing | np.fromiter((unit is None for unit in array), bool)
    if np.any(missing):
        raise InvalidDataError(
            f"units are missing on {np.count_nonzero(missing)} of {n_rows} rows; rows without "
            "a known unit may belong together, so name their units or drop them"
        )
    distinct, codes = np.unique(array, return_inverse=True)
    if distinct.size < 2:
        raise InvalidDataError(
            "all rows belong to one unit; two or more are needed to see variation"
        )
    return codes.reshape(-1), int(distinct.size)
