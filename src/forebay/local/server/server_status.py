"""What the files and locks of a state folder tell about its server. Nothing is changed, and nothing heavy imported.

A server counts as alive only while it holds the `flock` on `server.lock`, which the kernel drops with the process, and
so does its supervisor with `supervisor.lock`. So neither a crash nor a reboot leaves anything behind that could be
mistaken for one of them.
"""

import contextlib

from forebay.errors import MachineError
from forebay.local.server.restart_record import RestartRecord, read_restart_record
from forebay.serving.state import (
    DesiredModel,
    LoadStatus,
    ServerInfo,
    ServingFiles,
    read_desired,
    read_last_port,
    read_loaded,
    read_server,
    read_settings,
)
from forebay.state import FileLock, Home
from forebay.version import code_version


def running_server(home: Home) -> ServerInfo | None:
    """The server of this state folder, or None when none answers."""
    files = ServingFiles.of(home)
    return read_server(files) if FileLock(files.lock).is_held() else None


def read_restarts(home: Home, server: ServerInfo | None) -> RestartRecord | None:
    """The restarts that the server's supervisor or its container engine tells of; None where neither does.

    Args:
        home: the state folder, open.
        server: the running server, if there is one.
    """
    if server is not None and server.container:
        from forebay.local.containers.server_container import engine_restarts

        with contextlib.suppress(MachineError):
            told = engine_restarts(server.container)
            return RestartRecord(pid=0, **vars(told)) if told else None
        return None
    return read_restart_record(ServingFiles.of(home))


def is_supervised(home: Home) -> bool:
    """Whether a supervisor of this state folder runs. Where no server answers, it is about to start one."""
    return FileLock(ServingFiles.of(home).supervisor_lock).is_held()


def desired_models(home: Home) -> dict[str, DesiredModel]:
    """The models that should be served, by name; a server that starts loads exactly these."""
    return read_desired(ServingFiles.of(home))[1]


def loaded_models(home: Home) -> dict[str, LoadStatus]:
    """What the running server says of its models, by name; empty where none runs."""
    info = running_server(home)
    _, instance, models = read_loaded(ServingFiles.of(home))
    return models if info is not None and info.instance == instance else {}


def code_mismatch_advice(home: Home) -> str:
    """Advice for a model that does not load; empty where the running server runs the installed code."""
    info = running_server(home)
    if info is None or info.code_version == code_version():
        return ""
    return (
        f"The server ({info.runs_as}) runs code {info.code_version or 'of an earlier version'}, installed is "
        f"{code_version()}: end it with `forebay stop`, and run the same command again."
    )


def last_port(home: Home) -> int | None:
    """The port of the present or last server of this state folder; None before the first."""
    return read_last_port(ServingFiles.of(home))


def kept_settings(home: Home) -> dict[str, str]:
    """The settings of the server of this state folder, by name; they are kept until they are given again."""
    return read_settings(ServingFiles.of(home))
