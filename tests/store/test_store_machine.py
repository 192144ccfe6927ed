"""Whatever is done in whatever order, a store answers as a dict would."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import sqlalchemy as sa
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from mldeploy._record import sha256_hex
from mldeploy.store import Store, tables

NAMES = st.sampled_from(["a", "b", "<script>", "ü'"])
CONTENTS = st.binary(max_size=4)


class AbandonedError(Exception):
    pass


class StoreMachine(RuleBasedStateMachine):
    """The model: datasets and aliases by name, artifacts by digest, the number of events."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp())
        self.store = Store.open(self.folder / "mlstore")
        self.aliases: dict[str, int] = {}
        self.artifacts: dict[str, bytes] = {}
        self.n_events = 1

    def teardown(self) -> None:
        assert self.store.verify() == ()
        self.store.close()
        shutil.rmtree(self.folder)

    @rule(content=CONTENTS)
    def put_bytes(self, content: bytes) -> None:
        digest = self.store.artifacts.put_bytes(content)
        assert digest == sha256_hex(content)
        self.artifacts[digest] = content

    @rule(files=st.dictionaries(st.sampled_from(["x", "y", "d/z"]), CONTENTS))
    def put_and_restore_directory(self, files: dict[str, bytes]) -> None:
        source, target = self.folder / "source", self.folder / "target"
        for name, content in files.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(content)
        source.mkdir(exist_ok=True)
        digest = self.store.artifacts.put_directory(source)
        self.store.artifacts.restore_directory(digest, target)
        found = {p.relative_to(target).as_posix(): p for p in target.rglob("*") if p.is_file()}
        assert {name: path.read_bytes() for name, path in found.items()} == files
        self.artifacts |= {sha256_hex(content): content for content in files.values()}
        self.artifacts[digest] = self.store.artifacts.read_bytes(digest)
        shutil.rmtree(source)
        shutil.rmtree(target)

    @rule(name=NAMES, number=st.integers(1, 9), abandon=st.booleans())
    def move_alias(self, name: str, number: int, *, abandon: bool) -> None:
        table = tables.aliases
        try:
            with self.store.write() as tx:
                tx.connection.execute(sa.delete(table).where(table.c.name == name))
                row = {"name": name, "alias": "champion", "number": number, "since": tx.now}
                tx.connection.execute(sa.insert(table), row)
                rows = [(table, {"name": name, "alias": "champion"})]
                event = tx.record("alias.moved", subject=name, actor="ana", rows=rows)
                assert event.sequence == self.n_events + 1
                if abandon:
                    raise AbandonedError  # noqa: TRY301 -- what a caller's code does
        except AbandonedError:
            return
        self.aliases[name] = number
        self.n_events += 1

    @precondition(lambda self: self.aliases)
    @rule(data=st.data())
    def remove_alias(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.aliases)))
        table = tables.aliases
        with self.store.write() as tx:
            tx.connection.execute(sa.delete(table).where(table.c.name == name))
            rows = [(table, {"name": name, "alias": "champion"})]
            tx.record("alias.removed", subject=name, actor="ana", rows=rows)
        del self.aliases[name]
        self.n_events += 1

    @rule()
    def reopen(self) -> None:
        head = self.store.ledger.head()
        self.store.close()
        self.store = Store.open(self.folder / "mlstore")
        assert self.store.ledger.head() == head

    @rule()
    def verify(self) -> None:
        assert self.store.verify() == ()

    @invariant()
    def rows_are_those_of_the_model(self) -> None:
        with self.store.read() as connection:
            rows = connection.execute(sa.select(tables.aliases)).mappings().all()
            for row in rows:
                self.store.ledger.check_row(connection, tables.aliases, row)
        assert {row["name"]: row["number"] for row in rows} == self.aliases

    @invariant()
    def artifacts_are_those_of_the_model(self) -> None:
        assert list(self.store.artifacts.digests()) == sorted(self.artifacts)
        for digest, content in self.artifacts.items():
            assert self.store.artifacts.read_bytes(digest) == content

    @invariant()
    def events_are_counted_without_gaps(self) -> None:
        events = self.store.ledger.events(limit=2)
        assert [e.sequence for e in events] == list(
            range(max(1, self.n_events - 1), self.n_events + 1)
        )


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(
    max_examples=8,
    stateful_step_count=12,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
