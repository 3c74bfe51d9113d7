"""Who may see the environment variables that name signing keys."""

import os
from collections.abc import Mapping

from forebay.settings.environment import SIGNING_KEY, SIGNING_PASSPHRASE

SIGNER = "register"  # the step that signs


def without_signing_key(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of a process that signs nothing."""
    return {name: value for name, value in environment.items() if name not in (SIGNING_KEY, SIGNING_PASSPHRASE)}


def forget_signing_key() -> None:
    """Remove the variables of the signing key from this process and from those that it starts."""
    for name in (SIGNING_KEY, SIGNING_PASSPHRASE):
        os.environ.pop(name, None)
