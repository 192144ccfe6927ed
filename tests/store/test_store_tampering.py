"""What was changed behind the store's back is found by `verify`, and refused by whoever reads."""

from __future__ import annotations

import hashlib
import json
import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from mldeploy._record import canonical_json, sha256_hex
from mldeploy.errors import IntegrityError, LedgerKeyError, NotFoundError
from mldeploy.store import Event, Head, Store, tables

AddVersion = Callable[..., Event]
Tamper = Callable[[Path], None]

KEY = b"held by the auditor"
A, B = sha256_hex(b"model a"), sha256_hex(b"model b")


def sql(*statements: str) -> Tamper:
    def tamper(root: Path) -> None:
        with closing(sqlite3.connect(root / "store.sqlite")) as database:
            for statement in statements:
                database.execute(statement)
            database.commit()

    return tamper


def artifact_path(root: Path, digest: str) -> Path:
    return root / "artifacts" / digest[:2] / digest[2:]


def flip(path: Path, position: int) -> None:
    content = bytearray(path.read_bytes())
    content[position] ^= 1
    path.write_bytes(content)


def swap_artifacts(root: Path) -> None:
    a, b = artifact_path(root, A), artifact_path(root, B)
    content = a.read_bytes()
    a.write_bytes(b.read_bytes())
    b.write_bytes(content)


