"""Open and check a bundle: what is read next is what was checked, whatever a file name leads to by then."""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from forebay.contracts.bundles.digest import MAX_FILE_BYTES, bundle_files, check_files, stored_file
from forebay.contracts.bundles.examples import EXAMPLES, MAX_EXAMPLES_BYTES, parse_examples
from forebay.contracts.bundles.record import BundleRecord
from forebay.contracts.bundles.regular_file import open_regular, read_to_end
from forebay.contracts.bundles.spec import (
    MAX_SPEC_BYTES,
    SPEC,
    WEIGHTS,
    ModelSpec,
    check_weights,
    parse_spec,
    require_bundle,
)
from forebay.errors import ModelError


@dataclass(frozen=True)
class OpenBundle:
    """The parts of a checked bundle from which a model is made."""

    spec: ModelSpec
    weights: BufferedReader  # at its beginning
    examples_NHWC: NDArray[np.uint8]  # noqa: N815 - a shape suffix; rows that the model never trained on; N may be 0


@contextmanager
def open_bundle(folder: Path, record: BundleRecord | None = None) -> Iterator[OpenBundle]:
    """Check a bundle and hold its weights open.

    Args:
        folder: the bundle.
        record: every file must be as it says. Without a record, the weights must be those that the spec names.

    Raises:
        ModelError: the folder is no bundle, or not the one on record.
    """
    with ExitStack() as stack:
        files = _OpenFiles(folder, stack)
        weights_sha256 = files.open_all() if record is None else files.open_checked(record)
        spec = parse_spec(folder, files.content(SPEC, MAX_SPEC_BYTES))
        check_weights(folder, spec.weights_sha256, weights_sha256)
        examples = parse_examples(folder, files.content(EXAMPLES, MAX_EXAMPLES_BYTES), spec)
        yield OpenBundle(spec, files.opened[WEIGHTS], examples)


class _OpenFiles:
    """The files from which a model is made, each opened once."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.opened: dict[str, BufferedReader] = {}

    def open_all(self) -> str:
        """Open the files without a record. Returns the digest of the weights."""
        require_bundle(self._folder)
        for name in (SPEC, WEIGHTS, EXAMPLES):
            if name != EXAMPLES or os.path.lexists(self._folder / name):
                self.opened[name] = self._stack.enter_context(open_regular(self._folder / name, MAX_FILE_BYTES))
        weights = self.opened[WEIGHTS]
        found = stored_file(weights, self._folder / WEIGHTS)
        weights.seek(0)
        return found.sha256

    def open_checked(self, record: BundleRecord) -> str:
        """Open the files and compare all with the record. Returns the digest of the weights."""
        found = bundle_files(self._folder, self._keep)
        check_files(self._folder, found, record)
        if SPEC not in found or WEIGHTS not in found:
            require_bundle(self._folder)
            raise ModelError(f"{self._folder} holds no {WEIGHTS}. Train the model again.")
        return found[WEIGHTS].sha256

    def _keep(self, name: str, file: BufferedReader) -> None:
        if name in (SPEC, WEIGHTS, EXAMPLES):
            self.opened[name] = self._stack.enter_context(os.fdopen(os.dup(file.fileno()), "rb"))

    def content(self, name: str, largest: int) -> bytes:
        """All bytes of a file; empty where it does not exist."""
        file = self.opened.get(name)
        return read_to_end(file, self._folder / name, largest) if file else b""
