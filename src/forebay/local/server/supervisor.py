"""`python -m forebay.local.server.supervisor`: keeps the server of a state folder running.

It holds the listening socket, so that clients wait, and are not refused, while there is no server behind it; and it
holds `supervisor.lock` for as long as it lives, as the server holds its own. The rules:

- SIGTERM and SIGINT end both: the server gets SIGTERM, and SIGKILL `RestartPolicy.grace_s` later. SIGHUP ends a wait.
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

from forebay.errors import ExitCode
from forebay.local.server.restart_record import RestartRecord, write_restart_record
from forebay.serving import log_file
from forebay.serving.state import ServingFiles
from forebay.settings.environment import SUPERVISOR_VARIABLE
from forebay.state import FileLock, Home
from forebay.text import one_line

ENDS = (signal.SIGTERM, signal.SIGINT)
SIGNALS = (*ENDS, signal.SIGHUP, signal.SIGCHLD)


@dataclass(frozen=True, kw_only=True)
class RestartPolicy:
    """When the server is started again, and how long it may take to end."""

    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    stable_after_s: float = 60.0  # a server that lived so long begins again with the first wait
    grace_s: float = 8.0  # time for requests in flight; `forebay stop` is done within 10 s

    def backoff_s(self, short_lives: int) -> float:
        """The wait before a start, after this many short lives in a row."""
        return min(self.longest_wait_s, self.first_wait_s * 2.0 ** max(0, min(short_lives, 32) - 1))


@dataclass(frozen=True)
class ServerLifetime:
    """One life of the server, from its start to its end."""

    code: int  # exit code; where a signal ended it, the negative number of the signal
    lasted_s: float
    answered: bool
    last_words: str

    def describe_end(self) -> str:
        """How it ended, for a person."""
        if self.code < 0:
            hint = " (by hand, or by the kernel for lack of memory)" if self.code == -signal.SIGKILL else ""
            names = {each.value: each.name for each in signal.Signals}  # real-time signals have no name
            return f"killed by {names.get(-self.code, f'signal {-self.code}')}{hint}"
        if self.code == 0:
            return "exit code 0: it was asked to end, and its supervisor was not"
        return f"exit code {self.code}: {one_line(self.last_words) or 'it said nothing'}"


class Supervisor:
    """Keeps one server running. All of `SIGNALS` must be blocked in this process."""

    def __init__(
        self, files: ServingFiles, listener: int, command: Sequence[str], policy: RestartPolicy = RestartPolicy()
    ) -> None:
        self._files = files
        self._listener = listener
        self._command = command
        self._policy = policy
        self._record = RestartRecord(pid=os.getpid())
        self._short_lives = 0  # in a row
        self._end_requested = False

    def run(self) -> int:
        """Start the server, again and again; returns the exit code."""
        self._write(self._record)
        ever_answered = False
        while True:
            life = self._run_once()
            ever_answered |= life.answered
            if self._end_requested or not ever_answered:
                break
            if not self._wait_for_restart(life):
                return 0 if self._end_requested else 1
        self._files.supervisor.unlink(missing_ok=True)
        return 0 if self._end_requested else max(1, life.code)

    def _run_once(self) -> ServerLifetime:
        size = self._files.log.stat().st_size if self._files.log.exists() else 0
        began = time.monotonic()
        try:
            code = self._wait_for_exit()
        except OSError as error:  # no memory for another process, or Python is being replaced
            return ServerLifetime(
                1, time.monotonic() - began, answered=False, last_words=f"it cannot be started: {error}"
            )
        answered = code == 0 or self._files.server.exists()  # the server removes it at an orderly end
        with contextlib.suppress(OSError):
            self._files.server.unlink(missing_ok=True)
        return ServerLifetime(code, time.monotonic() - began, answered, log_file.last_line(self._files.log, size))

    def _wait_for_exit(self) -> int:
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
                self._request_end()
                os.kill(pid, signal.SIGTERM)
                deadline = deadline or time.monotonic() + self._policy.grace_s

    def _request_end(self) -> None:
        if not self._end_requested:
            os.close(self._listener)  # new clients are refused as soon as the server has closed its copy
        self._end_requested = True

    def _wait_for_restart(self, life: ServerLifetime) -> bool:
        """Record an end, and wait before the next start; False where there will be none."""
        log_file.rotate_if_full(self._files.log)
        self._short_lives = 1 if life.lasted_s >= self._policy.stable_after_s else self._short_lives + 1
        backoff_s, now = self._policy.backoff_s(self._short_lives), datetime.now(UTC)
        record = replace(
            self._record,
            unanswered=0 if life.answered else self._record.unanswered + 1,
            last=now.isoformat(timespec="seconds"),
            why=life.describe_end(),
        )
        if life.code == ExitCode.WRONG_USE:
            self._write(replace(record, given_up=True))
            _log_warning(
                f"the server ended after {life.lasted_s:.1f} s ({record.why}) and is not started again: mend that first"
            )
            return False
        self._write(replace(record, next=(now + timedelta(seconds=backoff_s)).isoformat(timespec="seconds")))
        _log_warning(
            f"the server ended after {life.lasted_s:.1f} s ({record.why}); it is started again in {backoff_s:g} s"
        )
        if not self._sleep(backoff_s) or self._is_home_removed():
            return False
        self._write(replace(record, count=record.count + 1))
        return True

    def _sleep(self, backoff_s: float) -> bool:
        """Sleep; False where the end was requested meanwhile."""
        end = time.monotonic() + backoff_s
        while (left_s := end - time.monotonic()) > 0:
            found = _next_signal(left_s)
            if found in ENDS:
                self._end_requested = True
                self._files.supervisor.unlink(missing_ok=True)
                return False
            if found == signal.SIGHUP:
                break
        return True

    def _is_home_removed(self) -> bool:
        """Whether somebody removed the state folder."""
        return not self._files.supervisor_lock.exists()

    def _write(self, record: RestartRecord) -> None:
        self._record = record
        try:
            write_restart_record(self._files, record)
        except OSError as error:  # a full disk is no reason to leave clients without a server
            _log_warning(f"{self._files.supervisor} cannot be written: {error}")


def _next_signal(timeout_s: float | None) -> int:
    """The next of `SIGNALS`, or 0 where none came in time."""
    if timeout_s is None:
        return signal.sigwaitinfo(SIGNALS).si_signo
    found = signal.sigtimedwait(SIGNALS, max(0.0, timeout_s))
    return 0 if found is None else found.si_signo


def _log_warning(text: str) -> None:
    """Write a line to the log in the form of the server's own."""
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
