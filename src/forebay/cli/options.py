"""Options that several commands share."""

from collections.abc import Callable
from typing import Any

import click

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 8090

Command = Callable[..., Any]


def address_options(command: Command) -> Command:
    """`--host` and `--port` of the local server."""
    port = click.option(
        "--port",
        type=click.IntRange(0, 65535),
        default=DEFAULT_PORT,
        show_default=True,
        envvar="FOREBAY_PORT",
        show_envvar=True,
        help="Port of the server; 0 takes any free one.",
    )
    host = click.option(
        "--host",
        default=DEFAULT_HOST,
        show_default=True,
        envvar="FOREBAY_HOST",
        show_envvar=True,
        help="Address the server binds; anything but loopback is reachable by others.",
    )
    return host(port(command))


def json_option(command: Command) -> Command:
    """`--json`: one object on standard output, everything else on standard error."""
    option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object on standard output.")
    return option(command)
