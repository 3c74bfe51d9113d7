"""The server in a container of the serve image, on a state folder."""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass

from forebay import container_images
from forebay.local.containers.client import check, common, connected, label_of, remove
from forebay.settings.environment import CONTAINER_VARIABLE
from forebay.state import Home

MEMORY = "2g"


@dataclass(frozen=True)
class EngineRestarts:
    """How often the engine started a server's container again."""

    count: int
    last: str  # when it ended last, ISO 8601, UTC; empty where it never did
    why: str


@dataclass(frozen=True)
class ServeContainer:
    """A server's container that was just started."""

    name: str

    def ended(self) -> bool:
        """Whether it no longer runs (the engine may be about to start it again)."""
        from docker.errors import NotFound

        with connected() as client:
            try:
                return str(client.containers.get(self.name).status) != "running"
            except NotFound:
                return True

    def last_words(self) -> str:
        """What it printed before it could write its log."""
        from docker.errors import NotFound

        with connected() as client, contextlib.suppress(NotFound):
            lines = client.containers.get(self.name).logs(tail=3).decode(errors="replace").splitlines()
            return lines[-1] if lines else ""
        return ""

    def end(self) -> None:
        """Remove it, at once."""
        stop_server(self.name, 0)


def start_server(home: Home, options: Sequence[str], variables: dict[str, str]) -> ServeContainer:
    """Start the server of a state folder; the engine starts it again after a crash or a reboot.

    It gets no credentials: it reads bundles in the state folder, and nothing else.

    Args:
        home: the state folder, open.
        options: options of `python -m forebay.serving`.
        variables: besides those of every container.

    Raises:
        MachineError: no engine, or no such image.
    """
    check((container_images.SERVE,))
    name = server_name(home)
    arguments = common(home)
    arguments["environment"] |= {**variables, CONTAINER_VARIABLE: name}
    stop_server(name, 0)  # one that a reboot or a kill left
    with connected() as client:
        container = client.containers.create(  # unlike `run`, it never pulls
            container_images.SERVE,
            list(options),
            name=name,
            mem_limit=MEMORY,
            restart_policy={"Name": "unless-stopped"},
            **arguments,
        )
        try:
            container.start()
        except BaseException:
            remove(container)
            raise
    return ServeContainer(name)


def server_name(home: Home) -> str:
    """The one server container of a state folder."""
    return f"forebay-serve-{label_of(home)}"


def engine_restarts(name: str) -> EngineRestarts | None:
    """What the engine tells of a server's container; None where it has none of that name.

    Raises:
        MachineError: no engine.
    """
    from docker.errors import NotFound

    with connected() as client, contextlib.suppress(NotFound):
        attributes = client.containers.get(name).attrs
        state, count = attributes["State"], int(attributes.get("RestartCount") or 0)
        if not count:
            return EngineRestarts(0, "", "")
        out_of_memory = ", for lack of memory" if state.get("OOMKilled") else ""
        last = f"{str(state['FinishedAt'])[:19]}+00:00"  # the engine gives nanoseconds
        return EngineRestarts(count, last, f"exit code {state['ExitCode']}{out_of_memory}")
    return None


def stop_server(name: str, timeout_s: float) -> bool:
    """End and remove a server's container; requests in flight are answered first, for as long as the timeout.

    Returns:
        Whether there was one.
    """
    from docker.errors import NotFound

    with connected() as client, contextlib.suppress(NotFound):
        container = client.containers.get(name)
        if timeout_s:
            container.stop(timeout=int(timeout_s))
        remove(container)
        return True
    return False
