"""Signatures of model bundles by OpenSSF model-signing: register signs, servers and deployments verify. Off by default.

Importing this package is cheap; the first signature imports the library.
"""

from forebay.settings.environment import SIGNING_KEY, SIGNING_PASSPHRASE, VERIFY_KEY
from forebay.signing.keys import PublicKeys, SigningKey, read_public_keys, read_signing_key, server_variables
from forebay.signing.library import load_library, require_library
from forebay.signing.signature import is_signed, sign, verify, verify_if_required

__all__ = [
    "SIGNING_KEY",
    "SIGNING_PASSPHRASE",
    "VERIFY_KEY",
    "PublicKeys",
    "SigningKey",
    "is_signed",
    "load_library",
    "read_public_keys",
    "read_signing_key",
    "require_library",
    "server_variables",
    "sign",
    "verify",
    "verify_if_required",
]
