"""No step outlives the process that runs the pipeline, and no server its supervisor, even where SIGKILL ends that one.

kfp starts a step under `sh`, which neither passes signals on nor dies with its parent. So the step itself watches
the supervising process through a pidfd: the kernel reports its end at once, and a recycled pid is never mistaken.
"""

import contextlib
import os
import select
import signal
import threading
import time

SUPERVISOR_VARIABLE = "FOREBAY_SUPERVISOR_PID"
GRACE_S = 10.0  # for a checkpoint; safety does not depend on it


def end_with_supervisor() -> None:
    """Start the watch where a supervisor is named; on its end this process gets SIGTERM, then SIGKILL."""
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
