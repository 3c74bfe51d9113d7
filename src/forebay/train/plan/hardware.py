"""The hardware of this machine: facts, never timings, from which precision and thread count are chosen."""

import math
import os
import platform
from dataclasses import dataclass
from pathlib import Path

import torch

_KERNEL_FLAGS = (
    "avx2", "fma", "avx512f", "avx512vl", "avx512_vnni", "avx_vnni", "avx512_bf16", "avx512_fp16", "amx_tile",
    "amx_bf16", "amx_int8", "amx_fp16", "asimd", "asimdhp", "bf16", "sve", "sve2",
)  # fmt: skip
"""CPU flags that decide which kernels run and so, with threads and the torch build, the last bits of the weights."""

_CPU_BF16 = {"avx512_bf16", "amx_bf16"}  # native dot products; elsewhere bf16 is emulated and slower than fp32


@dataclass(frozen=True, kw_only=True)
class HardwareInfo:
    """The hardware facts that training depends on."""

    device: str  # cpu or cuda
    device_name: str
    cpu_flags: tuple[str, ...]
    cores: int  # number of cores that this process may use
    bf16: bool  # whether the device computes in bf16 natively
    torch: str  # version


def inspect_hardware() -> HardwareInfo:
    """Read the facts of the machine that this process runs on."""
    cuda = torch.cuda.is_available()
    flags = cpu_flags(_read("/proc/cpuinfo"))
    return HardwareInfo(
        device="cuda" if cuda else "cpu",
        device_name=torch.cuda.get_device_name() if cuda else platform.machine(),
        cpu_flags=flags,
        cores=usable_cores(len(os.sched_getaffinity(0)), _read("/sys/fs/cgroup/cpu.max")),
        bf16=torch.cuda.is_bf16_supported(including_emulation=False) if cuda else bool(_CPU_BF16 & set(flags)),
        torch=torch.__version__,
    )


def cpu_flags(cpuinfo: str) -> tuple[str, ...]:
    """The kernel flags in the text of `/proc/cpuinfo`, sorted."""
    lines = (line.partition(":") for line in cpuinfo.splitlines())
    flags = next((value.split() for key, _, value in lines if key.strip() in ("flags", "Features")), [])
    return tuple(sorted(set(flags) & set(_KERNEL_FLAGS)))


def usable_cores(affinity: int, cpu_max: str) -> int:
    """Cores of the affinity mask, or fewer where the control group (`cpu.max`: quota and period) allows fewer."""
    quota, _, period = cpu_max.strip().partition(" ")
    if not (quota.isdigit() and period.isdigit()):
        return affinity
    return max(1, min(affinity, math.ceil(int(quota) / int(period))))


def _read(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""
