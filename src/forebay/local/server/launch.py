"""Starting the server: under a supervisor of this machine, or in a container of the serve image."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from forebay.errors import MachineError
from forebay.serving.log_file import last_line
from forebay.serving.ports import PORT_VARIABLE, bind
from forebay.serving.state import ServerInfo, ServingFiles, read_server
from forebay.settings.serve import serve_from_environment, serve_variables
from forebay.signing import server_variables
from forebay.state import Home
from forebay.state.file_modes import UMASK
from forebay.state.key_variables import without_signing_key
from forebay.state.runners import Runner

START_TIMEOUT_S = 180.0  # a server is up in under 5 s; on a machine that others use up, or a cold disk, minutes pass
POLL_S = 0.05


@dataclass(frozen=True)
class Address:
    """Where a server that has to be started listens, what runs it, and settings for whichever runs."""

    host: str
    port: int  # 0 for any free one
    runner: Runner = "process"
    settings: Mapping[str, str] = field(default_factory=dict)  # of `serve`, by name; what is not given stays as it is


def start(home: Home, files: ServingFiles, address: Address) -> ServerInfo:
    """Start a server that outlives this process, and wait until it answers.

    Raises:
        ConfigError: there is no such address, the keys that verify models cannot be read, or a
            variable of the server's is against its rule.
        MachineError: the port is taken, there is no container engine, or the server did not come up.
    """
    serve_from_environment(os.environ)  # the server reads it, too: what is wrong is said before one is started
    for told_by_the_last_one in (files.server, files.supervisor):
        told_by_the_last_one.unlink(missing_ok=True)
    with contextlib.ExitStack() as undo:
        files.log.touch()
        before = files.log.stat().st_size
        started = (_start_container if address.runner == "docker" else _start_process)(home, files, address, undo)
        for _ in until(START_TIMEOUT_S):
            info = read_server(files)
            if info is not None and started.is_ours(info):
                undo.pop_all()
                return info
            if started.ended():
                said = started.last_words() or last_line(files.log, before) or "it said nothing."
                raise MachineError(f"The server did not start: {said.removeprefix('error: ')} Its log: {files.log}")
    raise MachineError(
        f"The server was not ready within {START_TIMEOUT_S:g} s and was ended. Its log: {files.log}. "
        "Run the same command again; on a slow disk the second start is faster."
    )


@dataclass(frozen=True)
class _Started:
    """A server that was asked to start, whatever runs it."""

    ended: Callable[[], bool]
    is_ours: Callable[[ServerInfo], bool]  # whether an announcement is its own
    last_words: Callable[[], str] = lambda: ""  # what it printed elsewhere than in its log


def _start_process(home: Home, files: ServingFiles, address: Address, undo: contextlib.ExitStack) -> _Started:
    """Start the supervisor, which starts the server."""
    python = (sys.executable, "-P", "-m")
    with bind(address.host, address.port) as listener, files.log.open("ab") as log:
        given = str(listener.fileno())
        server = (*python, "forebay.serving", "--home", str(home.root), "--listen-fd", given, "--log", str(files.log))
        process = subprocess.Popen(  # noqa: S603 - our own module, no shell
            [*python, "forebay.local.server.supervisor", str(home.root), given, *server],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=files.folder,
            env=without_signing_key(os.environ) | server_variables(),
            umask=UMASK,
            start_new_session=True,  # a logout or Ctrl-C reaches the caller's session only
            pass_fds=[listener.fileno()],  # so a busy port is known here and now, and nobody takes it meanwhile
        )
    undo.callback(_kill_both, process)
    return _Started(lambda: process.poll() is not None, lambda info: info.supervisor == process.pid)


def _kill_both(supervisor: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(supervisor.pid, signal.SIGKILL)  # the group of its session, which the server belongs to
    supervisor.wait()


def _start_container(home: Home, files: ServingFiles, address: Address, undo: contextlib.ExitStack) -> _Started:
    from forebay.local.containers.serve import start_server

    with bind(address.host, address.port) as listener:  # a busy port is known now; a restart takes the same one again
        port = int(listener.getsockname()[1])
    options = ["--home", str(home.root), "--host", address.host, "--log", str(files.log)]
    variables = serve_variables(serve_from_environment(os.environ)) | server_variables()
    container = start_server(home, options, {PORT_VARIABLE: str(port), **variables})
    undo.callback(container.end)
    return _Started(container.ended, lambda info: info.container == container.name, container.last_words)


def until(timeout_s: float) -> Iterator[None]:
    """Go round until the time is over, at least once, a little apart."""
    end = time.monotonic() + timeout_s
    yield
    while time.monotonic() < end:
        time.sleep(POLL_S)
        yield
