"""Signatures of model bundles by OpenSSF model-signing: register signs, servers and deployments verify; off by default.

Importing this package is cheap; the library is imported with the first signature.
"""

from forebay.settings.environment import SIGNING_KEY, SIGNING_PASSPHRASE, VERIFY_KEY
from forebay.signing.bundle import is_signed, sign, verify, verify_if_asked
from forebay.signing.keys import PublicKeys, SigningKey, server_variables, signing_key, verify_keys
from forebay.signing.library import load_library, require_library

__all__ = [
    "SIGNING_KEY",
    "SIGNING_PASSPHRASE",
    "VERIFY_KEY",
    "PublicKeys",
    "SigningKey",
    "is_signed",
    "load_library",
    "require_library",
    "server_variables",
    "sign",
    "signing_key",
    "verify",
    "verify_if_asked",
    "verify_keys",
]
