"""The environment variables that name keys, and who may see them."""

import os
from collections.abc import Mapping

SIGNING_KEY = "FOREBAY_SIGNING_KEY"  # path of the private key, which register alone is given
PASSPHRASE = "FOREBAY_SIGNING_KEY_PASSPHRASE"  # noqa: S105 - the name of a variable; empty where the key has none
VERIFY_KEY = "FOREBAY_VERIFY_KEY"  # path of the public keys, or their text: a server in a pod or container has no file
SIGNER = "register"  # the step that signs


def without_signing_key(environment: Mapping[str, str]) -> dict[str, str]:
    """An environment for who signs nothing."""
    return {name: value for name, value in environment.items() if name not in (SIGNING_KEY, PASSPHRASE)}


def forget_signing_key() -> None:
    """Drop the variables from this process and those that it starts."""
    for name in (SIGNING_KEY, PASSPHRASE):
        os.environ.pop(name, None)
