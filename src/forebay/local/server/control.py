"""The command line's side of the local server: look, and start or stop it. Imports nothing heavy.

A server counts as alive only while it holds the `flock` on `server.lock`, which the kernel drops with the process, and
so does its supervisor with `supervisor.lock`. So neither a crash nor a reboot leaves anything behind that could be
mistaken for one of them.
"""

import contextlib
import os
import re
import signal
from collections.abc import Mapping

from forebay.errors import ConfigError, MachineError
from forebay.local.server import record
from forebay.local.server.keys import check_verifies
from forebay.local.server.launch import START_TIMEOUT_S, Address, start, until
from forebay.local.server.record import Restarts
from forebay.serving.ports import bind
from forebay.serving.state import (
    DesiredModel,
    LoadStatus,
    ServerInfo,
    ServingFiles,
    read_desired,
    read_last_container,
    read_last_port,
    read_loaded,
    read_server,
    read_settings,
    write_settings,
)
from forebay.signing import read_public_keys
from forebay.state import FileLock, Home
from forebay.version import code_version

KILL_S = 1.0  # before the end of `stop`'s patience
_IN_CONTAINER = re.compile(r"the server in container (\S+) \(process \d+\)")


def status(home: Home) -> ServerInfo | None:
    """The server of this state folder, or None when none answers."""
    files = ServingFiles.of(home)
    return read_server(files) if FileLock(files.lock).is_held() else None


def restarts(home: Home, server: ServerInfo | None) -> Restarts | None:
    """How the server fared so far: what its supervisor tells, or the engine of its container; None where neither does.

    Args:
        home: the state folder, open.
        server: that runs, if one does.
    """
    if server is not None and server.container:
        from forebay.local.containers.serve import engine_restarts

        with contextlib.suppress(MachineError):
            told = engine_restarts(server.container)
            return Restarts(pid=0, **vars(told)) if told else None
        return None
    return record.read(ServingFiles.of(home))


def is_supervised(home: Home) -> bool:
    """Whether a supervisor of this state folder runs: where no server answers, it is about to start one."""
    return FileLock(ServingFiles.of(home).supervisor_lock).is_held()


def current_models(home: Home) -> dict[str, DesiredModel]:
    """What should be served, by name; a server that starts loads exactly this."""
    return read_desired(ServingFiles.of(home))[1]


def loaded_models(home: Home) -> dict[str, LoadStatus]:
    """What the running server answers for, by name; empty when none runs."""
    info = status(home)
    _, instance, models = read_loaded(ServingFiles.of(home))
    return models if info is not None and info.instance == instance else {}


def check_port(home: Home, host: str, port: int) -> None:
    """Find out before a run whether its server could start.

    Raises:
        MachineError: the port is taken.
        ConfigError: there is no such address.
    """
    if not FileLock(ServingFiles.of(home).lock).is_held() and not is_supervised(home):
        bind(host, port).close()


def other_code(home: Home) -> str:
    """The advice that belongs to a model which does not load; empty where the running server has the installed code."""
    info = status(home)
    if info is None or info.code_version == code_version():
        return ""
    return (
        f"The server ({info.runs_as}) runs code {info.code_version or 'of an earlier version'}, installed is "
        f"{code_version()}: end it with `forebay stop`, and run the same command again."
    )


def last_port(home: Home) -> int | None:
    """The port of the present or last server of this state folder; None before the first."""
    return read_last_port(ServingFiles.of(home))


def ensure_server(home: Home, address: Address) -> ServerInfo:
    """Return the running server of this state folder, or start one that outlives this process.

    Args:
        home: the state folder, open.
        address: of a new server. A running one keeps its own, so the URL that people use stays the same; it follows
            the settings.

    Raises:
        MachineError: the port is taken, there is no container engine, the server did not come up, or the running one
            does not verify signatures by the keys that are set here.
        ConfigError: these keys cannot be read.
    """
    files, keys = ServingFiles.of(home), read_public_keys()
    files.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(files.folder / "start.lock").held("a command that starts the server", wait=True):
        _settle(files, address.settings)
        running = _settled(home, files)
        if running is None:
            return start(home, files, address)
        check_verifies(running, keys)
        return running


