"""Changing the models that the server should serve, and waiting until it has tried them. Nothing heavy is imported."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

from forebay.errors import DeployError, ForebayError, MachineError
from forebay.local.server.launch import poll_until
from forebay.local.server.server_status import running_server
from forebay.local.server.timeouts import DEFAULT_TIMEOUTS
from forebay.serving.state import DesiredModel, LoadStatus, ServingFiles, read_desired, read_loaded, write_desired
from forebay.state import FileLock, Home

# from the models that should be served now to those that should be served next
ModelsChange = Callable[
    [dict[str, DesiredModel]], dict[str, DesiredModel]
]  # from the models wanted now to those wanted next


@dataclass(frozen=True)
class PublishResult:
    """A change of the served models that the server has tried."""

    before: dict[str, DesiredModel]  # what should have been served before the change
    loaded: dict[str, LoadStatus]  # what answers now

    def error(self, name: str) -> str:
        """Why the model that this name should serve does not answer; empty where it does."""
        return self.loaded.get(name, LoadStatus()).error


def publish(home: Home, change: ModelsChange, timeout_s: float, names: Collection[str] | None = None) -> PublishResult:
    """Change what the running server serves and wait until it has tried the models.

    Args:
        home: the state folder, open.
        change: applied under a lock, so that commands which change different models at the same time lose nothing of
            each other.
        timeout_s: time for loading.
        names: models to wait for; None waits for all.

    Returns:
        What should have been served before and, by name, what answers now. A model that could not be loaded has an
        `error`; what answered under its name before still does.

    Raises:
        MachineError: no server runs, or it ended meanwhile.
        DeployError: it was not done in time.
    """
    return _wait_until_loaded(home, _write_desired(ServingFiles.of(home), change), timeout_s, names)


def publish_or_restore(home: Home, change: ModelsChange, names: Collection[str], timeout_s: float) -> PublishResult:
    """As `publish`; models of these names that cannot be loaded are replaced by those that were served before.

    Raises:
        MachineError, DeployError: as `publish`; then all of these names are as before.
    """
    asked = _write_desired(ServingFiles.of(home), change)
    try:
        published = _wait_until_loaded(home, asked, timeout_s, names)
    except ForebayError:
        # nobody waits for this: the server is gone or too slow
        _write_desired(ServingFiles.of(home), _restored(asked, names))
        raise
    failed = [name for name in names if published.error(name)]
    if failed:
        publish(home, _restored(asked, failed), timeout_s, failed)
    return published


@dataclass(frozen=True)
class _DesiredChange:
    """One change of `desired.json`."""

    generation: int
    before: dict[str, DesiredModel]
    wanted: dict[str, DesiredModel]


def _write_desired(files: ServingFiles, change: ModelsChange) -> _DesiredChange:
    with FileLock(files.folder / "desired.lock").held("a command that changes the served models", wait=True):
        generation, before = read_desired(files)
        asked = _DesiredChange(generation + 1, before, change(dict(before)))
        write_desired(files, asked.generation, asked.wanted)
    return asked


def _restored(asked: _DesiredChange, names: Collection[str]) -> ModelsChange:
    """The change that takes these names back, except where somebody has changed them since."""

    def change(present: dict[str, DesiredModel]) -> dict[str, DesiredModel]:
        ours = {name for name in names if present.get(name) == asked.wanted.get(name)}
        kept = {name: model for name, model in present.items() if name not in ours}
        return kept | {name: model for name, model in asked.before.items() if name in ours}

    return change


def _wait_until_loaded(
    home: Home, asked: _DesiredChange, timeout_s: float, names: Collection[str] | None
) -> PublishResult:
    files = ServingFiles.of(home)
    for _ in poll_until(timeout_s, DEFAULT_TIMEOUTS.poll_s):
        info = running_server(home)
        if info is None:
            raise MachineError(f"The server ended before it had loaded its models. Its log: {files.log}")
        applied, instance, loaded = read_loaded(files)
        waited = [found for name, found in loaded.items() if names is None or name in names]
        if instance == info.instance and applied >= asked.generation and not any(each.is_pending for each in waited):
            return PublishResult(asked.before, loaded)
    asked_for = ", ".join(sorted(asked.wanted if names is None else names))
    raise DeployError(
        f"The server did not load {asked_for} within {timeout_s:g} s. Look into {files.log}, or raise "
        "deploy.timeout_s on a slow machine."
    )
