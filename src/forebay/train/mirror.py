"""Copies of checkpoints in an object store, for a step whose folder goes with its pod.

Under the training's key lie, for each checkpoint `step-<number>.<sha256>`, its bytes in parts `<name>.<index>` and,
written last, the manifest `<name>.json` that makes it one: a process that dies between two uploads, or in one, leaves
parts that no manifest names. The newest two checkpoints stay; all else goes after the next one is written.
"""

import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterable

from forebay.object_store import ObjectFolder
from forebay.settings.cluster_environment import CHECKPOINT_STORE

KEPT = 2
PART_BYTES = 256 << 20  # S3 takes no more than 5 GiB in one request
TRAINING = "training.json"
_MANIFEST = ".json"
_IS_MANIFEST = re.compile(r"step-\d{10}\.[0-9a-f]{64}\.json")  # names become names of files: nothing else is let in


class Mirror:
    """The copies of one training's checkpoints; a thread of its own writes them, the newest that waits first.

    A store that does not answer is worth a warning, never the training.
    """

    def __init__(self, folder: ObjectFolder, warn: Callable[[str], None]) -> None:
        self.folder = folder
        self._warn = warn
        self._warned = False
        self._reads = True
        self._changed = threading.Condition()
        self._waiting: tuple[str, bytes] | None = None
        self._busy = False
        self._thread: threading.Thread | None = None

    def training_id(self, candidate: str) -> str:
        """The id that the store keeps for this training, which is the candidate where it has none yet."""
        try:
            return str(json.loads(self.folder.read(TRAINING))["training_id"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            self._try(lambda: self.folder.write(TRAINING, json.dumps({"training_id": candidate}).encode()))
        except OSError as error:
            self._say(error)
        return candidate

    def names(self) -> list[str]:
        """Names of checkpoints that have a manifest, newest first."""
        if not self._reads:
            return []
        return sorted((name.removesuffix(_MANIFEST) for name in self._list() if _is_manifest(name)), reverse=True)

    def fetch(self, name: str) -> bytes:
        """The bytes of a checkpoint.

        Raises:
            OSError: they cannot be read.
            ValueError, KeyError, TypeError: the manifest is torn, or parts do not make up what it says.
        """
        manifest = json.loads(self.folder.read(name + _MANIFEST))
        data = b"".join(self.folder.read(part) for part in manifest["parts"])
        found = hashlib.sha256(data).hexdigest()
        if found != manifest["sha256"]:
            raise ValueError(f"the sha256 of its parts is {found[:12]}…, its manifest says {manifest['sha256'][:12]}…")
        return data

    def drop(self, name: str) -> None:
        """Remove a checkpoint that turned out to be damaged: it must not count as one of those that stay."""
        self._try(lambda: self._remove(found for found in self.folder.names() if _checkpoint(found) == name))

    def put(self, name: str, data: bytes) -> None:
        """Have a checkpoint copied; one that still waits is dropped for it."""
        with self._changed:
            self._waiting = (name, data)
            self._changed.notify_all()
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, daemon=True, name="checkpoint-mirror")
                self._thread.start()

    def flush(self, timeout_s: float) -> None:
        """Wait until the newest one is copied."""
        with self._changed:
            if not self._changed.wait_for(lambda: not self._busy and self._waiting is None, timeout_s):
                self._warn(f"The last checkpoint was not copied to {self.folder.uri} within {timeout_s:g} s.")

    def forget(self) -> None:
        """Remove everything, manifests first; where that fails, nothing is read from there in this training."""
        try:
            self._remove(self.folder.names())
        except OSError as error:
            self._reads = False
            self._say(error)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting is not None)
                (name, data), self._waiting, self._busy = self._waiting or ("", b""), None, True
            if self._try(lambda: self._upload(name, data)):  # noqa: B023 - called at once
                self._warned = False

    def _upload(self, name: str, data: bytes) -> None:
        parts = [f"{name}.{index}" for index in range(max(1, -(-len(data) // PART_BYTES)))]
        view = memoryview(data)
        for index, part in enumerate(parts):
            self.folder.write(part, view[index * PART_BYTES : (index + 1) * PART_BYTES])
        manifest = {"format": 1, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data), "parts": parts}
        self.folder.write(name + _MANIFEST, json.dumps(manifest).encode())
        self._drop_older()

    def _drop_older(self) -> None:
        """Remove all but the newest checkpoints, and what dead tries left."""
        found = self.folder.names()
        kept = sorted((name.removesuffix(_MANIFEST) for name in found if _is_manifest(name)), reverse=True)[:KEPT]
        self._remove(name for name in found if name != TRAINING and _checkpoint(name) not in kept)

    def _remove(self, names: Iterable[str]) -> None:
        for name in sorted(names, key=lambda name: not _is_manifest(name)):
            self.folder.delete(name)

    def _list(self) -> list[str]:
        try:
            return self.folder.names()
        except OSError as error:
            self._say(error)
            return []

    def _try(self, act: Callable[[], None]) -> bool:
        try:
            act()
        except OSError as error:
            self._say(error)
            return False
        return True

    def _say(self, error: OSError) -> None:
        """Once per outage."""
        if not self._warned:
            self._warned = True
            self._warn(f"The store of {CHECKPOINT_STORE} keeps no checkpoints ({error}); training goes on without.")


def _is_manifest(name: str) -> bool:
    return _IS_MANIFEST.fullmatch(name) is not None


def _checkpoint(name: str) -> str:
    """`step-<number>.<sha256>` of a part or a manifest."""
    return name.rpartition(".")[0]
