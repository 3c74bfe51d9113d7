"""Processes that were started in a session of their own, which is ended whole whatever its leader has started."""

import contextlib
import os
import signal
import time

import psutil


def end_session(session: int, grace_s: float, poll_s: float = 0.05) -> None:
    """Ask every process of a session but this one to end, then kill what is left; Ctrl-C meanwhile kills at once.

    Args:
        session: the process id of its leader.
        grace_s: how long the processes have.
        poll_s: time between two looks.
    """
    _signal(session, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    with contextlib.suppress(KeyboardInterrupt):
        while _others(session) and time.monotonic() < deadline:
            time.sleep(poll_s)
    _signal(session, signal.SIGKILL)


def _others(session: int) -> list[int]:
    """The living processes of a session, without this one and without zombies that nobody reaps."""
    members = [process.pid for process in psutil.process_iter(["status"]) if _belongs(process, session)]
    return [pid for pid in members if pid != os.getpid()]


def _signal(session: int, number: signal.Signals) -> None:
    for pid in _others(session):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _belongs(process: psutil.Process, session: int) -> bool:
    try:
        return process.info["status"] != psutil.STATUS_ZOMBIE and os.getsid(process.pid) == session
    except (ProcessLookupError, PermissionError):
        return False
