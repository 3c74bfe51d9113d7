"""Events of steps: JSON lines in a file, or lines of a pod's log, which command lines read.

Event kinds, each an object with `time` (ISO 8601, UTC), `step` and `kind`:

- `started`
- `progress`: `done`, `total`, `unit`, and `measures` (numbers by name) where the step measures something on its way; a
  training `epoch`, `epochs`, `loss`, `accuracy`, `learning_rate`, `images_per_s` and `seconds_left`, and
  one of several networks also `member` and `members`
- `epoch`: `epoch`, `epochs`, and its `measures`, as the training curves name them
- `warning`: `text`
- `result`: facts of the step, any JSON
- `finished`: `seconds`
- `failed`: `seconds`, `error` (one paragraph), `permanent` (a second try would fail the same way), `error_type`,
  and `damaged`: the artifact folder, where a file of it is not what its step wrote
"""

import contextlib
import json
import os
from pathlib import Path
from typing import Any

LOG_PREFIX = "forebay-event "  # before events among the other lines of a pod's log
_NUMBER = (int, float)
_FACTS: dict[str, dict[str, Any]] = {  # fields that events of a kind have besides
    "progress": {"done": _NUMBER, "total": _NUMBER, "unit": str},
    "epoch": {"epoch": _NUMBER, "epochs": _NUMBER, "measures": dict},
    "warning": {"text": str},
    "finished": {"seconds": _NUMBER},
    "failed": {"seconds": _NUMBER, "error": str, "permanent": bool},
}


def append_event(path: Path, event: dict[str, Any]) -> None:
    """Append an event to a file; a single write of one line, so events of concurrent steps never mix.

    Raises:
        OSError: it cannot be written; nothing of it reads as an event.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        _append(descriptor, format_event(event).encode())
    finally:
        os.close(descriptor)


def format_event(event: dict[str, Any]) -> str:
    """The line of an event."""
    return json.dumps(event, allow_nan=False, ensure_ascii=False) + "\n"


def read_events(path: Path, offset: int = 0) -> tuple[list[dict[str, Any]], int]:
    """Read whole events from a byte offset; a line still being written is left for the next call.

    Returns:
        The events and the offset to read on from.
    """
    if not path.exists():
        return [], offset
    with path.open("rb") as file:
        file.seek(offset)
        data = file.read()
    whole = data[: data.rfind(b"\n") + 1]
    return [event for line in whole.split(b"\n") if (event := _event(line))], offset + len(whole)


def count_damaged_lines(path: Path) -> int:
    """The number of whole lines that are no events: what a full disk, a kill or a bad disk left."""
    if not path.exists():
        return 0
    data = path.read_bytes()
    return sum(1 for line in data[: data.rfind(b"\n") + 1].split(b"\n") if line and _event(line) is None)


def parse_log_line(line: str) -> dict[str, Any] | None:
    """The event of a line of a step's output, or None where it is another line."""
    return _event(line.removeprefix(LOG_PREFIX).encode()) if line.startswith(LOG_PREFIX) else None


def _event(line: bytes) -> dict[str, Any] | None:
    """The event of a line, or None for what a full disk or a kill left of one."""
    try:
        event = json.loads(line)
    except ValueError:
        return None
    return event if isinstance(event, dict) and _is_whole(event) else None


def _is_whole(event: dict[str, Any]) -> bool:
    """Whether an event has the fields of its kind; a line with a changed byte may still be JSON."""
    if not all(isinstance(event.get(key), str) for key in ("time", "step", "kind")):
        return False
    wanted = _FACTS.get(event["kind"], {})
    measures = event.get("measures", {})
    return all(isinstance(event.get(key), kinds) for key, kinds in wanted.items()) and (
        isinstance(measures, dict) and all(isinstance(value, _NUMBER) for value in measures.values())
    )


def _append(descriptor: int, line: bytes) -> None:
    """Write the whole line; a disk that fills in the middle of it must not tear the next line as well."""
    rest = line
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        if rest != line:
            _end_torn_line(descriptor)
        raise


def _end_torn_line(descriptor: int) -> None:
    """End the torn line in place of its last byte, because a full disk has no room for another byte."""
    end = os.fstat(descriptor).st_size
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, end - 1)
        os.write(descriptor, b"\n")
