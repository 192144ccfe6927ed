"""The catalogue keeps what is known of data, and who did what to it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
import sqlalchemy as sa

from mldeploy.data import (
    AccessRule,
    Catalogue,
    Dataset,
    FileSource,
    FrameSource,
    Schema,
    fingerprint_of,
    rows_of,
)
from mldeploy.errors import AccessDeniedError, IntegrityError, InvalidDataError, NotFoundError
from mldeploy.store import Store, tables

START = datetime(2026, 1, 1, tzinfo=UTC)


def flights(n: int = 40) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "at": [START + timedelta(hours=h) for h in range(n)],
            "origin": ["JFK", "LGA", None, "JFK"] * (n // 4),
            "passenger": [f"Person {i}" for i in range(n)],
            "delay": [0.5 * h for h in range(n)],
            "seats": range(n),
            "late": [h % 3 == 0 for h in range(n)],
            "day": [(START + timedelta(days=h)).date() for h in range(n)],
        }
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "mlstore") as opened:
        yield opened


@pytest.fixture
def catalogue(store: Store) -> Catalogue:
    found = Catalogue(store)
    found.describe(
        "flights",
        description="Departures from New York, a row for each.",
        owner="ops@example.org",
        licence="CC0-1.0",
        tags=["nyc", "aviation"],
        access=AccessRule(readers=("ana", "*@example.org"), condition="Not for marketing."),
        by="ana",
    )
    return found


def kinds(store: Store) -> list[str]:
    return [event.kind for event in store.ledger.events()]


def test_a_version_says_what_was_added_and_the_ledger_who_added_it(
    catalogue: Catalogue, store: Store
) -> None:
    data = Dataset.of(flights(), target="late", time="at", sensitive=["origin"])

    version = catalogue.add(data, name="flights", by="ana", made_by="etl.py at 1f0c")

    assert (version.label, version.n_rows) == ("flights:1", 40)
    assert version.fingerprint == data.fingerprint == fingerprint_of(flights())
    assert version.roles == data.roles
    assert catalogue.get("flights") == catalogue.get("flights", 1) == version
    assert catalogue.find(data.fingerprint) == (version,)
    assert catalogue.profile(version)["delay"].maximum == 19.5
    assert kinds(store) == ["store.created", "catalogue.described", "dataset.added"]
    assert store.verify() == ()


def test_the_schema_of_a_version_is_that_of_its_rows(catalogue: Catalogue) -> None:
    """Read in parts or at once: types, ranges and categories are the same."""
    table = flights().with_columns(
        span=pl.lit(timedelta(minutes=90)), kind=pl.lit("jet").cast(pl.Enum(["jet", "prop"]))
    )
    expected = Schema.infer(table)

    version = catalogue.add(FrameSource.of(table, batch_rows=7), name="flights", by="ana")

    for found, wanted in zip(catalogue.schema(version).columns, expected.columns, strict=True):
        for fact in ("name", "kind", "nullable", "minimum", "maximum", "categories", "closed"):
            assert getattr(found, fact) == getattr(wanted, fact), (found.name, fact)
        assert found.dtype == wanted.dtype


def test_the_same_data_are_the_same_version_and_other_data_the_next(
    catalogue: Catalogue, store: Store
) -> None:
    first = catalogue.add(flights(), name="flights", by="ana")
    again = catalogue.add(flights().reverse(), name="flights", by="bo")
    second = catalogue.add(flights(44), name="flights", by="bo")

    assert again == first
    assert [version.number for version in catalogue.versions("flights")] == [1, 2]
    assert catalogue.get("flights") == second


def test_nothing_is_added_under_a_name_that_nobody_has_described(catalogue: Catalogue) -> None:
    with pytest.raises(NotFoundError, match=r"catalogue\.describe"):
        catalogue.add(flights(), name="weather", by="ana")


@pytest.mark.parametrize("wrong", [{"name": "a:b"}, {"name": ""}, {"owner": " "}, {"by": ""}])
def test_what_nobody_could_answer_for_is_refused(
    catalogue: Catalogue, store: Store, wrong: dict[str, str]
) -> None:
    said = {"name": "weather", "description": "Hourly.", "owner": "met", "by": "ana"} | wrong
    head = store.ledger.head()

    with pytest.raises(InvalidDataError):
        catalogue.describe(said.pop("name"), **said)
    assert store.ledger.head() == head


def test_what_is_said_can_be_said_anew(catalogue: Catalogue, store: Store) -> None:
    catalogue.describe("flights", description="All of them.", owner="data@example.org", by="bo")

    assert catalogue.entry("flights").owner == "data@example.org"
    assert catalogue.names() == ("flights",)
    assert [e.actor for e in store.ledger.events(subject="flights")] == ["ana", "bo"]
    assert store.verify() == ()


def test_lineage_goes_over_all_steps_both_ways(catalogue: Catalogue) -> None:
    for name in ("weather", "joined", "features"):
        catalogue.describe(name, description="Made.", owner="ops", by="ana")
    raw = catalogue.add(flights(), name="flights", by="ana")
    weather = catalogue.add(flights(8), name="weather", by="ana")
    joined = catalogue.add(
        flights(12), name="joined", by="ana", made_from=[raw, weather], made_by="join.py"
    )
    features = catalogue.add(flights(16), name="features", by="ana", made_from=[joined, raw])

    assert set(catalogue.lineage(features).ancestors) == {"flights:1", "weather:1", "joined:1"}
    assert catalogue.lineage(weather).descendants == ("joined:1", "features:1")
    assert "weather:1 -> joined:1 (join.py)" in str(catalogue.lineage(features))
    with pytest.raises(NotFoundError):
        catalogue.add(
            flights(20), name="features", by="ana",
            made_from=[raw.model_copy(update={"fingerprint": "0" * 64})],
        )  # fmt: skip


def test_search_finds_what_has_every_word_and_the_likeliest_first(catalogue: Catalogue) -> None:
    catalogue.describe(
        "weather_hourly", description="Wind at airports, for flights.", owner="met", by="ana"
    )
    catalogue.add(pl.DataFrame({"wind_speed": [1.0]}), name="weather_hourly", by="ana")

    assert [found.name for found in catalogue.search("flights")] == ["flights", "weather_hourly"]
    assert [found.name for found in catalogue.search("SPEED wind")] == ["weather_hourly"]
    assert catalogue.search("speed")[0].because == ("column",)
    assert [found.name for found in catalogue.search(tags=["nyc"])] == ["flights"]
    assert [found.name for found in catalogue.search(owner="met")] == ["weather_hourly"]
    assert [found.name for found in catalogue.search(column="wind_speed")] == ["weather_hourly"]
    assert catalogue.search("flights moon") == ()
    assert len(catalogue.search()) == 2


def test_only_those_whom_the_rule_allows_may_open_and_the_ledger_keeps_who_asked(
    catalogue: Catalogue, store: Store, tmp_path: Path
) -> None:
    flights().write_parquet(tmp_path / "flights.parquet")
    source = FileSource(pattern=str(tmp_path / "flights.parquet"), time="at")
    version = catalogue.add(source, name="flights", by="ana")

    opened = catalogue.open(version, by="bo@example.org", reason="a report")
    with pytest.raises(AccessDeniedError, match="eve may not read flights:1") as caught:
        catalogue.open(version, by="eve")

    assert rows_of(opened).equals(flights())
    assert rows_of(opened.between(None, START + timedelta(hours=2))).height == 2
    assert caught.value.readers == ("ana", "*@example.org")
    assert kinds(store)[-2:] == ["dataset.opened", "dataset.refused"]


def test_files_that_changed_are_not_opened_for_the_version_that_they_were(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    flights().write_csv(folder / "a.csv")
    version = catalogue.add(folder, name="flights", by="ana")
    assert rows_of(catalogue.open(version, by="ana")).height == 40

    flights(44).write_csv(folder / "a.csv")

    with pytest.raises(InvalidDataError, match="not the file that was found before"):
        rows_of(catalogue.open(version, by="ana"))


def test_data_that_were_added_from_memory_cannot_be_opened(catalogue: Catalogue) -> None:
    version = catalogue.add(flights(), name="flights", by="ana")

    with pytest.raises(NotFoundError, match="does not know where"):
        catalogue.open(version, by="ana")


def test_a_version_that_is_withdrawn_is_neither_the_latest_nor_opened(
    catalogue: Catalogue, store: Store
) -> None:
    first = catalogue.add(flights(), name="flights", by="ana")
    second = catalogue.add(flights(44), name="flights", by="ana")

    gone = catalogue.withdraw(second, by="ana", reason="hours were shifted")

    assert gone.is_withdrawn
    assert catalogue.get("flights") == first
    assert catalogue.get("flights", 2) == gone
    assert catalogue.add(flights(44), name="flights", by="ana").number == 3
    with pytest.raises(NotFoundError, match="withdrawn"):
        catalogue.open(gone, by="ana")
    with pytest.raises(NotFoundError):
        catalogue.get("flights", 9)
    assert store.verify() == ()


def test_a_version_that_was_edited_behind_the_ledgers_back_is_noticed(
    catalogue: Catalogue, store: Store
) -> None:
    catalogue.add(flights(), name="flights", by="ana")
    with store.write() as tx:
        tx.connection.execute(sa.update(tables.dataset_versions).values(rows=41))

    with pytest.raises(IntegrityError):
        catalogue.get("flights")
    assert [damage.kind for damage in store.verify()] == ["row"]


def test_a_crash_between_profile_and_commit_leaves_no_half_version(
    catalogue: Catalogue, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    class KilledError(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise KilledError

    with monkeypatch.context() as patch:
        patch.setattr("mldeploy.store._transaction.Transaction.record", die)
        with pytest.raises(KilledError):
            catalogue.add(flights(), name="flights", by="ana")

    assert catalogue.versions("flights") == ()
    assert store.verify() == ()


def test_the_sheet_shows_no_sensitive_value_and_no_name_that_few_rows_have(
    catalogue: Catalogue,
) -> None:
    data = Dataset.of(flights(), target="late", sensitive=["origin"])
    catalogue.describe("flights", description="<script>alert(1)</script>", owner="a|b", by="ana")

    sheet = catalogue.sheet(catalogue.add(data, name="flights", by="ana"))

    for text in (sheet.to_markdown(), sheet.to_html(), sheet._repr_html_()):
        assert "JFK" not in text
        assert "Person 1" not in text
        assert "<script" not in text
        assert "0 to 19.5" in text
        assert data.fingerprint in text
    assert sheet.title == "flights:1"


def test_croissant_names_files_types_and_where_columns_come_from(
    catalogue: Catalogue, tmp_path: Path
) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for number in range(2):
        flights().slice(number * 20, 20).write_parquet(folder / f"{number}.parquet")
    sheet = catalogue.sheet(catalogue.add(folder, name="flights", by="ana"))

    told = json.loads(json.dumps(sheet.to_croissant(url="https://example.org/flights")))

    assert told["license"] == "https://spdx.org/licenses/CC0-1.0.html"
    assert [item["@id"] for item in told["distribution"]] == ["0.parquet", "1.parquet", "files"]
    fields = {f["name"]: f["dataType"] for f in told["recordSet"][0]["field"]}
    assert fields["at"] == "sc:DateTime"
    assert fields["late"] == "sc:Boolean"
    elsewhere = sheet.to_croissant(files={"0.parquet": "https://example.org/0.parquet"})
    assert len(elsewhere["recordSet"]) == 2
    with pytest.raises(InvalidDataError, match=r"no file 2\.parquet"):
        sheet.to_croissant(files={"2.parquet": "https://example.org/2.parquet"})
