"""A profile as text: the same bytes on every machine, short, and read again years later."""

from __future__ import annotations

import json
import pickle
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mldeploy.data import Profile
from mldeploy.data._hashing import hashes_of_numbers, hashes_of_texts, hashes_of_whole_numbers
from mldeploy.data._profile_arrays import ArrayRecord, Counts, Hashes, Values, pack, unpack
from mldeploy.errors import InvalidDataError

ROWS = pl.DataFrame(
    {
        "x": [1.0, 1.5, 1.75, None, -3.25],
        "t": [*(datetime(2013, 1, 1, second=s, tzinfo=UTC) for s in range(4)), None],
        "s": ["a", "b", "c", "a", None],
        "k": [1, 1, 2, 2, None],
    }
)


class Arrays(ArrayRecord):
    values: Values
    counts: Counts
    hashes: Hashes


def test_the_text_of_a_profile_is_the_same_on_every_machine() -> None:
    """Worked by hand for `k`: 1 is w, first 1 with its sign as lowest bit 0 is 2, then +1."""
    columns = json.loads(Profile.of(ROWS, progress=False).to_json())["columns"]

    assert {c["name"]: (c["values"], c["counts"]) for c in columns} == {
        "k": ("wAgE=", "AgI="),
        "s": ("w", "AgEB"),
        "t": ("wgIC++dmL6QTAhD3AhD3AhD0=", "AQEBAQ=="),
        "x": ("b49:i4AB/n8EAg==", "AQEBAQ=="),
    }


def test_the_digest_of_a_profile_of_every_part_is_the_same_on_every_machine() -> None:
    """Buckets, samples and sketches too: no digit depends on the processor or its libraries."""
    i = np.arange(3_000)
    rows = pl.DataFrame({"x": i / 7 - 100, "s": [f"N{n}é" for n in i], "k": i**5})

    profile = Profile.of(rows, limit=500, progress=False)

    assert profile.digest == "256f495c4677d5f511796f9676260e43b6b2bd8e60fcef7da1d9e0e1796e5900"


@given(st.lists(st.integers(0, 2**64 - 1), max_size=50))
def test_packed_numbers_are_read_again(numbers: list[int]) -> None:
    array = np.array(numbers, np.uint64)

    assert unpack(pack(array)).tolist() == numbers
    assert len(pack(array)) <= 4 + 14 * len(numbers)


@given(
    st.sets(st.floats(allow_nan=False), max_size=30),
    st.sets(st.integers(-(2**53), 2**53), max_size=30),
    st.sets(st.integers(0, 2**64 - 1), max_size=30),
)
def test_arrays_of_records_survive_json(
    numbers: set[float], whole: set[int], hashes: set[int]
) -> None:
    for values in (np.unique(np.array(sorted(numbers)) + 0.0), np.array(sorted(whole), float)):
        counts = np.arange(len(values))
        record = Arrays(values=values, counts=counts, hashes=np.array(sorted(hashes), np.uint64))

        again = Arrays.model_validate_json(record.to_json())

        assert again == record
        assert (hash(again), again.digest) == (hash(record), record.digest)


def test_records_with_other_arrays_are_not_equal_and_arrays_cannot_be_changed() -> None:
    one, other = (Profile.of(pl.DataFrame({"x": [v]}), progress=False) for v in (1, 2))

    assert one != other
    assert one["x"] != other["x"]
    assert one["x"] != 1
    with pytest.raises(ValueError, match="read-only"):
        one["x"].counts[0] = 7


def test_profiles_can_be_sent_to_other_processes() -> None:
    profile = Profile.of(ROWS, progress=False)

    assert pickle.loads(pickle.dumps(profile)) == profile


@pytest.mark.parametrize(
    "damaged",
    [
        "wAgE",
        "w!",
        "q",
        "b:AA==",
        "b99:AA==",
        "bx:AA==",
        "w//////////////8=",
        "wgA==",
        3,
        {"a": 1},
    ],
)
def test_a_damaged_profile_is_refused(damaged: object) -> None:
    form = json.loads(Profile.of(ROWS, progress=False).to_json())
    form["columns"][0]["values"] = damaged

    with pytest.raises((pydantic.ValidationError, InvalidDataError)):
        Profile.model_validate_json(json.dumps(form))


@pytest.mark.parametrize("counts", ["AgIC", "AgM=", "AAQ="])
def test_a_profile_that_contradicts_itself_is_refused(counts: str) -> None:
    form = json.loads(Profile.of(ROWS, progress=False).to_json())
    form["columns"][0]["counts"] = counts

    with pytest.raises(pydantic.ValidationError, match="column 'k'"):
        Profile.model_validate_json(json.dumps(form))


