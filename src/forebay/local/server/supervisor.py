"""`python -m forebay.local.server.supervisor`: keeps the server of a state folder running.

It holds the listening socket, so that clients wait, and are not refused, while there is no server behind it; and it
holds `supervisor.lock` for as long as it lives, as the server holds its own. The rules:

- SIGTERM and SIGINT end both: the server gets SIGTERM, and SIGKILL `GRACE_S` later. SIGHUP ends a wait at once.
- A server that ends in any other way is started again after 1 s, and after twice the last wait, at most a minute, where
  it lived less than a minute. It never gives up, with three exceptions: the server ended before it ever answered (who
  started it is told why); it ended with exit code 2 (a file or setting that a person must mend, so that no other start
  can succeed); or the state folder is gone.
- Where the supervisor itself is killed, the server answers what it has begun and ends
  (`forebay.state.supervisor_watch`): nothing is left that no command knows of, and the next command starts both afresh.

Imports nothing heavy: it is there, with 15 MB, as long as the server.
"""

import contextlib
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from forebay.local.server import record
from forebay.local.server.record import Restarts
from forebay.serving import log_file
from forebay.serving.state import ServingFiles
from forebay.settings.environment import SUPERVISOR_VARIABLE
from forebay.state import FileLock, Home
from forebay.text import one_line

FIRST_WAIT_S, LONGEST_WAIT_S = 1.0, 60.0
LIVED_S = 60.0  # a server that lived so long begins again with the first wait
GRACE_S = 8.0  # for requests in flight; `forebay stop` is done within 10 s
HOPELESS = 2  # the exit code of errors that a person must mend
ENDS = (signal.SIGTERM, signal.SIGINT)
SIGNALS = (*ENDS, signal.SIGHUP, signal.SIGCHLD)


def wait_s(deaths: int) -> float:
    """How long to wait before a start, after so many short lives in a row."""
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** max(0, min(deaths, 32) - 1))


@dataclass(frozen=True)
class Life:
    """One life of the server, which is over."""

    code: int  # its exit code; of a signal, the negative number
    lasted_s: float
    answered: bool
    last_words: str

    def end(self) -> str:
        """How it ended, in words."""
        if self.code < 0:
            hint = " (by hand, or by the kernel for lack of memory)" if self.code == -signal.SIGKILL else ""
            names = {each.value: each.name for each in signal.Signals}  # real-time ones have none
            return f"killed by {names.get(-self.code, f'signal {-self.code}')}{hint}"
        if self.code == 0:
            return "exit code 0: it was asked to end, and its supervisor was not"
        return f"exit code {self.code}: {one_line(self.last_words) or 'it said nothing'}"


