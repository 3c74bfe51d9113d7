"""Sign a bundle with model-signing, and verify one; what model-signing would let pass is refused here.

The signature is `model.sig` in the bundle: a Sigstore bundle around an in-toto statement with the sha256 of every file.
model-signing ignores files such as .git, and those that a signature tells it to ignore; here they are refused.
"""

import base64
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from forebay.contracts.bundles.digest import BundleFiles, bundle_files, files_digest, files_json
from forebay.contracts.bundles.record import BundleRecord
from forebay.contracts.bundles.regular_file import read_regular
from forebay.contracts.bundles.spec import SIGNATURE
from forebay.errors import ModelError
from forebay.settings.environment import VERIFY_KEY
from forebay.signing.keys import PublicKeys, SigningKey, read_public_keys
from forebay.signing.library import load_library
from forebay.state.files import write_bytes
from forebay.text import one_line

MISMATCH = "Signature mismatch"  # model-signing begins with it where files differ
MOST_NAMED = 5  # files in a message
MAX_BYTES = 1 << 20  # a signature of ours has 2 KiB
FIX = "Take the version from the registry again, or register the model anew by a run with the key"


def sign(folder: Path, key: SigningKey) -> None:
    """Write `model.sig`, which signs every other file of the folder.

    Raises:
        MachineError: model-signing is not installed.
        ModelError: something in the folder cannot be signed, such as a symbolic link.
    """
    library = load_library()
    config = library.signing.Config().use_elliptic_key_signer(private_key=key.path, password=key.passphrase)
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / SIGNATURE
        bundle_files(folder)  # refuses links and whatever else cannot be signed
        config.set_hashing_config(_hashing(library)).sign(folder, written)
        write_bytes(folder / SIGNATURE, written.read_bytes())


def verify_if_required(folder: Path) -> BundleRecord | None:
    """Verify a bundle where `FOREBAY_VERIFY_KEY` is set; without it, ignore any signature.

    Returns:
        The files that were signed, so that the caller reads exactly these; None where nothing was verified.

    Raises:
        ConfigError: the keys cannot be read.
        MachineError: model-signing is not installed.
        ModelError: the bundle is not signed, another key signed it, or it was changed.
    """
    keys = read_public_keys()
    return None if keys is None else verify(folder, keys)


def is_signed(folder: Path, keys: PublicKeys) -> bool:
    """Whether one of these keys signed the folder as it is."""
    try:
        verify(folder, keys)
    except ModelError:
        return False
    return True


def verify(folder: Path, keys: PublicKeys) -> BundleRecord:
    """Check that one of these keys signed the folder as it is: every file, and no file more.

    Returns:
        The files that were signed.

    Raises:
        MachineError: model-signing is not installed.
        ModelError: none did; the message says what is wrong.
    """
    library = load_library()
    content, files = _read_signature(folder), bundle_files(folder)
    with tempfile.TemporaryDirectory() as scratch:  # verify the bytes that were read, whatever happens to the file
        signature, key = Path(scratch) / SIGNATURE, Path(scratch) / "public.pem"
        signature.write_bytes(content)
        key.write_text(_signer_pem(content, keys, folder))
        mismatch = _verify_signature(library, folder, signature, key)
    _compare_files(folder, files, content)
    if mismatch:
        raise ModelError(f"{folder} is not what was signed: {one_line(mismatch)}. {FIX}.")
    return BundleRecord(digest=files_digest(files), files=files_json(files))


def _hashing(library: Any) -> Any:
    return library.hashing.Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)


def _read_signature(folder: Path) -> bytes:
    path = folder / SIGNATURE
    if not os.path.lexists(path):
        raise ModelError(
            f"{folder} is not signed: it has no {SIGNATURE}, and {VERIFY_KEY} is set. Register the model anew by a run "
            "with a signing key."
        )
    return read_regular(path, MAX_BYTES)


def _signer_pem(content: bytes, keys: PublicKeys, folder: Path) -> str:
    """The public key that the signature names; only verification tells whether the signature is that key's."""
    try:
        hint = str(json.loads(content)["verificationMaterial"]["publicKey"]["hint"])
    except Exception as error:  # anybody may have written the file
        raise _unreadable(folder, error) from error
    if hint not in keys.by_fingerprint:
        known = ", ".join(f"{name[:12]}…" for name in keys.by_fingerprint)
        raise ModelError(
            f"{folder}: its {SIGNATURE} is by the key {hint[:12]!r}…, {VERIFY_KEY} holds {known}. Give that public key "
            "too where you trust it, or register the model anew by a run with a key of yours."
        )
    return keys.by_fingerprint[hint]


def _verify_signature(library: Any, folder: Path, signature: Path, key: Path) -> str:
    """Let model-signing verify. Returns its message about files that differ; `_compare_files` names them better."""
    from cryptography.exceptions import InvalidSignature

    config = library.verifying.Config().use_elliptic_key_verifier(public_key=key)
    try:
        config.set_hashing_config(_hashing(library)).verify(folder, signature)
    except InvalidSignature as error:
        raise ModelError(f"{folder}: its {SIGNATURE} was not made by the key that it names. {FIX}.") from error
    except ValueError as error:
        if not str(error).startswith(MISMATCH):
            raise _unreadable(folder, error) from error
        return str(error)
    except Exception as error:  # anybody may have written the file
        raise _unreadable(folder, error) from error
    return ""


def _compare_files(folder: Path, files: BundleFiles, content: bytes) -> None:
    """Compare every file with the statement, because the statement itself may tell model-signing what to ignore.

    Raises:
        ModelError: one was changed, added or removed.
    """
    try:
        statement = json.loads(base64.b64decode(json.loads(content)["dsseEnvelope"]["payload"]))
        rows = [(str(row["name"]), row["algorithm"], row["digest"]) for row in statement["predicate"]["resources"]]
    except Exception as error:  # the right key signed something of another form
        raise _unreadable(folder, error) from error
    signed = {name: sha256 for name, algorithm, sha256 in rows if algorithm == "sha256"}
    changed = [f"{name!r} was changed" for name in sorted(signed.keys() & files) if signed[name] != files[name].sha256]
    added = [f"{name!r} is not in the signature" for name in sorted(files.keys() - signed)]
    gone = [f"{name!r} is missing" for name in sorted(signed.keys() - files)]
    if differences := [*changed, *added, *gone][:MOST_NAMED]:
        raise ModelError(f"{folder} is not what was signed: {', '.join(differences)}. {FIX}.")


def _unreadable(folder: Path, error: Exception) -> ModelError:
    return ModelError(f"{folder / SIGNATURE} cannot be read as a signature ({type(error).__name__}). {FIX}.")
