"""Charts as SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from datetime import UTC, datetime, timedelta

import pytest

from mldeploy.evidence import LineChart, Mark, Series

TIMES = [datetime(2030, 1, 1, tzinfo=UTC) + timedelta(days=i) for i in range(5)]
NAN = float("nan")


def lines(chart: LineChart) -> list[ET.Element]:
    return [e for e in ET.fromstring(chart.to_svg()) if e.tag == "polyline"]


def test_a_gap_breaks_the_line() -> None:
    chart = LineChart(title="t", series=[Series(name="a", times=TIMES, values=[1, 2, NAN, 3, 4])])

    assert [len(e.attrib["points"].split()) for e in lines(chart)] == [2, 2]


def test_higher_values_are_drawn_higher_and_later_ones_further_right() -> None:
    (line,) = lines(LineChart(title="t", series=[Series(name="a", times=TIMES, values=range(5))]))

    points = [tuple(map(float, p.split(","))) for p in line.attrib["points"].split()]
    assert points == sorted(points)
    assert [y for _, y in points] == sorted((y for _, y in points), reverse=True)


def test_hostile_names_stay_text() -> None:
    name = '<script>"&'
    chart = LineChart(
        title=name,
        series=[Series(name=name, times=TIMES, values=[1.0] * 5, low=[0.0] * 5, high=[2.0] * 5)],
        marks=[Mark(time=TIMES[2], label=name, kind="alarm")],
        threshold=1.5,
        unit=name,
    )

    ET.fromstring(chart.to_svg())
    assert "<script" not in chart.to_html() + chart._repr_html_()


@pytest.mark.parametrize(
    "series",
    [
        [],
        [Series(name="a", times=[], values=[])],
        [Series(name="a", times=TIMES[:1], values=[0.0])],
        [Series(name="a", times=TIMES, values=[NAN] * 5)],
        [Series(name="a", times=TIMES, values=[float("inf"), 1, 1, 1, 1])],
    ],
)
def test_charts_of_nothing_are_still_charts(series: list[Series]) -> None:
    svg = LineChart(title="t", series=series).to_svg()

    ET.fromstring(svg)
    assert "nan" not in svg
    assert "inf" not in svg


def test_a_band_is_drawn_where_both_ends_are_known() -> None:
    series = Series(name="a", times=TIMES, values=[1.0] * 5, low=[NAN, 0, 0, 0, 0], high=[2.0] * 5)
    root = ET.fromstring(LineChart(title="t", series=[series]).to_svg())

    (band,) = [e for e in root if e.tag == "polygon"]
    assert len(band.attrib["points"].split()) == 8
