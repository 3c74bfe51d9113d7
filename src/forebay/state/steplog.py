"""How a step tells what it does: it records events, which a command line shows as they come.

The server's supervisor loads this module. So what imports the settings, which take half a megabyte, is imported in
functions.
"""

import contextlib
import math
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from forebay.errors import DamagedArtifactError, ForebayError
from forebay.settings.environment import EVENTS_VARIABLE, FRESH_VARIABLE
from forebay.signals import signal_of
from forebay.state.events import LOG_PREFIX, append_event, format_event, read_events
from forebay.state.file_modes import private_files
from forebay.state.home import Home
from forebay.state.machine_errors import explain_machine_error
from forebay.state.mask import without_passwords
from forebay.state.supervisor_watch import end_with_supervisor
from forebay.text import one_line

PROGRESS_EVERY_S = 0.2
EPOCH_EVERY_S = 1.0  # each is a line for a person to read
PROGRESS_IN_LOG_EVERY_S = 2.0  # everybody who follows a run reads the whole log of a pod
PROGRESS_EVERY_SHARE = 1e-3  # of the time since the step began: events of a training of hours stay some thousands,
PROGRESS_AT_LEAST_EVERY_S = 10.0  # and its bar still moves


@dataclass
class StepLog:
    """Records what a running step does, and knows its run and its state folder."""

    name: str
    run_id: str
    home: Home
    events: Path | None = None
    fresh: bool = False
    began: float = field(default_factory=time.monotonic, repr=False)
    _recorded_at: dict[str, float] = field(default_factory=dict, repr=False)  # the last event, by kind

    def progress(
        self, done: int, total: int, unit: str, measures: Callable[[], Mapping[str, float]] | None = None
    ) -> None:
        """Record how far the step is; a call soon after the last one is dropped, except where all is done.

        Args:
            done, total, unit: how far.
            measures: called where the call is not dropped, because measuring may take time.
        """
        if done < total and not self._is_due("progress"):
            return
        measured = {"measures": _finite(measures())} if measures else {}
        self.emit("progress", done=done, total=total, unit=unit, **measured)

    def epoch(self, epoch: int, epochs: int, measures: Mapping[str, float | None], *, is_last: bool) -> None:
        """Record the measures of an epoch of a training; one soon after another is dropped, except the last."""
        if is_last or self._is_due("epoch", EPOCH_EVERY_S):
            self.emit("epoch", epoch=epoch, epochs=epochs, measures=_finite(measures))

    def warn(self, text: str) -> None:
        """Record something that a person should see but that does not stop the step."""
        self.emit("warning", text=one_line(text))

    def result(self, **facts: Any) -> None:
        """Record facts from which decisions and summaries are made."""
        self.emit("result", **facts)

    def ended_by(self, status: int) -> None:
        """Record that a signal ended a step whose own end is skipped."""
        seconds = round(time.monotonic() - self.began, 3)
        self.emit(
            "failed", seconds=seconds, error=_explain(SystemExit(status)), error_type="SystemExit", permanent=False
        )

    def _is_due(self, kind: str, at_least_s: float = 0.0) -> bool:
        """Whether the last event of the kind is old enough for another one."""
        now = time.monotonic()
        every_s = max(at_least_s, PROGRESS_IN_LOG_EVERY_S if self.events is None else PROGRESS_EVERY_S)
        every_s = max(every_s, min((now - self.began) * PROGRESS_EVERY_SHARE, PROGRESS_AT_LEAST_EVERY_S))
        if now - self._recorded_at.get(kind, -math.inf) < every_s:
            return False
        self._recorded_at[kind] = now
        return True

    def emit(self, kind: str, **facts: Any) -> None:
        """Record one event.

        Raises:
            OSError: it cannot be written; nothing of it reads as an event.
        """
        event = {"time": datetime.now(UTC).isoformat(), "step": self.name, "kind": kind, **facts}
        if self.events is None:
            sys.stdout.write(LOG_PREFIX + format_event(event))  # on a cluster the pod's log carries the events
            sys.stdout.flush()
        else:
            append_event(self.events, event)


def _finite(measures: Mapping[str, float | None]) -> dict[str, float]:
    """What can be written and read: a loss that is no number ends its training soon, in words."""
    return {
        name: float(f"{value:.6g}") for name, value in measures.items() if value is not None and math.isfinite(value)
    }


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
    from forebay.state.key_variables import SIGNER, forget_signing_key

    end_with_supervisor()
    if name != SIGNER:
        forget_signing_key()
    _refuse_hopeless_retry(log)
    with contextlib.ExitStack() as stack:
        if events is not None and events.is_relative_to(
            log.home.root
        ):  # a run of this machine: all that it writes lies there
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
    from forebay.state.mlflow_errors import is_permanent_error

    if isinstance(error, ForebayError | ImportError) or is_permanent_error(error):
        return True
    return explain_machine_error(error) is not None


def _explain(error: BaseException) -> str:
    if isinstance(error, SystemExit) and (number := signal_of(error.code)):
        return f"ended by {number.name}"
    if not isinstance(error, ForebayError) and (words := explain_machine_error(error)):
        return words
    from forebay.state.mlflow_errors import explain_mlflow_error, is_database_damage, is_mlflow_error

    if is_mlflow_error(error) or is_database_damage(error):
        return explain_mlflow_error(error)
    return without_passwords(str(error) if isinstance(error, ForebayError) else f"{type(error).__name__}: {error}")


def _refuse_hopeless_retry(log: StepLog) -> None:
    if log.events is None:
        return
    for event in read_events(log.events)[0]:
        if event["step"] == log.name and event["kind"] == "failed" and event["permanent"]:
            raise SystemExit(event["error"])