def settings(home: Home) -> dict[str, str]:
    """What was set for the server of this state folder, by name."""
    return read_settings(ServingFiles.of(home))


def stop(home: Home, timeout_s: float = 10.0) -> bool:
    """End the server and its supervisor; requests in flight are answered first, for as long as `supervisor.GRACE_S`.

    Only the locks are asked, so that no damaged file stands in the way.

    Args:
        home: the state folder, open.
        timeout_s: after which nothing of them is left; a second earlier both are killed.

    Returns:
        Whether there was one.

    Raises:
        MachineError: it did not end in time.
    """
    files = ServingFiles.of(home)
    container = _container(files)
    if container:  # it may be down and about to be started again by the engine
        from forebay.local.containers.serve import stop_server

        was_held = FileLock(files.lock).is_held()
        return stop_server(container, timeout_s - 2 * KILL_S) or was_held
    locks = [FileLock(files.supervisor_lock), FileLock(files.lock)]
    held = [lock for lock in locks if lock.is_held()]
    if held:
        _signal(held[0], signal.SIGTERM)  # the supervisor passes it on
        if not _are_free(locks, timeout_s - KILL_S):
            for lock in locks:
                _signal(lock, signal.SIGKILL)
            _require_free(locks, timeout_s, files)
    files.supervisor.unlink(missing_ok=True)  # one that was killed or gave up leaves it: now the end is wanted
    return bool(held)


def _are_free(locks: list[FileLock], timeout_s: float) -> bool:
    return any(not any(lock.is_held() for lock in locks) for _ in until(timeout_s))


def _require_free(locks: list[FileLock], timeout_s: float, files: ServingFiles) -> None:
    if not _are_free(locks, KILL_S):
        left = " and ".join(lock.holder() for lock in locks if lock.is_held())
        raise MachineError(
            f"The kernel has not ended {left}, asked {timeout_s:g} s ago and killed since (a disk that does not answer "
            f"does that). Give the same command again. The log: {files.log}"
        )


def _container(files: ServingFiles) -> str:
    """The container of the present server, or of the last one; empty where it was a process."""
    if FileLock(files.supervisor_lock).is_held():
        return ""
    if FileLock(files.lock).is_held():
        found = _IN_CONTAINER.fullmatch(FileLock(files.lock).holder())
        if found:
            return found[1]
    with contextlib.suppress(ConfigError):  # a damaged file; a container that is down can still be ended by hand
        return read_last_container(files)
    return ""


def _signal(lock: FileLock, number: signal.Signals) -> None:
    """Send a signal to the process that holds a lock, where one does."""
    pid = lock.holders_pid()
    if pid is not None and pid > 1 and lock.is_held():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _settle(files: ServingFiles, given: Mapping[str, str]) -> None:
    """Set what was given; a server that runs follows it."""
    before = read_settings(files)
    wanted = {**before, **given}
    if wanted != before:
        write_settings(files, wanted)


def _settled(home: Home, files: ServingFiles) -> ServerInfo | None:
    """The running server, None when there is none; one that is just starting or stopping is waited for.

    Raises:
        MachineError: it does not start, or neither starts nor ends in time.
    """
    before = record.read(files)
    if is_supervised(home) and not FileLock(files.lock).is_held():
        _signal(FileLock(files.supervisor_lock), signal.SIGHUP)  # it may be waiting for a minute
    for _ in until(START_TIMEOUT_S):
        supervised = is_supervised(home)
        if FileLock(files.lock).is_held():
            info = read_server(files)
            if info is not None and (supervised or not info.supervisor):
                return info
        elif not supervised:
            return None
        else:
            _check_restart(files, before, record.read(files))
    raise MachineError(
        f"A server of {files.folder} has been starting or stopping for {START_TIMEOUT_S:g} s: "
        f"{FileLock(files.lock).holder()}. Its log: {files.log}. `forebay stop` ends it."
    )


def _check_restart(files: ServingFiles, before: Restarts | None, now: Restarts | None) -> None:
    if before is not None and now is not None and now.unanswered > before.unanswered:
        raise MachineError(
            f"The server does not start: {now.why}. It is tried again at {now.next}; `forebay stop` ends that. "
            f"Its log: {files.log}"
        )
