"""Open a file that anybody may have put there: only a regular one, never a link, a pipe or a device."""

import os
import stat
from io import BufferedReader
from pathlib import Path

from forebay.errors import ModelError
from forebay.text import one_line

_KINDS = {
    stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device",
    stat.S_IFDIR: "a folder", stat.S_IFLNK: "a symbolic link",
}  # fmt: skip


def open_regular(path: Path, max_bytes: int | None = None, *, folder: int | None = None) -> BufferedReader:
    """Open a regular file for reading. Anything that could block, or lead elsewhere, is refused.

    Args:
        path: the file.
        max_bytes: a larger file is refused.
        folder: descriptor of the open folder that holds the file; only the path's last part is then looked up there.

    Raises:
        ModelError: the file is missing, may not be read, is no regular file, or is too large.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC  # a pipe would wait for a writer
    try:
        descriptor = os.open(path if folder is None else path.name, flags, dir_fd=folder)
    except OSError as error:
        raise ModelError(_cannot_open(path, error, folder)) from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise ModelError(not_regular(path, found.st_mode))
        if max_bytes is not None and found.st_size > max_bytes:
            raise ModelError(f"{one_line(str(path))} has {found.st_size} bytes; at most {max_bytes} are read.")
        return os.fdopen(descriptor, "rb")
    except BaseException:
        os.close(descriptor)
        raise


def read_regular(path: Path, max_bytes: int) -> bytes:
    """The content of a regular file.

    Raises:
        ModelError: as `open_regular`.
    """
    with open_regular(path, max_bytes) as file:
        return read_to_end(file, path, max_bytes)


def read_to_end(file: BufferedReader, path: Path, max_bytes: int) -> bytes:
    """The rest of an open file.

    Raises:
        ModelError: the file cannot be read, or holds more than `max_bytes`.
    """
    try:
        content = file.read(max_bytes + 1)  # it may grow meanwhile
    except OSError as error:
        raise ModelError(f"{one_line(str(path))} cannot be read: {error.strerror}.") from error
    if len(content) > max_bytes:
        raise ModelError(f"{one_line(str(path))} has more than {max_bytes} bytes; no more are read.")
    return content


def not_regular(path: Path, mode: int) -> str:
    """The message for something that is no regular file."""
    kind = _KINDS.get(stat.S_IFMT(mode), "no regular file")
    return f"{one_line(str(path))} is {kind}; a bundle holds regular files only. Take it from the registry again."


def _cannot_open(path: Path, error: OSError, folder: int | None) -> str:
    try:
        mode = os.stat(path if folder is None else path.name, dir_fd=folder, follow_symlinks=False).st_mode
    except OSError:
        mode = stat.S_IFREG
    if not stat.S_ISREG(mode):  # a link gives ELOOP, a socket ENXIO
        return not_regular(path, mode)
    return f"{one_line(str(path))} cannot be read: {error.strerror}."
