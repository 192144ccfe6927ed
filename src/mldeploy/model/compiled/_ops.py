"""Steps on one column of numbers, in the order and to the bit as the original takes them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice, pairwise
from typing import Final, Self, TypeAlias, final

import numpy as np

from mldeploy.model.compiled._kernel import Floats
from mldeploy.model.compiled._refuse import failed, refuse

Scalar: TypeAlias = Callable[[float], float]

FUNCTIONS: Final[Mapping[str, Callable[[Floats], Floats]]] = {
    name: getattr(np, name)
    for name in (
        *("abs", "arccos", "arccosh", "arcsin", "arcsinh", "arctan", "arctanh", "cbrt", "ceil"),
        *("cos", "cosh", "deg2rad", "exp", "exp2", "expm1", "fabs", "floor", "log", "log10"),
        *("log1p", "log2", "negative", "rad2deg", "reciprocal", "rint", "sign", "sin", "sinh"),
        *("sqrt", "square", "tan", "tanh", "trunc"),
    )
}
"""Functions of numpy by the name that a compiled model stores."""


@final
@dataclass(frozen=True)
class Op:
    """One step: a name from a closed list, and its numbers.

    Attributes
    ----------
    name : str
        Such as ``"subtract"``, or the name of a function of numpy.
    numbers : tuple of float
        What it is taken with.

    Examples
    --------
    >>> Op("fill", (3.0,))(np.array([np.nan, 1.0]))
    array([3., 1.])
    """

    name: str
    numbers: tuple[float, ...] = ()

    def __call__(self, x: Floats) -> Floats:
        """Return the column after the step; the one given is left as it is."""
        function = FUNCTIONS.get(self.name)
        if function is not None:
            return function(x)
        return _VECTOR[self.name](x, *self.numbers)

    def require_sound(self) -> None:
        """Refuse a step that no compiled model has.

        Raises
        ------
        IntegrityError
            If the name is unknown, or the numbers are too few or too many.
        """
        n_numbers = 0 if self.name in FUNCTIONS else _N_NUMBERS.get(self.name, -1)
        if self.name in _ANY_NUMBERS:
            bad = not _ascends(self.numbers)
        elif self.name == "quantile":
            bad = len(self.numbers) < 4 or len(self.numbers) % 2 != 0
        else:
            bad = len(self.numbers) != n_numbers
        if bad:
            raise refuse(
                f"the step {self.name[:40]!r} with {len(self.numbers)} numbers is unknown"
            )

    @classmethod
    def restored(cls, specs: object, numbers: Iterator[float]) -> tuple[Self, ...]:
        """Return steps from their names and counts of numbers.

        Raises
        ------
        IntegrityError
            If they are not such, or there are too few numbers.
        """
        if not isinstance(specs, list):
            raise refuse("a column has no list of steps")
        ops = []
        for spec in specs:
            match spec:
                case [str() as name, int() as n_numbers] if n_numbers >= 0:
                    taken = tuple(islice(numbers, n_numbers))
                case _:
                    raise refuse("a step is not a name and a count of numbers")
            if len(taken) != n_numbers:
                raise refuse("its steps take more numbers than there are")
            ops.append(cls(name, taken))
        return tuple(ops)

    @property
    def is_monotone(self) -> bool:
        """Whether larger values stay larger, or all of them become smaller, or equal."""
        return self.name in _MONOTONE


def applied(ops: tuple[Op, ...], x: Floats) -> Floats:
    """Return a column after all steps."""
    for op in ops:
        x = op(x)
    return x


def scalar_of(ops: tuple[Op, ...]) -> Scalar:
    """Return the same steps for a single number."""
    single = [_SCALAR[op.name](*op.numbers) if op.name in _SCALAR else _by_array(op) for op in ops]
    if len(single) == 1:
        return single[0]

    def steps(x: float) -> float:
        for step in single:
            x = step(x)
        return x

    return steps


def _by_array(op: Op) -> Scalar:
    def step(x: float) -> float:
        with np.errstate(all="ignore"):
            return float(op(np.array([x]))[0])

    return step


def _ascends(numbers: tuple[float, ...]) -> bool:
    return all(a <= b for a, b in pairwise(numbers))


# --- many values --------------------------------------------------------------------------


def _fill(x: Floats, value: float) -> Floats:
    return np.where(np.isnan(x), value, x)


def _replace(x: Floats, old: float, new: float) -> Floats:
    return np.where(x == old, new, x)


def _clip(x: Floats, low: float, high: float) -> Floats:
    clipped: Floats = np.minimum(np.maximum(x, low), high)
    return clipped


def _is_missing(x: Floats) -> Floats:
    flags: Floats = np.isnan(x).astype(np.float64)
    return flags


def _equals(x: Floats, value: float) -> Floats:
    flags: Floats = (x == value).astype(np.float64)
    return flags


def _above(x: Floats, value: float) -> Floats:
    return (x > value).astype(np.float64)


def _present(x: Floats) -> Floats:
    if np.isnan(x).any():
        raise failed("a value is missing where the model needs one (Input contains NaN)")
    return x


def _finite(x: Floats) -> Floats:
    if np.isinf(x).any():
        raise failed("a value is too large for the model (Input contains infinity)")
    return x


def _bins(x: Floats, *edges: float) -> Floats:
    """Return the number of the bin; the edges are those inside."""
    return np.searchsorted(np.array(edges), x, side="right").astype(np.float64)


def _power_positive(x: Floats, exponent: float) -> Floats:
    """Box-Cox, as scipy has it: (x ** exponent - 1) / exponent."""
    if exponent == 0:
        return np.log(x)
    return np.expm1(exponent * np.log(x)) / exponent


def _power(x: Floats, exponent: float) -> Floats:
    """Yeo-Johnson, as scikit-learn has it."""
    out = np.zeros_like(x)
    above = x >= 0
    if abs(exponent) < np.spacing(1.0):
        out[above] = np.log1p(x[above])
    else:
        out[above] = np.expm1(exponent * np.log1p(x[above])) / exponent
    if abs(exponent - 2) > np.spacing(1.0):
        out[~above] = -np.expm1((2 - exponent) * np.log1p(-x[~above])) / (2 - exponent)
    else:
        out[~above] = -np.log1p(-x[~above])
    return out


def _quantile(x: Floats, *numbers: float) -> Floats:
    """Return the share of reference values below, from quantiles followed by their shares."""
    half = len(numbers) // 2
    quantiles, shares = np.array(numbers[:half]), np.array(numbers[half:])
    out = x.copy()
    known = ~np.isnan(x)
    value = x[known]
    up = np.interp(value, quantiles, shares)
    down = np.interp(-value, -quantiles[::-1], -shares[::-1])
    share = 0.5 * (up - down)
    share[value == quantiles[-1]], share[value == quantiles[0]] = 1.0, 0.0
    out[known] = share
    return out


_VECTOR: Final[Mapping[str, Callable[..., Floats]]] = {
    "above": _above,
    "add": np.add,
    "bins": _bins,
    "box-cox": _power_positive,
    "clip": _clip,
    "divide": np.divide,
    "equals": _equals,
    "fill": _fill,
    "finite": _finite,
    "is missing": _is_missing,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "multiply": np.multiply,
    "present": _present,
    "quantile": _quantile,
    "replace": _replace,
    "subtract": np.subtract,
    "yeo-johnson": _power,
}
_ANY_NUMBERS: Final = frozenset({"bins"})
_N_NUMBERS: Final[Mapping[str, int]] = {
    **dict.fromkeys(("finite", "is missing", "present"), 0),
    **dict.fromkeys(("above", "add", "box-cox", "divide", "equals", "fill", "maximum"), 1),
    **dict.fromkeys(("minimum", "multiply", "subtract", "yeo-johnson"), 1),
    **dict.fromkeys(("clip", "replace"), 2),
}
_MONOTONE: Final = frozenset(
    {
        *("above", "add", "bins", "box-cox", "clip", "divide", "finite", "maximum", "minimum"),
        *("multiply", "present", "quantile", "subtract", "yeo-johnson"),
        *("arcsinh", "arctan", "cbrt", "ceil", "deg2rad", "exp", "exp2", "expm1", "floor"),
        *("log", "log10", "log1p", "log2", "negative", "rad2deg", "rint", "sign", "sinh"),
        *("sqrt", "tanh", "trunc", "fill"),
    }
)


# --- one value ----------------------------------------------------------------------------


def _one_fill(value: float) -> Scalar:
    return lambda x: x if x == x else value  # noqa: PLR0124 (NaN)


def _one_clip(low: float, high: float) -> Scalar:
    return lambda x: low if x < low else min(x, high)


def _one_present() -> Scalar:
    def step(x: float) -> float:
        if x != x:  # noqa: PLR0124 (NaN)
            raise failed("a value is missing where the model needs one (Input contains NaN)")
        return x

    return step


def _one_finite() -> Scalar:
    def step(x: float) -> float:
        if math.isinf(x):
            raise failed("a value is too large for the model (Input contains infinity)")
        return x

    return step


_SCALAR: Final[Mapping[str, Callable[..., Scalar]]] = {
    "above": lambda value: lambda x: 1.0 if x > value else 0.0,
    "add": lambda value: lambda x: x + value,
    "clip": _one_clip,
    "divide": lambda value: lambda x: x / value,
    "equals": lambda value: lambda x: 1.0 if x == value else 0.0,
    "fill": _one_fill,
    "finite": _one_finite,
    "is missing": lambda: lambda x: 0.0 if x == x else 1.0,  # noqa: PLR0124 (NaN)
    "multiply": lambda value: lambda x: x * value,
    "present": _one_present,
    "replace": lambda old, new: lambda x: new if x == old else x,
    "subtract": lambda value: lambda x: x - value,
}
