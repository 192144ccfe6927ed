"""What conformance kits have in common: rules that cannot be overridden, and owned deviations."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, ClassVar

import pytest

Rule = Callable[..., None]


class Conformance:
    """Base of every conformance kit.

    A kit is a class of rules, each a method called ``test_…``. Derive ``TestYourPart`` from a kit
    and define its fixture: pytest then holds your part to the rules. Fixtures and tests of your
    own are welcome; a rule is neither overridden nor left out. What your part does differently
    on purpose is declared in `known_deviations`, and becomes a strict xfail: a deviation that is
    gone fails, so that it is taken off the list.

    Derive your own kit with ``class YourKit(Conformance, kit=True)``.

    Attributes
    ----------
    known_deviations : mapping of str to str
        Name of a rule to the reason why it is not kept.

    Raises
    ------
    TypeError
        When the class is made: if it overrides a rule, declares a deviation from a rule that the
        kit does not have, or gives no reason.

    Examples
    --------
    >>> class RoundConformance(Conformance, kit=True):
    ...     def test_it_is_round(self): ...
    >>> class TestBall(RoundConformance):
    ...     def test_it_is_round(self): ...
    Traceback (most recent call last):
        ...
    TypeError: TestBall overrides the rule test_it_is_round of RoundConformance; ...
    """

    known_deviations: ClassVar[Mapping[str, str]] = {}

    def __init_subclass__(cls, *, kit: bool = False) -> None:
        super().__init_subclass__()
        cls._is_kit = kit
        rules = _rules_of(cls)
        _require_known(cls, rules)
        for name, (owner, rule) in rules.items():
            found = inspect.getattr_static(cls, name)
            if getattr(found, "_deviates_from", found) is not rule:
                raise TypeError(
                    f"{cls.__name__} overrides the rule {name} of {owner.__name__}; keep it, or "
                    f"declare known_deviations = {{{name!r}: 'why'}} and test the rest under "
                    "another name"
                )
            reason = cls.known_deviations.get(name)
            if reason is not None:
                setattr(cls, name, _deviating(rule, reason))
            elif found is not rule:
                setattr(cls, name, rule)

    _is_kit: ClassVar[bool] = True


def _rules_of(cls: type[Conformance]) -> dict[str, tuple[type, Rule]]:
    """Return each rule by name with the kit that states it; the most general kit owns a name."""
    return {
        name: (owner, value)
        for owner in cls.__mro__
        if owner.__dict__.get("_is_kit", False)
        for name, value in vars(owner).items()
        if name.startswith("test_") and not hasattr(value, "_deviates_from")
    }


def _require_known(cls: type[Conformance], rules: Mapping[str, object]) -> None:
    for name, reason in cls.known_deviations.items():
        if name not in rules:
            raise TypeError(
                f"{cls.__name__} declares a deviation from {name}, which is no rule of its kit; "
                f"the rules are {', '.join(sorted(rules))}"
            )
        if not reason.strip():
            raise TypeError(f"{cls.__name__} does not say why it deviates from {name}; say it")


def _deviating(rule: Rule, reason: str) -> Rule:
    @functools.wraps(rule)
    def deviates(*args: Any, **kwargs: Any) -> None:
        rule(*args, **kwargs)

    marks = [*getattr(rule, "pytestmark", ())]
    deviates.pytestmark = [*marks, pytest.mark.xfail(reason=reason, strict=True).mark]  # type: ignore[attr-defined]
    deviates._deviates_from = rule  # type: ignore[attr-defined]  # noqa: SLF001 (marks it)
    return deviates
