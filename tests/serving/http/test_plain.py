"""Our own JSON, against a real server: what goes in, what comes out, what is refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import Running

ROW = {"wind": 12.5, "hour": 8, "carrier": "AA", "score": 4.0}


def test_a_row_is_answered(running: Running) -> None:
    found = running.post("/predict", {"row": ROW, "key": "UA-17"})

    answer = json.loads(found.body)
    assert found.status == 200
    assert answer.keys() == {"id", "version", "prediction", "score", "route", "key", "time"}
    assert (answer["version"], answer["key"]) == ("late:3", "UA-17")
