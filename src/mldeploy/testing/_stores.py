"""The kit of stores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from mldeploy.errors import IntegrityError, NotFoundError
from mldeploy.store import JsonValue, Store, tables
from mldeploy.testing._conformance import Conformance
from mldeploy.testing._rules import at_once

OpenStore = Callable[[], Store]


class _CancelledError(Exception):
    """What a caller raises to give a transaction up."""


class StoreConformance(Conformance, kit=True):
    """Subclass as ``TestYourStore`` and define the `store` fixture: what opens a store.

    `store()` opens one and the same place each time, empty when the test begins, and answers
    with a `Store` of its own; each is closed.
    """

    @pytest.fixture
    def store(self) -> OpenStore:
        """What opens the store on trial."""
        raise NotImplementedError(f"{type(self).__name__} must define the `store` fixture")

    def test_committed_rows_are_seen_by_whoever_opens_it(self, store: OpenStore) -> None:
        """Now, and after it was closed."""
        with store() as one, store() as other:
            _add(one, "flights")
            assert _names(other) == ["flights"]
        with store() as again:
            assert _names(again) == ["flights"]

    def test_rollback_leaves_nothing(self, store: OpenStore) -> None:
        """Neither row nor event."""
        with store() as opened:
            before = opened.ledger.head()
            with pytest.raises(_CancelledError):
                _add_and_cancel(opened, "flights")
            assert _names(opened) == []
            assert opened.ledger.head() == before
            assert opened.verify(progress=False) == ()

    def test_uncommitted_rows_are_seen_by_nobody(self, store: OpenStore) -> None:
        """A reader sees the state before, and does not wait."""
        with store() as one, store() as other, one.write() as tx:
            tx.connection.execute(sa.insert(tables.datasets), _row("flights"))
            assert _names(other) == []

    def test_reader_sees_one_snapshot(self, store: OpenStore) -> None:
        """Two queries of one reading agree, whatever was committed between them."""
        with store() as one, store() as other, one.read() as connection:
            query = sa.select(sa.func.count()).select_from(tables.datasets)
            before = connection.execute(query).scalar_one()
            _add(other, "flights")
            assert connection.execute(query).scalar_one() == before

    def test_reading_cannot_write(self, store: OpenStore) -> None:
        """What changes nothing in the ledger changes nothing."""
        with store() as opened:
            with pytest.raises((sa.exc.DBAPIError, OSError)), opened.read() as connection:
                connection.execute(sa.insert(tables.datasets), _row("flights"))
            assert _names(opened) == []

    def test_ledger_is_unbroken(self, store: OpenStore) -> None:
        """Events are numbered without a gap, each bound to the one before."""
        with store() as opened:
            for i in range(5):
                _add(opened, f"flights {i}")
            events = list(opened.ledger.events())
            assert [e.sequence for e in events] == list(range(1, len(events) + 1))
            assert [e.subject for e in events][-5:] == [f"flights {i}" for i in range(5)]
            assert opened.verify(progress=False) == ()

    def test_writers_queue(self, store: OpenStore) -> None:
        """Four at once: every row and every event is there, and the chain holds."""
        numbers = iter(range(100))

        def write() -> None:
            with store() as opened:
                for _ in range(3):
                    _add(opened, f"flights {next(numbers):02}")

        with store():
            pass
        at_once(write, n=4)
        with store() as opened:
            assert _names(opened) == [f"flights {i:02}" for i in range(12)]
            assert opened.verify(progress=False) == ()

    def test_event_comes_back_as_it_was_recorded(self, store: OpenStore) -> None:
        """Also text that would break a query, and nested details."""
        details: dict[str, JsonValue] = {
            "note": "'; DROP TABLE ledger; --",
            "shares": [0.5, None],
            "ok": True,
        }
        with store() as opened:
            with opened.write() as tx:
                event = tx.record("a.b", subject="<b>☃</b>", actor="ana", details=details)
            last = list(opened.ledger.events())[-1]
        assert last == event
        assert last.subject == "<b>☃</b>"

    def test_artifact_comes_back_by_its_digest(self, store: OpenStore) -> None:
        """Equal content has one digest, and is stored once."""
        with store() as one, store() as other:
            digest = one.artifacts.put_bytes(b"model")
            assert other.artifacts.put_bytes(b"model") == digest
            assert other.artifacts.read_bytes(digest) == b"model"
            assert list(one.artifacts.digests()) == [digest]

    def test_changed_artifact_is_never_handed_out(self, store: OpenStore) -> None:
        """A read verifies before it returns, and `verify` finds it."""
        with store() as opened:
            digest = opened.artifacts.put_bytes(b"model")
            path = opened.artifacts.path_of(digest)
            path.chmod(0o644)
            path.write_bytes(b"mOdel")
            with pytest.raises(IntegrityError):
                opened.artifacts.read_bytes(digest)
            assert opened.verify(progress=False) != ()

    def test_artifact_that_is_not_there_is_a_typed_error(self, store: OpenStore) -> None:
        """So is what is no digest."""
        with store() as opened:
            for digest in ("0" * 64, "../../etc/passwd"):
                with pytest.raises(NotFoundError):
                    opened.artifacts.read_bytes(digest)

    def test_directory_comes_back_whole(self, store: OpenStore, tmp_path: Path) -> None:
        """Every file under its path."""
        folder, target = tmp_path / "in", tmp_path / "out"
        (folder / "deep").mkdir(parents=True)
        (folder / "a.json").write_text("{}")
        (folder / "deep" / "b.bin").write_bytes(bytes(range(256)))
        with store() as opened:
            digest = opened.artifacts.put_directory(folder)
            opened.artifacts.restore_directory(digest, target)
        assert _files(target) == _files(folder)


def _row(name: str) -> dict[str, object]:
    return {"fingerprint": name, "name": name, "rows": 3, "json": {}}


def _add(store: Store, name: str) -> None:
    with store.write() as tx:
        tx.connection.execute(sa.insert(tables.datasets), _row(name))
        tx.record("dataset.added", subject=name, actor="ana")


def _add_and_cancel(store: Store, name: str) -> None:
    with store.write() as tx:
        tx.connection.execute(sa.insert(tables.datasets), _row(name))
        tx.record("dataset.added", subject=name, actor="ana")
        raise _CancelledError


def _names(store: Store) -> list[str]:
    with store.read() as connection:
        return sorted(connection.scalars(sa.select(tables.datasets.c.name)))


def _files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
