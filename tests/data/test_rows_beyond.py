"""Times and durations that 64 bits cannot count are refused as any other value is."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from mldeploy.data import ColumnSchema, Schema


def parsed(kind: Any, unit: Any, value: object) -> tuple[Any, list[str]]:
    zone = "UTC" if kind == "datetime" else None
    column = ColumnSchema(name="t", kind=kind, time_unit=unit, time_zone=zone)
    frame, errors = Schema(columns=(column,)).parse_rows([{"t": value}])
    return frame["t"][0], [error.code for error in errors]


@pytest.mark.parametrize(
    ("unit", "good", "bad"),
    [("ms", 8.63e13, 8.64e13), ("us", 9.2e12, 9.3e12), ("ns", 9.2e9, 9.3e9)],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_a_duration_is_as_long_as_its_unit_can_count(
    unit: str, good: float, bad: float, sign: int
) -> None:
    """2^63 ns are 9.22e9 s, 2^63 µs are 9.22e12 s; Python counts 8.64e13 s."""
    assert parsed("duration", unit, sign * good)[0].total_seconds() == sign * good
    assert parsed("duration", unit, sign * bad) == (None, ["type"])
    assert parsed("duration", unit, sign * 1e300) == (None, ["type"])


@pytest.mark.parametrize("unit", ["ms", "us", "ns"])
@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+10:00", "9999-12-31T23:59:59-10:00"])
def test_a_time_whose_instant_has_no_year_is_refused(unit: str, text: str) -> None:
    """In UTC the one is in the year 0, and the other in the year 10000."""
    assert parsed("datetime", unit, text) == (None, ["type"])


@pytest.mark.parametrize("text", ["1600-01-01T00:00:00Z", "2300-01-01T00:00:00Z"])
def test_nanoseconds_count_from_1678_to_2261(text: str) -> None:
    assert parsed("datetime", "ns", text) == (None, ["type"])
    assert parsed("datetime", "us", text) == (datetime.fromisoformat(text), [])
    assert parsed("datetime", "ns", "2013-01-31T17:45:00Z") == (
        datetime(2013, 1, 31, 17, 45, tzinfo=UTC),
        [],
    )
