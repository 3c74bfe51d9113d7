"""Signatures of model bundles by OpenSSF model-signing: register signs, servers and deployments verify; off by default.

Importing this package is cheap; the library is imported with the first signature.
"""

from forebay.signing.bundle import is_signed, load_library, sign, verify, verify_if_asked
from forebay.signing.keys import PublicKeys, SigningKey, signing_key, verify_keys
from forebay.state.key_variables import PASSPHRASE, SIGNING_KEY, VERIFY_KEY

__all__ = [
    "PASSPHRASE",
    "SIGNING_KEY",
    "VERIFY_KEY",
    "PublicKeys",
    "SigningKey",
    "is_signed",
    "load_library",
    "sign",
    "signing_key",
    "verify",
    "verify_if_asked",
    "verify_keys",
]
