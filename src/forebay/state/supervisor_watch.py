"""Ends this process with its supervisor: a step with the process that runs the pipeline, a server with its supervisor.

kfp starts a step under `sh`, which neither passes signals on nor dies with its parent. So the step itself watches
the supervisor through a pidfd: the kernel reports the end at once, even after SIGKILL, and no recycled pid is mistaken
for the supervisor.
"""

import contextlib
import os
import select
import signal
import threading
import time

from forebay.settings.environment import SUPERVISOR_VARIABLE

GRACE_S = 10.0  # training writes a checkpoint meanwhile; nothing is damaged where it cannot


def end_with_supervisor() -> None:
    """Watch the supervisor that the environment names; when it ends, this process gets SIGTERM, then SIGKILL."""
    pid = os.environ.get(SUPERVISOR_VARIABLE)
    if not pid:
        return
    try:
        descriptor = os.pidfd_open(int(pid))
    except ProcessLookupError:
        os.kill(os.getpid(), signal.SIGTERM)
        return
    threading.Thread(target=_watch, args=(descriptor,), daemon=True, name="supervisor-watch").start()


def _watch(descriptor: int) -> None:
    with contextlib.suppress(OSError):
        select.select([descriptor], [], [])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_S)
    os.kill(os.getpid(), signal.SIGKILL)