class Supervisor:
    """One server, over all its lives. All of `SIGNALS` must be blocked in this process."""

    def __init__(self, files: ServingFiles, listener: int, command: Sequence[str]) -> None:
        self._files = files
        self._listener = listener
        self._command = command
        self._told = Restarts(pid=os.getpid())
        self._short_lives = 0  # in a row
        self._asked_to_end = False

    def run(self) -> int:
        """Start the server, again and again; returns the exit code."""
        self._tell(self._told)
        ever_answered = False
        while True:
            life = self._live()
            ever_answered |= life.answered
            if self._asked_to_end or not ever_answered:
                break
            if not self._may_go_on(life):
                return 0 if self._asked_to_end else 1
        self._files.supervisor.unlink(missing_ok=True)
        return 0 if self._asked_to_end else max(1, life.code)

    def _live(self) -> Life:
        size = self._files.log.stat().st_size if self._files.log.exists() else 0
        began = time.monotonic()
        try:
            code = self._followed()
        except OSError as error:  # no memory for another process, or Python is being replaced
            return Life(1, time.monotonic() - began, answered=False, last_words=f"it cannot be started: {error}")
        answered = code == 0 or self._files.server.exists()  # the server removes it at an orderly end
        with contextlib.suppress(OSError):
            self._files.server.unlink(missing_ok=True)
        return Life(code, time.monotonic() - began, answered, log_file.last_line(self._files.log, size))

    def _followed(self) -> int:
        """Start the server and wait for its end; returns its exit code."""
        environment = os.environ | {SUPERVISOR_VARIABLE: str(os.getpid())}
        pid = os.posix_spawn(self._command[0], list(self._command), environment, setsigmask=())
        deadline: float | None = None
        while True:
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                return os.waitstatus_to_exitcode(status)
            left_s = None if deadline is None else deadline - time.monotonic()
            if left_s is not None and left_s <= 0:
                os.kill(pid, signal.SIGKILL)
                left_s = None
            if _next_signal(left_s) in ENDS:
                self._be_asked_to_end()
                os.kill(pid, signal.SIGTERM)
                deadline = deadline or time.monotonic() + GRACE_S

    def _be_asked_to_end(self) -> None:
        if not self._asked_to_end:
            os.close(self._listener)  # new clients are refused as soon as the server has closed it, too
        self._asked_to_end = True

    def _may_go_on(self, life: Life) -> bool:
        """Tell of a death, and wait before the next start; False where there will be none."""
        log_file.rotate_if_full(self._files.log)
        self._short_lives = 1 if life.lasted_s >= LIVED_S else self._short_lives + 1
        waiting_s, now = wait_s(self._short_lives), datetime.now(UTC)
        told = replace(
            self._told,
            unanswered=0 if life.answered else self._told.unanswered + 1,
            last=now.isoformat(timespec="seconds"),
            why=life.end(),
        )
        if life.code == HOPELESS:
            self._tell(replace(told, given_up=True))
            _say(f"the server ended after {life.lasted_s:.1f} s ({told.why}) and is not started again: mend that first")
            return False
        self._tell(replace(told, next=(now + timedelta(seconds=waiting_s)).isoformat(timespec="seconds")))
        _say(f"the server ended after {life.lasted_s:.1f} s ({told.why}); it is started again in {waiting_s:g} s")
        if not self._waited(waiting_s) or self._gone():
            return False
        self._tell(replace(told, count=told.count + 1))
        return True

    def _waited(self, waiting_s: float) -> bool:
        """Wait; False where it was asked to end meanwhile."""
        end = time.monotonic() + waiting_s
        while (left_s := end - time.monotonic()) > 0:
            found = _next_signal(left_s)
            if found in ENDS:
                self._asked_to_end = True
                self._files.supervisor.unlink(missing_ok=True)
                return False
            if found == signal.SIGHUP:
                break
        return True

    def _gone(self) -> bool:
        """Whether somebody removed the state folder."""
        return not self._files.supervisor_lock.exists()

    def _tell(self, told: Restarts) -> None:
        self._told = told
        try:
            record.write(self._files, told)
        except OSError as error:  # a full disk is no reason to leave clients without a server
            _say(f"{self._files.supervisor} cannot be written: {error}")


def _next_signal(timeout_s: float | None) -> int:
    """The next of `SIGNALS`, or 0 when the time is over."""
    if timeout_s is None:
        return signal.sigwaitinfo(SIGNALS).si_signo
    found = signal.sigtimedwait(SIGNALS, max(0.0, timeout_s))
    return 0 if found is None else found.si_signo


def _say(text: str) -> None:
    """A line of the log, in the form of the server's own."""
    moment = f"{datetime.now():%Y-%m-%d %H:%M:%S,%f}"[:-3]
    with contextlib.suppress(OSError):  # a full disk
        print(f"{moment} WARNING forebay.local.server.supervisor: {text}", file=sys.stderr, flush=True)


def main(arguments: list[str]) -> int:
    """Keep a server running until SIGTERM; returns the exit code.

    Args:
        arguments: the state folder, the descriptor of a listening socket, and the server's program with its arguments.
    """
    home, listener, *command = arguments
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    files = ServingFiles.of(Home(Path(home)))
    os.set_inheritable(int(listener), True)
    # a command that only looks holds the lock for an instant
    with FileLock(files.supervisor_lock).held("the server's supervisor", wait=True):
        return Supervisor(files, int(listener), command).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
