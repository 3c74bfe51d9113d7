"""The process and the address of a running server."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class ServerInfo:
    """A server that is up."""

    pid: int
    host: str
    port: int
    log: str
    code_version: str = ""  # which the server runs; empty where an older server did not report it
    container: str = ""  # name of the container that the server runs in; `pid` then counts inside it
    instance: str = ""  # random, one per process: pids are reused, and the first one in every container is 1
    supervisor: int = 0  # pid of the process that keeps the server running; 0 where a container engine does
    verifies: str = ""  # fingerprints of the keys by which it verifies models; empty where it verifies none

    @property
    def runs_as(self) -> str:
        """What a person looks for: `process 4711` or `container forebay-serve-…`."""
        return f"container {self.container}" if self.container else f"process {self.pid}"

    @property
    def url(self) -> str:
        """Where it answers, for example `http://127.0.0.1:8090`."""
        # Nothing is bound here: a server that listens on every address is shown, and asked, by its loopback one.
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"
