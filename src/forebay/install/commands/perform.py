"""Run the actions of a plan one after the other, saying what is done and what is waited for."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path

from forebay.errors import ClusterError
from forebay.install.commands import tools
from forebay.install.plan.action import APPLY_S, Action

COMING_UP = (
    "failed calling webhook", "conversion webhook", "no matches for kind", "no endpoints available",
    "accessor error: <nil>",  # kubectl wait, of a definition that has no status yet
)  # fmt: skip
AGAIN_S = 3.0
BEAT_S = 15.0  # how often a silent command is said to be waiting still
TAIL_LINES = 6
RUNNING = ("Running", "Completed")

Say = Callable[[str], None]


def perform(actions: Sequence[Action], log: Path, say: Say, again: str) -> None:
    """Run actions; the first that fails ends it.

    Args:
        actions: in their order.
        log: file that gets every command with its output.
        say: shows a line to the person.
        again: the command that goes on after a failure.

    Raises:
        ClusterError: one failed; the message holds its last words, what to look at and what to do.
        KeyboardInterrupt: Ctrl-C.
    """
    for number, action in enumerate(actions, 1):
        say(f"[{number:>2}/{len(actions)}] {action.title}")
        code, output = _until_taken(action, log, say)
        if code:
            raise ClusterError(_failure(action, code, output, log, again))


def _until_taken(action: Action, log: Path, say: Say) -> tuple[int, str]:
    """Run an action, again and again while a webhook that has just been installed is coming up."""
    end, told = time.monotonic() + APPLY_S, ""
    while True:
        code, output = tools.run(action.command, log, *_watch(action, say))
        reason = next((words for words in COMING_UP if words in output), None)
        if not code or not action.patient or reason is None or time.monotonic() > end:
            return code, output
        if reason != told:
            say(f"{'':8}the server says “{reason}”: what was just installed is coming up; trying again")
        told = reason
        time.sleep(AGAIN_S)


def _watch(action: Action, say: Say) -> tuple[Callable[[str], None], Callable[[], None]]:
    """What to do with each line of a command, and with each second: only waiting ones are shown."""
    began = last = time.monotonic()
    shown: set[str] = set()

    def line(text: str) -> None:
        nonlocal last
        if action.waits and text.strip() and text not in shown:
            shown.add(text)
            last = time.monotonic()
            say(f"{'':8}{text}")

    def beat() -> None:
        nonlocal last
        if time.monotonic() - last >= BEAT_S:
            last = time.monotonic()
            bad = f" ({'; '.join(words)})" if action.look and (words := _not_up(action)) else ""
            say(f"{'':8}{last - began:.0f} s, waiting for {action.waits or 'the answer'}{bad}")

    return line, beat


def _failure(action: Action, code: int, output: str, log: Path, again: str) -> str:
    tail = " | ".join(line.strip() for line in output.splitlines()[-TAIL_LINES:] if line.strip())
    look = f" {_not_running(action)}" if action.look else ""
    return (
        f"{action.title}: `{action.line()}` ended with {code}: {tail or 'it said nothing'}.{look} Everything that it "
        f"said is in {log}. Mend what it names, then give `{again}` again: it goes on from what is there."
    )


def _not_running(action: Action) -> str:
    """The pods that are not up, and how to ask more."""
    ask = " ".join(("describe" if word == "get" else word) for word in action.look)
    return f"Pods that are not up: {'; '.join(_not_up(action)) or 'none'}; `{ask} POD` says why."


def _not_up(action: Action) -> list[str]:
    """The first pods that are not up, in kubectl's words."""
    rows = [line.split() for line in tools.read((*action.look, "--no-headers")).out.splitlines()]
    bad = [f"{row[0]} is {row[2]}" for row in rows if len(row) > 2 and (row[2] not in RUNNING or _part_ready(row))]
    return bad[:TAIL_LINES]


def _part_ready(row: Sequence[str]) -> bool:
    """A pod that runs and whose containers are not all ready, by kubectl's column such as 1/2."""
    have, _, of = row[1].partition("/")
    return row[2] == "Running" and have != of
