"""Reading keys: the private one that signs, the public ones that verify. What is in a private key is never told.

Keys are on the NIST curves P-256, P-384 or P-521, in PEM: those that model-signing's key method knows.
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
MAKE = "docs/signing.md shows the commands that make a pair"
PRIVATE = "PRIVATE KEY-----"
_PUBLIC = re.compile(r"-----BEGIN PUBLIC KEY-----.+?-----END PUBLIC KEY-----", re.DOTALL)


@dataclass(frozen=True)
class PublicKeys:
    """Public keys, a signature by any of which is right."""

    by_fingerprint: dict[str, str]  # each one in PEM, by the sha256 of that text

    @property
    def text(self) -> str:
        """All of them in PEM, as `FOREBAY_VERIFY_KEY` takes them."""
        return "".join(pem for _, pem in sorted(self.by_fingerprint.items()))

    @property
    def fingerprints(self) -> str:
        """What tells one set of keys from another: the fingerprints in their order, with commas between them."""
        return ",".join(sorted(self.by_fingerprint))


@dataclass(frozen=True)
class SigningKey:
    """A private key that was read once and fits."""

    path: Path
    passphrase: bytes | None = field(repr=False)
    public: PublicKeys  # its other half


def signing_key() -> SigningKey | None:
    """The key that `FOREBAY_SIGNING_KEY` names; None where it is not set.

    Raises:
        ConfigError: it cannot be read, is of another kind, or the passphrase does not open it.
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


def verify_keys() -> PublicKeys | None:
    """The keys that `FOREBAY_VERIFY_KEY` names, or holds; None where it is not set.

    Raises:
        ConfigError: they cannot be read, or are of another kind.
    """
    value = os.environ.get(VERIFY_KEY, "")
    if not value:
        return None
    if "-----BEGIN" in value:
        return _public_keys(value, VERIFY_KEY)
    where = f"{VERIFY_KEY}={value}"
    return _public_keys(_content(Path(value), where).decode(errors="replace"), where)


def server_variables() -> dict[str, str]:
    """What a server that is started gets: the public keys themselves, as it has other folders, or lives in a container.

    Raises:
        ConfigError: they cannot be read.
    """
    keys = verify_keys()
    return {} if keys is None else {VERIFY_KEY: keys.text}


def _public_half(path: Path, passphrase: bytes | None) -> PublicKeys:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    where = f"{SIGNING_KEY}={path}"
    content = _content(path, where)
    try:
        key = load_pem_private_key(content, passphrase)
    except TypeError as error:  # what the library raises where one of the two is missing
        fix = (
            f"has no passphrase, and {SIGNING_PASSPHRASE} is set: unset it"
            if passphrase
            else f"needs {SIGNING_PASSPHRASE}"
        )
        raise ConfigError(f"{where}: the key {fix}.") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        wrong = f"{SIGNING_PASSPHRASE} does not open it, or it" if passphrase else "it"
        raise ConfigError(f"{where}: {wrong} is no private key in PEM. {MAKE}.") from error
    return PublicKeys(dict([_named(key.public_key(), where)]))


def _public_keys(text: str, where: str) -> PublicKeys:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if PRIVATE in text:
        raise ConfigError(
            f"{where} holds a private key, and who verifies needs its public half alone: "
            "`openssl pkey -in PRIVATE -pubout` writes it."
        )
    blocks = _PUBLIC.findall(text)
    if not blocks:
        raise ConfigError(f"{where}: no public key in PEM is there. {MAKE}.")
    try:
        return PublicKeys(dict(_named(load_pem_public_key(block.encode()), where) for block in blocks))
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ConfigError(f"{where}: a public key in it is damaged. {MAKE}.") from error


def _named(key: object, where: str) -> tuple[str, str]:
    """A public key in PEM under its fingerprint, which model-signing calls the hint."""
    pem = _fitting(key, where).decode()
    return hashlib.sha256(pem.encode()).hexdigest(), pem


def _fitting(key: object, where: str) -> bytes:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if not isinstance(key, EllipticCurvePublicKey) or key.curve.name not in CURVES:
        raise ConfigError(f"{where}: {_kind(key)}; expected one on {', '.join(CURVES.values())}. {MAKE}.")
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _kind(key: "object | EllipticCurvePublicKey") -> str:
    curve = getattr(getattr(key, "curve", None), "name", "")
    return f"a key on the curve {curve}" if curve else f"a key for {type(key).__name__.removesuffix('PublicKey')}"


def _content(path: Path, where: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ConfigError(f"{where} cannot be read: {error.strerror}.") from error
