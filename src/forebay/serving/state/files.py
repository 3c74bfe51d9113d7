"""Where the files of a server lie."""

from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from forebay.state import Home


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
        """The models that should be served; written by the command line."""
        return self.folder / "desired.json"

    @property
    def settings(self) -> Path:
        """The server's settings; written by the command line."""
        return self.folder / "settings.json"

    def version_facts(self, name: str, version: str) -> Path:
        """What the registry knows of a version, for the server, which does not ask it; written by the command line."""
        return self.folder / "versions" / f"{quote(name, safe='')}-{quote(version, safe='')}.json"

    @property
    def loaded(self) -> Path:
        """The models that are served; written by the server."""
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
        """How often and why the supervisor restarted the server."""
        return self.folder / "supervisor.json"

    @property
    def supervisor_lock(self) -> Path:
        """Held with `flock` by the process that restarts the server when it dies."""
        return self.folder / "supervisor.lock"

    @property
    def log(self) -> Path:
        """Everything that the server prints; rotated files stand beside it."""
        return self.folder / "server.log"
