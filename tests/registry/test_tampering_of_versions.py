"""What is loaded is what was registered: every edit is found, and refused before it is used."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from mldeploy.errors import IntegrityError, MLDeployError
from mldeploy.evidence import Approval, Report, Waiver
from mldeploy.model import Bundle, SkopsFormat
from mldeploy.registry import ModelVersion, Registry
from mldeploy.store import Store

NAME = "late-arrivals"
FILES = (
    *("manifest.json", "model.skops", "signature.json", "schema.toml", "problem.json"),
    *("provenance.json", "requirements.txt", "golden.parquet", "golden_answers.json"),
    *("compiled.json", "compiled.npz", "compiled_report.json"),
)
EDITS = {
    "verdict of a version": "UPDATE versions SET details = replace(details, 'PASS', 'FAIL')",
    "trainer of a version": "UPDATE versions SET details = replace(details, 'tom', 'eve')",
    "bundle of a version": "UPDATE versions SET bundle_digest = (SELECT bundle_digest FROM "
    "versions WHERE number = 2) WHERE number = 1",
    "model of a version": "UPDATE versions SET model_digest = problem_digest WHERE number = 1",
    "problem of a version": "UPDATE versions SET problem_digest = 'x' WHERE number = 1",
    "data of a version": "UPDATE versions SET data_fingerprint = 'x' WHERE number = 1",
    "report of a version": "UPDATE versions SET report_digest = (SELECT report_digest FROM "
    "versions WHERE number = 2) WHERE number = 1",
    "author of a version": "UPDATE versions SET created_by = 'eve' WHERE number = 1",
    "time of a version": "UPDATE versions SET created_at = '2020-01-01T00:00:00.000000+00:00'",
    "deletion of a version": "UPDATE versions SET deleted_at = created_at WHERE number = 1",
    "number of a version": "UPDATE versions SET number = 7 WHERE number = 1",
    "a version removed": "DELETE FROM versions WHERE number = 1",
    "an alias moved": "UPDATE aliases SET number = 2",
    "an alias removed": "DELETE FROM aliases",
    "an alias renamed": "UPDATE aliases SET alias = 'challenger'",
    "a move edited": "UPDATE alias_history SET by = 'eve'",
    "a move removed": "DELETE FROM alias_history",
    "approver of an approval": "UPDATE approvals SET by = 'eve'",
    "reason of an approval": "UPDATE approvals SET reason = 'eve'",
    "an approval removed": "DELETE FROM approvals",
    "end of a waiver": "UPDATE waivers SET until = '2090-01-01T00:00:00.000000+00:00'",
    "a waiver removed": "DELETE FROM waivers",
    "verdict of a report": "UPDATE reports SET verdict = 'FAIL'",
    "findings of a report": "UPDATE reports SET json = replace(json, 'Seen', 'Unseen')",
    "a report removed": "DELETE FROM reports",
    "actor of an event": "UPDATE ledger SET actor = 'eve' WHERE kind LIKE 'version.%'",
    "details of an event": "UPDATE ledger SET details = replace(details, 'reviewed', 'x')",
    "an event removed": "DELETE FROM ledger WHERE kind = 'version.approved'",
    "time of an event": "UPDATE ledger SET time = '2020-01-01T00:00:00.000000+00:00'",
    "a seal removed": "DELETE FROM seals",
}
TAMPERINGS = (*(f"flip {name}" for name in FILES), *EDITS)


@pytest.fixture(scope="module")
def template(
    tmp_path_factory: pytest.TempPathFactory, bundle: Bundle, other_bundle: Bundle
) -> Path:
    """Two versions; the first is approved, waived, and champion."""
    from datetime import timedelta

    root = tmp_path_factory.mktemp("template") / "mlstore"
    now = datetime(2026, 3, 1, tzinfo=UTC)
    with Store.open(root, clock=lambda: now) as store:
        registry = Registry(store)
        for each in (bundle, other_bundle):
            version = registry.register(each, _report(each), by="tom")
        version = registry.get(NAME, 1)
        signed = Approval(
            model_name=NAME,
            number=1,
            version_digest=version.digest,
            by="ana",
            reason="reviewed",
            at=now,
        )
        registry.sign_offs.approve(version, signed)
        until = now + timedelta(days=9)
        registry.sign_offs.waive(version, Waiver(by="bea", reason="x", until=until, name="f1"))
        registry.promote(version, approval=signed, by="ops")
        assert store.verify() == ()
    return root


def _report(bundle: Bundle) -> Report:
    finding: dict[str, Any] = {"check": "A", "name": "f1", "verdict": "PASS", "summary": "Seen."}
    about = {"model": bundle.model_digest, "problem": bundle.problem.digest, "data": "e" * 64}
    return Report.model_validate(
        {
            "step": "validate",
            "made_by": "A",
            "findings": [finding],
            "about": about,
            "started_at": datetime(2026, 3, 1, tzinfo=UTC),
        }
    )


def flip(root: Path, version: ModelVersion, name: str, *, position: int = -2) -> None:
    with Store.open(root) as store:
        entry = store.artifacts.read_manifest(version.bundle).files[name]
        path = store.artifacts.path_of(entry.sha256)
    content = bytearray(path.read_bytes())
    content[position % len(content)] ^= 1
    path.write_bytes(content)


def tamper(root: Path, name: str, version: ModelVersion) -> None:
    if name.startswith("flip "):
        flip(root, version, name.removeprefix("flip "))
        return
    with closing(sqlite3.connect(root / "store.sqlite")) as database:
        assert database.execute(EDITS[name]).rowcount > 0
        database.commit()


def use_all(registry: Registry, target: Path) -> None:
    """What a service does before it serves, and what a promotion asks."""
    version = registry.get(NAME)
    assert version == registry.get(NAME, 1)
    registry.history(NAME)
    registry.report(version)
    (signed,) = registry.sign_offs.approvals(version)
    registry.promote(version, "challenger", approval=signed, by="ops")
    bundle = registry.open_bundle(version, target=target)
    assert bundle.load_compiled() is not None
    bundle.load_model()


def test_there_are_at_least_27_tamperings() -> None:
    assert len(set(TAMPERINGS)) == 42


def test_an_untouched_store_is_used(template: Path, tmp_path: Path) -> None:
    root = shutil.copytree(template, tmp_path / "mlstore")

    with Store.open(root) as store:
        use_all(Registry(store), tmp_path / "out")
        assert store.verify() == ()


@pytest.mark.parametrize("name", TAMPERINGS)
def test_each_tampering_is_found_and_refused_before_anything_is_deserialised(
    template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    root = shutil.copytree(template, tmp_path / "mlstore")
    loaded: list[bytes] = []
    load = SkopsFormat.load

    def seen(self: SkopsFormat, content: bytes, **kwargs: Any) -> Any:
        loaded.append(content)
        return load(self, content, **kwargs)

    with Store.open(root) as store:
        version = Registry(store).get(NAME, 1)
    tamper(root, name, version)
    monkeypatch.setattr(SkopsFormat, "load", seen)

    with Store.open(root) as store:
        assert store.verify() != ()
        with pytest.raises(MLDeployError):
            use_all(Registry(store), tmp_path / "out")
        assert loaded == []
        assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("file", FILES)
@pytest.mark.parametrize("position", [0, 7, -1])
def test_a_flipped_bit_anywhere_in_a_bundle_is_refused(
    template: Path, tmp_path: Path, file: str, position: int
) -> None:
    root = shutil.copytree(template, tmp_path / "mlstore")
    with Store.open(root) as store:
        version = Registry(store).get(NAME)
    flip(root, version, file, position=position)

    with Store.open(root) as store, pytest.raises(IntegrityError):
        Registry(store).open_bundle(version, target=tmp_path / "out")


def test_a_tampered_report_is_not_sealed_anew_by_registering_it_again(
    template: Path, tmp_path: Path, bundle: Bundle, sql: Callable[..., None]
) -> None:
    root = shutil.copytree(template, tmp_path / "mlstore")
    sql(root, EDITS["findings of a report"])

    with Store.open(root) as store, pytest.raises(IntegrityError):
        Registry(store).register(bundle, _report(bundle), by="tom")
