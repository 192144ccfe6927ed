"""Tables of a database are scored in the order of their key, and appear whole."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import sqlalchemy as sa

from mldeploy.errors import (
    AlreadyExistsError,
    InvalidDataError,
    JobChangedError,
    JobUnfinishedError,
)
from mldeploy.model import Model
from mldeploy.serving import BulkSummary, MemoryLog, SqlTable, score_table


@pytest.fixture(scope="module")
def model(make_model: Callable[..., Model]) -> Model:
    return make_model()


def table(n: int = 500) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "id": rng.permutation(n),
            "wind": rng.gamma(2.0, 5.0, n),
            "hour": rng.integers(5, 24, n),
            "carrier": rng.choice(["AA", "UA", "B6"], n),
            "score": rng.random(n),
        }
    )


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database with 500 flights, in no order, whose key is their number."""
    address = f"sqlite:///{tmp_path / 'rows.sqlite'}"
    flights = sa.Table(
        "flights",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        *(sa.Column(name, sa.Float) for name in ("wind", "score")),
        sa.Column("hour", sa.Integer),
        sa.Column("carrier", sa.Text),
    )
    engine = sa.create_engine(address)
    flights.create(engine)
    with engine.begin() as connection:
        connection.execute(sa.insert(flights), table().to_dicts())
    engine.dispose()
    return address


def run_sql(url: str, statement: str) -> list[Any]:
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    with engine.begin() as connection:
        found = connection.execute(sa.text(statement))
        return list(found.all()) if found.returns_rows else []


def quietly(source: Any, target: Any, model: Model, **settings: Any) -> BulkSummary:
    return score_table(source, target, model, progress=False, **settings)


def test_rows_come_in_the_order_of_their_primary_key(
    url: str, tmp_path: Path, model: Model
) -> None:
    quietly(
        SqlTable(url=url, table="flights"), tmp_path / "out.parquet", model,
        keep=["id"], piece_rows=70,
    )  # fmt: skip

    answers, rows = pl.read_parquet(tmp_path / "out.parquet"), table().sort("id")
    assert answers["id"].to_list() == list(range(500))
    np.testing.assert_allclose(answers["score"].to_numpy(), model.score(rows))


@pytest.mark.parametrize("order", [("id",), ("carrier", "id")])
def test_a_query_says_by_what_its_rows_are_ordered(
    url: str, tmp_path: Path, model: Model, order: tuple[str, ...]
) -> None:
    query = "SELECT * FROM flights WHERE carrier <> 'AA'"

    quietly(
        SqlTable(url=url, query=query, order_by=order), tmp_path / "out.parquet", model,
        keep=["carrier", "id"], piece_rows=50,
    )  # fmt: skip

    answers = pl.read_parquet(tmp_path / "out.parquet")
    expected = table().filter(pl.col("carrier") != "AA").sort(order)
    assert answers["id"].to_list() == expected["id"].to_list()


def test_answers_appear_as_a_table_only_when_all_are_there(url: str, model: Model) -> None:
    seen: list[bool] = []

    class Watching:
        dropped = 0

        def write(self, batch: object) -> None:
            names = {name for (name,) in run_sql(url, "SELECT name FROM sqlite_master")}
            seen.append("answers" in names)

        def flush(self, timeout: object = None) -> None: ...

        def close(self) -> None: ...

    quietly(
        SqlTable(url=url, table="flights"), SqlTable(url=url, table="answers"), model,
        key="id", log=Watching(), piece_rows=100,
    )  # fmt: skip

    assert seen == [False] * 5
    keys = run_sql(url, "SELECT key FROM answers ORDER BY rowid")
    assert [key for (key,) in keys] == [str(i) for i in range(500)]
    assert run_sql(url, "SELECT target, next_row, answered, finished FROM mldeploy_jobs") == [
        ("answers", 500, 500, 1)
    ]


class Stop:
    """A log that is told to end with the fourth batch."""

    dropped, n = 0, 0

    def write(self, batch: object) -> None:
        self.n += 1
        if self.n == 4:
            raise KeyboardInterrupt

    def flush(self, timeout: object = None) -> None: ...

    def close(self) -> None: ...


