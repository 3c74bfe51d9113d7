"""The server of a state folder, in a container of the serve image."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from forebay import container_images
from forebay.local.containers.engine import (
    check_engine,
    container_arguments,
    engine_client,
    home_label_value,
    remove_container,
)
from forebay.settings.environment import CONTAINER_VARIABLE
from forebay.state import Home

SERVER_MEMORY = "2g"


@dataclass(frozen=True)
class EngineRestarts:
    """How often the engine restarted a server's container, and why the last time."""

    count: int
    last: str  # time of its last end, ISO 8601, UTC; empty where it never ended
    why: str


@dataclass(frozen=True)
class ServerContainer:
    """A server's container that was just started."""

    name: str

    def has_ended(self) -> bool:
        """Whether it no longer runs (the engine may be about to restart it)."""
        from docker.errors import NotFound

        with engine_client() as client:
            try:
                return str(client.containers.get(self.name).status) != "running"
            except NotFound:
                return True

    def last_line(self) -> str:
        """The last line that it printed before it could write its log."""
        from docker.errors import NotFound

        with engine_client() as client, contextlib.suppress(NotFound):
            lines = client.containers.get(self.name).logs(tail=3).decode(errors="replace").splitlines()
            return lines[-1] if lines else ""
        return ""

    def remove(self) -> None:
        """Remove it at once."""
        stop_server_container(self.name, 0)


def start_server_container(home: Home, options: Sequence[str], variables: dict[str, str]) -> ServerContainer:
    """Start the server of a state folder; the engine restarts it after a crash or a reboot.

    It gets no credentials, because it reads only bundles in the state folder.

    Args:
        home: the state folder, open.
        options: options of `python -m forebay.serving`.
        variables: further variables, besides those of every container.

    Raises:
        MachineError: no engine, or no such image.
    """
    check_engine((container_images.SERVE,))
    name = server_container_name(home)
    arguments = container_arguments(home)
    arguments["environment"] |= {**variables, CONTAINER_VARIABLE: name}
    stop_server_container(name, 0)  # a container that a reboot or a kill left
    with engine_client() as client:
        container = client.containers.create(  # unlike `run`, it never pulls
            container_images.SERVE,
            list(options),
            name=name,
            mem_limit=SERVER_MEMORY,
            restart_policy={"Name": "unless-stopped"},
            **arguments,
        )
        try:
            container.start()
        except BaseException:
            remove_container(container)
            raise
    return ServerContainer(name)


def server_container_name(home: Home) -> str:
    """The name of the one server container of a state folder."""
    return f"forebay-serve-{home_label_value(home)}"


def engine_restarts(name: str) -> EngineRestarts | None:
    """The restarts of a server's container; None where the engine has no container of that name.

    Raises:
        MachineError: no engine.
    """
    from docker.errors import NotFound

    with engine_client() as client, contextlib.suppress(NotFound):
        attributes = client.containers.get(name).attrs
        state, count = attributes["State"], int(attributes.get("RestartCount") or 0)
        if not count:
            return EngineRestarts(0, "", "")
        out_of_memory = ", for lack of memory" if state.get("OOMKilled") else ""
        last = f"{str(state['FinishedAt'])[:19]}+00:00"  # the engine gives nanoseconds
        return EngineRestarts(count, last, f"exit code {state['ExitCode']}{out_of_memory}")
    return None


def stop_server_container(name: str, timeout_s: float) -> bool:
    """Stop and remove a server's container; until the timeout, it answers the requests that it has begun.

    Returns:
        Whether there was one.
    """
    from docker.errors import NotFound

    with engine_client() as client, contextlib.suppress(NotFound):
        container = client.containers.get(name)
        if timeout_s:
            container.stop(timeout=int(timeout_s))
        remove_container(container)
        return True
    return False
