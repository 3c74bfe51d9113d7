"""Listening on a port, and naming the program that has it already."""

import errno
import os
import socket

from forebay.errors import ConfigError, MachineError

BACKLOG = 2048  # connections that the kernel queues while the event loop is busy
PORT_VARIABLE = "PORT"  # KServe and Knative set it in a container
KSERVE_PORT = 8080


def bind(host: str, port: int, setting: str = "--port or FOREBAY_PORT") -> socket.socket:
    """Listen on an address; connections queue up from now on. Port 0 stands for any free one.

    Args:
        host, port: the address.
        setting: where a person chooses another port, for the message.

    Raises:
        ConfigError: there is no such address or port.
        MachineError: the port is taken or needs privileges; the message says what to do.
    """
    if not 0 <= port <= 65535:
        raise ConfigError(f"Port {port} is not between 0 and 65535. Set --port or FOREBAY_PORT to one that is.")
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise ConfigError(
            f"The address {host!r} cannot be resolved: {error}. Set --host to one of this machine."
        ) from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(BACKLOG)  # at once: with SO_REUSEADDR two sockets may bind an address until one listens
    except OSError as error:
        listener.close()
        raise _explained(error, host, port, setting) from error
    return listener


def container_port() -> int:
    """The port of a server that was given none: `PORT`, else KServe's default.

    Raises:
        ConfigError: `PORT` is not a number.
    """
    text = os.environ.get(PORT_VARIABLE) or str(KSERVE_PORT)
    if not text.isascii() or not text.isdigit():
        raise ConfigError(f"{PORT_VARIABLE} must be a port number, got {text!r}.")
    return int(text)


def _explained(error: OSError, host: str, port: int, setting: str) -> ConfigError | MachineError:
    if error.errno == errno.EADDRINUSE:
        return MachineError(
            f"Port {port} on {host} is taken{_holder_name(port)}. Stop that program, or choose another port with "
            f"{setting}."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return MachineError(
            f"Port {port} on {host} needs privileges that this user lacks. Choose one from 1024 up with {setting}."
        )
    return ConfigError(f"{host}:{port} cannot be used: {error.strerror}. Set --host to an address of this machine.")


def _holder_name(port: int) -> str:
    """The program that listens there; empty where this user may not know it."""
    import psutil  # takes 30 ms, and only this message needs it

    try:
        holders = {
            connection.pid
            for connection in psutil.net_connections("tcp")
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port and connection.pid
        }
        names = [f"{psutil.Process(pid).name()} (process {pid})" for pid in sorted(holders)]
    except psutil.Error:
        return ""
    return f" by {', '.join(names)}" if names else ""
