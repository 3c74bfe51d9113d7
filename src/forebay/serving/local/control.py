"""The command line's side of the local server: start, ask for models, look, stop. Imports nothing heavy.

A server counts as alive only while it holds the `flock` on `server.lock`, which the kernel drops with the process, and
so does its supervisor with `supervisor.lock`. So neither a crash nor a reboot leaves anything behind that could be
mistaken for one of them.
"""

import contextlib
import os
import re
import signal
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace

from forebay.deploy.protocol import Answer, Request, answer, candidate, pending
from forebay.errors import ConfigError, DeployError, ForebayError, MachineError
from forebay.serving.local import record
from forebay.serving.local.launch import START_TIMEOUT_S, Address, start, until
from forebay.serving.local.record import Restarts
from forebay.serving.ports import bind
from forebay.serving.state import (
    Loaded,
    Served,
    ServerInfo,
    ServingFiles,
    read_desired,
    read_last_container,
    read_last_port,
    read_loaded,
    read_server,
    read_settings,
    write_desired,
    write_settings,
)
from forebay.state import FileLock, Home, Run
from forebay.version import code_version

KILL_S = 1.0  # before the end of `stop`'s patience
_IN_CONTAINER = re.compile(r"the server in container (\S+) \(process \d+\)")

Change = Callable[[dict[str, Served]], dict[str, Served]]  # from the models wanted now to those wanted next


@dataclass(frozen=True)
class Published:
    """A change of the served models, tried by the server."""

    before: dict[str, Served]  # what was wanted when the change was made
    loaded: dict[str, Loaded]  # what answers now

    def error(self, name: str) -> str:
        """Why this name is not answered as wanted; empty where it is."""
        return self.loaded.get(name, Loaded()).error


def status(home: Home) -> ServerInfo | None:
    """The server of this state folder, or None when none answers."""
    files = ServingFiles.of(home)
    return read_server(files) if FileLock(files.lock).is_held() else None


def restarts(home: Home) -> Restarts | None:
    """How the server fared under its supervisor, as far as that tells; see `is_supervised`."""
    return record.read(ServingFiles.of(home))


def is_supervised(home: Home) -> bool:
    """Whether a supervisor of this state folder runs: where no server answers, it is about to start one."""
    return FileLock(ServingFiles.of(home).supervisor_lock).is_held()


def current_models(home: Home) -> dict[str, Served]:
    """What should be served, by name; a server that starts loads exactly this."""
    return read_desired(ServingFiles.of(home))[1]


