"""How a run or a command would start the server of this machine: address, runner and settings."""

import os
from collections.abc import Callable, Mapping

from forebay.errors import ConfigError
from forebay.local.server import server_status
from forebay.local.server.launch import ServerOptions
from forebay.settings import ServeConfig
from forebay.settings.environment import HOST_VARIABLE, PORT_VARIABLE, RUNNER_VARIABLE
from forebay.settings.keys import Scalar
from forebay.state import Home
from forebay.state.runners import RUNNERS, Runner

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8090
LAST_PORT = 65535


def server_options(
    home: Home,
    host: str,
    port: int | None,
    runner: Runner,
    values: Mapping[str, Scalar] | None,
    tell: Callable[[str], None],
) -> ServerOptions:
    """How the server would be started, with those of the settings that are the server's; see `choose_port`."""
    start = f"{ServeConfig.prefix}."
    given = {key.removeprefix(start): str(value) for key, value in (values or {}).items() if key.startswith(start)}
    return ServerOptions(host, choose_port(home, port, tell), runner, given)


def choose_port(home: Home, port: int | None, tell: Callable[[str], None]) -> int:
    """The port of a server that would be started: the given one, else the last server's, else the default.

    So the URL stays the same where it can. A given port that a running server ignores is told to the person.
    """
    if port is None:
        return server_status.last_port(home) or DEFAULT_PORT
    running = server_status.running_server(home)
    if running is not None and port not in (0, running.port):
        tell(f"The server runs at {running.url}; port {port} is ignored until `forebay stop`.")
    return port


def default_server_options(
    home: Home, port: int | None, values: Mapping[str, Scalar] | None, tell: Callable[[str], None]
) -> ServerOptions:
    """As `server_options`, with what the environment says where nothing is given.

    Raises:
        ConfigError: the port, or a variable of the environment, cannot be used.
    """
    runner = os.environ.get(RUNNER_VARIABLE) or RUNNERS[0]
    if runner not in RUNNERS:
        raise ConfigError(f"{RUNNER_VARIABLE} must be one of {', '.join(RUNNERS)}, got {runner!r}.")
    host = os.environ.get(HOST_VARIABLE) or DEFAULT_HOST
    return server_options(home, host, _port(port), runner, values, tell)


def _port(port: int | None) -> int | None:
    given: object = os.environ.get(PORT_VARIABLE) or None if port is None else port
    if given is None:
        return None
    name = PORT_VARIABLE if port is None else "port"
    try:
        number = int(str(given))
    except ValueError:
        number = -1
    if not 0 <= number <= LAST_PORT:
        raise ConfigError(f"{name} must be a whole number from 0 (any free one) to {LAST_PORT}, got {given!r}.")
    return number
