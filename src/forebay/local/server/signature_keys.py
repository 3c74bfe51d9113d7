"""Whether the running server takes the models that this command's keys sign or verify."""

from forebay.errors import ConfigError, MachineError
from forebay.serving.state import ServerInfo
from forebay.signing import SIGNING_KEY, VERIFY_KEY, PublicKeys, SigningKey

AGAIN = "End it with `forebay stop`, and give the same command again"


def check_verifies(server: ServerInfo, keys: PublicKeys | None) -> None:
    """Refuse a server that was started without the keys by which models are to be verified.

    Raises:
        MachineError: it verifies no signatures, or by other keys.
    """
    if keys is not None and server.verifies != keys.fingerprints:
        by = "by other keys" if server.verifies else "no signatures"
        raise MachineError(f"{VERIFY_KEY} is set, and the running server ({server.runs_as}) verifies {by}. {AGAIN}.")


def check_signs_for(server: ServerInfo, key: SigningKey | None) -> None:
    """Check before a run that the server would take the run's model.

    Raises:
        ConfigError: it verifies signatures, and it does not know this key.
    """
    if not server.verifies or (key is not None and key.public.fingerprints in server.verifies.split(",")):
        return
    problem = f"{SIGNING_KEY} names another key" if key else f"{SIGNING_KEY} is not set"
    raise ConfigError(
        f"The running server ({server.runs_as}) was started with {VERIFY_KEY} and takes models only that are signed by "
        f"its keys; {problem}. Set the one that belongs to it, or start a server anew: `forebay stop`."
    )
