"""Run planned commands one after the other, and say what is done and what is waited for."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from forebay.errors import ClusterError
from forebay.install.commands import programs
from forebay.install.commands.planned_command import APPLY_TIMEOUT_S, PlannedCommand

STARTING_MESSAGES = (
    "failed calling webhook", "conversion webhook", "no matches for kind", "no endpoints available",
    "accessor error: <nil>",  # kubectl wait says it of a definition that has no status yet
)  # fmt: skip
RETRY_PAUSE_S = 3.0
PROGRESS_INTERVAL_S = 15.0  # how often a person is told that a silent command still waits
SHOWN_LINES = 6
HEALTHY_STATES = ("Running", "Completed")

ShowLine = Callable[[str], None]


def run_commands(commands: Sequence[PlannedCommand], log: Path, show: ShowLine, resume_command: str) -> None:
    """Run commands in their order; the first that fails ends it.

    Args:
        commands: a plan.
        log: file that gets every command with its output.
        show: shows a line to the person.
        resume_command: what a person runs to go on after a failure.

    Raises:
        ClusterError: one failed; the message holds its last lines, what to look at and what to do.
        KeyboardInterrupt: Ctrl-C.
    """
    for number, planned in enumerate(commands, 1):
        show(f"[{number:>2}/{len(commands)}] {planned.title}")
        exit_code, output = _run_until_accepted(planned, log, show)
        if exit_code:
            raise ClusterError(_failure_message(planned, exit_code, output, log, resume_command))


def _run_until_accepted(planned: PlannedCommand, log: Path, show: ShowLine) -> tuple[int, str]:
    """Run a command, again and again while a webhook that was just installed is starting."""
    deadline, shown = time.monotonic() + APPLY_TIMEOUT_S, ""
    while True:
        progress = _Progress(planned, show)
        exit_code, output = programs.run_logged(planned.command, log, progress.on_line, progress.on_second)
        reason = next((message for message in STARTING_MESSAGES if message in output), None)
        if not exit_code or not planned.retried_while_starting or reason is None or time.monotonic() > deadline:
            return exit_code, output
        if reason != shown:
            show(f"{'':8}the server says “{reason}”: something that was just installed is starting; trying again")
        shown = reason
        time.sleep(RETRY_PAUSE_S)


@dataclass
class _Progress:
    """What a person sees of a running command: the lines of one that waits, and now and then what it waits for."""

    planned: PlannedCommand
    show: ShowLine
    started: float = field(default_factory=time.monotonic)
    last_shown: float = field(default_factory=time.monotonic)
    shown: set[str] = field(default_factory=set)

    def on_line(self, text: str) -> None:
        """Show a line that is new."""
        if self.planned.waits_for and text.strip() and text not in self.shown:
            self.shown.add(text)
            self.last_shown = time.monotonic()
            self.show(f"{'':8}{text}")

    def on_second(self) -> None:
        """Say what is waited for, where nothing was shown for a while."""
        if time.monotonic() - self.last_shown < PROGRESS_INTERVAL_S:
            return
        self.last_shown = time.monotonic()
        unhealthy = _unhealthy_pods(self.planned) if self.planned.diagnosis else []
        note = f" ({'; '.join(unhealthy)})" if unhealthy else ""
        waited_s = self.last_shown - self.started
        self.show(f"{'':8}{waited_s:.0f} s, waiting for {self.planned.waits_for or 'the answer'}{note}")


def _failure_message(planned: PlannedCommand, exit_code: int, output: str, log: Path, resume_command: str) -> str:
    tail = " | ".join(line.strip() for line in output.splitlines()[-SHOWN_LINES:] if line.strip())
    diagnosis = f" {_diagnose(planned)}" if planned.diagnosis else ""
    return (
        f"{planned.title}: `{planned.shell_line()}` ended with {exit_code}: {tail or 'it printed nothing'}.{diagnosis} "
        f"Its whole output is in {log}. Repair what it names, then run `{resume_command}` again: it goes on from what "
        "is there."
    )


def _diagnose(planned: PlannedCommand) -> str:
    """The pods that are not up, and the command that tells more about one."""
    describe = " ".join("describe" if word == "get" else word for word in planned.diagnosis)
    return f"Pods that are not up: {'; '.join(_unhealthy_pods(planned)) or 'none'}; `{describe} POD` says why."


def _unhealthy_pods(planned: PlannedCommand) -> list[str]:
    """The first pods that are not up, as kubectl describes their states."""
    listed = programs.read_output((*planned.diagnosis, "--no-headers")).stdout
    rows = [line.split() for line in listed.splitlines()]
    unhealthy = [row for row in rows if len(row) > 2 and (row[2] not in HEALTHY_STATES or _partly_ready(row))]
    return [f"{row[0]} is {row[2]}" for row in unhealthy[:SHOWN_LINES]]


def _partly_ready(row: Sequence[str]) -> bool:
    """Whether a pod runs and not all its containers are ready, by kubectl's column such as 1/2."""
    ready, _, all_of_them = row[1].partition("/")
    return row[2] == "Running" and ready != all_of_them
