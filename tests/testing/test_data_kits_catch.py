"""The kits of sources and engines find the faults that are planted here."""

# ruff: noqa: E501 (one fault a line)

from __future__ import annotations

import pytest

# Before pytester: what a part loads first cannot be loaded again by the next.
from mldeploy.data import FrameSource
from mldeploy.testing import DataSourceConformance, EngineConformance

pytest_plugins = ("pytester",)

SOURCE = """
import itertools
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
import polars as pl
import pytest
from mldeploy.data import FrameSource
from mldeploy.testing import DataSourceConformance

START = datetime(2026, 1, 1, tzinfo=UTC)
TABLE = pl.DataFrame({{"at": [START + timedelta(hours=h) for h in range(9)], "x": range(9)}})
READ = itertools.count()

class Part:
    def __init__(self, good=None):
        self.good = good or FrameSource.of(TABLE, time="at", name="part", batch_rows=4)
        self.name = self.good.name
    def schema(self): return self.good.schema()
    def batches(self): return self.good.batches()
    def fingerprint(self): return self.good.fingerprint()
    def between(self, start, end): return Part(self.good.between(start, end))
    def parts(self): return [Part(p) for p in self.good.parts()]
    def position(self, since=None): return {{"n": self.good.table.height}}
    def increment(self, since, until):
        first = since["n"] if since else 0
        return replace(self.good, table=self.good.table[first : until["n"]])
    {fault}

class TestPart(DataSourceConformance):
    @pytest.fixture
    def source(self): return Part()
    @pytest.fixture
    def time(self): return "at"
    @pytest.fixture
    def grow(self, source):
        more = TABLE.with_columns(pl.col("at") + timedelta(days=1))
        return lambda: setattr(source, "good", replace(source.good, table=pl.concat([TABLE, more])))
"""
ENGINE = """
import random
from functools import reduce
import pytest
from mldeploy.testing import EngineConformance

class Part:
    failed = False
    def map_merge(self, function, parts, merge):
        {fault}

class TestPart(EngineConformance):
    @pytest.fixture
    def engine(self): return Part()
"""
NONE = "pass"
GOOD = "return reduce(merge, map(function, parts))"
FAULTS = [
    (SOURCE, "def batches(self): yield TABLE[:0]; yield TABLE", "test_batches_have_the_schema_and_rows"),
    (SOURCE, "def batches(self): yield TABLE.with_columns(pl.col('x').cast(pl.Int8))", "test_batches_have_the_schema_and_rows"),
    (SOURCE, "def batches(self): yield TABLE.sample(fraction=1, shuffle=True, seed=next(READ))", "test_reading_again_yields_the_same_rows"),
    (SOURCE, "shared = TABLE.iter_slices(4)\n    def batches(self): return type(self).shared", "test_a_reader_that_stops_early_does_no_harm"),
    (SOURCE, "def fingerprint(self): return f'{next(READ):064x}'", "test_fingerprint_is_sha256_and_stays"),
    (SOURCE, "def fingerprint(self): return str(hash('data'))", "test_fingerprint_is_sha256_and_stays"),
    (SOURCE, "def parts(self): return [Part(p) for p in self.good.parts()][1:]", "test_parts_hold_each_row_once_in_order"),
    (SOURCE, "def between(self, start, end): return Part(self.good.between(start, end and end + timedelta(microseconds=1)))", "test_windows_are_closed_on_the_left_and_open_on_the_right"),
    (SOURCE, "def between(self, start, end): return self", "test_a_window_without_rows_is_empty"),
    (SOURCE, "def fingerprint(self): return 64 * '0'", "test_a_window_has_another_fingerprint"),
    (SOURCE, "def between(self, start, end): return Part(self.good.between(start and start.replace(tzinfo=UTC), end))", "test_a_bound_without_a_zone_is_refused"),
    (SOURCE, "def increment(self, since, until): return self.good", "test_what_is_new_is_read_once"),
    (SOURCE, "def increment(self, since, until): return replace(self.good, table=self.good.table[since['n'] if since else 0 :])", "test_what_is_new_is_read_once"),
    (ENGINE, "return reduce(merge, map(function, [*parts, parts[0]]))", "test_each_part_is_counted_once"),
    (ENGINE, "return reduce(merge, map(function, parts[:16]))", "test_each_part_is_counted_once"),
    (ENGINE, "return function(parts[0])", "test_profiles_are_those_of_threads"),
    (ENGINE, "return function(parts[0])", "test_fingerprints_are_those_of_the_whole"),
    (ENGINE, "return function(parts[0])", "test_findings_are_those_of_the_whole"),
    (ENGINE, "good = [r for r in map(function, parts) if hasattr(r, 'value')]; return reduce(merge, good)", "test_a_part_that_cannot_be_read_fails_the_whole"),
    (ENGINE, "if type(self).failed: raise OSError\n        found = reduce(merge, map(function, parts)); type(self).failed = hasattr(found, 'error'); return found", "test_it_goes_on_after_a_failure"),
    (ENGINE, "return reduce(merge, map(function, parts))[: 1 << 20] if parts[0] == 1 << 20 else None", "test_results_of_some_size_come_back"),
]  # fmt: skip


LOADED = (FrameSource, DataSourceConformance, EngineConformance)


@pytest.mark.parametrize(
    ("source", "fault", "rule"),
    FAULTS,
    ids=[f"{number}-{fault[2][5:]}" for number, fault in enumerate(FAULTS)],
)
def test_planted_fault_is_found(
    pytester: pytest.Pytester, source: str, fault: str, rule: str
) -> None:
    pytester.makepyfile(test_part=source.format(fault=fault))

    run = pytester.inline_run("-q", "-p", "no:cacheprovider", "-k", rule)

    _, _, failed = run.listoutcomes()
    assert {report.nodeid.partition("::")[2].partition("[")[0] for report in failed} == {
        f"TestPart::{rule}"
    }


@pytest.mark.parametrize(("source", "good"), [(SOURCE, NONE), (ENGINE, GOOD)])
def test_without_a_fault_nothing_is_found(
    pytester: pytest.Pytester, source: str, good: str
) -> None:
    """A fault that the part has before it is planted would be found in its place."""
    pytester.makepyfile(test_part=source.format(fault=good))

    run = pytester.inline_run("-q", "-p", "no:cacheprovider")

    passed, _, failed = run.listoutcomes()
    assert not failed
    assert len(passed) > 10
