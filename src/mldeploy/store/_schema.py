"""Every table of the store, and how an older store becomes a newer one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, final

import sqlalchemy as sa
from typing_extensions import override

from mldeploy.errors import IntegrityError

FORMAT: Final = 2
"""Version of the tables below; a store of a smaller one is migrated when it is opened."""

METADATA = sa.MetaData()


_as_text: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
).encode
"""Text of `canonical_json`; kept, since making an encoder for each of many labels is slow."""


@final
class UTCTime(sa.types.TypeDecorator[datetime]):
    """A time with its zone, as ISO 8601 text in UTC that sorts by time in any database."""

    impl = sa.String(32)
    cache_ok = True

    @override
    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"time {value} has no zone; use for example datetime.now(UTC)")
        in_utc = value if value.tzinfo is UTC else value.astimezone(UTC)
        return in_utc.isoformat(timespec="microseconds")

    @override
    def process_result_value(self, value: Any, dialect: sa.Dialect) -> datetime | None:
        try:
            return None if value is None else datetime.fromisoformat(value)
        except (TypeError, ValueError) as error:
            raise IntegrityError(f"the time {value!r} in the database") from error


@final
class CanonicalJson(sa.types.TypeDecorator[Any]):
    """A JSON value as its canonical text, so that equal values are equal rows."""

    impl = sa.Text()
    cache_ok = True

    @override
    def process_bind_param(self, value: Any, dialect: sa.Dialect) -> str | None:
        return None if value is None else _as_text(value)

    @override
    def process_result_value(self, value: Any, dialect: sa.Dialect) -> Any:
        try:
            return None if value is None else json.loads(value)
        except (TypeError, ValueError) as error:
            raise IntegrityError("a JSON value in the database") from error


ARTIFACT: Final[Mapping[str, bool]] = {"artifact": True}
"""Mark of a column whose digest must be stored under ``artifacts/``."""
SEALED: Final[Mapping[str, bool]] = {"sealed": True}
"""Mark of a table each row of which must be named by an event of the ledger."""


def _index_where_set(name: str, *columns: str, unique: bool = False) -> sa.Index:
    """Return an index of the rows in which the first column has a value."""
    where = sa.text(f"{columns[0]} IS NOT NULL")
    return sa.Index(name, *columns, unique=unique, sqlite_where=where, postgresql_where=where)


def _key(name: str, kind: type[sa.types.TypeEngine[Any]] = sa.Text) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True)


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _maybe_text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text)


def _time(name: str) -> sa.Column[datetime]:
    return sa.Column(name, UTCTime, nullable=False)


def _maybe_time(name: str) -> sa.Column[datetime]:
    return sa.Column(name, UTCTime)


def _json(name: str) -> sa.Column[Any]:
    return sa.Column(name, CanonicalJson, nullable=False)


def _integer(name: str) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _row_id() -> sa.Column[int]:
    """Return a number that the database counts up (SQLite does so for INTEGER only)."""
    kind = sa.BigInteger().with_variant(sa.Integer, "sqlite")
    return sa.Column("id", kind, primary_key=True, autoincrement=True)


META = sa.Table("meta", METADATA, _key("key"), _text("value"))

LEDGER = sa.Table(
    "ledger",
    METADATA,
    sa.Column("sequence", sa.BigInteger, primary_key=True, autoincrement=False),
    *(_time("time"), _text("kind"), _text("subject"), _text("actor"), _json("details")),
    *(_text("previous"), _text("hash")),
    sa.Index("ledger_subject", "subject", "sequence"),
    sa.Index("ledger_kind", "kind", "sequence"),
)

SEALS = sa.Table(
    "seals",
    METADATA,
    *(_key("table"), _key("key"), _maybe_text("digest"), _integer("sequence")),
)

# --- models -------------------------------------------------------------------------------

VERSIONS = sa.Table(
    "versions",
    METADATA,
    _key("name"),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("bundle_digest", sa.Text, nullable=False, info=dict(ARTIFACT)),
    *(_text("model_digest"), _text("problem_digest"), _text("data_fingerprint")),
    *(_maybe_text("report_digest"), _time("created_at"), _text("created_by")),
    *(_json("details"), _maybe_time("deleted_at")),
    sa.Index("versions_bundle", "bundle_digest"),
    info=dict(SEALED),
)

ALIASES = sa.Table(
    "aliases",
    METADATA,
    *(_key("name"), _key("alias"), _integer("number"), _time("since")),
    info=dict(SEALED),
)

ALIAS_HISTORY = sa.Table(
    "alias_history",
    METADATA,
    *(_row_id(), _text("name"), _text("alias")),
    *(sa.Column("number", sa.Integer), sa.Column("previous_number", sa.Integer)),
    *(_time("at"), _text("by"), _text("reason"), _maybe_text("report_digest")),
    *(_maybe_text("approval_id"), sa.Column("from_event", sa.BigInteger)),
    sa.Index("alias_history_alias", "name", "alias", "id"),
    info=dict(SEALED),
)

APPROVALS = sa.Table(
    "approvals",
    METADATA,
    *(_key("id"), _text("name"), sa.Column("number", sa.Integer, nullable=False)),
    *(_text("version_digest"), _text("by"), _text("reason"), _time("at")),
    sa.Index("approvals_version", "name", "number"),
    info=dict(SEALED),
)

WAIVERS = sa.Table(
    "waivers",
    METADATA,
    *(_key("id"), _text("by"), _text("reason"), _text("finding"), _text("scope")),
    *(_time("until"), _time("at")),
    sa.Index("waivers_finding", "finding", "until"),
    info=dict(SEALED),
)

REPORTS = sa.Table(
    "reports",
    METADATA,
    *(_key("digest"), _text("step"), _text("subject"), _time("created_at")),
    *(_text("verdict"), _json("json")),
    sa.Index("reports_subject", "subject", "created_at"),
    info=dict(SEALED),
)

# --- runs ---------------------------------------------------------------------------------

RUNS = sa.Table(
    "runs",
    METADATA,
    *(_key("id"), _text("name"), _time("started_at"), _maybe_time("ended_at")),
    *(_text("status"), _maybe_text("parent")),
    sa.Index("runs_name", "name", "started_at"),
    sa.Index("runs_parent", "parent"),
)

RUN_PARAMS = sa.Table("run_params", METADATA, _key("run"), _key("key"), _json("value"))

RUN_METRICS = sa.Table(
    "run_metrics",
    METADATA,
    *(_row_id(), _text("run"), _text("key"), sa.Column("step", sa.BigInteger)),
    # NaN and the infinities are values of a metric, and SQLite stores NaN as NULL.
    *(sa.Column("value", sa.Double), _time("at")),
    sa.Index("run_metrics_run", "run", "key", "id"),
)

RUN_ARTIFACTS = sa.Table(
    "run_artifacts",
    METADATA,
    *(_key("run"), _key("name")),
    sa.Column("digest", sa.Text, nullable=False, info=dict(ARTIFACT)),
    _time("at"),
)

STEPS = sa.Table(
    "steps",
    METADATA,
    *(_key("run"), _key("step"), _text("input_digest"), _maybe_text("output_digest")),
    *(_text("status"), _time("started_at"), _maybe_time("ended_at"), _json("details")),
    sa.Index("steps_same", "step", "input_digest", "status"),
)

# --- data, deployments and labels ---------------------------------------------------------

DATASETS = sa.Table(
    "datasets",
    METADATA,
    *(_key("fingerprint"), _text("name"), _integer("rows"), _json("json")),
)

CATALOGUE = sa.Table(
    "catalogue",
    METADATA,
    *(_key("name"), _json("json"), _time("described_at"), _text("described_by")),
    info=dict(SEALED),
)

DATASET_VERSIONS = sa.Table(
    "dataset_versions",
    METADATA,
    _key("name"),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    *(_text("fingerprint"), _integer("rows")),
    sa.Column("schema_digest", sa.Text, nullable=False, info=dict(ARTIFACT)),
    sa.Column("profile_digest", sa.Text, nullable=False, info=dict(ARTIFACT)),
    *(_time("added_at"), _text("added_by"), _json("details"), _maybe_time("withdrawn_at")),
    sa.Index("dataset_versions_fingerprint", "fingerprint"),
    info=dict(SEALED),
)

READINGS = sa.Table(
    "readings",
    METADATA,
    *(_key("reader"), _integer("number"), _json("position"), _json("pending"), _time("at")),
    info=dict(SEALED),
)

DEPLOYMENTS = sa.Table(
    "deployments",
    METADATA,
    *(_key("id"), _text("name"), sa.Column("number", sa.Integer, nullable=False)),
    *(_time("started_at"), _maybe_time("stopped_at"), _json("state")),
    sa.Index("deployments_name", "name", "started_at"),
)

LABELS = sa.Table(
    "labels",
    METADATA,
    *(_row_id(), _text("deployment"), _maybe_text("prediction_id")),
    *(_maybe_text("key"), _maybe_time("time"), _json("value")),
    *(_maybe_time("observed_at"), _time("received_at"), _integer("revision")),
    sa.CheckConstraint("prediction_id IS NOT NULL OR key IS NOT NULL", name="labels_target"),
    _index_where_set("labels_prediction", "prediction_id", "revision", unique=True),
    _index_where_set("labels_key", "key", "time", "revision"),
)


@final
@dataclass(frozen=True, kw_only=True)
class Tables:
    """The tables that other packages fill, each under its name in the database."""

    versions: sa.Table = VERSIONS
    aliases: sa.Table = ALIASES
    alias_history: sa.Table = ALIAS_HISTORY
    approvals: sa.Table = APPROVALS
    waivers: sa.Table = WAIVERS
    reports: sa.Table = REPORTS
    runs: sa.Table = RUNS
    run_params: sa.Table = RUN_PARAMS
    run_metrics: sa.Table = RUN_METRICS
    run_artifacts: sa.Table = RUN_ARTIFACTS
    steps: sa.Table = STEPS
    datasets: sa.Table = DATASETS
    catalogue: sa.Table = CATALOGUE
    dataset_versions: sa.Table = DATASET_VERSIONS
    readings: sa.Table = READINGS
    deployments: sa.Table = DEPLOYMENTS
    labels: sa.Table = LABELS


tables: Final = Tables()
"""The one value of `Tables`; `versions`, `aliases`, `alias_history`, `approvals`, `waivers`,
`reports`, `catalogue`, `dataset_versions` and `readings` are sealed: name their rows in the event
of the transaction that changes them."""

Migration = Callable[[sa.Connection], None]


def _add_catalogue(connection: sa.Connection) -> None:
    METADATA.create_all(connection, tables=[CATALOGUE, DATASET_VERSIONS, READINGS])


MIGRATIONS: Final[Mapping[int, Migration]] = {1: _add_catalogue}
"""By format N, what turns a store of format N into one of N + 1, inside one transaction."""
