"""What was measured and what it means: findings, reports, verdicts, and who answers for them."""

from mldeploy.evidence._authority import Approval, Waiver
from mldeploy.evidence._chart import LineChart, Mark, Series
from mldeploy.evidence._finding import Finding
from mldeploy.evidence._format import figure
from mldeploy.evidence._html import (
    Markup,
    escape,
    html_fragment,
    html_page,
    html_table,
    verdict_tag,
)
from mldeploy.evidence._report import Report
from mldeploy.evidence._text import markdown_escape, markdown_table, text_table
from mldeploy.evidence._verdict import Severity, Verdict

__all__ = [
    "Approval",
    "Finding",
    "LineChart",
    "Mark",
    "Markup",
    "Report",
    "Series",
    "Severity",
    "Verdict",
    "Waiver",
    "escape",
    "figure",
    "html_fragment",
    "html_page",
    "html_table",
    "markdown_escape",
    "markdown_table",
    "text_table",
    "verdict_tag",
]
