"""Large files that are whole or absent."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forebay.state.machine_errors import add_file_name


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """A path to write to; the file has its own name after the block, or is gone where the block raised."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        with add_file_name(path):
            yield temporary
            temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def link_or_copy(path: Path, target: Path) -> None:
    """The same file under another name; a copy where the file system has no links to it."""
    try:
        os.link(path, target)
    except OSError:
        shutil.copyfile(path, target)
