"""What is stored or sent."""

from __future__ import annotations

import inspect

import pytest

from mldeploy._record import Record


class Reading(Record):
    """Not used by any test: what is told of it is told before its first use."""

    name: str
    value: float = 0.5


class Place(Record):
    name: str


class Town(Place):
    n_people: int


def test_a_record_shows_its_fields_before_it_is_first_used() -> None:
    assert not Reading.__pydantic_complete__

    fields = inspect.signature(Reading).parameters

    assert list(fields) == ["name", "value"]
    assert fields["value"].default == 0.5
    assert Reading(name="a").value == 0.5


def test_a_record_shows_its_own_fields_and_not_those_of_what_it_came_from() -> None:
    assert list(inspect.signature(Place).parameters) == ["name"]

    assert list(inspect.signature(Town).parameters) == ["name", "n_people"]


def test_a_value_has_no_signature() -> None:
    town = Town(name="Ulm", n_people=126_000)

    with pytest.raises(AttributeError):
        town.__signature__  # noqa: B018
