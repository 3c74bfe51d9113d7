"""Artifact folders: complete, and unchanged."""

import resource
from collections.abc import Callable
from pathlib import Path

import pytest

from forebay.contracts.bundles.spec import SIGNATURE, check_train_output
from forebay.errors import DamagedArtifactError
from forebay.state import is_sealed, read_json, seal, write_json
from forebay.state.sealed import MARKER, check_content
from support.tiny_inference_server import write_bundle


def test_a_folder_is_sealed_only_while_every_file_is_there_in_its_size(tmp_path: Path) -> None:
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "rows").write_bytes(b"12345")
    assert not is_sealed(tmp_path)
    seal(tmp_path)
    assert is_sealed(tmp_path)
    (tmp_path / "part" / "rows").write_bytes(b"1234")
    assert not is_sealed(tmp_path)
    (tmp_path / "part" / "rows").unlink()
    assert not is_sealed(tmp_path)


def test_a_torn_marker_does_not_count(tmp_path: Path) -> None:
    seal(tmp_path)
    (tmp_path / MARKER).write_text('{"bytes": ')
    assert not is_sealed(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A sealed artifact: `rows/part` and `manifest.json`."""
    (tmp_path / "rows").mkdir()
    (tmp_path / "rows" / "part").write_bytes(b"12345")
    (tmp_path / "manifest.json").write_bytes(b"{}")
    seal(tmp_path)
    return tmp_path


def _older(folder: Path) -> None:
    write_json(folder / MARKER, {"bytes": read_json(folder / MARKER)["bytes"]})


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "changed": (
        lambda folder: (folder / "rows" / "part").write_bytes(b"12346"),
        r"rows/part: its sha256 is 34d128f5b3de",
    ),
    "gone": (lambda folder: (folder / "rows" / "part").unlink(), r"rows/part: cannot be read \(No such file"),
    "added": (lambda folder: (folder / "rows" / "more").write_bytes(b""), f"rows/more: {MARKER} does not list it"),
    "not sealed": (lambda folder: (folder / MARKER).unlink(), f"{MARKER}: is missing: preprocess did not end"),
    "torn": (lambda folder: (folder / MARKER).write_bytes(b'{"by'), f"{MARKER}: cannot be read"),
    "no object": (lambda folder: (folder / MARKER).write_bytes(b"[1]"), f"{MARKER}: cannot be read"),
    "older": (_older, f"{MARKER}: an older version wrote it, without digests"),
    "no folder": (lambda folder: folder.rename(folder.with_name("away")), "the folder is gone"),
}


@pytest.mark.parametrize("kind", DAMAGES)
def test_what_is_not_as_it_was_is_named_with_what_writes_it_anew(folder: Path, kind: str) -> None:
    check_content(folder, "preprocess", ["manifest.json", "rows/"])
    damage, words = DAMAGES[kind]
    damage(folder)
    with pytest.raises(DamagedArtifactError, match=words) as refused:
        check_content(folder, "preprocess", ["manifest.json", "rows/"])
    assert refused.value.folder == folder
    assert refused.value.fix.endswith("in a folder that you gave to a command, `forebay train` does.")


def test_a_process_without_descriptors_does_not_take_the_file_for_damaged(folder: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (0, hard))
    try:
        with pytest.raises(OSError, match="Too many open files"):
            check_content(folder, "preprocess", ["manifest.json"])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_only_what_is_asked_for_is_read(folder: Path) -> None:
    (folder / "rows" / "part").write_bytes(b"other")
    check_content(folder, "preprocess", ["manifest.json"])


def test_a_bundle_is_compared_in_all_that_train_wrote_and_may_carry_a_signature(tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundle")
    (tmp_path / "bundle" / "curves").write_text("1 2 3")
    seal(tmp_path / "bundle")
    (tmp_path / "bundle" / SIGNATURE).write_text("register writes it beside the others")
    check_train_output(tmp_path / "bundle")
    (tmp_path / "bundle" / "curves").write_text("1 2 4")
    with pytest.raises(DamagedArtifactError, match="curves: its sha256 is"):
        check_train_output(tmp_path / "bundle")
