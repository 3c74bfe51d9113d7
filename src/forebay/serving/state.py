"""The server's files: what it should serve and how, what it serves, and which process it is.

All six lie in `<home>/serving/`, are JSON and are replaced atomically:

- `desired.json`: written by `publish`, followed by the server;
- `settings.json`: settings of the server that somebody gave, by name; followed by it, and kept for the server after it;
- `loaded.json`: the server's answer to a generation of it;
- `server.json`: the server's process and address, valid only while that process holds `server.lock`;
- `address.json`: the address alone, for the server after it;
- `supervisor.json`: how the server fared so far, by its supervisor (`forebay.local.server.record`).
"""

import shlex
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from forebay.contracts.bundles.record import Record
from forebay.errors import DamagedError
from forebay.state import Home, read_object, write_json


@dataclass(frozen=True, kw_only=True)
class Served:
    """One model as it should be served."""

    bundle: str  # folder
    version: str  # of the registry
    weights_sha256: str
    digest: str = ""  # of the whole bundle, as registered; empty for a version from before there was one
    files: str = ""  # the list that it is the digest of, where that is known: to name the file that differs
    candidate: bool = False  # staged for a smoke test; the next deploy drops what a killed one left

    @classmethod
    def of(cls, folder: Path, version: str, weights_sha256: str, record: Record | None) -> "Served":
        """A bundle as somebody else than the folder itself describes it."""
        known = record or Record(digest="")
        return cls(
            bundle=str(folder), version=version, weights_sha256=weights_sha256, digest=known.digest, files=known.files
        )

    @property
    def record(self) -> Record | None:
        """What every file must be; None where only the weights are known."""
        return Record(digest=self.digest, files=self.files) if self.digest else None

    @property
    def answering(self) -> "Loaded":
        """What a server says that serves exactly this."""
        return Loaded(version=self.version, weights_sha256=self.weights_sha256, digest=self.digest)


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """One name as the server answers for it."""

    version: str = ""  # of the model that answers; empty when none does
    weights_sha256: str = ""
    digest: str = ""
    loading: bool = False  # what was wanted is being loaded
    error: str = ""  # why what was wanted is not what answers


def is_open(state: Loaded) -> bool:
    """Whether what was wanted is still being loaded, and not for too long."""
    return state.loading and not state.error


@dataclass(frozen=True, kw_only=True)
class ServerInfo:
    """A server that is up."""

    pid: int
    host: str
    port: int
    log: str
    code_version: str = ""  # of the code it runs; empty from servers that did not say
    container: str = ""  # its name, where the server runs in one; the pid is then that inside
    instance: str = ""  # random, of this very process: pids come again, and the first one in every container is 1
    supervisor: int = (
        0  # pid of the process that keeps it running; 0 where an engine does, or an earlier version began it
    )

    verifies: str = ""  # fingerprints of the keys by which it verifies models; empty where it verifies none

    @property
    def runs_as(self) -> str:
        """What a person looks for: `process 4711` or `container forebay-serve-…`."""
        return f"container {self.container}" if self.container else f"process {self.pid}"

    @property
    def url(self) -> str:
        """Where it answers, for example `http://127.0.0.1:8090`."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


@dataclass(frozen=True)
class ServingFiles:
    """Names inside `<home>/serving/`."""

    folder: Path

    @classmethod
    def of(cls, home: Home) -> "ServingFiles":
        """The files of a state folder."""
        return cls(home.serving)

    @property
    def desired(self) -> Path:
        """Written by the command line."""
        return self.folder / "desired.json"

    @property
    def settings(self) -> Path:
        """Written by the command line."""
        return self.folder / "settings.json"

    @property
    def loaded(self) -> Path:
        """Written by the server."""
        return self.folder / "loaded.json"

    @property
    def server(self) -> Path:
        """The server's process and address."""
        return self.folder / "server.json"

    @property
    def address(self) -> Path:
        """The last server's address; unlike `server`, it outlives an orderly stop."""
        return self.folder / "address.json"

    @property
    def lock(self) -> Path:
        """Held by the server with `flock` for as long as it lives."""
        return self.folder / "server.lock"

    @property
    def supervisor(self) -> Path:
        """How the server fared under its supervisor."""
        return self.folder / "supervisor.json"

    @property
    def supervisor_lock(self) -> Path:
        """Held with `flock` by the process that starts the server again when it dies."""
        return self.folder / "supervisor.lock"

    @property
    def log(self) -> Path:
        """Everything the server prints; older files stand beside it (`forebay.local.server.log`)."""
        return self.folder / "server.log"


