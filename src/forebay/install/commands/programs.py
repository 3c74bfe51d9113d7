"""The one module that runs kubectl, helm and kind, and docker for a bundle: no shell, and every change is logged."""

import queue
import shlex
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from forebay.errors import MachineError

READ_TIMEOUT_S = 60.0
INTERRUPT_TIMEOUT_S = 20.0  # after Ctrl-C helm writes down that its release failed
TIMED_OUT = 124  # the exit code of `timeout`
INSTALL_ADVICE = {
    "kubectl": "Install it from the Kubernetes project's page for your system, or with your package manager.",
    "helm": "Install Helm 3.14 or newer, or Helm 4, from the Helm project's page or with your package manager.",
    "kind": "Install it from the kind project's page, or use a cluster that you have: `forebay up --cluster current`.",
    "docker": "A container engine is needed: install one (on Debian and Ubuntu: apt-get install docker.io).",
}


@dataclass(frozen=True)
class CommandResult:
    """How a reading command ended."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def message(self) -> str:
        """What it said about its failure, in one line."""
        return " ".join((self.stderr or self.stdout).split())


def require_programs(names: Sequence[str]) -> None:
    """Refuse a machine that lacks a program.

    Raises:
        MachineError: one is not on the PATH; the message says where it comes from.
    """
    for name in names:
        if shutil.which(name) is None:
            raise MachineError(f"`{name}` is not on the PATH, and this command needs it. {INSTALL_ADVICE[name]}")


def read_output(command: Sequence[str], *, timeout_s: float = READ_TIMEOUT_S) -> CommandResult:
    """Run a command that changes nothing. Its output may hold secrets and is written to no file.

    Returns:
        Its result; a command that takes longer than the limit has failed, and its message says so.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own arguments, no shell
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return CommandResult(TIMED_OUT, "", f"{shlex.join(command)} did not end within {timeout_s:.0f} s")
    return CommandResult(done.returncode, done.stdout, done.stderr)


def run_logged(
    command: Sequence[str], log: Path, on_line: Callable[[str], None], on_second: Callable[[], None]
) -> tuple[int, str]:
    """Run a command that changes something; its whole output is appended to a log.

    Args:
        command: program and arguments.
        log: file that exists or can be made.
        on_line: called with every line when it comes.
        on_second: called about once a second while the command is silent.

    Returns:
        Its exit code and its output.

    Raises:
        KeyboardInterrupt: Ctrl-C; the command was interrupted as well and has ended.
    """
    lines: list[str] = []
    with log.open("a") as file:
        file.write(f"$ {shlex.join(command)}\n")
        process = subprocess.Popen(  # noqa: S603 - our own arguments, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches it once, through us
        )
        assert process.stdout is not None
        try:
            for text in _LineStream(process.stdout, on_second):
                lines.append(text)
                file.write(f"{text}\n")
                file.flush()
                on_line(text)
        except BaseException:
            _interrupt(process)
            raise
        exit_code = process.wait()
        file.write(f"ended with {exit_code}\n")
    return exit_code, "\n".join(lines)


class _LineStream:
    """The lines of a stream when they come, with a call about every second in between."""

    def __init__(self, stream: IO[str], on_second: Callable[[], None]) -> None:
        self._on_second = on_second
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream: IO[str]) -> None:
        for text in stream:
            self._queue.put(text.rstrip("\n"))
        self._queue.put(None)

    def __iter__(self) -> "_LineStream":
        return self

    def __next__(self) -> str:
        while True:
            try:
                text = self._queue.get(timeout=1.0)
            except queue.Empty:
                self._on_second()
                continue
            if text is None:
                raise StopIteration
            return text


def _interrupt(process: "subprocess.Popen[str]") -> None:
    """Send Ctrl-C to the command too, so that helm can mark its release as failed; kill it where it does not end."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(INTERRUPT_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
