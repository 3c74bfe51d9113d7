"""Changing what the local server serves, and waiting until it has tried to. Imports nothing heavy."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from forebay.errors import DeployError, ForebayError, MachineError
from forebay.local.server.control import status
from forebay.local.server.launch import until
from forebay.serving.state import DesiredModel, LoadStatus, ServingFiles, read_desired, read_loaded, write_desired
from forebay.state import FileLock, Home

Change = Callable[[dict[str, DesiredModel]], dict[str, DesiredModel]]  # from the models wanted now to those wanted next


@dataclass(frozen=True)
class Published:
    """A change of the served models, tried by the server."""

    before: dict[str, DesiredModel]  # what was wanted when the change was made
    loaded: dict[str, LoadStatus]  # what answers now

    def error(self, name: str) -> str:
        """Why this name is not answered as wanted; empty where it is."""
        return self.loaded.get(name, LoadStatus()).error


def publish(home: Home, change: Change, timeout_s: float, names: Collection[str] | None = None) -> Published:
    """Change what the running server serves and wait until it has tried the models.

    Args:
        home: the state folder, open.
        change: from the models wanted now to those wanted next; applied under a lock, so that commands which change
            different models at the same time lose nothing of each other.
        timeout_s: for loading.
        names: to wait for; all where they are not given. Others that are slow hold nothing up.

    Returns:
        What was wanted before and, by name, what answers now. A model that could not be loaded has `error`; what
        answered before it still does.

    Raises:
        MachineError: no server runs, or it ended meanwhile.
        DeployError: it was not done in time.
    """
    return _await(home, _want(ServingFiles.of(home), change), timeout_s, names)


def publish_or_restore(home: Home, change: Change, names: Collection[str], timeout_s: float) -> Published:
    """As `publish`; those of these names that cannot be loaded are wanted as they were before, and so wait no reboot.

    Raises:
        MachineError, DeployError: as `publish`; then all of these names are wanted as before.
    """
    asked = _want(ServingFiles.of(home), change)
    try:
        published = _await(home, asked, timeout_s, names)
    except ForebayError:
        _want(ServingFiles.of(home), _restored(asked, names))  # unwaited: the server is gone or too slow
        raise
    failed = [name for name in names if published.error(name)]
    if failed:
        publish(home, _restored(asked, failed), timeout_s, failed)
    return published


@dataclass(frozen=True)
class _Asked:
    """One change of `desired.json`."""

    generation: int
    before: dict[str, DesiredModel]
    wanted: dict[str, DesiredModel]


def _want(files: ServingFiles, change: Change) -> _Asked:
    with FileLock(files.folder / "desired.lock").held("a command that changes the served models", wait=True):
        generation, before = read_desired(files)
        asked = _Asked(generation + 1, before, change(dict(before)))
        write_desired(files, asked.generation, asked.wanted)
    return asked


def _restored(asked: _Asked, names: Collection[str]) -> Change:
    """The change that takes these names back, except where somebody has wanted something else since."""

    def change(present: dict[str, DesiredModel]) -> dict[str, DesiredModel]:
        ours = {name for name in names if present.get(name) == asked.wanted.get(name)}
        kept = {name: model for name, model in present.items() if name not in ours}
        return kept | {name: model for name, model in asked.before.items() if name in ours}

    return change


def _await(home: Home, asked: _Asked, timeout_s: float, names: Collection[str] | None) -> Published:
    files = ServingFiles.of(home)
    for _ in until(timeout_s):
        info = status(home)
        if info is None:
            raise MachineError(f"The server ended before it had loaded its models. Its log: {files.log}")
        applied, instance, loaded = read_loaded(files)
        waited = [found for name, found in loaded.items() if names is None or name in names]
        if instance == info.instance and applied >= asked.generation and not any(each.is_pending for each in waited):
            return Published(asked.before, loaded)
    asked_for = ", ".join(sorted(asked.wanted if names is None else names))
    raise DeployError(
        f"The server did not load {asked_for} within {timeout_s:g} s. Look into {files.log}, or raise "
        "deploy.timeout_s on a slow machine."
    )
