"""Starting and stopping the server of a state folder, from the command line's side. Nothing heavy is imported."""

import contextlib
import os
import re
import signal
from collections.abc import Mapping

from forebay.errors import ConfigError, MachineError
from forebay.local.server.launch import ServerOptions, poll_until, start_server
from forebay.local.server.restart_record import RestartRecord, read_restart_record
from forebay.local.server.server_status import is_supervised
from forebay.local.server.signature_keys import check_verifies
from forebay.local.server.timeouts import DEFAULT_TIMEOUTS, ServerTimeouts
from forebay.serving.ports import bind
from forebay.serving.state import (
    ServerInfo,
    ServingFiles,
    read_last_container,
    read_server,
    read_settings,
    write_settings,
)
from forebay.signing import read_public_keys
from forebay.state import FileLock, Home

_IN_CONTAINER = re.compile(r"the server in container (\S+) \(process \d+\)")


def check_can_start(home: Home, host: str, port: int) -> None:
    """Check before a run that its server could start.

    Raises:
        MachineError: the port is taken.
        ConfigError: there is no such address.
    """
    if not FileLock(ServingFiles.of(home).lock).is_held() and not is_supervised(home):
        bind(host, port).close()


def ensure_server(home: Home, options: ServerOptions, timeouts: ServerTimeouts = DEFAULT_TIMEOUTS) -> ServerInfo:
    """Return the running server of this state folder, or start one that outlives this process.

    Args:
        home: the state folder, open.
        options: how to start a new server. A running one keeps its address, so that the URL that people use stays the
            same, and follows the settings.
        timeouts: how long to wait for it.

    Raises:
        MachineError: the port is taken, there is no container engine, the server did not come up, or the running one
            does not verify signatures by the keys that are set here.
        ConfigError: these keys cannot be read.
    """
    files, keys = ServingFiles.of(home), read_public_keys()
    files.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(files.folder / "start.lock").held("a command that starts the server", wait=True):
        _update_settings(files, options.settings)
        running = _wait_until_settled(home, files, timeouts)
        if running is None:
            return start_server(home, files, options, timeouts)
        check_verifies(running, keys)
        return running


def stop_server(home: Home, timeouts: ServerTimeouts = DEFAULT_TIMEOUTS) -> bool:
    """End the server and its supervisor; requests in flight are answered first (`supervisor.RestartPolicy.grace_s`).

    Only the locks are looked at, so that no damaged file stands in the way.

    Args:
        home: the state folder, open.
        timeouts: how long to wait before both are killed.

    Returns:
        Whether there was one.

    Raises:
        MachineError: it did not end in time.
    """
    files = ServingFiles.of(home)
    container = _container(files)
    if container:  # the server may be down and about to be started again by the container engine
        from forebay.local.containers.server_container import stop_server_container

        was_held = FileLock(files.lock).is_held()
        return stop_server_container(container, timeouts.stop_s - 2 * timeouts.kill_s) or was_held
    locks = [FileLock(files.supervisor_lock), FileLock(files.lock)]
    held = [lock for lock in locks if lock.is_held()]
    if held:
        _signal(held[0], signal.SIGTERM)  # the supervisor passes it on
        if not _are_free(locks, timeouts.stop_s - timeouts.kill_s, timeouts):
            for lock in locks:
                _signal(lock, signal.SIGKILL)
            _require_free(locks, timeouts, files)
    files.supervisor.unlink(missing_ok=True)  # left by a supervisor that was killed or gave up
    return bool(held)


def _are_free(locks: list[FileLock], timeout_s: float, timeouts: ServerTimeouts) -> bool:
    return any(not any(lock.is_held() for lock in locks) for _ in poll_until(timeout_s, timeouts.poll_s))


def _require_free(locks: list[FileLock], timeouts: ServerTimeouts, files: ServingFiles) -> None:
    if not _are_free(locks, timeouts.kill_s, timeouts):
        left = " and ".join(lock.holder() for lock in locks if lock.is_held())
        raise MachineError(
            f"The kernel has not ended {left}, asked {timeouts.stop_s:g} s ago and killed since (a disk that does not "
            f"answer does that). Give the same command again. The log: {files.log}"
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


def _update_settings(files: ServingFiles, given: Mapping[str, str]) -> None:
    """Write the settings that were given; a server that runs follows them."""
    before = read_settings(files)
    wanted = {**before, **given}
    if wanted != before:
        write_settings(files, wanted)


def _wait_until_settled(home: Home, files: ServingFiles, timeouts: ServerTimeouts) -> ServerInfo | None:
    """Wait while the server starts or stops; returns the running server, or None where none runs.

    Raises:
        MachineError: it does not start, or neither starts nor ends in time.
    """
    before = read_restart_record(files)
    if is_supervised(home) and not FileLock(files.lock).is_held():
        _signal(FileLock(files.supervisor_lock), signal.SIGHUP)  # it may be waiting for a minute
    for _ in poll_until(timeouts.start_s, timeouts.poll_s):
        supervised = is_supervised(home)
        if FileLock(files.lock).is_held():
            info = read_server(files)
            if info is not None and (supervised or not info.supervisor):
                return info
        elif not supervised:
            return None
        else:
            _check_restart(files, before, read_restart_record(files))
    raise MachineError(
        f"A server of {files.folder} has been starting or stopping for {timeouts.start_s:g} s: "
        f"{FileLock(files.lock).holder()}. Its log: {files.log}. `forebay stop` ends it."
    )


def _check_restart(files: ServingFiles, before: RestartRecord | None, now: RestartRecord | None) -> None:
    if before is not None and now is not None and now.unanswered > before.unanswered:
        raise MachineError(
            f"The server does not start: {now.why}. It is tried again at {now.next}; `forebay stop` ends that. "
            f"Its log: {files.log}"
        )
