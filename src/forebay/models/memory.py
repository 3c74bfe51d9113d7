"""Memory that this process may use."""

from pathlib import Path

import psutil


def usable_memory_bytes() -> int:
    """Free memory and swap, or less where the control group (`memory.max`) allows less."""
    free = int(psutil.virtual_memory().available) + int(psutil.swap_memory().free)
    try:
        limit = Path("/sys/fs/cgroup/memory.max").read_text().strip()
    except OSError:
        return free
    return min(free, int(limit)) if limit.isdigit() else free
