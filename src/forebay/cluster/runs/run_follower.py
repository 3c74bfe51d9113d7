"""The events of a run on a cluster, the same as those of a run on this machine, from its nodes and its pods' logs."""

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from forebay.backend.summary import Event
from forebay.cluster.runs.pipelines_client import PipelinesClient
from forebay.cluster.runs.workflow_nodes import ENDED_BADLY, StepAttempt, StepNodes, steps_of
from forebay.cluster.timeouts import FollowTimeouts
from forebay.kube.retries import BACKGROUND_RETRY_S
from forebay.state.events import LOG_PREFIX, parse_log_line

LOG_PAUSE_FACTOR = 20  # a log is read again after this many times the time that reading it took
LOG_LINES = 20
ORDINARY_MESSAGES = ("PodInitializing", "ContainerCreating")  # Argo reports these of every pod for a moment
LAUNCHER_LINE = re.compile(r"[IWEF]\d{4} \d\d:\d\d:\d\d")  # lines of KFP's own program begin so
ENDED = ("SUCCEEDED", "FAILED", "SKIPPED", "CANCELED")  # states of a run

Show = Callable[[Event], None]


@dataclass
class _PodProgress:
    """What was told about one pod already."""

    told_events: int = 0
    message: str = ""
    is_over: bool = False
    next_log_at: float = 0.0


@dataclass
class RunFollower:
    """Follows one run. `events` holds everything that was told, and `run` the run as it was last seen."""

    client: PipelinesClient
    run_id: str
    show: Show
    timeouts: FollowTimeouts = field(default_factory=FollowTimeouts)
    events: list[Event] = field(default_factory=list)
    run: dict[str, Any] = field(default_factory=dict)
    failed_pod: str = ""  # whose log says more
    _seen: dict[str, _PodProgress] = field(default_factory=dict)

    def follow(self) -> str:
        """Tell events until the run ends; returns its state.

        Raises:
            PipelinesError, PipelinesUnreachableError: the server refuses, or was away for longer than is retried.
        """
        start, retry_budget = time.monotonic(), self.client.retry_budget
        retry_budget.tell = self._tell_of_server
        with retry_budget.extended(BACKGROUND_RETRY_S):
            while not self._look():
                pause_s = max(self.timeouts.first_poll_s, (time.monotonic() - start) / 60)
                time.sleep(min(pause_s, self.timeouts.longest_poll_s))
        return str(self.run["state"])

    def last_lines(self) -> list[str]:
        """The end of the failed step's own output."""
        text = self.client.log(self.run_id, self.failed_pod) if self.failed_pod else None
        lines = [line for line in (text or "").splitlines() if line.strip() and not line.startswith(LOG_PREFIX)]
        return [line for line in lines if not LAUNCHER_LINE.match(line)][-LOG_LINES:]

    def _look(self) -> bool:
        """Tell what is new, and return whether the run has ended."""
        self.run = self.client.run(self.run_id)  # read before the nodes, so that the last nodes are not missed
        ended = str(self.run.get("state")) in ENDED
        for step in steps_of(self.client.workflow(self.run_id)).values():
            self._look_at_step(step, last=ended)
        return ended

    def _look_at_step(self, step: StepNodes, *, last: bool) -> None:
        for each in step.drivers:
            self._look_at_pod(step.name, each, last=last, logged=False)
        for each in step.attempts:
            self._look_at_pod(step.name, each, last=last, logged=True)

    def _look_at_pod(self, step: str, pod: StepAttempt, *, last: bool, logged: bool) -> None:
        seen = self._seen.setdefault(pod.pod, _PodProgress())
        if seen.is_over:
            return
        ended = pod.ended or last
        if logged and pod.phase != "Pending":
            self._tell_log_events(step, pod, seen, ended=ended)
        if pod.message not in ("", seen.message, *ORDINARY_MESSAGES) and not ended:
            self._tell({"step": step, "kind": "warning", "text": f"{pod.pod} waits: {pod.message}"})
        seen.message = pod.message
        seen.is_over = ended
        if ended and pod.phase in ENDED_BADLY:
            self._tell_failure(step, pod, seen)

    def _tell_log_events(self, step: str, pod: StepAttempt, seen: _PodProgress, *, ended: bool) -> None:
        """Tell the events that were logged since the last look."""
        now = time.monotonic()
        if now < seen.next_log_at and not ended:
            return
        text = self.client.log(self.run_id, pod.pod)
        seen.next_log_at = time.monotonic() + LOG_PAUSE_FACTOR * (time.monotonic() - now)
        whole = (text or "").rpartition("\n")[0]
        events = [event for event in _events(whole) if event.get("step") == step]
        for event in events[seen.told_events :]:
            self._tell(event)
        seen.told_events = max(seen.told_events, len(events))

    def _tell_failure(self, step: str, pod: StepAttempt, seen: _PodProgress) -> None:
        """Say that a pod failed where its step could not say so: it was killed, or it never ran."""
        self.failed_pod = pod.pod
        own = [event for event in self.events if event["step"] == step]
        if own and own[-1]["kind"] == "failed" and seen.told_events:
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


def running_events(client: PipelinesClient, run_id: str) -> list[Event]:
    """What the steps of a run that run now have told so far.

    Raises:
        PipelinesError, PipelinesUnreachableError: the server refuses, or is away.
    """
    return [
        event
        for step in steps_of(client.workflow(run_id)).values()
        for pod in step.attempts
        if pod.phase == "Running"
        for event in _events(client.log(run_id, pod.pod) or "")
        if event["step"] == step.name
    ]


def _events(log: str) -> Iterator[Event]:
    found = map(parse_log_line, log.splitlines())  # a line that a kill cut short holds no event
    return (event for event in found if event and "kind" in event)
