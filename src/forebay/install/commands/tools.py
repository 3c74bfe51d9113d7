"""The one module that runs kubectl, helm, kind, and docker for a bundle; no shell, and changes are logged."""

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

READ_S = 60.0
END_S = 20.0  # a command that is told to end: helm writes down that its release failed
INSTALL = {
    "kubectl": "Install it from the Kubernetes project's page for your system, or with your package manager.",
    "helm": "Install Helm 3.14 or newer, or Helm 4, from the Helm project's page or with your package manager.",
    "kind": "Install it from the kind project's page, or use a cluster that you have: `forebay up --cluster current`.",
    "docker": "A container engine is needed: install one (on Debian and Ubuntu: apt-get install docker.io).",
}


@dataclass(frozen=True)
class Answer:
    """How a reading command ended."""

    code: int
    out: str
    err: str

    @property
    def words(self) -> str:
        """What it said of its failure, in one line."""
        return " ".join((self.err or self.out).split())


def require(programs: Sequence[str]) -> None:
    """Find out whether programs are there.

    Raises:
        MachineError: one is not; the message says where it comes from.
    """
    for name in programs:
        if shutil.which(name) is None:
            raise MachineError(f"`{name}` is not on the PATH, and this command works through it. {INSTALL[name]}")


def read(command: Sequence[str], *, timeout_s: float = READ_S) -> Answer:
    """Run a command that only looks; its output may hold secrets and goes to no file.

    Returns:
        Its answer; one that takes longer than the limit has failed, with words that say so.
    """
    try:
        done = subprocess.run(  # noqa: S603 - our own words, no shell
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    except subprocess.TimeoutExpired:
        return Answer(124, "", f"{shlex.join(command)} did not end within {timeout_s:.0f} s")
    return Answer(done.returncode, done.stdout, done.stderr)


def run(command: Sequence[str], log: Path, line: Callable[[str], None], beat: Callable[[], None]) -> tuple[int, str]:
    """Run a command that changes something; its whole output is appended to a log.

    Args:
        command: program and words.
        log: file that exists or can be made.
        line: called with every line as it comes.
        beat: called about once a second while it runs.

    Returns:
        Its exit code, and the output.

    Raises:
        KeyboardInterrupt: Ctrl-C; the command has been told as well and has ended.
    """
    lines: list[str] = []
    with log.open("a") as file:
        file.write(f"$ {shlex.join(command)}\n")
        process = subprocess.Popen(  # noqa: S603 - our own words, no shell
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # Ctrl-C reaches it once, through us
        )
        try:
            for text in _output(process, beat):
                lines.append(text)
                file.write(f"{text}\n")
                file.flush()
                line(text)
        except BaseException:
            _end(process)
            raise
        code = process.wait()
        file.write(f"ended with {code}\n")
    return code, "\n".join(lines)


def _output(process: "subprocess.Popen[str]", beat: Callable[[], None]) -> "_Lines":
    assert process.stdout is not None
    return _Lines(process.stdout, beat)


class _Lines:
    """The lines of a stream as they come, with a call about every second in between."""

    def __init__(self, stream: IO[str], beat: Callable[[], None]) -> None:
        self._beat = beat
        self._queue: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        threading.Thread(target=self._pump, args=(stream,), daemon=True).start()

    def _pump(self, stream: IO[str]) -> None:
        for text in stream:
            self._queue.put(text.rstrip("\n"))
        self._queue.put(None)

    def __iter__(self) -> "_Lines":
        return self

    def __next__(self) -> str:
        while True:
            try:
                text = self._queue.get(timeout=1.0)
            except queue.Empty:
                self._beat()
                continue
            if text is None:
                raise StopIteration
            return text


def _end(process: "subprocess.Popen[str]") -> None:
    """Ctrl-C for the command too, so that helm can mark its release as failed; then it has to go."""
    process.send_signal(signal.SIGINT)
    try:
        process.wait(END_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
