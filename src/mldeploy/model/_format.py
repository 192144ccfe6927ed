"""How an estimator becomes bytes, and how bytes become one again without running code."""

from __future__ import annotations

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final

from mldeploy.errors import IntegrityError, SerializationError, UntrustedTypesError
from mldeploy.model._archive import read_members, refuse, write_members
from mldeploy.model._nodes import (
    drop_identities,
    one_form,
    parse_schema,
    refuse_calls,
    require_few,
    require_importable,
)
from mldeploy.model._sound import require_sound
from mldeploy.model._trusted import TRUSTED, TRUSTED_FUNCTIONS

_UNBOUNDED = 1 << 62
_MALFORMED = (
    AttributeError,
    ArithmeticError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    OSError,
    RecursionError,
    RuntimeError,
    TypeError,
    ValueError,
    zipfile.BadZipFile,
)


class ModelFormat(Protocol):
    """A way to write a fitted estimator as bytes, and to read it back."""

    @property
    def name(self) -> str:
        """The file's suffix, such as ``"skops"``."""
        ...

    def dump(self, estimator: Any) -> bytes:
        """Return the estimator as bytes; equal estimators give equal bytes.

        Raises
        ------
        SerializationError
            If a part of it cannot be written.
        """
        ...

    def load(self, content: bytes, *, trusted: Sequence[str] = ()) -> Any:
        """Return the estimator that `dump` wrote.

        Raises
        ------
        UntrustedTypesError
            If it holds types that nobody trusts.
        IntegrityError
            If the bytes are not of this format, or are damaged.
        """
        ...


@final
@dataclass(frozen=True, kw_only=True)
class SkopsFormat:
    """The format of skops, whose files name types and hold numbers, but no code.

    Which types may come to life is the loader's decision: scikit-learn's own estimators and
    `trusted`, never what a file asks for. Bytes that are anything else, pickles above all, are
    refused by their content and are not tried in another format. Sizes are judged before
    anything is unpacked, and the indices of trees before anything predicts.

    Parameters
    ----------
    max_bytes : int, default=2**31
        Most bytes that a file may take when unpacked.
    max_schema_bytes : int, default=2**24
        Most bytes of its description, which takes about twenty times that in memory: 16 MB is
        more than a forest of a thousand trees needs.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> content = SkopsFormat().dump(LinearRegression().fit([[0.0], [1.0]], [1.0, 3.0]))
    >>> SkopsFormat().load(content).predict([[2.0]]).round(6).tolist()
    [5.0]
    """

    max_bytes: int = 1 << 31
    max_schema_bytes: int = 1 << 24

    @property
    def name(self) -> str:
        """The file's suffix."""
        return "skops"

    @property
    def trusted(self) -> tuple[str, ...]:
        """Full names of what comes to life unasked, beyond the types that skops itself trusts."""
        return TRUSTED

    def dump(self, estimator: Any) -> bytes:
        """Return the estimator as bytes; equal estimators give equal bytes.

        Raises
        ------
        SerializationError
            If a part of it cannot be written, or not be imported by another process.
        """
        import skops.io  # noqa: PLC0415 - it loads scikit-learn's test tools, and so pytest
        from skops.io.exceptions import UnsupportedTypeException  # noqa: PLC0415

        try:
            written = skops.io.dumps(estimator)
        except (UnsupportedTypeException, *_MALFORMED) as error:
            raise SerializationError(
                f"a part of {type(estimator).__name__} cannot be written: {error}; use estimators "
                "whose state is numbers, text and scikit-learn's own parts"
            ) from error
        members = read_members(written, max_bytes=_UNBOUNDED, max_schema_bytes=_UNBOUNDED)
        tree = parse_schema(members.pop("schema.json"), max_nodes=_UNBOUNDED)
        require_importable(tree)
        members = one_form(tree, members)
        try:
            require_few(tree)
            self._require_room(members)
        except IntegrityError as error:
            raise SerializationError(
                f"{type(estimator).__name__} is larger than a model file may be, so that nobody "
                f"could load it: {error.what}; use fewer or smaller parts, or raise max_bytes"
            ) from error
        return write_members(members)

    def load(self, content: bytes, *, trusted: Sequence[str] = ()) -> Any:
        """Return the estimator that `dump` wrote.

        Parameters
        ----------
        content : bytes
            A skops file.
        trusted : sequence of str
            Full names of further types that may come to life, such as
            ``"company.features.Ratio"``; only for files whose maker you know.

        Raises
        ------
        UntrustedTypesError
            If it holds types that are not trusted; `types` names them.
        IntegrityError
            If the bytes are no skops file, are damaged, or would take too much memory.
        """
        members = read_members(
            content, max_bytes=self.max_bytes, max_schema_bytes=self.max_schema_bytes
        )
        tree = parse_schema(members.pop("schema.json"))
        require_few(tree)
        refuse_calls(tree, TRUSTED_FUNCTIONS)
        try:
            if drop_identities(tree):
                content = write_members(one_form(tree, members))
            del members
            return _construct(content, known={*TRUSTED, *trusted})
        except (UntrustedTypesError, IntegrityError):
            raise
        except _MALFORMED as error:
            raise refuse(f"its content is malformed: {type(error).__name__}: {error}") from error

    def _require_room(self, members: dict[str, bytes]) -> None:
        if (size := len(members["schema.json"])) > self.max_schema_bytes:
            raise refuse(f"its schema takes {size} bytes of {self.max_schema_bytes} allowed")
        if (size := sum(map(len, members.values()))) > self.max_bytes:
            raise refuse(f"it takes {size} bytes of {self.max_bytes} allowed")


def _construct(content: bytes, *, known: set[str]) -> Any:
    import skops.io  # noqa: PLC0415 - as in `dump`

    asked = set(skops.io.get_untrusted_types(data=content))
    if unknown := asked - known:
        raise UntrustedTypesError(unknown)
    estimator = skops.io.loads(content, trusted=sorted(asked))
    require_sound(estimator)
    return estimator
