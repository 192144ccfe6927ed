"""Sensitive values never touch the disk."""

from __future__ import annotations

import logging
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from mldeploy.data import ColumnSchema, Schema
from mldeploy.serving import (
    ColumnRule,
    DropColumn,
    HashColumn,
    LoggedRow,
    ParquetLog,
    PredictionBatch,
    read_log,
)

A_WHILE = timedelta(seconds=30)
SECRET = b"a key of 32 bytes, kept elsewher"
NOON = 1_364_817_600_000_000
SCHEMA = Schema(
    columns=(
        ColumnSchema(name="passenger", kind="string", nullable=True),
        ColumnSchema(name="age", kind="integer", nullable=True),
        ColumnSchema(name="fare", kind="number", nullable=True),
        ColumnSchema(name="class", kind="category", categories=("Eco-5678", "First")),
    )
)
RULES: dict[str, ColumnRule] = {
    "key": HashColumn(SECRET),
    "passenger": HashColumn(SECRET),
    "age": DropColumn(),
    "fare": HashColumn(SECRET),
    "class": HashColumn(SECRET),
}
PRIVATE = [b"Sokolova", b"ticket-4711", b"Eco-5678"]


def row(name: str, **changes: Any) -> LoggedRow:
    given: dict[str, Any] = {
        "deployment": "late", "version": "1", "arm": "champion", "id": name, "time": NOON,
        "key": "ticket-4711", "values": ("Sokolova", 4321, 1.5, "Eco-5678"), "schema": SCHEMA,
        "latency_s": 0.001, "prediction": True, "score": 0.75, "route": "advice",
    }  # fmt: skip
    return LoggedRow(**given | changes)


def records() -> list[LoggedRow | PredictionBatch]:
    failed = row("b", error="ValueError: could not convert 'Sokolova'", prediction=None)
    missing = row("d", key=None, values=(None, None, None, "First"))
    return [row("a"), failed, row("c").batch(), missing]


@pytest.mark.parametrize("is_durable", [False, True])
def test_no_private_value_is_in_any_byte_that_reaches_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_durable: bool
) -> None:
    written: list[bytes] = []
    write = os.write

    def spying_write(descriptor: int, content: bytes) -> int:
        written.append(bytes(content))
        return write(descriptor, content)

    monkeypatch.setattr(os, "write", spying_write)
    seen: list[pl.DataFrame] = []
    with ParquetLog(
        tmp_path, "late", columns=RULES, durable=is_durable, observers=[seen.append]
    ) as log:
        for record in records():
            log.write(record)

    rows = read_log(tmp_path)
    everything = b"".join(written) + repr(pl.concat(seen).to_dicts()).encode()
    everything += rows.write_csv().encode()
    assert len(written) >= 1
    assert not [value for value in PRIVATE if value in everything]
    assert "age" not in rows.columns
    assert rows["passenger"].to_list() == [HashColumn(SECRET).of("Sokolova")] * 3 + [None]
    assert rows["key"].to_list() == [HashColumn(SECRET).of("ticket-4711")] * 3 + [None]
    assert rows["fare"].to_list() == [HashColumn(SECRET).of(1.5)] * 3 + [None]
    assert rows["class"].to_list()[3] == HashColumn(SECRET).of("First")
    assert rows["error"].to_list()[1] == "ValueError: (withheld, the log has sensitive columns)"


def test_without_rules_everything_is_there(tmp_path: Path) -> None:
    with ParquetLog(tmp_path, "late") as log:
        log.write(row("a"))

    assert read_log(tmp_path)["passenger"].to_list() == ["Sokolova"]


def test_the_hash_is_the_one_of_the_standard_and_needs_the_key() -> None:
    """`openssl mac -macopt key:… -macopt size:16 BLAKE2BMAC` of OpenSSL 3 says the same."""
    rule = HashColumn(SECRET)

    assert rule.of("N14228") == "fbbfd0fc9ee8494cf07b89294a1acbc6"
    assert rule.of("N14228") != HashColumn(SECRET[::-1]).of("N14228")
    assert rule.of(7) == rule.of("7")
    assert "kept elsewher" not in repr(rule)


@pytest.mark.parametrize("n", [0, 15, 65])
def test_a_key_that_is_too_short_or_too_long_is_refused(n: int) -> None:
    with pytest.raises(ValueError, match="16 to 64 bytes"):
        HashColumn(b"x" * n)


@pytest.mark.parametrize("name", ["time", "prediction_id", "version"])
def test_columns_that_the_log_needs_cannot_be_hidden(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match=f"without {name}"):
        ParquetLog(tmp_path, "late", columns={name: DropColumn()})


def test_of_the_logs_own_columns_the_values_are_left_out(tmp_path: Path) -> None:
    with ParquetLog(tmp_path, "late", columns={"key": DropColumn(), "score": DropColumn()}) as log:
        log.write(row("a"))

    rows = read_log(tmp_path)
    assert rows.select("key", "score").row(0) == (None, None)
    assert rows.schema["score"] == pl.Float64


def test_a_rule_for_a_column_that_is_not_there_is_told(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING),
        ParquetLog(tmp_path, "late", columns={"pasenger": DropColumn()}) as log,
    ):
        for _ in range(3):
            log.write(row("a"))
            log.flush(A_WHILE)

    (message,) = [record.message for record in caplog.records]
    assert "'pasenger', and the rows have no such column: prediction_id, key" in message
