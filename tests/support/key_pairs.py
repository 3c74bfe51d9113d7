"""Key pairs for signatures, made anew by every test that wants one."""

from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)


@dataclass(frozen=True)
class KeyPair:
    """Two files in PEM."""

    private: Path
    public: Path


def make_pair(folder: Path, name: str = "key", passphrase: str = "", curve: ec.EllipticCurve | None = None) -> KeyPair:
    """A pair on P-256, or on another curve."""
    return write_pair(folder, name, ec.generate_private_key(curve or ec.SECP256R1()), passphrase)


def write_pair(folder: Path, name: str, key: ec.EllipticCurvePrivateKey, passphrase: str = "") -> KeyPair:
    """A key of any kind, and its public half."""
    folder.mkdir(parents=True, exist_ok=True)
    pair = KeyPair(folder / f"{name}.pem", folder / f"{name}.public.pem")
    secret: KeySerializationEncryption = NoEncryption()
    if passphrase:
        secret = BestAvailableEncryption(passphrase.encode())
    pair.private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, secret))
    pair.private.chmod(0o600)
    pair.public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return pair
