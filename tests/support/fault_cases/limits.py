"""Faults of the machine: limits of a process, and disks that are full or may not be written."""

import os
import resource
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
import torch


class FileBytes:
    """No file may grow beyond so many bytes: what a quota does to a process."""

    def __init__(self, most: int) -> None:
        self.most = most

    def __call__(self) -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (self.most, self.most))


class OpenFiles:
    """So many file descriptors."""

    def __init__(self, most: int) -> None:
        self.most = most

    def __call__(self) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (self.most, self.most))


class MoreMemory:
    """No more than so many bytes of address space on top of what the process has."""

    def __init__(self, more: int) -> None:
        self.more = more

    def __call__(self) -> None:
        most = psutil.Process().memory_info().vms + self.more
        resource.setrlimit(resource.RLIMIT_AS, (most, most))


def allocate_in_vain() -> None:
    """Ask NumPy for more memory than the process may have; what it says is what a step's own large array meets.

    The limit leaves room for small things: where those fail, C++ libraries abort the process, here or there.
    """
    MoreMemory(64 << 20)()
    np.empty(1 << 30, np.uint8)


def allocate_tensor_in_vain() -> None:
    """Ask PyTorch for it."""
    MoreMemory(64 << 20)()
    torch.empty(1 << 30, dtype=torch.uint8)


@contextmanager
def small_disk(folder: Path, size: int) -> Iterator[None]:
    """A disk of so many bytes in place of a folder's, with the folder's files on it as far as they fit."""
    with _mounted(folder, f"size={size}"):
        yield


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """A folder in which nothing can be written, by root either."""
    if os.geteuid():
        modes = {path: path.stat().st_mode for path in (folder, *folder.rglob("*"))}
        for path, mode in modes.items():
            path.chmod(mode & ~0o222)
        try:
            yield
        finally:
            for path, mode in modes.items():
                path.chmod(mode)
        return
    _mount("--bind", str(folder), str(folder))
    try:
        _mount("-o", "remount,bind,ro", str(folder))
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@contextmanager
def _mounted(folder: Path, options: str) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    _mount("-t", "tmpfs", "-o", options, "forebay-test", str(folder))
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def _mount(*words: str) -> None:
    if os.geteuid():
        pytest.skip("only root may mount a disk")
    done = subprocess.run(["mount", *words], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no disk can be mounted here: {done.stderr.strip()}")