def test_a_later_version_is_refused() -> None:
    form = {**json.loads(Profile.of(ROWS, progress=False).to_json()), "version": 3}

    with pytest.raises(pydantic.ValidationError, match="version"):
        Profile.model_validate_json(json.dumps(form))


def written_by_version_1() -> dict[str, Any]:
    """What it wrote of ROWS with a limit of two values; its counters were mostly 0."""
    texts: dict[str, Any] = {"values": [], "texts": [], "counts": [], "sketch": None, "level": 0}
    numbers = {**texts, "frequent": [], "n": 5, "n_missing": 1, "limit": 2}
    counters = [0] * 16_384
    for place, count in SKETCHED_BY_VERSION_1.items():
        counters[place] = count
    sketch = {"counters": counters, "smallest": SMALLEST_BY_VERSION_1}
    k = {"minimum": 1.0, "maximum": 2.0, "values": [1.0, 2.0], "counts": [2, 2]}
    t = {
        "minimum": 1356998400000000.0, "maximum": 1356998403000000.0, "level": 2,
        "values": [1356998400000000.0], "counts": [4],
    }  # fmt: skip
    x = {
        "minimum": -3.25, "maximum": 1.75, "level": 4, "values": [-3.25, 1.0, 1.5, 1.75],
        "counts": [1, 1, 1, 1],
    }  # fmt: skip
    s = {"minimum": None, "maximum": None, "frequent": ["a", "b", "c"], "sketch": sketch}
    columns = [
        {**numbers, "name": name, "kind": kind, **more}
        for name, kind, more in [
            ("k", "integer", k), ("s", "string", s), ("t", "datetime", t), ("x", "number", x),
        ]
    ]  # fmt: skip
    return {"n_rows": 5, "columns": columns}


SKETCHED_BY_VERSION_1 = {
    636: 2,
    2401: 1,
    3246: 1,
    4984: 1,
    5402: 2,
    6748: 1,
    10168: 2,
    10819: 1,
    11095: 1,
    12557: 1,
    14935: 2,
    15442: 1,
}
SMALLEST_BY_VERSION_1 = [2865237616951003007, 10815160636967169233, 14622088429993041224]


def test_profiles_of_version_1_are_read_and_go_on_being_merged() -> None:
    old = Profile.model_validate_json(json.dumps(written_by_version_1()))
    new = Profile.of(ROWS, limit=2, progress=False)

    for column in old.columns:
        assert column.top() == new[column.name].top(), column.name
        assert column.level == new[column.name].level
        assert column.n_distinct == new[column.name].n_distinct or column.name == "t"
    assert old["x"].merge(new["x"]).counts.tolist() == [2, 2, 2, 2]
    assert old["s"].merge(old["s"]).top(1) == {"a": 4}
    assert Profile.model_validate_json(old.to_json()) == old
    with pytest.raises(InvalidDataError, match="older version"):
        old["s"].merge(new["s"])


def test_a_profile_is_small_whatever_the_table() -> None:
    """Three columns of 200,000 distinct values: 4 bytes a bucket, 16 kB of counters."""
    rng = np.random.default_rng(0)
    n = 200_000
    rows = pl.DataFrame({"x": rng.normal(size=n), "k": range(n), "s": [f"N{i}" for i in range(n)]})

    assert len(Profile.of(rows, progress=False).to_json()) < 600_000


# --- hashes -------------------------------------------------------------------------------


def test_hashes_of_texts_are_those_of_the_reference_implementation() -> None:
    """MurmurHash64A of seed 0, as the C++ code of its author computes it."""
    expected = {
        "": 0,
        "a": 510903276987443985,
        "JFK": 3640682950348953116,
        "N14228": 3080968342823348915,
        "12345678": 8471103573108904450,
        "New York": 13711443575245645740,
        "Zürich €uro": 15779914239929230550,
        "The quick brown fox jumps over the lazy dog": 6163679885495272987,
    }

    assert dict(zip(expected, hashes_of_texts([*expected]).tolist(), strict=True)) == expected
    assert hashes_of_texts(pl.Series([*expected])).tolist() == list(expected.values())


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=20), max_size=10))
def test_a_text_has_one_hash_whatever_stands_beside_it(texts: list[str]) -> None:
    texts = [*texts, "x" * 5_000, ""]

    together = hashes_of_texts(texts)

    assert together.tolist() == [hashes_of_texts([text])[0] for text in texts]


@given(st.lists(st.integers(-(2**53), 2**53), min_size=1))
def test_whole_numbers_hash_like_the_same_numbers_as_floats(numbers: list[int]) -> None:
    whole = np.array(numbers, np.int64)

    found: npt.NDArray[np.uint64] = hashes_of_whole_numbers(whole)

    assert found.tolist() == hashes_of_numbers(whole.astype(float)).tolist()
