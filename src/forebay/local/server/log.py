"""The server's log: bounded in size, with a few older files beside it, and no line lost between them.

Standard output and error of the process are the log, so that it holds what libraries written in C print as well. A full
log is renamed and a new one takes its place behind the same two descriptors: until that very instant lines go to the
old file, from then on to the new one. Imports nothing heavy: the supervisor uses it too.
"""

import contextlib
import os
import threading
from pathlib import Path

LIMIT_BYTES = 8 << 20  # at which a log is full; it is looked at so often that it never grows much larger
KEPT = 3  # older files: server.log.1 is the newest of them
LOOK_EVERY_S = 1.0
STREAMS = (1, 2)  # descriptors of standard output and error


def print_to(log: Path) -> None:
    """Append what this process prints to a file, whatever prints it.

    Raises:
        OSError: it cannot be written.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        for stream in STREAMS:
            os.dup2(descriptor, stream)
    finally:
        os.close(descriptor)


def rotate(log: Path, limit_bytes: int = LIMIT_BYTES) -> bool:
    """Begin a new log where the present one is full, or was taken away under this process.

    Only one process may do it at a time: the server while it runs, its supervisor while it does not.

    Returns:
        Whether a new one was begun; where that is not possible, lines go where they went.
    """
    try:
        if not _is_full(log, limit_bytes):
            return False
        for age in range(KEPT - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                _older(log, age).replace(_older(log, age + 1))
        with contextlib.suppress(FileNotFoundError):
            log.replace(_older(log, 1))
        print_to(log)
    except OSError:  # a full disk, or a folder that became read-only
        return False
    return True


def rotate_always(log: Path, limit_bytes: int = LIMIT_BYTES) -> None:
    """Look at the log from a thread of its own for as long as this process lives."""

    def look() -> None:
        while True:
            rotate(log, limit_bytes)
            ended.wait(LOOK_EVERY_S)

    ended = threading.Event()  # never set: unlike `time.sleep` it gives way at the end of the process
    threading.Thread(target=look, daemon=True, name="log-rotation").start()


def files(log: Path) -> list[Path]:
    """The log with its older files, oldest first, those that there are."""
    return [path for path in (*(_older(log, age) for age in range(KEPT, 0, -1)), log) if path.is_file()]


def last_line(log: Path, start: int = 0) -> str:
    """The last line that was written behind a byte of the log; empty where there is none."""
    try:
        with log.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(start if start <= size else 0, size - 16384))  # a smaller one was begun meanwhile
            lines = file.read().decode(errors="replace").strip().splitlines()
    except FileNotFoundError:
        return ""
    return lines[-1] if lines else ""


def _is_full(log: Path, limit_bytes: int) -> bool:
    written = os.fstat(STREAMS[-1])
    try:
        named = log.stat()
    except FileNotFoundError:
        return True
    return (named.st_dev, named.st_ino) != (written.st_dev, written.st_ino) or named.st_size >= limit_bytes


def _older(log: Path, age: int) -> Path:
    return log.with_name(f"{log.name}.{age}")
