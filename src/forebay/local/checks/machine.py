"""Checks that take no time: the interpreter of the steps, disk, memory and clock."""

import os
import shutil
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from forebay.backend.check import CheckResult, failed, passed
from forebay.settings.environment import HOME_VARIABLE

GIB = 2**30
MIN_FREE_DISK_BYTES = 1 * GIB  # a digits run writes 20 MiB; Spark and sqlite need room for temporary files
MIN_FREE_MEMORY_BYTES = 2 * GIB  # Spark's JVM and PyTorch, one after the other, and the server
CLOCK_TOLERANCE_S = 24 * 3600.0


def step_interpreter(executable: Path | None = None) -> CheckResult:
    """The folder of this interpreter has the `python3` that the pipeline's steps are started with."""
    executable = Path(sys.executable) if executable is None else executable
    wanted = executable.parent / "python3"
    if os.access(wanted, os.X_OK):
        return passed("environment", f"steps run with {wanted}")
    return failed(
        "environment",
        f"{wanted} does not exist or cannot be started, and the pipeline's steps need it",
        "The virtual environment is broken: delete it and make it again (`make setup`; Debian and Ubuntu need the "
        "package python3-venv).",
    )


def free_disk(folder: Path, minimum_bytes: int = MIN_FREE_DISK_BYTES) -> CheckResult:
    """The file system of the state folder, which need not exist yet, has free space."""
    existing = next(path for path in [folder, *folder.parents] if _is_dir(path))
    free = shutil.disk_usage(existing).free
    detail = f"{_gib(free)} free for {folder}"
    if free >= minimum_bytes:
        return passed("disk", detail)
    return failed(
        "disk",
        f"{detail}, a run needs {_gib(minimum_bytes)}",
        f"Free some (`forebay prune` removes old artifacts), or set {HOME_VARIABLE} to a folder on a larger disk.",
    )


def free_memory(minimum_bytes: int = MIN_FREE_MEMORY_BYTES) -> CheckResult:
    """Spark and PyTorch fit into the free memory."""
    import psutil

    free = int(psutil.virtual_memory().available)
    detail = f"{_gib(free)} available"
    if free >= minimum_bytes:
        return passed("memory", detail)
    return failed("memory", f"{detail}, a run needs {_gib(minimum_bytes)}", "End other programs, or add swap.")


def clock(now: datetime | None = None) -> CheckResult:
    """The clock shows a time after this code was installed: S3 signatures and run names need the right time."""
    now = datetime.now(UTC) if now is None else now
    installed = Path(__file__).stat().st_mtime
    detail = f"{now:%Y-%m-%d %H:%M:%S} UTC, zone {time.strftime('%Z')}"
    if now.timestamp() >= installed - CLOCK_TOLERANCE_S:
        return passed("clock", detail)
    return failed(
        "clock",
        f"{detail}, which is before this package was installed ({datetime.fromtimestamp(installed, UTC):%Y-%m-%d})",
        "Set the clock: `timedatectl set-ntp true`.",
    )


def _is_dir(path: Path) -> bool:
    """As `Path.is_dir`, but False for a folder that this user may not see; other checks say whether it is usable."""
    try:
        return path.is_dir()
    except OSError:
        return False


def _gib(count: int) -> str:
    return f"{count / GIB:.1f} GiB"
