"""Background threads that keep the served models equal to the desired ones."""

import logging
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from forebay.serving.repository.model_manager import ModelManager
from forebay.serving.state import LoadStatus, ServingFiles, read_desired, read_settings, write_loaded

logger = logging.getLogger(__name__)

POLL_S = 0.1
STARTUP_TIMEOUT_S = 30.0  # before the server listens; a model that is not loaded by then is served later


class ModelReconciler:
    """Serves each of the desired models as soon as it is loaded, while requests are answered."""

    def __init__(self, models: ModelManager) -> None:
        self._models = models
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="reconcile-models", daemon=True)

    def start(self, *, wait_for_first: bool = False) -> None:
        """Serve what can be loaded soon, then go on in the background; a slow model is served later.

        Args:
            wait_for_first: whether to return only when one model answers, or none can: a pod without its model should
                end, not wait.
        """
        self._reconcile()
        end = time.monotonic() + STARTUP_TIMEOUT_S
        while self._models.is_loading() and (time.monotonic() < end or (wait_for_first and not self._models.names())):
            self._models.wait_for_load(POLL_S)
            self._reconcile()
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.is_set():
            self._models.wait_for_load(POLL_S)
            try:
                self._reconcile()
            except Exception:  # nothing may end the thread: a damaged file is read again when it is written again
                logger.exception("the desired models cannot be followed")

    def _reconcile(self) -> None:
        self._models.reconcile()


class StateFolderReconciler(ModelReconciler):
    """Follows `desired.json` and `settings.json`, and reports in `loaded.json`."""

    def __init__(
        self,
        files: ServingFiles,
        models: ModelManager,
        instance: str,
        apply_settings: Callable[[Mapping[str, str]], None],
    ) -> None:
        super().__init__(models)
        self._files = files
        self._instance = instance
        self._apply_settings = apply_settings
        self._last_read: tuple[object, ...] | None = None
        self._generation = 0
        self._last_written: tuple[int, dict[str, LoadStatus]] | None = None

    def _reconcile(self) -> None:
        file_versions = _file_version(self._files.desired), _file_version(self._files.settings)
        if file_versions != self._last_read:
            self._last_read = file_versions
            self._generation, desired = read_desired(self._files)
            # Who writes both files writes the settings first, so they are read after the generation.
            self._apply_settings(read_settings(self._files))
            self._models.set_desired(desired)
            self._last_written = None
        report = self._generation, self._models.reconcile()
        if report != self._last_written:
            write_loaded(self._files, self._generation, self._instance, report[1])
            self._last_written = report


def _file_version(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except FileNotFoundError:
        return 0, 0
    return found.st_mtime_ns, found.st_ino
