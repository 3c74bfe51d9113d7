"""What a figure was measured on; a figure without it means nothing."""

import os
import platform
from importlib.metadata import version
from pathlib import Path
from typing import Any

FLAGS = ("avx2", "avx512f", "avx512_bf16", "amx_bf16", "amx_tile")  # those that decide how fast PyTorch trains
PACKAGES = ("torch", "torchvision", "pyspark", "pyarrow", "kserve", "mlflow", "kfp", "numpy", "pillow")


def facts() -> dict[str, Any]:
    """Processor, cores this process may use, memory, Python and package versions."""
    text = Path("/proc/cpuinfo").read_text()
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    fields = {key.strip(): value.strip() for key, value in lines.items()}
    present = set(fields.get("flags", "").split())
    return {
        "processor": fields.get("model name", platform.machine()),
        "flags": [flag for flag in FLAGS if flag in present],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "packages": {name: version(name) for name in PACKAGES},
    }
