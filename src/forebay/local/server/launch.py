"""Starting the server: under a supervisor on this machine, or in a container of the serve image."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from forebay.errors import MachineError
from forebay.local.server.timeouts import ServerTimeouts
from forebay.serving.log_file import last_line
from forebay.serving.ports import PORT_VARIABLE, bind
from forebay.serving.state import ServerInfo, ServingFiles, read_server
from forebay.settings.serve import serve_from_environment, serve_variables
from forebay.signing import server_variables
from forebay.state import Home
from forebay.state.file_modes import UMASK
from forebay.state.key_variables import without_signing_key
from forebay.state.runners import Runner


@dataclass(frozen=True)
class ServerOptions:
    """How to start the server, should none run, and settings for whichever runs."""

    host: str
    port: int  # 0 for any free one
    runner: Runner = "process"
    settings: Mapping[str, str] = field(
        default_factory=dict
    )  # by name in `serve`; a setting that is left out keeps its value


def start_server(home: Home, files: ServingFiles, options: ServerOptions, timeouts: ServerTimeouts) -> ServerInfo:
    """Start a server that outlives this process, and wait until it answers.

    Raises:
        ConfigError: there is no such address, the keys that verify models cannot be read, or a
            variable of the server's is against its rule.
        MachineError: the port is taken, there is no container engine, or the server did not come up.
    """
    serve_from_environment(os.environ)  # the server reads the same; an error is told before one is started
    for left_by_the_last_one in (files.server, files.supervisor):
        left_by_the_last_one.unlink(missing_ok=True)
    with contextlib.ExitStack() as undo:
        files.log.touch()
        before = files.log.stat().st_size
        start = _start_container if options.runner == "docker" else _start_process
        started = start(home, files, options, undo)
        for _ in poll_until(timeouts.start_s, timeouts.poll_s):
            info = read_server(files)
            if info is not None and started.is_ours(info):
                undo.pop_all()
                return info
            if started.ended():
                said = started.last_words() or last_line(files.log, before) or "it said nothing."
                raise MachineError(f"The server did not start: {said.removeprefix('error: ')} Its log: {files.log}")
    raise MachineError(
        f"The server was not ready within {timeouts.start_s:g} s and was ended. Its log: {files.log}. "
        "Run the same command again; on a slow disk the second start is faster."
    )


@dataclass(frozen=True)
class _StartingServer:
    """A server that is starting, in a process or in a container."""

    ended: Callable[[], bool]
    is_ours: Callable[[ServerInfo], bool]  # whether a server that says that it answers is this one
    last_words: Callable[[], str] = lambda: ""  # what it printed outside its log


def _start_process(
    home: Home, files: ServingFiles, options: ServerOptions, undo: contextlib.ExitStack
) -> _StartingServer:
    """Start the supervisor, which starts the server."""
    python = (sys.executable, "-P", "-m")
    with bind(options.host, options.port) as listener, files.log.open("ab") as log:
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
    return _StartingServer(lambda: process.poll() is not None, lambda info: info.supervisor == process.pid)


def _kill_both(supervisor: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(supervisor.pid, signal.SIGKILL)  # the process group, to which the server belongs
    supervisor.wait()


def _start_container(
    home: Home, files: ServingFiles, options: ServerOptions, undo: contextlib.ExitStack
) -> _StartingServer:
    from forebay.local.containers.server_container import start_server_container

    with bind(options.host, options.port) as listener:  # a busy port is known now; a restart takes the same one again
        port = int(listener.getsockname()[1])
    arguments = ["--home", str(home.root), "--host", options.host, "--log", str(files.log)]
    variables = serve_variables(serve_from_environment(os.environ)) | server_variables()
    container = start_server_container(home, arguments, {PORT_VARIABLE: str(port), **variables})
    undo.callback(container.remove)
    return _StartingServer(container.has_ended, lambda info: info.container == container.name, container.last_line)


def poll_until(timeout_s: float, poll_s: float) -> Iterator[None]:
    """Let a loop look again and again until the time is over, at least once."""
    end = time.monotonic() + timeout_s
    yield
    while time.monotonic() < end:
        time.sleep(poll_s)
        yield
