"""Whether the keys that sign and verify models can be used and belong to each other."""

from forebay.backend.check import CheckResult, failed_with, passed
from forebay.errors import ConfigError, MachineError
from forebay.local.server import server_status
from forebay.local.server.signature_keys import check_signs_for, check_verifies
from forebay.signing import SIGNING_KEY, VERIFY_KEY, read_public_keys, read_signing_key, require_library
from forebay.state import Home


def signing_keys() -> CheckResult:
    """The keys that are set can be read, and the library that uses them is installed."""
    try:
        key, public = read_signing_key(), read_public_keys()
        require_library()
    except (ConfigError, MachineError) as error:
        return failed_with("signing", error)
    signs = f"register signs with the key {key.public.fingerprints[:12]}…" if key else "register signs nothing"
    verifies = f"servers verify with {len(public.by_fingerprint)} key(s)" if public else "servers verify nothing"
    return passed("signing", f"{signs}, {verifies}")


def check_keys(home: Home, *, installed: bool) -> None:
    """Refuse keys before a run that register or the server would refuse after training.

    Args:
        home: the state folder, open.
        installed: whether model-signing must be installed here; container images have it.

    Raises:
        ConfigError: a key cannot be used, or it would sign this run's model so that verification fails.
        MachineError: model-signing is not installed, or the running server verifies with other keys.
    """
    key, public = read_signing_key(), read_public_keys()
    if installed and (key or public):
        require_library()
    if public and key is None:
        raise ConfigError(
            f"{VERIFY_KEY} is set, so that the server refuses models that are not signed, and {SIGNING_KEY} is not: "
            "this run's model would be refused. Set both, or neither."
        )
    if key and public and not key.public.by_fingerprint.keys() & public.by_fingerprint.keys():
        raise ConfigError(
            f"{SIGNING_KEY} and {VERIFY_KEY} do not belong to each other: this run's model would be refused. "
            f"`openssl pkey -in {key.path} -pubout` writes the public key that does."
        )
    server = server_status.running_server(home)
    if server is not None:
        check_verifies(server, public)
        check_signs_for(server, key)
