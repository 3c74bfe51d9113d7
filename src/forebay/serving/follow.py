"""Where the served models come from: the state folder's `desired.json`, or a folder of bundles."""

import logging
import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from forebay.contracts.bundle import SPEC, read_spec
from forebay.errors import ConfigError
from forebay.serving.repository import Models
from forebay.serving.state import Served, ServingFiles, read_desired, read_settings, write_loaded
from forebay.text import control_in

logger = logging.getLogger(__name__)

POLL_S = 0.1


class Follower:
    """Keeps the models equal to `desired.json`, says so in `loaded.json`, and hands on what `settings.json` says.

    Loading happens in the follower's own thread; requests are answered meanwhile.
    """

    def __init__(
        self, files: ServingFiles, models: Models, instance: str, use: Callable[[Mapping[str, str]], None]
    ) -> None:
        self._files = files
        self._models = models
        self._instance = instance
        self._use = use
        self._seen: tuple[object, ...] | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="follow-desired", daemon=True)

    def start(self) -> None:
        """Load what is wanted now, then go on watching."""
        self._look()
        self._thread.start()

    def stop(self) -> None:
        """End the watch; a load in progress is finished first."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(POLL_S):
            try:
                self._look()
            except Exception:  # a damaged file must not end the watch; the next write is read again
                logger.exception("%s cannot be followed", self._files.desired)

    def _look(self) -> None:
        version = _version(self._files.desired), _version(self._files.settings)
        if version == self._seen:
            return
        self._seen = version
        generation, desired = read_desired(self._files)
        self._use(read_settings(self._files))  # after the generation: who writes both writes the settings first
        write_loaded(self._files, generation, self._instance, self._models.apply(desired))


def _version(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino


def find_bundles(folder: Path, name: str | None, version: str | None) -> dict[str, Served]:
    """The bundles of a folder by KServe's convention: the folder is one, or holds one per sub-folder.

    Args:
        folder: usually /mnt/models.
        name: to serve a single bundle under; default the name of its data set. Sub-folders give their own names.
        version: to show; default the first 12 digits of the weights' sha256.

    Raises:
        ConfigError: no bundle is there, it may not be read, or one name was given for several.
        ModelError: a bundle is damaged.
    """
    try:
        return _find_bundles(folder, name, version)
    except PermissionError as error:
        raise ConfigError(
            f"{error.filename or folder} may not be read by uid {os.getuid()} with group {os.getgid()}, which this "
            "server runs as. Let it read the folder and all in it (`chmod -R a+rX`), or run it as the owner "
            "(`docker run --user UID:0`)."
        ) from error


def _find_bundles(folder: Path, name: str | None, version: str | None) -> dict[str, Served]:
    if (folder / SPEC).is_file():
        return dict([_bundle(folder, name, version)])
    inside = sorted(path.parent for path in folder.glob(f"*/{SPEC}"))
    if not inside:
        raise ConfigError(
            f"{folder} holds no model bundle: neither {SPEC} nor a sub-folder with one. Give the folder that train "
            "wrote, or mount it there."
        )
    if name is not None and len(inside) > 1:
        raise ConfigError(f"--model-name {name} was given for {len(inside)} bundles in {folder}. Leave it out.")
    return dict(_bundle(path, name or path.name, version) for path in inside)


def _bundle(folder: Path, name: str | None, version: str | None) -> tuple[str, Served]:
    spec = read_spec(folder)
    served = Served(bundle=str(folder), version=version or spec.weights_sha256[:12], weights_sha256=spec.weights_sha256)
    called = name or str(spec.data.get("name") or folder.name)
    forbidden = control_in(called + served.version)
    if forbidden:
        raise ConfigError(f"A model cannot be called {called!r} (version {served.version!r}): it holds {forbidden}.")
    return called, served
