"""How long commands wait for the server of this machine."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ServerTimeouts:
    """Waiting times of starting, changing and stopping the server."""

    start_s: float = 180.0  # a server is up in under 5 s; on a busy machine or a cold disk, minutes pass
    load_s: float = 120.0
    stop_s: float = 10.0  # nothing of the server is left after this
    kill_s: float = 1.0  # before that, what still runs is killed
    poll_s: float = 0.05


DEFAULT_TIMEOUTS = ServerTimeouts()
