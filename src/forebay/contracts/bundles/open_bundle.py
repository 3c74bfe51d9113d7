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
    GRAPH,
    MAX_SPEC_BYTES,
    SPEC,
    WEIGHTS,
    ModelSpec,
    check_weights,
    parse_spec,
    require_bundle,
)
from forebay.errors import ModelError

_FILES = (SPEC, WEIGHTS, GRAPH, EXAMPLES)


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
        digests = files.open_all() if record is None else files.open_checked(record)
        spec = parse_spec(folder, files.content(SPEC, MAX_SPEC_BYTES))
        name = spec.weights_name
        if name not in files.opened:
            raise ModelError(f"{folder} holds no {name}. Take it from the registry again, or train the model again.")
        check_weights(folder, spec.weights_sha256, digests[name], name=name)
        examples = parse_examples(folder, files.content(EXAMPLES, MAX_EXAMPLES_BYTES), spec)
        yield OpenBundle(spec, files.opened[name], examples)


class _OpenFiles:
    """The files from which a model is made, each opened once."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self.opened: dict[str, BufferedReader] = {}

    def open_all(self) -> dict[str, str]:
        """Open the files without a record. Returns the digest of the weights by the name of their file."""
        require_bundle(self._folder)
        for name in _FILES:
            if name == SPEC or os.path.lexists(self._folder / name):
                self.opened[name] = self._stack.enter_context(open_regular(self._folder / name, MAX_FILE_BYTES))
        digests = {}
        for name in self.opened.keys() & {WEIGHTS, GRAPH}:
            digests[name] = stored_file(self.opened[name], self._folder / name).sha256
            self.opened[name].seek(0)
        return digests

    def open_checked(self, record: BundleRecord) -> dict[str, str]:
        """As `open_all`, and compare all files with the record."""
        found = bundle_files(self._folder, self._keep)
        check_files(self._folder, found, record)
        require_bundle(self._folder)
        return {name: file.sha256 for name, file in found.items()}

    def _keep(self, name: str, file: BufferedReader) -> None:
        if name in _FILES:
            self.opened[name] = self._stack.enter_context(os.fdopen(os.dup(file.fileno()), "rb"))

    def content(self, name: str, largest: int) -> bytes:
        """All bytes of a file; empty where it does not exist."""
        file = self.opened.get(name)
        return read_to_end(file, self._folder / name, largest) if file else b""
