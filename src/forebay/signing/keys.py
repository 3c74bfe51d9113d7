"""Read the private key that signs and the public keys that verify. No message shows the content of a private key.

Keys are on the NIST curves P-256, P-384 or P-521, in PEM; model-signing's key method knows these.
"""

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from forebay.errors import ConfigError
from forebay.settings.environment import SIGNING_KEY, SIGNING_PASSPHRASE, VERIFY_KEY

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

CURVES = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521"}
HOW_TO_MAKE_KEYS = "docs/signing.md shows the commands that make a pair"
PRIVATE = "PRIVATE KEY-----"
_PUBLIC = re.compile(r"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


@dataclass(frozen=True)
class PublicKeys:
    """Public keys; a signature by any of them is valid."""

    by_fingerprint: dict[str, str]  # PEM by the sha256 of that text

    @property
    def pem(self) -> str:
        """All of them, as `FOREBAY_VERIFY_KEY` takes them."""
        return "".join(pem for _, pem in sorted(self.by_fingerprint.items()))

    @property
    def fingerprints(self) -> str:
        """The sorted fingerprints, with commas between them; they tell one set of keys from another."""
        return ",".join(sorted(self.by_fingerprint))


@dataclass(frozen=True)
class SigningKey:
    """A private key that could be read and that is of a supported kind."""

    path: Path
    passphrase: bytes | None = field(repr=False)
    public: PublicKeys  # its public half


def read_signing_key() -> SigningKey | None:
    """The key that `FOREBAY_SIGNING_KEY` names; None where it is not set.

    Raises:
        ConfigError: the key cannot be read, is of another kind, or the passphrase does not open it.
    """
    value = os.environ.get(SIGNING_KEY, "")
    if not value:
        return None
    if PRIVATE in value:
        raise ConfigError(
            f"{SIGNING_KEY} holds a key itself. Write it into a file that only you can read, and give its path."
        )
    passphrase = os.environ.get(SIGNING_PASSPHRASE, "").encode() or None
    return SigningKey(Path(value).absolute(), passphrase, _public_half(Path(value), passphrase))


def read_public_keys() -> PublicKeys | None:
    """The public keys that `FOREBAY_VERIFY_KEY` names or holds; None where it is not set.

    Raises:
        ConfigError: a key cannot be read, or is of another kind.
    """
    value = os.environ.get(VERIFY_KEY, "")
    if not value:
        return None
    if "-----BEGIN" in value:
        return _public_keys(value, VERIFY_KEY)
    where = f"{VERIFY_KEY}={value}"
    return _public_keys(_read_key_file(Path(value), where).decode(errors="replace"), where)


def server_variables() -> dict[str, str]:
    """Variables for a server: the public keys themselves, because a container has no file of theirs.

    Raises:
        ConfigError: they cannot be read.
    """
    keys = read_public_keys()
    return {} if keys is None else {VERIFY_KEY: keys.pem}


def _public_half(path: Path, passphrase: bytes | None) -> PublicKeys:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    where = f"{SIGNING_KEY}={path}"
    content = _read_key_file(path, where)
    try:
        key = load_pem_private_key(content, passphrase)
    except TypeError as error:  # the library raises it where key or passphrase lacks the other
        fix = (
            f"has no passphrase, and {SIGNING_PASSPHRASE} is set: unset it"
            if passphrase
            else f"needs {SIGNING_PASSPHRASE}"
        )
        raise ConfigError(f"{where}: the key {fix}.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        wrong = f"{SIGNING_PASSPHRASE} does not open it, or it" if passphrase else "it"
        raise ConfigError(f"{where}: {wrong} is no private key in PEM. {HOW_TO_MAKE_KEYS}.") from error
    return PublicKeys(dict([_with_fingerprint(key.public_key(), where)]))


def _public_keys(text: str, where: str) -> PublicKeys:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if PRIVATE in text:
        raise ConfigError(
            f"{where} holds a private key, and verifying needs its public half alone: "
            "`openssl pkey -in PRIVATE -pubout` writes it."
        )
    blocks = _PUBLIC.findall(text)
    if not blocks:
        raise ConfigError(f"{where}: no public key in PEM is there. {HOW_TO_MAKE_KEYS}.")
    try:
        return PublicKeys(dict(_with_fingerprint(load_pem_public_key(block.encode()), where) for block in blocks))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{where}: a public key in it is damaged. {HOW_TO_MAKE_KEYS}.") from error


def _with_fingerprint(key: object, where: str) -> tuple[str, str]:
    """The fingerprint and the PEM of a public key; model-signing calls the fingerprint hint."""
    pem = _supported_pem(key, where).decode()
    return hashlib.sha256(pem.encode()).hexdigest(), pem


def _supported_pem(key: object, where: str) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name not in CURVES:
        raise ConfigError(
            f"{where}: {_describe_kind(key)}; expected one on {', '.join(CURVES.values())}. {HOW_TO_MAKE_KEYS}."
        )
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _describe_kind(key: "object | EllipticCurvePublicKey") -> str:
    curve = getattr(getattr(key, "curve", None), "name", "")
    return f"a key on the curve {curve}" if curve else f"a key for {type(key).__name__.removesuffix('PublicKey')}"


def _read_key_file(path: Path, where: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{where} cannot be read: {error.strerror}.") from error
