"""A step in a process of its own that a fault may end, limit or halt.

Processes are forked from one that has imported the heavy libraries already, so that each costs its step and no more.
"""

import contextlib
import importlib
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import psutil

from support.fault_cases.place import Place

PRELOADED = ["torch", "mlflow", "pyarrow.parquet", "forebay.train.step", "forebay.evaluate.step",
             "forebay.register.step", "forebay.preprocess.step", "support.fault_cases.steps"]  # fmt: skip
ENDS_WITHIN_S = 600  # that every step of these ends in, on any machine

NOTHING: Mapping[str, str] = {}

Fault = Callable[[], None]  # called in the process before the step begins


def start(step: str, place: Place, *faults: Fault, **environment: str) -> ForkServerProcess:
    """Begin a step in another process, in which the faults are in place."""
    return started(partial(_perform, step, place), place.folder / "output.txt", faults, environment)


def started(
    body: Callable[[], None], output: Path, faults: Sequence[Fault], environment: Mapping[str, str] = NOTHING
) -> ForkServerProcess:
    """Call something in another process, in which the faults are in place; what it prints goes to a file."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=_body, args=(body, output, tuple(faults), {**os.environ, **environment}))
    process.start()
    return process


def ended(step: str, place: Place, *faults: Fault, **environment: str) -> int:
    """Do a step in another process; its exit code, negative for a signal's number."""
    process = start(step, place, *faults, **environment)
    return exit_code(process)


def exit_code(process: ForkServerProcess) -> int:
    """Wait for the end."""
    process.join(ENDS_WITHIN_S)
    if process.exitcode is None:
        process.kill()
        raise AssertionError(f"the step did not end within {ENDS_WITHIN_S} s")
    return process.exitcode


def wait_until_stopped(process: ForkServerProcess) -> None:
    """Return once the process is halted."""
    assert process.pid
    watched = psutil.Process(process.pid)
    while watched.status() != psutil.STATUS_STOPPED:
        assert process.exitcode is None, f"it ended with {process.exitcode}"
        time.sleep(0.01)  # between two looks; the process's end is what bounds them


def _perform(step: str, place: Place) -> None:
    from support.fault_cases.steps import perform

    perform(step, place)


def _body(body: Callable[[], None], output: Path, faults: tuple[Fault, ...], environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    with output.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    for fault in faults:
        fault()
    with contextlib.suppress(Exception):  # the events say it; a traceback is no business of the test's output
        body()
        return
    sys.exit(1)


class Before:
    """A fault at a moment: in the call number `count` of a function, before it does anything."""

    def __init__(self, where: str, act: Callable[[], Any], count: int = 1) -> None:
        """Name the function as `module:Class.name`."""
        self.where, self.act, self.count = where, act, count

    def __call__(self) -> None:
        module, _, path = self.where.partition(":")
        owner: Any = importlib.import_module(module)
        *parents, name = path.split(".")
        for parent in parents:
            owner = getattr(owner, parent)
        real, calls = getattr(owner, name), 0

        def call(*args: Any, **kwargs: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == self.count:
                self.act()
            return real(*args, **kwargs)

        setattr(owner, name, call)


class Signal:
    """A signal to this process."""

    def __init__(self, number: int) -> None:
        self.number = number

    def __call__(self) -> None:
        os.kill(os.getpid(), self.number)


MOMENT = {  # of each step: what it calls in the middle of its work
    "preprocess": ("forebay.state.steplog:StepLog.progress", 1),
    "train": ("forebay.state.steplog:StepLog.progress", 20),
    "evaluate": ("forebay.state.steplog:StepLog.progress", 1),
    "register": ("mlflow:MlflowClient.create_model_version", 1),
    "ingest": ("forebay.ingest.read_source:group_equal_images", 1),  # all images are decoded
    "ingest-store": ("forebay.ingest.read_source:write_index", 1),  # the source is listed, no image is read
}


def amid(step: str, act: Callable[[], Any]) -> Before:
    """A fault in the middle of a step's work."""
    where, count = MOMENT[step]
    return Before(where, act, count)