def break_database(root: Path) -> None:
    path = root / "store.sqlite"
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 3)
        file.write(b"\xff" * (size // 2))


def edit_and_rehash(root: Path) -> None:
    """Edit an event, then recompute every hash after it, as whoever knows the code can."""
    with closing(sqlite3.connect(root / "store.sqlite")) as database:
        columns = ["sequence", "time", "kind", "subject", "actor", "details", "previous"]
        query = f"SELECT {', '.join(columns)} FROM ledger ORDER BY sequence"
        previous = "0" * 64
        for row in database.execute(query).fetchall():
            fields = dict(zip(columns, row, strict=True))
            fields["details"] = json.loads(fields["details"])
            fields["time"] = fields["time"].replace("+00:00", "Z").replace(".000000", "")
            fields["actor"] = "eve" if fields["sequence"] == 2 else fields["actor"]
            fields["previous"] = previous
            previous = hashlib.sha256(canonical_json(fields)).hexdigest()
            update = "UPDATE ledger SET actor = ?, previous = ?, hash = ? WHERE sequence = ?"
            values = (fields["actor"], fields["previous"], previous, fields["sequence"])
            database.execute(update, values)
        database.commit()


SWAP_EVENTS = (
    "UPDATE ledger SET sequence = 99 WHERE sequence = 2",
    "UPDATE ledger SET sequence = 2 WHERE sequence = 3",
    "UPDATE ledger SET sequence = 3 WHERE sequence = 99",
)
COPY_EVENT = "INSERT INTO ledger SELECT 6, time, kind, subject, actor, details, hash, hash"
SET_VERSION_A = "UPDATE versions SET {} WHERE name = 'a'"

EVENTS: dict[str, Tamper] = {
    "edit the actor of an event": sql("UPDATE ledger SET actor = 'eve' WHERE sequence = 2"),
    "edit the time of an event": sql(
        "UPDATE ledger SET time = '2020-01-01T00:00:00.000000+00:00' WHERE sequence = 2"
    ),
    "edit the details of an event": sql("UPDATE ledger SET details = '{}' WHERE sequence = 2"),
    "edit the hash of an event": sql("UPDATE ledger SET hash = previous WHERE sequence = 2"),
    "write nonsense into an event": sql("UPDATE ledger SET details = '[1]' WHERE sequence = 2"),
    "write no JSON into an event": sql("UPDATE ledger SET details = 'x' WHERE sequence = 2"),
    "write no time into an event": sql("UPDATE ledger SET time = 'x' WHERE sequence = 2"),
    "delete an event": sql("DELETE FROM ledger WHERE sequence = 2"),
    "delete an event and close the gap": sql(
        "DELETE FROM ledger WHERE sequence = 2",
        "UPDATE ledger SET sequence = sequence - 1 WHERE sequence > 2",
    ),
    "insert an event": sql(COPY_EVENT + " FROM ledger WHERE sequence = 5"),
    "swap two events": sql(*SWAP_EVENTS),
    "delete the first event": sql("DELETE FROM ledger WHERE sequence = 1"),
}
ROWS: dict[str, Tamper] = {
    "edit the author of a version": sql(SET_VERSION_A.format("created_by = 'eve'")),
    "point a version to another bundle": sql(SET_VERSION_A.format(f"bundle_digest = '{B}'")),
    "edit the details of a version": sql(SET_VERSION_A.format("details = '{}'")),
    "undelete or delete a version": sql(SET_VERSION_A.format("deleted_at = created_at")),
    "renumber a version": sql(SET_VERSION_A.format("number = 7")),
    "insert a version": sql(
        "INSERT INTO versions SELECT 'a', 2, bundle_digest, model_digest, problem_digest, "
        "data_fingerprint, report_digest, created_at, created_by, details, deleted_at "
        "FROM versions WHERE name = 'a'"
    ),
    "insert an alias": sql(
        "INSERT INTO aliases VALUES ('a', 'x', 1, '2026-01-01T00:00:00.000000+00:00')"
    ),
    "move an alias": sql("UPDATE aliases SET number = 2"),
    "write no JSON into a version": sql(SET_VERSION_A.format("details = 'x'")),
}
FILES: dict[str, Tamper] = {
    "flip the first bit of an artifact": lambda root: flip(artifact_path(root, A), 0),
    "flip the last bit of an artifact": lambda root: flip(artifact_path(root, A), -1),
    "truncate an artifact": lambda root: artifact_path(root, A).write_bytes(b""),
    "extend an artifact": lambda root: artifact_path(root, A).write_bytes(b"model a\n"),
    "swap two artifacts": swap_artifacts,
    "replace an artifact": lambda root: artifact_path(root, A).write_bytes(b"model b"),
    "remove an artifact": lambda root: artifact_path(root, A).unlink(),
}
OTHER: dict[str, Tamper] = {
    "delete the seal of a version": sql("DELETE FROM seals WHERE sequence = 2"),
    "point a seal to another event": sql("UPDATE seals SET sequence = 3 WHERE sequence = 2"),
    "delete the whole ledger": sql("DELETE FROM ledger"),
    "delete a version": sql("DELETE FROM versions WHERE name = 'a'"),
    "delete an alias": sql("DELETE FROM aliases"),
    "remove a file of a directory": lambda root: artifact_path(root, sha256_hex(b"f")).unlink(),
    "overwrite pages of the database": break_database,
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory, add_version: AddVersion) -> Path:
    """Five events: created, two versions, an alias, a note; and a directory besides."""
    root = tmp_path_factory.mktemp("template") / "mlstore"
    folder = tmp_path_factory.mktemp("folder") / "folder"
    folder.mkdir()
    (folder / "f").write_bytes(b"f")
    with Store.open(root) as store:
        add_version(store, "a", 1, b"model a")
        add_version(store, "b", 1, b"model b")
        with store.write() as tx:
            row = {"name": "a", "alias": "champion", "number": 1, "since": tx.now}
            tx.connection.execute(sa.insert(tables.aliases), row)
            rows = [(tables.aliases, {"name": "a", "alias": "champion"})]
            tx.record("alias.moved", subject="a", actor="ana", rows=rows)
        with store.write() as tx:
            tx.record("note", subject="a", actor="ana", details={"text": "reviewed"})
        store.artifacts.put_directory(folder)
        assert store.verify() == ()
    return root


@pytest.fixture
def filled(template: Path, tmp_path: Path) -> Path:
    return shutil.copytree(template, tmp_path / "mlstore")


@pytest.mark.parametrize("name", [*EVENTS, *ROWS, *FILES, *OTHER])
def test_tampering_is_found(filled: Path, name: str) -> None:
    tampering = {**EVENTS, **ROWS, **FILES, **OTHER}[name]
    tampering(filled)

    try:
        with Store.open(filled) as store:
            damages = store.verify()
    except IntegrityError:
        assert name == "overwrite pages of the database"  # the others still open
    else:
        assert damages != ()


@pytest.mark.parametrize("name", EVENTS)
def test_a_tampered_ledger_is_not_read(filled: Path, name: str) -> None:
    """Deleting the first event is seen by `verify` alone: the rest is read as a part of it."""
    if name == "delete the first event":
        return
    EVENTS[name](filled)

    with Store.open(filled) as store, pytest.raises(IntegrityError, match=r"ledger|database"):
        store.ledger.events()


@pytest.mark.parametrize("name", ROWS)
def test_a_tampered_row_is_not_read(filled: Path, name: str) -> None:
    ROWS[name](filled)

    def read_all(store: Store) -> None:
        with store.read() as connection:
            for table in (tables.versions, tables.aliases):
                for row in connection.execute(sa.select(table)).mappings():
                    store.ledger.check_row(connection, table, row)

    with Store.open(filled) as store, pytest.raises(IntegrityError):
        read_all(store)


@pytest.mark.parametrize("name", FILES)
def test_a_tampered_artifact_is_not_read(filled: Path, name: str) -> None:
    FILES[name](filled)

    with Store.open(filled) as store, pytest.raises((IntegrityError, NotFoundError)):
        store.artifacts.read_bytes(A)


def test_untouched_rows_are_read(filled: Path) -> None:
    with Store.open(filled) as store, store.read() as connection:
        rows = connection.execute(sa.select(tables.versions)).mappings().all()
        for row in rows:
            store.ledger.check_row(connection, tables.versions, row)

    assert len(rows) == 2


def test_a_row_that_was_deleted_with_an_event_is_no_damage_but_its_return_is(filled: Path) -> None:
    with Store.open(filled) as store:
        with store.write() as tx:
            tx.connection.execute(sa.delete(tables.aliases))
            rows = [(tables.aliases, {"name": "a", "alias": "champion"})]
            tx.record("alias.removed", subject="a", actor="ana", rows=rows)
        assert store.verify() == ()

    ROWS["insert an alias"](filled)
    sql("UPDATE aliases SET alias = 'champion'")(filled)
    with Store.open(filled) as store:
        assert ["deleted" in str(damage) for damage in store.verify()] == [True]


@pytest.mark.parametrize("key", [None, KEY])
@pytest.mark.parametrize("cut", ["truncate", "older copy", "empty"])
def test_a_head_kept_elsewhere_betrays_a_shorter_history(
    tmp_path: Path, add_version: AddVersion, key: bytes | None, cut: str
) -> None:
    root, copy, kept = tmp_path / "mlstore", tmp_path / "copy", tmp_path / "head.json"
    with Store.open(root, ledger_key=key) as store, store.write() as tx:
        tx.record("note", subject="first", actor="ana")
    shutil.copytree(root, copy)
    with Store.open(root, ledger_key=key) as store:
        with store.write() as tx:
            tx.record("note", subject="second", actor="ana")
        store.ledger.export_head(kept)
    head = Head.model_validate_json(kept.read_bytes())

    if cut == "truncate":
        sql("DELETE FROM ledger WHERE sequence = 3")(root)
    elif cut == "empty":
        sql("DELETE FROM ledger")(root)
    else:
        root = copy

    with Store.open(root, ledger_key=key) as store:
        assert "truncated or rewritten" in str(store.verify(known_head=head)[-1])
        if cut != "empty":
            assert store.verify() == ()  # alone, the chain cannot know


def test_a_known_head_is_still_held_after_further_events(store: Store) -> None:
    head = store.ledger.head()
    with store.write() as tx:
        tx.record("note", subject="x", actor="ana")

    assert store.ledger.verify(head) == ()
    assert store.ledger.verify(Head(sequence=0, hash="0" * 64)) == ()
    assert store.ledger.verify(Head(sequence=1, hash="f" * 64)) != ()


def test_without_a_key_a_recomputed_chain_passes_except_against_a_known_head(
    tmp_path: Path,
) -> None:
    """What the docstring of `Ledger` says that an unkeyed chain does not prove."""
    with Store.open(tmp_path) as store:
        with store.write() as tx:
            tx.record("note", subject="x", actor="ana")
        head = store.ledger.head()
    edit_and_rehash(tmp_path)

    with Store.open(tmp_path) as store:
        assert store.ledger.events()[1].actor == "eve"
        assert store.verify() == ()
        assert store.verify(known_head=head) != ()


def test_with_a_key_a_recomputed_chain_is_found(tmp_path: Path) -> None:
    with Store.open(tmp_path, ledger_key=KEY) as store, store.write() as tx:
        tx.record("note", subject="x", actor="ana")
    edit_and_rehash(tmp_path)

    with Store.open(tmp_path, ledger_key=KEY) as store:
        assert store.verify() != ()
        with pytest.raises(IntegrityError):
            store.ledger.events()
    sql("UPDATE meta SET value = '' WHERE key = 'ledger_key_id'")(tmp_path)
    with Store.open(tmp_path, ledger_key=KEY) as store, pytest.raises(LedgerKeyError):
        store.verify()
