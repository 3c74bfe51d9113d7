"""Signing a bundle, and verifying one: model-signing does both, and here stands what it would let pass.

The signature is `model.sig` in the bundle: a Sigstore bundle around an in-toto statement with the sha256 of every file.
Files that model-signing ignores by itself (.git and the like), or that a signature says to ignore, are refused here.
"""

import base64
import json
import os
import re
import stat
import tempfile
from pathlib import Path
from typing import Any

from forebay.contracts.bundle import SIGNATURE
from forebay.errors import ModelError
from forebay.signing.keys import PublicKeys, SigningKey, verify_keys
from forebay.signing.library import load_library
from forebay.state.files import write_bytes
from forebay.state.key_variables import VERIFY_KEY

MAX_BYTES = 1 << 20  # of a signature; ours are of 2 KiB
AGAIN = "Take the version from the registry again, or register the model anew by a run with the key"


def sign(folder: Path, key: SigningKey) -> None:
    """Write `model.sig`, a signature of every other file of the folder.

    Raises:
        MachineError: model-signing is not installed.
        ModelError: the folder holds what cannot be signed, such as a symbolic link.
    """
    library = load_library()
    config = library.signing.Config().use_elliptic_key_signer(private_key=key.path, password=key.passphrase)
    with tempfile.TemporaryDirectory() as scratch:
        written = Path(scratch) / SIGNATURE
        try:
            config.set_hashing_config(_hashing(library)).sign(folder, written)
        except ValueError as error:
            raise ModelError(f"{folder} cannot be signed: {error}") from error
        write_bytes(folder / SIGNATURE, written.read_bytes())


def verify_if_asked(folder: Path) -> None:
    """Verify where `FOREBAY_VERIFY_KEY` is set; elsewhere a signature is not looked at.

    Raises:
        ConfigError: the keys cannot be read.
        MachineError: model-signing is not installed.
        ModelError: the bundle is not signed, or not by one of these keys, or was changed.
    """
    keys = verify_keys()
    if keys is not None:
        verify(folder, keys)


def is_signed(folder: Path, keys: PublicKeys) -> bool:
    """Whether one of these keys signed the folder as it is."""
    try:
        verify(folder, keys)
    except ModelError:
        return False
    return True


def verify(folder: Path, keys: PublicKeys) -> None:
    """Find out whether one of these keys signed the folder as it is, file by file and no other beside them.

    Raises:
        MachineError: model-signing is not installed.
        ModelError: it did not; the message says what is wrong.
    """
    library = load_library()
    content = _read(folder)
    with tempfile.TemporaryDirectory() as scratch:  # what is verified is what was read, whatever happens to the file
        signature, key = Path(scratch) / SIGNATURE, Path(scratch) / "public.pem"
        signature.write_bytes(content)
        key.write_text(_signer(content, keys, folder))
        _verified(library, folder, signature, key)
    _refuse_unnamed(folder, content)


def _hashing(library: Any) -> Any:
    return library.hashing.Config().set_ignored_paths(paths=[SIGNATURE], ignore_git_paths=False)


def _read(folder: Path) -> bytes:
    """The signature's bytes; what is no plain file of a sane size is not opened, as a pipe would never end."""
    path = folder / SIGNATURE
    try:
        found = path.lstat()
        if stat.S_ISREG(found.st_mode) and found.st_size <= MAX_BYTES:
            return path.read_bytes()
    except FileNotFoundError as error:
        raise ModelError(
            f"{folder} is not signed: it has no {SIGNATURE}, and {VERIFY_KEY} is set. Register the model anew by a run "
            "with a signing key."
        ) from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read: {error.strerror}.") from error
    raise ModelError(f"{path} is no signature: expected a plain file of at most {MAX_BYTES} bytes. {AGAIN}.")


def _signer(content: bytes, keys: PublicKeys, folder: Path) -> str:
    """The one of the keys that the signature names; whether it is its own, only the verification tells."""
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


def _verified(library: Any, folder: Path, signature: Path, key: Path) -> None:
    from cryptography.exceptions import InvalidSignature

    config = library.verifying.Config().use_elliptic_key_verifier(public_key=key)
    try:
        config.set_hashing_config(_hashing(library)).verify(folder, signature)
    except InvalidSignature as error:
        raise ModelError(f"{folder}: its {SIGNATURE} was not made by the key that it names. {AGAIN}.") from error
    except ValueError as error:
        raise ModelError(f"{folder} is not what was signed: {_difference(str(error))}. {AGAIN}.") from error
    except Exception as error:  # anybody may have written the file
        raise _unreadable(folder, error) from error


def _difference(said: str) -> str:
    """What the library says, without its digests and lists in Python's notation."""
    changed = re.findall(r"Hash mismatch for '([^']*)'", said)
    others = re.findall(r"(Extra|Missing) files (?:found )?in model '[^']*': ([^\"']*)", said)
    words = [f"{name!r} was changed" for name in changed]
    words += [f"{what.lower()} {names!r}" for what, names in others]
    return "; ".join(words) or said.rstrip(".")


def _refuse_unnamed(folder: Path, content: bytes) -> None:
    """Refuse files that the statement does not name: it may say itself which ones the library is to pass over."""
    statement = json.loads(base64.b64decode(json.loads(content)["dsseEnvelope"]["payload"]))
    named = {str(each["name"]) for each in statement["predicate"]["resources"]}
    unnamed = _files(folder) - named - {SIGNATURE}
    if unnamed:
        listed = ", ".join(repr(name) for name in sorted(unnamed)[:5])
        raise ModelError(f"{folder} holds files that its {SIGNATURE} does not name: {listed}. {AGAIN}.")


def _files(folder: Path) -> set[str]:
    """Every file by its path within the folder, whatever its kind."""
    return {
        (Path(parent) / name).relative_to(folder).as_posix()
        for parent, folders, files in os.walk(folder)
        for name in (*files, *(each for each in folders if (Path(parent) / each).is_symlink()))
    }


def _unreadable(folder: Path, error: Exception) -> ModelError:
    return ModelError(f"{folder / SIGNATURE} is no signature that can be read ({type(error).__name__}). {AGAIN}.")
