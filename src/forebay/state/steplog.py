"""How a step says what it does: events in a JSON-lines file that every runner's command line renders.

Event kinds, each an object with `time` (ISO 8601, UTC), `step` and `kind`:

- `started`
- `progress`: `done`, `total`, `unit`
- `warning`: `text`
- `result`: facts of the step, any JSON
- `finished`: `seconds`
- `failed`: `seconds`, `error` (one paragraph), `permanent` (a second try would fail the same way), `error_type`,
  and `damaged`: the artifact folder, where a file of it is not what its step wrote
"""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from forebay.errors import DamagedArtifactError, ForebayError
from forebay.settings.environment import EVENTS_VARIABLE, FRESH_VARIABLE
from forebay.signals import signal_of
from forebay.state.file_modes import private_files
from forebay.state.home import Home
from forebay.state.key_variables import SIGNER, forget_signing_key
from forebay.state.machine_errors import explain_machine_error
from forebay.state.mask import without_passwords
from forebay.state.mlflow_errors import explain_mlflow_error, is_database_damage, is_mlflow_error, is_permanent_error
from forebay.state.supervisor_watch import end_with_supervisor
from forebay.text import one_line

LOG_PREFIX = "forebay-event "  # where there is no such file, events stand among the other lines of a step's output
PROGRESS_EVERY_S = 0.2
_NUMBER = (int, float)
_FACTS: dict[str, dict[str, Any]] = {  # what events of a kind have besides
    "progress": {"done": _NUMBER, "total": _NUMBER, "unit": str},
    "warning": {"text": str},
    "finished": {"seconds": _NUMBER},
    "failed": {"seconds": _NUMBER, "error": str, "permanent": bool},
}
PROGRESS_IN_LOG_EVERY_S = 2.0  # a pod's log is kept, and read whole by everybody who follows a run


@dataclass
class StepLog:
    """What a running step reports to, and the facts of its surroundings."""

    name: str
    run_id: str
    home: Home
    events: Path | None = None
    fresh: bool = False
    began: float = field(default_factory=time.monotonic, repr=False)
    _last_progress: float = field(default=0.0, repr=False)

    def progress(self, done: int, total: int, unit: str) -> None:
        """Say how far the step is; calls close to the last one are dropped, except where all is done."""
        now = time.monotonic()
        every_s = PROGRESS_IN_LOG_EVERY_S if self.events is None else PROGRESS_EVERY_S
        if done < total and now - self._last_progress < every_s:
            return
        self._last_progress = now
        self.emit("progress", done=done, total=total, unit=unit)

    def warn(self, text: str) -> None:
        """Say something that a person should see but that does not stop the step."""
        self.emit("warning", text=one_line(text))

    def result(self, **facts: Any) -> None:
        """Record facts that decisions and summaries are read from."""
        self.emit("result", **facts)

    def ended_by(self, status: int) -> None:
        """Record the end by a signal, of a step whose own end is skipped."""
        seconds = round(time.monotonic() - self.began, 3)
        self.emit(
            "failed", seconds=seconds, error=_explain(SystemExit(status)), error_type="SystemExit", permanent=False
        )

    def emit(self, kind: str, **facts: Any) -> None:
        """Append one event; a single write of one line, so concurrent steps never mix.

        Raises:
            OSError: it cannot be written; nothing of it reads as an event.
        """
        event = {"time": datetime.now(UTC).isoformat(), "step": self.name, "kind": kind, **facts}
        line = json.dumps(event, allow_nan=False, ensure_ascii=False) + "\n"
        if self.events is None:
            sys.stdout.write(LOG_PREFIX + line)  # on a cluster the pod's log carries the events
            sys.stdout.flush()
            return
        descriptor = os.open(self.events, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _append(descriptor, line.encode())
        finally:
            os.close(descriptor)


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


def damaged_lines(path: Path) -> int:
    """How many whole lines of an events file are no events: what a full disk, a kill or a bad disk left."""
    if not path.exists():
        return 0
    data = path.read_bytes()
    return sum(1 for line in data[: data.rfind(b"\n") + 1].split(b"\n") if line and _event(line) is None)


def event_in_log(line: str) -> dict[str, Any] | None:
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
    """Whether an event has what its kind has; where a byte was changed, it may read as JSON and be none."""
    if not all(isinstance(event.get(key), str) for key in ("time", "step", "kind")):
        return False
    wanted = _FACTS.get(event["kind"], {})
    return all(isinstance(event.get(key), kinds) for key, kinds in wanted.items())


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
    """End the torn line in place of its last byte: a full disk has room for no new one."""
    end = os.fstat(descriptor).st_size
    with contextlib.suppress(OSError):
        os.ftruncate(descriptor, end - 1)
        os.write(descriptor, b"\n")


@contextlib.contextmanager
def step(name: str, run_id: str = "") -> Iterator[StepLog]:
    """Run the body of a step: announce it, time it, and record how it ended.

    A step never outlives the process that runs the pipeline. When an earlier try in the same run failed for a
    reason that a second try cannot mend, KFP's retry ends at once with the same error.

    Args:
        name: the step's word.
        run_id: KFP's id of the run, given to uncached steps only; on this machine the run folder's name is used.
    """
    variable = os.environ.get(EVENTS_VARIABLE)
    events = Path(variable) if variable else None
    log = StepLog(
        name=name,
        run_id=events.parent.name if events else run_id,  # here the state folder's own id, which people see
        home=Home.find().open(),
        events=events,
        fresh=os.environ.get(FRESH_VARIABLE) == "1",
    )
    end_with_supervisor()
    if name != SIGNER:
        forget_signing_key()
    _refuse_hopeless_retry(log)
    with contextlib.ExitStack() as stack:
        if events is not None and events.is_relative_to(log.home.root):  # of a run here: all that it writes lies there
            stack.enter_context(private_files())
        with _recorded(log):
            yield log


@contextlib.contextmanager
def _recorded(log: StepLog) -> Iterator[None]:
    start = time.monotonic()
    log.emit("started")
    try:
        yield
    except BaseException as error:
        log.emit(
            "failed",
            seconds=round(time.monotonic() - start, 3),
            error=one_line(_explain(error)),
            error_type=type(error).__name__,
            permanent=_is_final(error),
            **({"damaged": str(error.folder)} if isinstance(error, DamagedArtifactError) else {}),
        )
        raise
    log.emit("finished", seconds=round(time.monotonic() - start, 3))


def _is_final(error: BaseException) -> bool:
    """Whether another try, seconds later, would fail in the same way."""
    if isinstance(error, ForebayError | ImportError) or is_permanent_error(error):
        return True
    return explain_machine_error(error) is not None


def _explain(error: BaseException) -> str:
    if isinstance(error, SystemExit) and (number := signal_of(error.code)):
        return f"ended by {number.name}"
    if not isinstance(error, ForebayError) and (words := explain_machine_error(error)):
        return words
    if is_mlflow_error(error) or is_database_damage(error):
        return explain_mlflow_error(error)
    return without_passwords(str(error) if isinstance(error, ForebayError) else f"{type(error).__name__}: {error}")


def _refuse_hopeless_retry(log: StepLog) -> None:
    if log.events is None:
        return
    for event in read_events(log.events)[0]:
        if event["step"] == log.name and event["kind"] == "failed" and event["permanent"]:
            raise SystemExit(event["error"])
