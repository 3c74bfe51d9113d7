"""Copies of checkpoints in an object store, for a step whose local folder is lost with its pod.

Under the training's key lie, for each checkpoint, its bytes in parts `<name>.<index>` and the manifest `<name>.json`.
The manifest is written last and makes the parts a checkpoint: a process that dies between two uploads, or in one,
leaves parts that no manifest names. The newest checkpoints stay; everything else is removed after the next upload.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable

from forebay.object_store import ObjectFolder
from forebay.settings.cluster_environment import CHECKPOINT_STORE
from forebay.train.checkpoints.checkpoint import KEPT_CHECKPOINTS, NAME_PATTERN, TRAINING_FILE

PART_BYTES = 256 << 20  # S3 takes no more than 5 GiB in one request
_MANIFEST = ".json"
_IS_MANIFEST = re.compile(NAME_PATTERN + r"\.json")  # names become file names here, so no other name is accepted


class RemoteCheckpoints:
    """The remote copies of one training's checkpoints. A thread uploads them, and skips to the newest one.

    A store that does not answer causes a warning and never ends the training.
    """

    def __init__(self, folder: ObjectFolder, warn: Callable[[str], None]) -> None:
        self.folder = folder
        self._warn = warn
        self._warned = False
        self._is_readable = True
        self._changed = threading.Condition()
        self._waiting: tuple[str, bytes] | None = None
        self._is_uploading = False
        self._thread: threading.Thread | None = None

    def training_id(self, candidate: str) -> str:
        """The id that the store keeps for this training; the candidate is stored where there is none yet."""
        try:
            return str(json.loads(self.folder.read(TRAINING_FILE))["training_id"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            self._attempt(lambda: self.folder.write(TRAINING_FILE, json.dumps({"training_id": candidate}).encode()))
        except OSError as error:
            self._warn_once(error)
        return candidate

    def names(self) -> list[str]:
        """The names of checkpoints that have a manifest, newest first."""
        if not self._is_readable:
            return []
        return _checkpoints_newest_first(self._list())

    def download(self, name: str) -> bytes:
        """Fetch the bytes of a checkpoint.

        Raises:
            OSError: they cannot be read.
            ValueError, KeyError, TypeError: the manifest is torn, or the parts do not make up what it says.
        """
        manifest = json.loads(self.folder.read(name + _MANIFEST))
        data = b"".join(self.folder.read(part) for part in manifest["parts"])
        found = hashlib.sha256(data).hexdigest()
        if found != manifest["sha256"]:
            raise ValueError(f"the sha256 of its parts is {found[:12]}…, its manifest says {manifest['sha256'][:12]}…")
        return data

    def delete(self, name: str) -> None:
        """Remove a damaged checkpoint, so that it does not count as one of those that stay."""
        self._attempt(lambda: self._remove(each for each in self.folder.names() if _checkpoint_of(each) == name))

    def upload_in_background(self, name: str, data: bytes) -> None:
        """Have a checkpoint uploaded; it replaces one that still waits."""
        with self._changed:
            self._waiting = (name, data)
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, daemon=True, name="checkpoint-upload")
                self._thread.start()

    def flush(self, timeout_s: float) -> None:
        """Wait until the newest checkpoint is uploaded."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._is_uploading and self._waiting is None, timeout_s):
                self._warn(f"The last checkpoint was not copied to {self.folder.uri} within {timeout_s:g} s.")

    def clear(self) -> None:
        """Remove everything, manifests first. Where that fails, this training reads nothing from the store."""
        try:
            self._remove(self.folder.names())
        except OSError as error:
            self._is_readable = False
            self._warn_once(error)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._is_uploading = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting is not None)
                (name, data), self._waiting, self._is_uploading = self._waiting or ("", b""), None, True
            if self._attempt(lambda: self._upload(name, data)):  # noqa: B023 - called at once
                self._warned = False

    def _upload(self, name: str, data: bytes) -> None:
        parts = [f"{name}.{index}" for index in range(max(1, -(-len(data) // PART_BYTES)))]
        view = memoryview(data)
        for index, part in enumerate(parts):
            self.folder.write(part, view[index * PART_BYTES : (index + 1) * PART_BYTES])
        manifest = {"format": 1, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "parts": parts}
        self.folder.write(name + _MANIFEST, json.dumps(manifest).encode())
        self._remove_older()

    def _remove_older(self) -> None:
        """Remove all but the newest checkpoints, and the parts that killed processes left."""
        found = self.folder.names()
        kept = _checkpoints_newest_first(found)[:KEPT_CHECKPOINTS]
        self._remove(name for name in found if name != TRAINING_FILE and _checkpoint_of(name) not in kept)

    def _remove(self, names: Iterable[str]) -> None:
        for name in sorted(names, key=lambda name: not _is_manifest(name)):
            self.folder.delete(name)

    def _list(self) -> list[str]:
        try:
            return self.folder.names()
        except OSError as error:
            self._warn_once(error)
            return []

    def _attempt(self, action: Callable[[], None]) -> bool:
        try:
            action()
        except OSError as error:
            self._warn_once(error)
            return False
        return True

    def _warn_once(self, error: OSError) -> None:
        """Warn once per outage."""
        if not self._warned:
            self._warned = True
            self._warn(f"The store of {CHECKPOINT_STORE} keeps no checkpoints ({error}); training goes on without.")


def _is_manifest(name: str) -> bool:
    return _IS_MANIFEST.fullmatch(name) is not None


def _checkpoints_newest_first(names: Iterable[str]) -> list[str]:
    return sorted((name.removesuffix(_MANIFEST) for name in names if _is_manifest(name)), reverse=True)


def _checkpoint_of(name: str) -> str:
    """The checkpoint's name in that of a part or a manifest."""
    return name.rpartition(".")[0]