def loaded_models(home: Home) -> dict[str, Loaded]:
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
        MachineError: the port is taken, there is no container engine, or the server did not come up.
    """
    files = ServingFiles.of(home)
    files.folder.mkdir(parents=True, exist_ok=True)
    with FileLock(files.folder / "start.lock").held("a command that starts the server", wait=True):
        _settle(files, address.settings)
        running = _settled(home, files)
        return running if running is not None else start(home, files, address)


def settings(home: Home) -> dict[str, str]:
    """What was set for the server of this state folder, by name."""
    return read_settings(ServingFiles.of(home))


def publish(home: Home, change: Change, timeout_s: float) -> Published:
    """Change what the running server serves and wait until it has tried every model.

    Args:
        home: the state folder, open.
        change: from the models wanted now to those wanted next; applied under a lock, so that commands which change
            different models at the same time lose nothing of each other.
        timeout_s: for loading.

    Returns:
        What was wanted before and, by name, what answers now. A model that could not be loaded has `error`; what
        answered before it still does.

    Raises:
        MachineError: no server runs, or it ended meanwhile.
        DeployError: it was not done in time.
    """
    return _await(home, _want(ServingFiles.of(home), change), timeout_s)


def publish_or_restore(home: Home, change: Change, names: Collection[str], timeout_s: float) -> Published:
    """As `publish`; those of these names that cannot be loaded are wanted as they were before, and so wait no reboot.

    Raises:
        MachineError, DeployError: as `publish`; then all of these names are wanted as before.
    """
    asked = _want(ServingFiles.of(home), change)
    try:
        published = _await(home, asked, timeout_s)
    except ForebayError:
        _want(ServingFiles.of(home), _restored(asked, names))  # unwaited: the server is gone or too slow
        raise
    failed = [name for name in names if published.error(name)]
    if failed:
        publish(home, _restored(asked, failed), timeout_s)
    return published


def stop(home: Home, timeout_s: float = 10.0) -> bool:
    """End the server and its supervisor; requests in flight are answered first, for as long as `supervisor.GRACE_S`.

    Whatever the state folder's other files say: only the locks are asked.

    Args:
        home: the state folder, open.
        timeout_s: after which nothing of them is left; both are killed a second earlier.

    Returns:
        Whether there was one.

    Raises:
        MachineError: it did not end in time.
    """
    files = ServingFiles.of(home)
    container = _container(files)
    if container:  # it may be down and about to be started again by the engine
        from forebay.containers.serve import stop_server

        was_held = FileLock(files.lock).is_held()
        return stop_server(container, timeout_s) or was_held
    locks = FileLock(files.supervisor_lock), FileLock(files.lock)
    if not any(lock.is_held() for lock in locks):
        files.supervisor.unlink(missing_ok=True)  # of one that was killed or gave up: the end is wanted now
        return False
    _signal(next(lock for lock in locks if lock.is_held()), signal.SIGTERM)
    for number, wait_s in ((signal.SIGKILL, timeout_s - KILL_S), (None, KILL_S)):
        for _ in until(wait_s):
            if not any(lock.is_held() for lock in locks):
                files.supervisor.unlink(missing_ok=True)
                return True
        for lock in locks if number else ():
            _signal(lock, signal.SIGKILL)
    left = " and ".join(lock.holder() for lock in locks if lock.is_held())
    raise MachineError(
        f"{left[:1].upper()}{left[1:]} was asked to end {timeout_s:g} s ago, then killed, and the kernel has not ended it "
        f"yet (a disk that does not answer does that). Give the same command again. Its log: {files.log}"
    )


def _container(files: ServingFiles) -> str:
    """The container of the present server, or of the last one; empty where it was a process."""
    if FileLock(files.lock).is_held():
        found = _IN_CONTAINER.fullmatch(FileLock(files.lock).holder())
        return found[1] if found else ""
    if FileLock(files.supervisor_lock).is_held():
        return ""
    try:
        return read_last_container(files)
    except ConfigError:  # damaged; a container that is down now can still be ended by hand
        return ""


def _signal(lock: FileLock, number: signal.Signals) -> None:
    """Send a signal to the process that holds a lock, where one does."""
    pid = lock.holders_pid()
    if pid is not None and lock.is_held():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def handle_request(home: Home, run: Run, address: Address) -> bool:
    """Serve the deploy step's request, if one waits; a failure becomes the answer.

    Returns:
        Whether there was one.
    """
    request = pending(run)
    if request is None:
        return False
    try:
        reply = _act(home, request, address)
    except (ForebayError, OSError) as error:
        reply = Answer(id=request.id, error=str(error))
    answer(run, reply)
    return True


def _act(home: Home, request: Request, address: Address) -> Answer:
    info = ensure_server(home, address)
    serving = candidate(request.name) if request.action == "stage" else request.name
    names = () if request.action == "discard" else (serving,)
    published = publish_or_restore(home, lambda present: _wanted(present, request), names, request.timeout_s)
    problem = published.error(serving)
    if problem and names:
        raise DeployError(
            f"{request.name} version {request.model.version} could not be loaded: {problem} Log: {info.log} "
            f"{other_code(home)}".rstrip()
        )
    return Answer(id=request.id, url=info.url, serving=serving, previous=published.before.get(request.name))


def _wanted(before: dict[str, Served], request: Request) -> dict[str, Served]:
    """The models after the request; candidates that a killed run left behind are dropped with every action."""
    models = {name: model for name, model in before.items() if not model.candidate}
    if request.action == "stage":
        models[candidate(request.name)] = replace(request.model, candidate=True)
    elif request.action == "promote":
        models[request.name] = request.model
    elif request.previous is not None:
        models[request.name] = request.previous
    else:
        models.pop(request.name, None)
    return models


@dataclass(frozen=True)
class _Asked:
    """One change of `desired.json`."""

    generation: int
    before: dict[str, Served]
    wanted: dict[str, Served]


def _want(files: ServingFiles, change: Change) -> _Asked:
    with FileLock(files.folder / "desired.lock").held("a command that changes the served models", wait=True):
        generation, before = read_desired(files)
        asked = _Asked(generation + 1, before, change(dict(before)))
        write_desired(files, asked.generation, asked.wanted)
    return asked


def _restored(asked: _Asked, names: Collection[str]) -> Change:
    """The change that takes these names back, except where somebody has wanted something else since."""

    def change(present: dict[str, Served]) -> dict[str, Served]:
        ours = {name for name in names if present.get(name) == asked.wanted.get(name)}
        kept = {name: model for name, model in present.items() if name not in ours}
        return kept | {name: model for name, model in asked.before.items() if name in ours}

    return change


def _await(home: Home, asked: _Asked, timeout_s: float) -> Published:
    files = ServingFiles.of(home)
    for _ in until(timeout_s):
        info = status(home)
        if info is None:
            raise MachineError(f"The server ended before it had loaded its models. Its log: {files.log}")
        applied, instance, loaded = read_loaded(files)
        if instance == info.instance and applied >= asked.generation:
            return Published(asked.before, loaded)
    raise DeployError(
        f"The server did not load {', '.join(sorted(asked.wanted))} within {timeout_s:g} s. Look into {files.log}, or "
        "raise deploy.timeout_s on a slow machine."
    )


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
    before = restarts(home)
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
            _check_restart(files, before, restarts(home))
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