def test_an_interrupted_job_is_resumed_by_its_note(url: str, model: Model) -> None:
    source, target = SqlTable(url=url, table="flights"), SqlTable(url=url, table="answers")
    settings: dict[str, Any] = {"key": "id", "piece_rows": 100}
    with pytest.raises(KeyboardInterrupt):
        quietly(source, target, model, log=Stop(), **settings)

    with pytest.raises(JobUnfinishedError):
        quietly(source, target, model, log=MemoryLog(), **settings)
    run_sql(url, "INSERT INTO flights VALUES (9999, 1, 0.5, 7, 'AA')")
    with pytest.raises(JobChangedError, match="another input"):
        quietly(source, target, model, log=MemoryLog(), resume=True, **settings)
    run_sql(url, "DELETE FROM flights WHERE id = 9999")
    summary = quietly(source, target, model, log=MemoryLog(), resume=True, **settings)

    assert summary.resumed_rows == 300
    assert run_sql(url, "SELECT count(*), count(DISTINCT key) FROM answers") == [(500, 500)]
    with pytest.raises(AlreadyExistsError):
        quietly(source, target, model, log=MemoryLog(), **settings)


def test_an_order_that_several_rows_share_is_found_out(
    url: str, tmp_path: Path, model: Model
) -> None:
    shared = SqlTable(url=url, table="flights", order_by=("carrier",))

    with pytest.raises(InvalidDataError, match="order_by must be unique"):
        quietly(shared, tmp_path / "out.parquet", model, piece_rows=100)


def test_what_is_no_table_is_told(url: str, tmp_path: Path, model: Model) -> None:
    run_sql(url, "CREATE TABLE loose (wind REAL, hour INTEGER, carrier TEXT, score REAL)")
    out = tmp_path / "out.parquet"

    with pytest.raises(InvalidDataError, match="cannot be read"):
        quietly(SqlTable(url=url, table="nothing"), out, model)
    with pytest.raises(InvalidDataError, match="has no primary key"):
        quietly(SqlTable(url=url, table="loose"), out, model)
    with pytest.raises(InvalidDataError, match="no column 'nix' to order"):
        quietly(SqlTable(url=url, table="flights", order_by=("nix",)), out, model)
    with pytest.raises(ValueError, match="one of them"):
        SqlTable(url=url)
    with pytest.raises(ValueError, match="order_by="):
        SqlTable(url=url, query="SELECT 1")
    with pytest.raises(InvalidDataError, match="no address"):
        SqlTable(url="what", table="x")
    flights, asked = (
        SqlTable(url=url, table="flights"),
        SqlTable(url=url, query="SELECT 1", order_by=("x",)),
    )
    with pytest.raises(InvalidDataError, match="name a table to write"):
        quietly(flights, asked, model)


def test_an_empty_table_makes_an_empty_table(url: str, model: Model) -> None:
    run_sql(url, "DELETE FROM flights")

    quietly(
        SqlTable(url=url, table="flights"), SqlTable(url=url, table="answers"), model, key="id"
    )

    assert run_sql(url, "SELECT * FROM answers") == []


def test_times_numbers_and_lists_survive_the_way_in_and_out(
    url: str, tmp_path: Path, make_model: Callable[..., Model], flights: Any
) -> None:
    several = make_model(target=np.array(["x", "y", "z"])[np.arange(len(flights)) % 3])
    when = datetime(2013, 4, 1, 12, tzinfo=UTC)
    rows = table(3).with_columns(when=pl.lit(when), ratio=pl.lit(0.25), big=pl.lit(2**40))
    rows.write_parquet(tmp_path / "in.parquet")

    quietly(
        tmp_path / "in.parquet", SqlTable(url=url, table="answers"), several,
        keep=["when", "ratio", "big"],
    )  # fmt: skip

    found = run_sql(url, "SELECT ratio, big, score FROM answers")
    assert [row[:2] for row in found] == [(0.25, 2**40)] * 3
    scores = several.score(rows)
    assert scores is not None
    np.testing.assert_allclose([json.loads(row[2]) for row in found], scores)


def test_numbers_of_fixed_precision_are_read_as_numbers() -> None:
    from mldeploy.serving._bulk_sql import _frame

    frame = _frame([(Decimal("1.5"), None, b"x"), (None, 2, b"y")], ("a", "b", "c"))

    assert frame.rows() == [(1.5, None, b"x"), (None, 2, b"y")]


def test_a_password_is_never_shown() -> None:
    place = SqlTable(url="postgresql://me:secret@host/db", table="t")

    assert "secret" not in f"{place} {place!r}"
    assert SqlTable.parse("rows.parquet") is None
    assert SqlTable.parse("s3://bucket/rows.parquet") is None
    assert SqlTable.parse("sqlite:///x.db#flights") == SqlTable(
        url="sqlite:///x.db", table="flights"
    )
