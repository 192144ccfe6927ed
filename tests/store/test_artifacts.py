"""Artifacts are named by what they hold, and nobody reads them unverified."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mldeploy._record import canonical_json, sha256_hex
from mldeploy.errors import (
    AlreadyExistsError,
    IntegrityError,
    NotFoundError,
    SerializationError,
    StoreFullError,
)
from mldeploy.store import Artifacts

ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


@pytest.fixture
def artifacts(tmp_path: Path) -> Artifacts:
    return Artifacts(tmp_path / "artifacts")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "bundle"
    (root / "a" / "b").mkdir(parents=True)
    (root / "model.skops").write_bytes(b"weights")
    (root / "a" / "b" / "copy").write_bytes(b"weights")
    (root / "a" / "empty").write_bytes(b"")
    return root


def contents(root: Path) -> dict[str, bytes]:
    files = (path for path in root.rglob("*") if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


def test_the_name_is_the_digest_of_the_standard_example(artifacts: Artifacts) -> None:
    """FIPS 180-4 gives the SHA-256 of "abc"."""
    assert artifacts.put_bytes(b"abc") == ABC
    assert artifacts.root.joinpath(ABC[:2], ABC[2:]).read_bytes() == b"abc"
    assert artifacts.exists(ABC)


@given(content=st.binary(max_size=200))
@settings(max_examples=30, deadline=None)
def test_what_is_read_is_what_was_put(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    artifacts = Artifacts(tmp_path_factory.getbasetemp() / "law")

    assert artifacts.read_bytes(artifacts.put_bytes(content)) == content


def test_equal_content_is_stored_once(artifacts: Artifacts, folder: Path) -> None:
    """Two files of equal content, an empty one, and the manifest: three artifacts."""
    artifacts.put_directory(folder)
    artifacts.put_file(folder / "model.skops")

    assert len(list(artifacts.digests())) == 3


def test_a_directory_comes_back_whole(artifacts: Artifacts, folder: Path, tmp_path: Path) -> None:
    digest = artifacts.put_directory(folder)

    restored = artifacts.restore_directory(digest, tmp_path / "x" / "restored")

    assert contents(restored) == contents(folder)
    assert list((tmp_path / "x").iterdir()) == [restored]


def test_equal_directories_have_equal_digests_and_others_not(
    artifacts: Artifacts, folder: Path
) -> None:
    first = artifacts.put_directory(folder)
    assert artifacts.put_directory(folder) == first

    (folder / "a" / "empty").rename(folder / "a" / "renamed")
    assert artifacts.put_directory(folder) != first


def test_a_target_that_exists_is_left_alone(artifacts: Artifacts, folder: Path) -> None:
    digest = artifacts.put_directory(folder)

    with pytest.raises(AlreadyExistsError):
        artifacts.restore_directory(digest, folder)


def test_a_damaged_file_of_a_directory_leaves_no_target(
    artifacts: Artifacts, folder: Path, tmp_path: Path
) -> None:
    digest = artifacts.put_directory(folder)
    artifacts.path_of(sha256_hex(b"weights")).write_bytes(b"hostile")

    with pytest.raises(IntegrityError):
        artifacts.restore_directory(digest, tmp_path / "x" / "restored")

    assert list((tmp_path / "x").iterdir()) == []


def test_a_missing_file_of_a_directory_is_named(
    artifacts: Artifacts, folder: Path, tmp_path: Path
) -> None:
    digest = artifacts.put_directory(folder)
    missing = sha256_hex(b"weights")
    artifacts.path_of(missing).unlink()

    with pytest.raises(NotFoundError, match=missing):
        artifacts.restore_directory(digest, tmp_path / "restored")


@pytest.mark.parametrize("flipped", [0, 2, 6])
def test_a_flipped_bit_is_refused_and_mended_by_storing_again(
    artifacts: Artifacts, flipped: int
) -> None:
    digest = artifacts.put_bytes(b"weights")
    content = bytearray(b"weights")
    content[flipped] ^= 1
    artifacts.path_of(digest).write_bytes(content)

    with pytest.raises(IntegrityError, match=digest):
        artifacts.read_bytes(digest)

    artifacts.put_bytes(b"weights")
    assert artifacts.read_bytes(digest) == b"weights"


@pytest.mark.parametrize(
    "name",
    ["../evil", "/etc/evil", "a/../../evil", "a//b", "", ".", "a/.", "..\\evil", "C:evil", "a\0b"],
)
def test_a_manifest_that_leads_out_of_its_directory_is_refused(
    artifacts: Artifacts, tmp_path: Path, name: str
) -> None:
    content = artifacts.put_bytes(b"evil")
    entry = {"sha256": content, "size": 4}
    hostile = {"files": {name: entry}, "format": "mldeploy-directory-1"}
    digest = artifacts.put_bytes(canonical_json(hostile))

    with pytest.raises(IntegrityError, match="leads out"):
        artifacts.restore_directory(digest, tmp_path / "target")

    assert not list(tmp_path.rglob("*evil"))
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("digest", ["../../etc/passwd", "a" * 63, "A" * 64, "", "a" * 64])
def test_what_is_not_there_or_no_digest_is_not_found(artifacts: Artifacts, digest: str) -> None:
    with pytest.raises(NotFoundError):
        artifacts.read_bytes(digest)


def test_a_file_is_not_a_directory(artifacts: Artifacts, tmp_path: Path) -> None:
    digest = artifacts.put_bytes(b"abc")

    with pytest.raises(NotFoundError, match="not a directory"):
        artifacts.restore_directory(digest, tmp_path / "target")
    with pytest.raises(NotFoundError, match="no directory"):
        artifacts.put_directory(tmp_path / "absent")


def test_links_are_refused_since_they_may_lead_anywhere(
    artifacts: Artifacts, folder: Path
) -> None:
    (folder / "link").symlink_to("/etc/passwd")

    with pytest.raises(SerializationError, match="link"):
        artifacts.put_directory(folder)


@pytest.mark.parametrize(
    ("code", "expected"), [(errno.ENOSPC, StoreFullError), (errno.EIO, OSError)]
)
def test_a_failed_write_leaves_no_file(
    artifacts: Artifacts,
    code: int,
    expected: type[OSError],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(code, "injected")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", fail)
        with pytest.raises(expected) as caught:
            artifacts.put_bytes(b"abc")

    assert caught.value.errno == code
    assert [path for path in artifacts.root.rglob("*") if path.is_file()] == []
