"""Bars, maps, curves and parallel coordinates as SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.evidence import BarChart, Curve, CurveChart, HeatMap, ParallelChart

HOSTILE = '<script>"&'
NAN = float("nan")


def elements(svg: str, tag: str) -> list[ET.Element]:
    return [e for e in ET.fromstring(svg).iter() if e.tag == tag]


def everything(name: str) -> list[str]:
    return [
        BarChart(
            title=name, labels=[name], values=[0.5], outlines=[0.4], ends=[name, name], unit=name
        ).to_svg(),
        HeatMap(title=name, rows=[name], values=[[0.5]], ends=[name, name]).to_svg(),
        CurveChart(
            title=name, curves=[Curve(name=name, x=[1, 2], y=[1, 2])], x_name=name, y_name=name
        ).to_html(),
        ParallelChart(
            title=name, settings={name: [name, None]}, scores=[1, 2], score_name=name
        ).to_html(),
    ]


def test_hostile_names_stay_text() -> None:
    for html in everything(HOSTILE):
        ET.fromstring(html)
        assert "<script" not in html


def test_every_chart_has_a_title_and_a_description_in_words() -> None:
    for html in everything("wind"):
        (title, *_) = elements(html, "title")
        (told,) = elements(html, "desc")
        assert title.text == "wind"
        assert told.text


def test_bars_are_as_high_as_their_shares() -> None:
    svg = BarChart(title="t", labels="abc", values=[0.5, 0.0, 0.25]).to_svg()

    heights = [float(e.attrib["height"]) for e in elements(svg, "rect")]

    assert heights[0] == pytest.approx(2 * heights[1], abs=0.1)
    assert [e.text for e in elements(svg, "title")][1:] == ["a 50.0 %", "c 25.0 %"]


def test_bars_without_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="2 labels, 1 values"):
        BarChart(title="t", labels="ab", values=[0.5])


def test_a_gap_breaks_a_curve_and_higher_values_are_drawn_higher() -> None:
    curve = Curve(name="a", x=[0, 1, 2, 3, 4], y=[1, 2, NAN, 3, 4])

    lines = elements(CurveChart(title="t", curves=[curve]).to_svg(), "polyline")

    points = [[tuple(map(float, p.split(","))) for p in e.attrib["points"].split()] for e in lines]
    assert [len(p) for p in points] == [2, 2]
    flat = [p for run in points for p in run]
    assert flat == sorted(flat)
    assert [y for _, y in flat] == sorted((y for _, y in flat), reverse=True)


def test_the_best_trial_is_drawn_last_and_wider() -> None:
    chart = ParallelChart(
        title="t", settings={"C": [0.001, 10.0, 1.0]}, scores=[0.1, 0.9, NAN], score_name="auc"
    )

    lines = elements(chart.to_svg(), "polyline")

    assert [e.attrib["stroke-width"] for e in lines] == ["0.8", "1.8"]
    assert chart.description == "2 trials; best auc 0.9 with C = 10"


settings = st.lists(
    st.none() | st.floats() | st.integers() | st.text(max_size=3) | st.booleans(),
    min_size=3,
    max_size=3,
)


@given(settings, settings, st.lists(st.floats(), min_size=3, max_size=3))
def test_any_settings_and_scores_make_a_chart(
    a: list[object], b: list[object], scores: list[float]
) -> None:
    svg = ParallelChart(title="t", settings={"a": a, "b": b}, scores=scores).to_svg()

    for line in elements("".join(c for c in svg if c.isprintable()), "polyline"):
        assert "nan" not in line.attrib["points"]
        assert "inf" not in line.attrib["points"]


@pytest.mark.parametrize(
    "svg",
    [
        BarChart(title="t", labels=(), values=()).to_svg(),
        BarChart(title="t", labels="a", values=[0.0]).to_svg(),
        HeatMap(title="t", rows=(), values=()).to_svg(),
        HeatMap(title="t", rows=["a"], values=[[]]).to_svg(),
        CurveChart(title="t", curves=()).to_svg(),
        CurveChart(title="t", curves=[Curve(name="a", x=[1], y=[NAN])]).to_svg(),
        CurveChart(title="t", curves=[Curve(name="a", x=[1], y=[2])]).to_svg(),
        ParallelChart(title="t", settings={}, scores=()).to_svg(),
        ParallelChart(title="t", settings={"a": [1]}, scores=[1.0]).to_svg(),
    ],
)
def test_charts_of_nothing_are_still_charts(svg: str) -> None:
    ET.fromstring(svg)
    assert "nan" not in svg
