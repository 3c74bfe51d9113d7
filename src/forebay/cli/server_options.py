"""Options of the commands that may start the server: address, runner and settings."""

from collections.abc import Mapping

import click
from click.core import ParameterSource

from forebay.api.server_options import DEFAULT_HOST, DEFAULT_PORT, choose_port, server_options
from forebay.cli.options import Command, NearChoice, set_option
from forebay.errors import ConfigError
from forebay.local.server.launch import ServerOptions
from forebay.settings import ServeConfig, parse_assignments
from forebay.settings.environment import HOST_VARIABLE, PORT_VARIABLE, RUNNER_VARIABLE
from forebay.settings.keys import Scalar
from forebay.state import Home
from forebay.state.runners import RUNNERS, Runner


def address_options(command: Command) -> Command:
    """`--host` and `--port` of the local server."""
    port = click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=DEFAULT_PORT,
        show_default=True,
        envvar=PORT_VARIABLE,
        show_envvar=True,
        help="Port of the server; 0 takes any free one. Without it, the last server's port is taken again.",
    )
    host = click.option(
        "--host",
        default=DEFAULT_HOST,
        show_default=True,
        envvar=HOST_VARIABLE,
        show_envvar=True,
        help="Address the server binds; anything but loopback is reachable by others.",
    )
    return host(port(command))


def runner_option(command: Command) -> Command:
    """`--runner`: processes of this machine, or containers of the images that a cluster pulls."""
    option = click.option(
        "--runner",
        type=NearChoice(RUNNERS),
        default=RUNNERS[0],
        show_default=True,
        envvar=RUNNER_VARIABLE,
        show_envvar=True,
        help="What runs steps and server: processes, or containers (needs a container engine and `make images`).",
    )
    return option(command)


def server_settings_option(command: Command) -> Command:
    """`--set` of a command that concerns the server alone."""
    option = set_option(
        ServeConfig.prefix,
        meaning="Change a setting of the server; repeatable. serve.cors_origins: pages that may ask it from a browser; "
        "serve.hosts: names that it is called by; docs/serving-limits.md: how much it takes. "
        "Kept until it is given again.",
    )
    return option(command)


def server_settings(assignments: tuple[str, ...]) -> dict[str, Scalar]:
    """The checked settings by key, each a setting of the server.

    Raises:
        ConfigError: a key is unknown or a setting of a run, or a value breaks its rule.
    """
    values = parse_assignments(assignments)
    others = [key for key in values if not key.startswith(f"{ServeConfig.prefix}.")]
    if others:
        raise ConfigError(f"{', '.join(others)} is a setting of `forebay run`; the server takes those of serve only.")
    return values


def make_server_options(
    home: Home, host: str, port: int, runner: Runner, values: Mapping[str, Scalar] | None = None
) -> ServerOptions:
    """How this command would start the server, with those of the settings that are the server's; see `server_port`."""
    return server_options(home, host, _given(port), runner, values, _tell)


def server_port(home: Home, port: int) -> int:
    """The port of a server that this command would start; see `forebay.api.server_options.choose_port`."""
    return choose_port(home, _given(port), _tell)


def _given(port: int) -> int | None:
    """The port where a person gave it."""
    default = click.get_current_context().get_parameter_source("port") is ParameterSource.DEFAULT
    return None if default else port


def _tell(text: str) -> None:
    click.echo(text, err=True)
