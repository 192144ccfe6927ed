"""A store is one folder; what is written in a transaction is there wholly or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
import sqlalchemy as sa

from mldeploy.errors import (
    AlreadyExistsError,
    IntegrityError,
    LedgerKeyError,
    StoreBusyError,
    StoreVersionError,
)
from mldeploy.store import Event, Store, tables
from mldeploy.store._schema import FORMAT

AddVersion = Callable[..., Event]
DATASET = {"fingerprint": "f", "name": "flights", "rows": 3, "json": {"a": [1, None]}}


def count(store: Store, table: sa.Table) -> int:
    with store.read() as connection:
        return int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())


def test_a_new_folder_becomes_a_store_with_one_event(tmp_path: Path) -> None:
    with Store.open(tmp_path / "deep" / "mlstore") as store:
        assert [event.kind for event in store.ledger.events()] == ["store.created"]
        assert store.verify() == ()
        assert not store.predictions.exists()


def test_a_reopened_store_holds_what_was_committed(
    tmp_path: Path, add_version: AddVersion
) -> None:
    with Store.open(tmp_path) as store:
        event = add_version(store, "late", 1)

    with Store.open(str(tmp_path)) as again:
        assert again.ledger.events(subject="late") == (event,)
        assert count(again, tables.versions) == 1
        assert again.verify() == ()


def test_a_transaction_that_raises_leaves_neither_row_nor_event(store: Store) -> None:
    head = store.ledger.head()

    with pytest.raises(KeyError), store.write() as tx:  # noqa: PT012 -- the raise is the point
        tx.connection.execute(sa.insert(tables.datasets), DATASET)
        tx.record("dataset.added", subject="flights", actor="ana")
        raise KeyError

    assert count(store, tables.datasets) == 0
    assert store.ledger.head() == head


def test_a_constraint_violation_reaches_the_caller_and_rolls_back(store: Store) -> None:
    with store.write() as tx:
        tx.connection.execute(sa.insert(tables.datasets), DATASET)

    with pytest.raises(sa.exc.IntegrityError), store.write() as tx:  # noqa: PT012 -- as above
        tx.record("dataset.added", subject="flights", actor="ana")
        tx.connection.execute(sa.insert(tables.datasets), DATASET)

    assert count(store, tables.datasets) == 1
    assert store.ledger.head().sequence == 1


def test_json_and_times_come_back_as_they_went_in(store: Store) -> None:
    when = datetime(2026, 1, 1, 1, 0, tzinfo=timezone(timedelta(hours=2)))
    row = {"id": "d", "name": "late", "number": 1, "started_at": when, "state": {"b": 1, "a": "ä"}}

    with store.write() as tx:
        tx.connection.execute(sa.insert(tables.deployments), row)
    with store.read() as connection:
        found = connection.execute(sa.select(tables.deployments)).mappings().one()

    assert found["started_at"] == when
    assert found["started_at"].utcoffset() == timedelta(0)
    assert found["state"] == {"a": "ä", "b": 1}
    assert found["stopped_at"] is None


def test_a_time_without_a_zone_is_refused(store: Store) -> None:
    row = {"id": "d", "name": "late", "number": 1, "state": {}}
    row["started_at"] = datetime(2026, 1, 1)

    with pytest.raises(sa.exc.StatementError, match="has no zone"), store.write() as tx:
        tx.connection.execute(sa.insert(tables.deployments), row)


def test_reading_connections_cannot_write(store: Store) -> None:
    with pytest.raises(OSError, match="readonly"), store.read() as connection:
        connection.execute(sa.insert(tables.datasets), DATASET)


def test_a_reader_keeps_its_snapshot_while_others_write(store: Store) -> None:
    query = sa.select(sa.func.count()).select_from(tables.datasets)
    with store.read() as connection:
        with store.write() as tx:
            tx.connection.execute(sa.insert(tables.datasets), DATASET)
        assert connection.execute(query).scalar_one() == 0
    assert count(store, tables.datasets) == 1


def test_a_second_transaction_of_the_same_thread_is_refused_not_awaited(store: Store) -> None:
    with store.write(), pytest.raises(RuntimeError, match="already writes"), store.write():
        pass
    with store.write() as tx:
        tx.record("note", subject="x", actor="ana")


def test_a_held_lock_is_reported_after_the_patience_and_forgotten_when_free(
    tmp_path: Path,
) -> None:
    with Store.open(tmp_path, patience=timedelta(milliseconds=50)) as store:
        other = sqlite3.connect(tmp_path / "store.sqlite", isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusyError, match=r"0\.05 s"), store.write():
            pass
        assert store.ledger.head().sequence == 1
        other.execute("ROLLBACK")
        other.close()
        with store.write() as tx:
            assert tx.record("note", subject="x", actor="ana").sequence == 2


def test_transactions_carry_the_time_of_the_clock(store: Store) -> None:
    with store.write() as tx:
        event = tx.record("note", subject="x", actor="ana")

    assert tx.now == event.time == datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")

    with pytest.raises(AlreadyExistsError, match="is a file"):
        Store.open(tmp_path / "f")


def test_a_url_is_refused_and_makes_no_folder_of_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ValueError, match="is a URL"):
        Store.open("postgresql+psycopg://localhost/mlstore")

    assert list(tmp_path.iterdir()) == []


def test_a_log_without_its_database_is_not_played_into_a_new_one(
    tmp_path: Path, in_child: Callable[[Callable[[], None]], int]
) -> None:
    def write_and_vanish() -> None:
        with Store.open(tmp_path).write() as tx:
            tx.record("note", subject="x", actor="ana")

    assert in_child(write_and_vanish) == 0  # it exits without closing: the log stays
    (tmp_path / "store.sqlite").rename(tmp_path / "elsewhere")

    with pytest.raises(IntegrityError, match="missing beside its log"):
        Store.open(tmp_path)

    (tmp_path / "elsewhere").rename(tmp_path / "store.sqlite")
    with Store.open(tmp_path) as store:
        assert store.ledger.head().sequence == 2
        assert store.verify() == ()


@pytest.mark.parametrize("content", [b"", b"not a database" * 100])
def test_something_else_than_a_store_is_refused_untouched(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "store.sqlite").write_bytes(content)

    with pytest.raises(IntegrityError, match=r"store\.sqlite"):
        Store.open(tmp_path)

    assert (tmp_path / "store.sqlite").read_bytes() == content


def test_a_store_of_a_newer_format_is_refused(tmp_path: Path) -> None:
    Store.open(tmp_path).close()
    database = sqlite3.connect(tmp_path / "store.sqlite")
    database.execute("UPDATE meta SET value = '99' WHERE key = 'format'")
    database.commit()
    database.close()

    with pytest.raises(StoreVersionError, match="format 99") as caught:
        Store.open(tmp_path)

    assert caught.value.found == 99


def test_a_store_of_an_older_format_is_migrated_with_an_event(
    tmp_path: Path, add_version: AddVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(tmp_path) as store:
        add_version(store, "late", 1)

    def add_column(connection: sa.Connection) -> None:
        connection.exec_driver_sql("ALTER TABLE datasets ADD COLUMN origin TEXT")

    monkeypatch.setattr("mldeploy.store._store.FORMAT", FORMAT + 1)
    monkeypatch.setattr("mldeploy.store._store.MIGRATIONS", {FORMAT: add_column})
    Store.open(tmp_path).close()
    with Store.open(tmp_path) as again:
        assert [event.kind for event in again.ledger.events()][-1:] == ["store.migrated"]
        with again.read() as connection:
            assert connection.exec_driver_sql("SELECT origin FROM datasets").all() == []
        assert again.verify() == ()


def test_a_store_of_the_first_format_gains_the_tables_of_the_catalogue(
    tmp_path: Path, add_version: AddVersion
) -> None:
    names = ("catalogue", "dataset_versions", "readings")
    with Store.open(tmp_path) as store:
        event = add_version(store, "late", 1)
    with sqlite3.connect(tmp_path / "store.sqlite") as database:
        for name in names:
            database.execute(f"DROP TABLE {name}")
        database.execute("UPDATE meta SET value = '1' WHERE key = 'format'")
    database.close()

    with Store.open(tmp_path) as again:
        assert [count(again, getattr(tables, name)) for name in names] == [0, 0, 0]
        assert again.ledger.events(subject="late") == (event,)
        assert again.verify() == ()


def test_a_migration_that_fails_leaves_the_old_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store.open(tmp_path).close()

    def fail(connection: sa.Connection) -> None:
        connection.exec_driver_sql("ALTER TABLE datasets ADD COLUMN origin TEXT")
        raise ArithmeticError

    with monkeypatch.context() as patch:
        patch.setattr("mldeploy.store._store.FORMAT", FORMAT + 1)
        patch.setattr("mldeploy.store._store.MIGRATIONS", {FORMAT: fail})
        with pytest.raises(ArithmeticError):
            Store.open(tmp_path)
    with Store.open(tmp_path) as store, store.read() as connection:
        columns = connection.exec_driver_sql("PRAGMA table_info(datasets)").all()

    assert "origin" not in [column[1] for column in columns]


def test_a_keyed_ledger_takes_no_event_without_its_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLDEPLOY_LEDGER_KEY", "secret")
    with Store.open(tmp_path) as store:
        assert store.verify() == ()
    monkeypatch.delenv("MLDEPLOY_LEDGER_KEY")

    with Store.open(tmp_path) as store:
        assert len(store.ledger.events()) == 1
        with pytest.raises(LedgerKeyError, match="no key was given"), store.write() as tx:
            tx.record("note", subject="x", actor="eve")
        with pytest.raises(LedgerKeyError):
            store.verify()
    with Store.open(tmp_path, ledger_key=b"other") as store, pytest.raises(LedgerKeyError):
        store.verify()


def test_a_folder_with_odd_characters_is_a_folder_like_any_other(tmp_path: Path) -> None:
    with Store.open(tmp_path / "a b?c#d%20ü") as store:
        with store.write() as tx:
            tx.record("note", subject="x", actor="ana")
        assert store.verify() == ()
    assert [path.name for path in tmp_path.iterdir()] == ["a b?c#d%20ü"]


def test_labels_are_found_by_prediction_through_an_index(store: Store) -> None:
    labels = tables.labels
    query = "EXPLAIN QUERY PLAN SELECT * FROM labels WHERE prediction_id = 'a'"
    with store.read() as connection:
        plan = connection.exec_driver_sql(query).all()
    assert "labels_prediction" in str(plan)

    row = {"deployment": "d", "value": True, "received_at": datetime.now(UTC), "revision": 0}
    with pytest.raises(sa.exc.IntegrityError, match="labels_target"), store.write() as tx:
        tx.connection.execute(sa.insert(labels), row)


def test_rows_that_cannot_be_sealed_are_refused(store: Store) -> None:
    misuse: dict[str, dict[str, object]] = {
        "not sealed": {"rows": [(tables.datasets, {"fingerprint": "f"})]},
        "not a primary key": {"rows": [(tables.versions, {"name": "late"})]},
        "may not hold 'rows'": {"details": {"rows": []}},
    }
    for message, arguments in misuse.items():
        with pytest.raises(ValueError, match=message), store.write() as tx:
            tx.record("note", subject="x", actor="ana", **arguments)  # type: ignore[arg-type]

    assert store.ledger.head().sequence == 1