def read_desired(files: ServingFiles) -> tuple[int, dict[str, Served]]:
    """Generation and models by name; `(0, {})` where nothing was ever wanted.

    Raises:
        DamagedError: the file cannot be read.
    """
    told = {"lost": "which models are served", "mend": _again(files.desired, "`forebay serve`, which serves champions")}
    value = _read(files.desired, **told)
    try:
        return int(value.get("generation", 0)), {k: Served(**v) for k, v in value.get("models", {}).items()}
    except (TypeError, ValueError, AttributeError) as error:
        raise DamagedError(files.desired, error, **told) from error


def write_desired(files: ServingFiles, generation: int, models: dict[str, Served]) -> None:
    """Replace what should be served."""
    write_json(files.desired, {"generation": generation, "models": {k: asdict(v) for k, v in models.items()}})


def read_settings(files: ServingFiles) -> dict[str, str]:
    """Settings of the server by name, those that were ever given.

    Raises:
        DamagedError: the file cannot be read.
    """
    mend = _again(files.settings, "give them again: `forebay serve --set serve.hosts=…`")
    value = _read(files.settings, lost="the server's settings", mend=mend)
    return {name: str(value) for name, value in value.items()}


def write_settings(files: ServingFiles, values: dict[str, str]) -> None:
    """Replace the settings of the server."""
    write_json(files.settings, values)


def read_loaded(files: ServingFiles) -> tuple[int, str, dict[str, Loaded]]:
    """Generation that was applied, instance of the server that applied it, and models by name.

    A damaged file says nothing, like one that is not there yet: with the next change the server writes it anew.
    """
    try:
        value = _read(files.loaded, lost="", mend="")
        models = {k: Loaded(**v) for k, v in value.get("models", {}).items()}
        return int(value.get("generation", -1)), str(value.get("instance", "")), models
    except (DamagedError, TypeError, ValueError, AttributeError):
        return -1, "", {}


def write_loaded(files: ServingFiles, generation: int, instance: str, models: dict[str, Loaded]) -> None:
    """Say what is served now."""
    facts = {name: {k: v for k, v in asdict(model).items() if v} for name, model in models.items()}
    write_json(files.loaded, {"generation": generation, "instance": instance, "models": facts})


def read_server(files: ServingFiles) -> ServerInfo | None:
    """What the present or last server wrote about itself.

    Raises:
        DamagedError: the file cannot be read.
    """
    told = {
        "lost": "where the running server answers",
        "mend": "It goes on answering; `forebay stop`, then `forebay serve` start it anew.",
    }
    value = _read(files.server, **told)
    try:
        return ServerInfo(**value) if value else None
    except TypeError as error:
        raise DamagedError(files.server, error, **told) from error


def write_server(files: ServingFiles, info: ServerInfo) -> None:
    """Announce a server that answers, and keep its address for the next one."""
    write_json(files.address, {"host": info.host, "port": info.port, "container": info.container})
    write_json(files.server, asdict(info))


def read_last_port(files: ServingFiles) -> int | None:
    """Where the present or last server listens or listened; None before the first.

    Raises:
        DamagedError: the file cannot be read.
    """
    port = _address(files).get("port")
    return port if isinstance(port, int) else None


def read_last_container(files: ServingFiles) -> str:
    """The container of the present or last server; empty where it was a process, or never was.

    Raises:
        DamagedError: the file cannot be read.
    """
    return str(_address(files).get("container") or "")


def _address(files: ServingFiles) -> dict[str, Any]:
    mend = _again(files.address, "`forebay serve --port` with the port that people use")
    return _read(files.address, lost="the port of the last server", mend=mend)


def _again(path: Path, then: str) -> str:
    return f"Remove it (rm {shlex.quote(str(path))}), then {then}."


def _read(path: Path, *, lost: str, mend: str) -> dict[str, Any]:
    try:
        return read_object(path, lost=lost, mend=mend)
    except FileNotFoundError:
        return {}
