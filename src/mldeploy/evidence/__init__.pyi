from ._authority import Approval, Waiver
from ._bar_chart import BarChart
from ._chart import LineChart, Mark, Series
from ._curve_chart import Curve, CurveChart
from ._finding import Finding
from ._forest_chart import ForestChart, ForestRow
from ._format import figure, figure_with_interval
from ._heat_map import HeatMap
from ._html import Markup, escape, html_fragment, html_page, html_table, verdict_tag
from ._parallel_chart import ParallelChart
from ._report import Report
from ._text import markdown_escape, markdown_table, text_table
from ._verdict import Severity, Verdict
from ._verdict_table import VerdictTable

__all__ = [
    "Approval",
    "BarChart",
    "Curve",
    "CurveChart",
    "Finding",
    "ForestChart",
    "ForestRow",
    "HeatMap",
    "LineChart",
    "Mark",
    "Markup",
    "ParallelChart",
    "Report",
    "Series",
    "Severity",
    "Verdict",
    "VerdictTable",
    "Waiver",
    "escape",
    "figure",
    "figure_with_interval",
    "html_fragment",
    "html_page",
    "html_table",
    "markdown_escape",
    "markdown_table",
    "text_table",
    "verdict_tag",
]
