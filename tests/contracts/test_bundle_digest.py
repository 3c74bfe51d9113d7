"""A bundle's digest covers every byte of every file but the signature's, and a difference names the file."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from forebay.contracts.bundles.digest import bundle_digest, bundle_record, check_bundle
from forebay.contracts.bundles.record import BundleRecord
from forebay.contracts.bundles.spec import HISTORY, SIGNATURE
from forebay.errors import ModelError
from support.tiny_inference_server import write_bundle


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    write_bundle(tmp_path / "bundle")
    (tmp_path / "bundle" / HISTORY).write_text("[]")
    (tmp_path / "bundle" / "more").mkdir()
    (tmp_path / "bundle" / "more" / ".hidden").write_text("x")
    return tmp_path / "bundle"


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


def test_one_changed_bit_of_any_file_is_refused_by_name(bundle: Path) -> None:
    record = bundle_record(bundle)
    check_bundle(bundle, record)
    for path in (path for path in bundle.rglob("*") if path.is_file()):
        whole = path.read_bytes()
        for place in (0, len(whole) // 2, -1):
            flip(path, place)
            with pytest.raises(ModelError, match=rf"{path.relative_to(bundle)} was changed"):
                check_bundle(bundle, record)
            path.write_bytes(whole)
    check_bundle(bundle, record)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda bundle: (bundle / "new.txt").touch(), "new.txt was added"),
        (lambda bundle: (bundle / "more" / "new").write_text("x"), "more/new was added"),
        (lambda bundle: (bundle / HISTORY).unlink(), "history.json is missing"),
        (lambda bundle: (bundle / HISTORY).rename(bundle / "history"), "history.json is missing; history was added"),
        (lambda bundle: (bundle / "link").symlink_to(bundle / HISTORY), "link is a symbolic link"),
        (lambda bundle: (bundle / "folder").symlink_to("/etc"), "folder is a symbolic link"),
        (lambda bundle: os.mkfifo(bundle / "pipe"), "pipe is a named pipe"),
        (lambda bundle: (bundle / "a\nb").touch(), "must be printable text"),
    ],
)
def test_files_that_come_and_go_are_named(bundle: Path, change: Callable[[Path], None], words: str) -> None:
    record = bundle_record(bundle)
    change(bundle)
    with pytest.raises(ModelError, match=words):
        check_bundle(bundle, record)


def test_the_signature_is_over_the_digest_and_so_not_in_it(bundle: Path) -> None:
    before = bundle_digest(bundle)
    (bundle / SIGNATURE).write_text("signed")
    assert bundle_digest(bundle) == before
    (bundle / "more" / SIGNATURE).write_text("another file of that name")
    assert bundle_digest(bundle) != before


def test_a_list_of_files_that_is_not_the_digests_own_names_nothing(bundle: Path) -> None:
    other = BundleRecord(digest="0" * 64, files=bundle_record(bundle).files)
    with pytest.raises(ModelError, match=r"its digest is [0-9a-f]{12}…, not 000000000000…"):
        check_bundle(bundle, other)


def test_an_empty_file_is_refused_before_kserve_leaves_it_behind(bundle: Path) -> None:
    (bundle / "empty").touch()
    with pytest.raises(ModelError, match="empty is empty, and KServe brings no empty files"):
        bundle_record(bundle)
