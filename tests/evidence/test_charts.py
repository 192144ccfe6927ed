"""Bars, maps, curves and parallel coordinates as SVG."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.evidence import (
    BarChart,
    Curve,
    CurveChart,
    ForestChart,
    ForestRow,
    HeatMap,
    ParallelChart,
)

HOSTILE = '<script>"&'
NAN = float("nan")


def elements(svg: str, tag: str) -> list[ET.Element]:
    return [e for e in ET.fromstring(svg).iter() if e.tag == tag]


def everything(name: str) -> list[str]:
    row = ForestRow(name=name, value=0.5, low=0.4, high=0.6, threshold=0.3, verdict=name)
    return [
        ForestChart(title=name, rows=[row], unit=name, good="above", x_name=name).to_html(),
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


def test_where_less_is_better_the_least_is_drawn_last() -> None:
    chart = ParallelChart(
        title="t",
        settings={"C": [0.001, 10.0]},
        scores=[0.1, 0.9],
        score_name="loss",
        greater_is_better=False,
    )

    assert chart.description == "2 trials; best loss 0.1 with C = 0.001"


def test_an_axis_is_named_in_full_where_there_is_room() -> None:
    """140 of 6.2 hold 22 letters; eight axes more are 95 apart, which holds 15."""
    settings = {name: [1, 2] for name in "abcdefgh"}
    short = ParallelChart(
        title="t", settings=settings, scores=[1, 2], score_name="mean_absolute_error"
    )
    long = ParallelChart(
        title="t", settings={"a": [1, 2]}, scores=[1, 2], score_name="mean_absolute_error"
    )

    assert "mean_absolute_error" in {e.text for e in elements(long.to_svg(), "text")}
    assert "mean_absolute_…" in {e.text for e in elements(short.to_svg(), "text")}


def test_a_legend_tells_whole_names_and_takes_the_lines_it_needs() -> None:
    """Two names of 30 letters fill a line of 566; the third has its own, 16 below."""
    names = [letter * 30 for letter in "abc"]
    curves = [Curve(name=name, x=[1, 2], y=[0, 1]) for name in names]

    svg = CurveChart(title="t", curves=curves).to_svg()

    told = {e.text: float(e.attrib["y"]) for e in elements(svg, "text") if e.text in names}
    assert list(told) == names
    assert [y - told[names[0]] for y in told.values()] == [0, 0, 16]
    assert 'viewBox="0 0 640 276"' in svg


def forest(*rows: ForestRow, **more: str) -> str:
    return ForestChart(title="t", rows=rows, **more).to_svg()  # type: ignore[arg-type]


def test_estimates_lie_between_their_ends_on_one_scale() -> None:
    """0.2 [0.1, 0.4] above 0.6 [0.5, 0.7]: the ends and discs from left to right."""
    svg = forest(
        ForestRow(name="a", value=0.2, low=0.1, high=0.4),
        ForestRow(name="b", value=0.6, low=0.5, high=0.7),
    )

    discs = [float(e.attrib["cx"]) for e in elements(svg, "circle")]
    lines = [e.attrib for e in elements(svg, "line") if e.get("stroke-width") == "2"]
    (a0, a1), (b0, b1) = ((float(e["x1"]), float(e["x2"])) for e in lines)

    assert a0 < discs[0] < a1 < b0 < discs[1] < b1
    assert (discs[1] - discs[0]) / (b1 - a0) == pytest.approx(0.4 / 0.6, abs=0.01)


def test_a_verdict_is_a_shape_and_a_word_not_only_a_colour() -> None:
    """A disc, a ring, and a cross of two lines."""
    disc, ring, cross = (
        forest(ForestRow(name="a", value=0.5, verdict=verdict))
        for verdict in ("PASS", "INSUFFICIENT", "FAIL")
    )

    assert elements(disc, "circle")[0].attrib["fill"] != "none"
    assert elements(ring, "circle")[0].attrib["fill"] == "none"
    assert not elements(cross, "circle")
    assert len([e for e in elements(cross, "line") if e.get("stroke-width") == "2.5"]) == 2
    for svg, word in ((disc, "PASS"), (ring, "INSUFFICIENT"), (cross, "FAIL")):
        assert f"0.5 {word}" in [e.text for e in elements(svg, "text")]


def test_an_end_without_limit_is_an_arrow() -> None:
    ends = ForestRow(name="a", value=5.0, low=1.0, high=float("inf"))

    assert len(elements(forest(ends), "polygon")) == 1
    assert "a 5 [1, ∞]" in elements(forest(ends), "desc")[0].text  # type: ignore[operator]


@pytest.mark.parametrize(("good", "begins"), [("above", True), ("below", False)])
def test_the_good_side_of_a_bound_is_shaded(good: str, begins: bool) -> None:
    svg = forest(ForestRow(name="a", value=0.8, threshold=0.5), good=good)

    (shade,) = elements(svg, "rect")
    (bound,) = (e for e in elements(svg, "line") if "stroke-dasharray" in e.attrib)
    start = float(shade.attrib["x"])
    end = start + float(shade.attrib["width"])

    assert (start if begins else end) == pytest.approx(float(bound.attrib["x1"]), abs=0.2)
    assert not elements(forest(ForestRow(name="a", value=0.8, threshold=0.5)), "rect")


def test_many_rows_are_told_in_part_and_drawn_whole() -> None:
    chart = ForestChart(title="t", rows=[ForestRow(name=f"r{i}", value=i) for i in range(15)])

    assert chart.description.endswith("; r11 11; and 3 more")
    assert len(elements(chart.to_svg(), "circle")) == 15


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
        ForestChart(title="t", rows=()).to_svg(),
        forest(ForestRow(name="a", value=NAN, low=NAN, high=NAN, threshold=float("inf"))),
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
