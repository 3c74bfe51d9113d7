"""A signature holds for every file of a bundle, for one key, and for nothing else; real keys, the real library."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import model_signing
import pytest

from forebay.contracts.bundles.digest import bundle_digest
from forebay.contracts.bundles.spec import SIGNATURE, SPEC, WEIGHTS
from forebay.errors import MachineError, ModelError
from forebay.signing import SIGNING_KEY, VERIFY_KEY, read_signing_key, sign, verify_if_required
from support.key_pairs import KeyPair, make_pair

Harm = Callable[[Path], object]


def flip_a_byte(folder: Path) -> None:
    data = bytearray((folder / WEIGHTS).read_bytes())
    data[-1] ^= 1
    (folder / WEIGHTS).write_bytes(data)


def reverse_the_classes(folder: Path) -> None:
    spec = json.loads((folder / SPEC).read_text())
    (folder / SPEC).write_text(json.dumps(spec | {"classes": spec["classes"][::-1]}))


def hide(folder: Path, name: str) -> None:
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_text("x")


def link_the_weights(folder: Path) -> None:
    (folder / WEIGHTS).rename(folder.parent / "elsewhere")
    (folder / WEIGHTS).symlink_to(folder.parent / "elsewhere")


def link_the_folder(folder: Path) -> None:
    (folder.parent / "outside").mkdir()
    (folder / "more").symlink_to(folder.parent / "outside")


def sign_by(pair: KeyPair, folder: Path, **how: object) -> None:
    """By the library, as anybody can."""
    hashing = model_signing.hashing.Config().set_ignored_paths(
        **{"paths": [SIGNATURE], "ignore_git_paths": False} | how
    )
    signer = model_signing.signing.Config().use_elliptic_key_signer(private_key=pair.private)
    signer.set_hashing_config(hashing).sign(folder, folder / SIGNATURE)


def test_a_signed_bundle_verifies_and_what_was_signed_is_the_bundles_digest(signed: Path) -> None:
    found = verify_if_required(signed)
    assert found is not None
    assert found.digest == bundle_digest(signed)


def test_the_librarys_own_command_accepts_our_signature(signed: Path, pair: KeyPair) -> None:
    command = [sys.executable, "-m", "model_signing", "verify", "key", str(signed), "--no-ignore-git-paths"]
    command += ["--signature", str(signed / SIGNATURE), "--public_key", str(pair.public)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "Verification succeeded\n"), done.stderr
    flip_a_byte(signed)
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Hash mismatch" in done.stderr


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (flip_a_byte, r"is not what was signed: 'weights.safetensors' was changed\. Take the version"),
        (reverse_the_classes, r"'model\.json' was changed"),
        (lambda folder: hide(folder, "more.json"), r"'more\.json' is not in the signature"),
        (lambda folder: hide(folder, ".git/hooks"), r"'\.git/hooks' is not in the signature"),
        (lambda folder: hide(folder, ".gitattributes"), r"'\.gitattributes' is not in the signature"),
        (lambda folder: hide(folder, "in\nnew line"), "must be printable text"),
        (lambda folder: (folder / SPEC).unlink(), r"'model\.json' is missing"),
        (link_the_weights, "is a symbolic link"),
        (link_the_folder, "is a symbolic link"),
        (lambda folder: os.mkfifo(folder / "pipe"), "is a named pipe"),
        (lambda folder: (folder / SIGNATURE).unlink(), r"is not signed: it has no model\.sig, and FOREBAY_VERIFY_KEY"),
        (lambda folder: (folder / SIGNATURE).write_text("no json"), r"model\.sig cannot be read as a signature"),
        (lambda folder: (folder / SIGNATURE).write_text("[" * 100_000), r"cannot be read as a signature \(Recursion"),
        (lambda folder: (folder / SIGNATURE).write_bytes(bytes(2 << 20)), "at most 1048576 are read"),
    ],
)
def test_what_is_not_as_it_was_signed_is_refused(signed: Path, harm: Harm, words: str) -> None:
    harm(signed)
    with pytest.raises(ModelError, match=words) as caught:
        verify_if_required(signed)
    assert "\n" not in str(caught.value)


def test_a_pipe_in_place_of_the_signature_is_not_opened(signed: Path) -> None:
    (signed / SIGNATURE).unlink()
    os.mkfifo(signed / SIGNATURE)
    with pytest.raises(ModelError, match="is a named pipe"):
        verify_if_required(signed)


def test_another_key_is_refused_by_its_fingerprint(signed: Path, tmp_path: Path) -> None:
    sign_by(make_pair(tmp_path / "stranger"), signed)
    with pytest.raises(ModelError, match=r"its model\.sig is by the key '[0-9a-f]{12}'…, FOREBAY_VERIFY_KEY holds"):
        verify_if_required(signed)


def test_a_signature_that_borrows_the_right_fingerprint_is_refused(signed: Path, tmp_path: Path) -> None:
    right = json.loads((signed / SIGNATURE).read_text())["verificationMaterial"]
    sign_by(make_pair(tmp_path / "stranger"), signed)
    forged = json.loads((signed / SIGNATURE).read_text()) | {"verificationMaterial": right}
    (signed / SIGNATURE).write_text(json.dumps(forged))
    with pytest.raises(ModelError, match="was not made by the key that it names"):
        verify_if_required(signed)


@pytest.mark.parametrize("how", [{"ignore_git_paths": True}, {"paths": [SIGNATURE, ".gitignore"]}])
def test_a_signature_that_lets_files_be_ignored_hides_none(signed: Path, pair: KeyPair, how: dict[str, object]) -> None:
    sign_by(pair, signed, **how)
    verify_if_required(signed)
    hide(signed, ".gitignore")
    with pytest.raises(ModelError, match=r"'\.gitignore' is not in the signature"):
        verify_if_required(signed)


def test_off_by_default_a_signature_is_not_looked_at(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (signed / SIGNATURE).write_text("no json")
    monkeypatch.delenv(VERIFY_KEY)
    verify_if_required(signed)


def test_while_keys_change_both_are_taken(
    signed: Path, pair: KeyPair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = make_pair(tmp_path / "newer")
    monkeypatch.setenv(VERIFY_KEY, newer.public.read_text() + pair.public.read_text())  # the text itself
    verify_if_required(signed)
    sign_by(newer, signed)
    verify_if_required(signed)


def test_a_second_signature_takes_the_place_of_the_first(
    signed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = make_pair(tmp_path / "newer")
    monkeypatch.setenv(SIGNING_KEY, str(newer.private))
    monkeypatch.setenv(VERIFY_KEY, str(newer.public))
    key = read_signing_key()
    assert key is not None
    sign(signed, key)
    verify_if_required(signed)


def test_what_cannot_be_signed_is_named(signed: Path) -> None:
    key = read_signing_key()
    assert key is not None
    link_the_weights(signed)
    with pytest.raises(ModelError, match=r"weights\.safetensors is a symbolic link"):
        sign(signed, key)


def test_without_the_library_the_extra_is_named(signed: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "model_signing", None)
    with pytest.raises(MachineError, match=r"`pip install 'forebay\[signing\]'`"):
        verify_if_required(signed)
