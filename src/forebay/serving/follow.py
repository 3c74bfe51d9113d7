"""Where the served models come from: the state folder's `desired.json`, or a folder of bundles."""

import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from forebay.contracts.bundles.spec import SPEC, read_unverified_spec
from forebay.errors import ConfigError, ModelError
from forebay.serving.repository import Models
from forebay.serving.state import DesiredModel, LoadStatus, ServingFiles, read_desired, read_settings, write_loaded
from forebay.text import find_control

logger = logging.getLogger(__name__)

POLL_S = 0.1
START_S = 30.0  # before the server listens; what is not loaded by then is served later
UNKNOWN = "unknown"  # version of a bundle whose spec cannot be read


class Settler:
    """Serves each of the wanted models as soon as it is loaded, while requests are answered."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="settle-models", daemon=True)

    def start(self, *, until_one: bool = False) -> None:
        """Serve what can be loaded now, then go on; what takes long is served later, and holds up nothing.

        Args:
            until_one: come back no sooner than one answers, or none can: a pod without its model is to end, not wait.
        """
        self._look()
        end = time.monotonic() + START_S
        while self._models.is_loading() and (time.monotonic() < end or (until_one and not self._models.names())):
            self._models.wait_for_news(POLL_S)
            self._look()
        self._thread.start()

    def stop(self) -> None:
        """End the watch."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._models.wait_for_news(POLL_S)
            try:
                self._look()
            except Exception:  # nothing may end the watch: a damaged file is read again when it is written again
                logger.exception("the wanted models cannot be followed")

    def _look(self) -> None:
        self._models.settle()


class Follower(Settler):
    """Keeps the models equal to `desired.json`, says so in `loaded.json`, and hands on what `settings.json` says."""

    def __init__(
        self, files: ServingFiles, models: Models, instance: str, use: Callable[[Mapping[str, str]], None]
    ) -> None:
        super().__init__(models)
        self._files = files
        self._instance = instance
        self._use = use
        self._seen: tuple[object, ...] | None = None
        self._generation = 0
        self._said: tuple[int, dict[str, LoadStatus]] | None = None

    def _look(self) -> None:
        version = _version(self._files.desired), _version(self._files.settings)
        if version != self._seen:
            self._seen = version
            self._generation, desired = read_desired(self._files)
            self._use(read_settings(self._files))  # after the generation: who writes both writes the settings first
            self._models.want(desired)
            self._said = None
        said = self._generation, self._models.settle()
        if said != self._said:
            write_loaded(self._files, self._generation, self._instance, said[1])
            self._said = said


def _version(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino


def find_bundles(
    folder: Path, name: str | None = None, version: str | None = None, digest: str = ""
) -> dict[str, DesiredModel]:
    """The bundles of a folder by KServe's convention: the folder is one, or holds one per sub-folder.

    Whether they can be loaded is found out when they are: one that cannot hides no other.

    Args:
        folder: usually /mnt/models.
        name: to serve a single bundle under; default the name of its dataset. Sub-folders give their own names.
        version: to show; default the first 12 digits of the weights' sha256.
        digest: of a single bundle, as registered.

    Raises:
        ConfigError: no bundle is there, it may not be read, or what belongs to one was given for several.
        ModelError: the only bundle is none.
    """
    try:
        return _callable(_find_bundles(folder, name, version, digest))
    except PermissionError as error:
        raise ConfigError(
            f"{error.filename or folder} may not be read by uid {os.getuid()} with group {os.getgid()}, which this "
            "server runs as. Let it read the folder and all in it (`chmod -R a+rX`), or run it as the owner "
            "(`docker run --user UID:0`)."
        ) from error


def _find_bundles(folder: Path, name: str | None, version: str | None, digest: str) -> dict[str, DesiredModel]:
    if os.path.lexists(folder / SPEC):
        spec = read_unverified_spec(folder)
        served = _served(folder, version or spec.weights_sha256[:12], spec.weights_sha256, digest)
        return {name or str(spec.data.get("name") or folder.name): served}
    inside = [path for path in sorted(folder.glob("*")) if os.path.lexists(path / SPEC)]
    if not inside:
        raise ConfigError(
            f"{folder} holds no model bundle: neither {SPEC} nor a sub-folder with one. Give the folder that train "
            "wrote, or mount it there."
        )
    for option, value in (("--model-name", name), ("--bundle-digest", digest)):
        if value and len(inside) > 1:
            raise ConfigError(f"{option} {value} was given for {len(inside)} bundles in {folder}. Leave it out.")
    return {name or path.name: _found(path, version, digest) for path in inside}


def _found(folder: Path, version: str | None, digest: str) -> DesiredModel:
    try:
        weights_sha256 = read_unverified_spec(folder).weights_sha256
    except ModelError:  # which loading it says again
        weights_sha256 = ""
    return _served(folder, version or weights_sha256[:12] or UNKNOWN, weights_sha256, digest)


def _served(folder: Path, version: str, weights_sha256: str, digest: str) -> DesiredModel:
    return DesiredModel(bundle=str(folder), version=version, weights_sha256=weights_sha256, digest=digest)


def _callable(models: dict[str, DesiredModel]) -> dict[str, DesiredModel]:
    for name, served in models.items():
        forbidden = find_control(name + served.version)
        if forbidden:
            raise ConfigError(f"A model cannot be called {name!r} (version {served.version!r}): it holds {forbidden}.")
    return models
