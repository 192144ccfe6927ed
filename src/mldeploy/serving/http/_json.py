"""JSON that is refused where it could be read in two ways."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

import msgspec

from mldeploy.serving.http._errors import BadRequest

_encoder: Final = msgspec.json.Encoder()
encode: Final = _encoder.encode
_LONGEST_NUMBER: Final = 400
_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]")


def strict(body: bytes) -> Any:
    """Return what a body says, or refuse it.

    Raises
    ------
    BadRequest
        If it is no JSON by RFC 8259, names a member twice, holds NaN or Infinity, or is nested
        or long-winded beyond reason.
    """
    try:
        found = json.loads(
            body.decode("utf-8"),
            object_pairs_hook=_once,
            parse_constant=_no_constant,
            parse_int=_whole,
        )
        if b"\\u" in body and _SURROGATE.search(body):
            json.dumps(found, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise BadRequest(400, f"the body is not UTF-8: {error.reason}") from None
    except RecursionError:
        raise BadRequest(400, "the body is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise BadRequest(400, f"the body is no JSON: {error}") from None
    except UnicodeEncodeError:
        raise BadRequest(400, "a text holds half a surrogate pair, which is no text") from None
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) < len(pairs):
        seen: set[str] = set()
        twice = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value]
        raise BadRequest(400, f"the member {twice[:80]!r} is there twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise BadRequest(400, f"{name} is no JSON; write null where a value is missing")


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise BadRequest(400, f"a number has {len(digits)} digits")
    return int(digits)


def an_object(body: bytes) -> dict[str, Any]:
    """Return the object that a body is, or refuse it."""
    found = strict(body)
    if not isinstance(found, dict):
        raise BadRequest(400, f"the body is a {type(found).__name__}, and an object is wanted")
    return found
