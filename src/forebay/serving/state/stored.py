"""Reading and writing the server's files."""

import shlex
from dataclasses import asdict
from pathlib import Path
from typing import Any

from forebay.errors import DamagedFileError
from forebay.serving.state.files import ServingFiles
from forebay.serving.state.models import DesiredModel, LoadStatus
from forebay.serving.state.server_info import ServerInfo
from forebay.state import read_object, write_json


def read_desired(files: ServingFiles) -> tuple[int, dict[str, DesiredModel]]:
    """The generation and the desired models by name; `(0, {})` where no model was ever desired.

    Raises:
        DamagedFileError: the file cannot be read.
    """
    facts = {
        "lost": "which models are served",
        "mend": _remove_then(files.desired, "`forebay serve`, which serves champions"),
    }
    value = _read(files.desired, **facts)
    try:
        return int(value.get("generation", 0)), {k: DesiredModel(**v) for k, v in value.get("models", {}).items()}
    except (TypeError, ValueError, AttributeError) as error:
        raise DamagedFileError(files.desired, error, **facts) from error


def write_desired(files: ServingFiles, generation: int, models: dict[str, DesiredModel]) -> None:
    """Replace the models that should be served."""
    write_json(files.desired, {"generation": generation, "models": {k: asdict(v) for k, v in models.items()}})


def read_settings(files: ServingFiles) -> dict[str, str]:
    """The server's settings by name, as far as a person gave them.

    Raises:
        DamagedFileError: the file cannot be read.
    """
    mend = _remove_then(files.settings, "give them again: `forebay serve --set serve.hosts=…`")
    value = _read(files.settings, lost="the server's settings", mend=mend)
    return {name: str(value) for name, value in value.items()}


def write_settings(files: ServingFiles, values: dict[str, str]) -> None:
    """Replace the settings of the server."""
    write_json(files.settings, values)


def read_loaded(files: ServingFiles) -> tuple[int, str, dict[str, LoadStatus]]:
    """The generation that was applied, the instance of the server that applied it, and the models by name.

    A damaged file counts as a missing one: the server writes it anew with the next change.
    """
    try:
        value = _read(files.loaded, lost="", mend="")
        models = {k: LoadStatus(**v) for k, v in value.get("models", {}).items()}
        return int(value.get("generation", -1)), str(value.get("instance", "")), models
    except (DamagedFileError, TypeError, ValueError, AttributeError):
        return -1, "", {}


def write_loaded(files: ServingFiles, generation: int, instance: str, models: dict[str, LoadStatus]) -> None:
    """Record what is served now."""
    statuses = {name: {k: v for k, v in asdict(model).items() if v} for name, model in models.items()}
    write_json(files.loaded, {"generation": generation, "instance": instance, "models": statuses})


def read_server(files: ServingFiles) -> ServerInfo | None:
    """What the present or the last server recorded about itself; None before the first.

    Raises:
        DamagedFileError: the file cannot be read.
    """
    facts = {
        "lost": "where the running server answers",
        "mend": "It goes on answering; `forebay stop`, then `forebay serve` start it anew.",
    }
    value = _read(files.server, **facts)
    try:
        return ServerInfo(**value) if value else None
    except TypeError as error:
        raise DamagedFileError(files.server, error, **facts) from error


def write_server(files: ServingFiles, info: ServerInfo) -> None:
    """Record a server that answers, and keep its address for the next one."""
    write_json(files.address, {"host": info.host, "port": info.port, "container": info.container})
    write_json(files.server, asdict(info))


def read_last_port(files: ServingFiles) -> int | None:
    """The port of the present or the last server; None before the first.

    Raises:
        DamagedFileError: the file cannot be read.
    """
    port = _address(files).get("port")
    return port if isinstance(port, int) else None


def read_last_container(files: ServingFiles) -> str:
    """The container of the present or the last server; empty where it was a process, and before the first.

    Raises:
        DamagedFileError: the file cannot be read.
    """
    return str(_address(files).get("container") or "")


def _address(files: ServingFiles) -> dict[str, Any]:
    mend = _remove_then(files.address, "`forebay serve --port` with the port that people use")
    return _read(files.address, lost="the port of the last server", mend=mend)


def _remove_then(path: Path, then: str) -> str:
    return f"Remove it (rm {shlex.quote(str(path))}), then {then}."


def _read(path: Path, *, lost: str, mend: str) -> dict[str, Any]:
    try:
        return read_object(path, lost=lost, mend=mend)
    except FileNotFoundError:
        return {}
