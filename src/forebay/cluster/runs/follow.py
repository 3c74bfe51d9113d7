"""A run on a cluster as the same events that a run on this machine gives, read from its nodes and its pods' logs."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from forebay.backend.summary import Event
from forebay.cluster.runs.nodes import ENDED_BADLY, StepNodes, Try, steps_of
from forebay.cluster.runs.pipelines_client import Backend
from forebay.kube.retries import WORK_S
from forebay.state.events import LOG_PREFIX, parse_log_line

POLL_S = (2.0, 15.0)  # at first, and at most: nobody looks at hour three of a training every two seconds
LOG_SHARE = 20  # a log is read again after this many times as long as reading it took
LOG_LINES = 20
ORDINARY = ("PodInitializing", "ContainerCreating")  # what Argo says of every pod for a moment
LAUNCHER = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d")  # how lines of KFP's own program begin
ENDED = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED")  # states of a run

Show = Callable[[Event], None]


@dataclass
class _Seen:
    """What was told of one pod already."""

    events: int = 0
    message: str = ""
    done: bool = False
    next_log: float = 0.0


@dataclass
class Follower:
    """Follows one run. `events` is all that was told; `run` is the run as it was last seen."""

    backend: Backend
    run_id: str
    show: Show
    events: list[Event] = field(default_factory=list)
    run: dict[str, Any] = field(default_factory=dict)
    failed_pod: str = ""  # whose log says more
    _seen: dict[str, _Seen] = field(default_factory=dict)

    def follow(self) -> str:
        """Tell events until the run ends; returns its state.

        Raises:
            BackendError, SilentError: the server refuses, or did not answer for minutes.
        """
        start, patience = time.monotonic(), self.backend.patience
        patience.tell = self._tell_of_server
        with patience.longer(WORK_S):
            while not self._look():
                time.sleep(min(max(POLL_S[0], (time.monotonic() - start) / 60), POLL_S[1]))
        return str(self.run["state"])

    def last_lines(self) -> list[str]:
        """The end of the failed step's own output."""
        text = self.backend.log(self.run_id, self.failed_pod) if self.failed_pod else None
        lines = [line for line in (text or "").splitlines() if line.strip() and not line.startswith(LOG_PREFIX)]
        return [line for line in lines if not LAUNCHER.match(line)][-LOG_LINES:]

    def _look(self) -> bool:
        """Tell what is new; whether the run has ended."""
        self.run = self.backend.run(self.run_id)  # before the nodes, so that none of the last ones is missed
        ended = str(self.run.get("state")) in ENDED
        for step in steps_of(self.backend.workflow(self.run_id)).values():
            self._step(step, last=ended)
        return ended

    def _step(self, step: StepNodes, *, last: bool) -> None:
        for each in step.drivers:
            self._pod(step.name, each, last=last, logged=False)
        for each in step.tries:
            self._pod(step.name, each, last=last, logged=True)

    def _pod(self, step: str, pod: Try, *, last: bool, logged: bool) -> None:
        seen = self._seen.setdefault(pod.pod, _Seen())
        if seen.done:
            return
        ended = pod.ended or last
        if logged and pod.phase != "Pending":
            self._log(step, pod, seen, ended=ended)
        if pod.message not in ("", seen.message, *ORDINARY) and not ended:
            self._tell({"step": step, "kind": "warning", "text": f"{pod.pod} waits: {pod.message}"})
        seen.message = pod.message
        seen.done = ended
        if ended and pod.phase in ENDED_BADLY:
            self._failure(step, pod, seen)

    def _log(self, step: str, pod: Try, seen: _Seen, *, ended: bool) -> None:
        """Tell the events that the log has more than at the last look."""
        now = time.monotonic()
        if now < seen.next_log and not ended:
            return
        text = self.backend.log(self.run_id, pod.pod)
        seen.next_log = time.monotonic() + LOG_SHARE * (time.monotonic() - now)
        whole = (text or "").rpartition("\n")[0]
        events = [event for event in _events(whole) if event.get("step") == step]
        for event in events[seen.events :]:
            self._tell(event)
        seen.events = max(seen.events, len(events))

    def _failure(self, step: str, pod: Try, seen: _Seen) -> None:
        """Say that a pod failed where its step could not: it was killed, or never came to run."""
        self.failed_pod = pod.pod
        own = [event for event in self.events if event["step"] == step]
        if own and own[-1]["kind"] == "failed" and seen.events:
            return
        error = f"its pod {pod.pod} ended as {pod.phase}: {pod.message or 'no reason given'}."
        self._tell(
            {"step": step, "kind": "failed", "seconds": 0.0, "error": error, "error_type": "", "permanent": False}
        )

    def _tell_of_server(self, text: str) -> None:
        self._tell({"step": "submit", "kind": "warning", "text": f"{text} The run goes on."})

    def _tell(self, event: Event) -> None:
        self.events.append(event)
        self.show(event)


def _events(log: str) -> Iterator[Event]:
    found = map(parse_log_line, log.splitlines())  # none in what a kill left of a line
    return (event for event in found if event and "kind" in event)
