"""The JSON of a report has a published schema, which is the one that reports are read by."""

from __future__ import annotations

import json
from pathlib import Path

from mldeploy.evidence import Report

PUBLISHED = Path(__file__).parents[2] / "docs" / "report.schema.json"


def test_the_published_schema_is_the_one_in_force() -> None:
    """After a change, write ``Report.model_json_schema()`` to the file anew, and say so."""
    assert json.loads(PUBLISHED.read_text(encoding="utf-8")) == Report.model_json_schema()
