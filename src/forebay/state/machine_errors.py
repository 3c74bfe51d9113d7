"""Errors of the machine (disk, quota, descriptors, memory) in one sentence each, with what mends them."""

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from forebay.state.mask import without_passwords

_NO_MEMORY = ("can't allocate memory", "Cannot allocate memory", "failed to map segment", "can't start new thread")
_NO_DISK = ("database or disk is full", "disk I/O error", "No space left on device")  # SQLite's words, and Arrow's


def explain_machine_error(error: BaseException) -> str | None:
    """The error as one sentence; None for an error that is not the machine's."""
    text = " ".join(without_passwords(str(error)).split())
    number = error.errno if isinstance(error, OSError) else None
    if number == errno.EFBIG:
        return f"{_named(error)}. A quota or `ulimit -f` limits the size of files here; raise it, and run again."
    if number == errno.EROFS:
        return f"{_named(error)}. Make that file system writable, or name a folder on another one, and run again."
    if number in (errno.EMFILE, errno.ENFILE):
        limit = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        return f"{_named(error)}: this process may open {limit} files. Raise that (`ulimit -n 1024`), and run again."
    if number in (errno.ENOSPC, errno.EDQUOT) or any(words in text for words in _NO_DISK):
        told = _named(error) if number in (errno.ENOSPC, errno.EDQUOT) else f"The disk is full or fails: {_first(text)}"
        return f"{told}. Free some space (`forebay prune` removes what old runs left), and run again."
    if isinstance(error, MemoryError) or number == errno.ENOMEM or any(words in text for words in _NO_MEMORY):
        told = _first(text) or "none is left"
        return f"Too little memory ({told}). End other programs or raise the limit, and run again."
    return None


@contextmanager
def add_file_name(path: Path) -> Iterator[None]:
    """Add the name of a file to an error that a system call raises in the block without one."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def _named(error: BaseException) -> str:
    """`No space left on device: /data/shards/train-00000.npy`."""
    assert isinstance(error, OSError)
    file = (
        error.filename if error.filename2 is None else error.filename2
    )  # where there are two names, the second is the file that was written
    name = f": {file}" if file is not None else ""
    return f"{error.strerror or error}{name}"


def _first(text: str) -> str:
    return text.partition("[SQL")[0].strip().rstrip(".")[:200]
