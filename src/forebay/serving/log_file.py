"""The server's log file: it is bounded in size, a few older files lie beside it, and no line is lost between them.

Standard output and standard error of the process are redirected to it, so it also holds what C libraries print. A full
log is renamed, and a new file takes its place behind the same two descriptors: until that instant lines go to the old
file, from then on to the new one. The supervisor uses this module too, so it imports nothing heavy.
"""

import contextlib
import os
import threading
from pathlib import Path

FULL_BYTES = 8 << 20  # size of a full log; the size is checked so often that a log never grows much larger
MAX_OLDER_FILES = 3  # server.log.1 is the newest of them
CHECK_INTERVAL_S = 1.0
STREAMS = (1, 2)  # descriptors of standard output and error


def redirect_output(log: Path) -> None:
    """Append everything that this process prints to a file, C libraries included.

    Raises:
        OSError: the file cannot be written.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        for stream in STREAMS:
            os.dup2(descriptor, stream)
    finally:
        os.close(descriptor)


def rotate_if_full(log: Path, full_bytes: int = FULL_BYTES) -> bool:
    """Start a new log where the present one is full, or was moved away from this process.

    Only one process may do it at a time: the server while it runs, and its supervisor while the server is down.

    Returns:
        Whether a new log was started; where that is not possible, lines go to the same file as before.
    """
    try:
        if not _is_full(log, full_bytes):
            return False
        for age in range(MAX_OLDER_FILES - 1, 0, -1):
            with contextlib.suppress(FileNotFoundError):
                _older(log, age).replace(_older(log, age + 1))
        with contextlib.suppress(FileNotFoundError):
            log.replace(_older(log, 1))
        redirect_output(log)
    except OSError:  # a full disk, or a folder that became read-only
        return False
    return True


def start_rotation(log: Path, full_bytes: int = FULL_BYTES) -> None:
    """Rotate the log in a background thread for as long as this process lives."""

    def watch() -> None:
        while True:
            rotate_if_full(log, full_bytes)
            ended.wait(CHECK_INTERVAL_S)

    ended = threading.Event()  # never set: unlike `time.sleep`, waiting for it does not delay the end of the process
    threading.Thread(target=watch, daemon=True, name="log-rotation").start()


def log_files(log: Path) -> list[Path]:
    """The log and the older files beside it, as far as they exist, oldest first."""
    return [path for path in (*(_older(log, age) for age in range(MAX_OLDER_FILES, 0, -1)), log) if path.is_file()]


def last_line(log: Path, start: int = 0) -> str:
    """The last line that was written after the byte `start` of the log; empty where there is none."""
    try:
        with log.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            file.seek(max(start if start <= size else 0, size - 16384))  # a new, smaller log was started since
            lines = file.read().decode(errors="replace").strip().splitlines()
    except FileNotFoundError:
        return ""
    return lines[-1] if lines else ""


def _is_full(log: Path, full_bytes: int) -> bool:
    written = os.fstat(STREAMS[-1])
    try:
        named = log.stat()
    except FileNotFoundError:
        return True
    return (named.st_dev, named.st_ino) != (written.st_dev, written.st_ino) or named.st_size >= full_bytes


def _older(log: Path, age: int) -> Path:
    return log.with_name(f"{log.name}.{age}")
