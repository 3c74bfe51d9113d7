"""The train step in a process that a test may kill; it reports the progress of every step."""

import json
import multiprocessing
import os
import signal
from collections.abc import Callable, Mapping
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from forebay.settings import TrainConfig
from forebay.state import Home, StepLog
from forebay.tracking.defaults import set_mlflow_defaults
from forebay.train import fit
from support.prepared_datasets import SMALL_TRAINING

IMPORTED = ["forebay.train.step", "mlflow", "boto3"]  # by the server, once; a child is forked from it


class TrainingChild:
    """The process, with the words of `subprocess.Popen`."""

    def __init__(self, dataset: Path, out: Path, events: Path, environment: Mapping[str, str]) -> None:
        arguments = (dataset, out, events, dict(environment))
        self._process = _context().Process(target=train, args=arguments)
        self._process.start()

    @property
    def returncode(self) -> int | None:
        """The exit code, the negative number of the signal that ended it, or None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self.returncode

    def wait(self) -> int | None:
        """Wait for its end; returns the exit code."""
        self._process.join()
        return self.returncode

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal."""
        assert self._process.pid
        if self.poll() is None:
            os.kill(self._process.pid, number)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.send_signal(signal.SIGTERM)


def _context() -> ForkServerContext:
    """Where children come from: their imports take five seconds, and what they are killed in is the claim."""
    set_mlflow_defaults()
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    return context


class EveryStep(StepLog):
    """Reports every step, so that a test can choose the very one to kill at."""

    def progress(self, done: int, total: int, unit: str, measures: Any = None) -> None:
        self.emit("progress", done=done, total=total, unit=unit)


def die_in(name: str, at: int) -> None:
    """Kill this process inside the call number `at` of `os.<name>`: a write that never ends."""
    real: Callable[..., Any] = getattr(os, name)
    calls = 0

    def call(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == at:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments)

    setattr(os, name, call)


class HalfABody:
    """The first half of an upload; where the second would follow, the process dies."""

    def __init__(self, data: bytes) -> None:
        self.parts = [data[: len(data) // 2]]

    def read(self, size: int = -1) -> bytes:
        if not self.parts:
            os.kill(os.getpid(), signal.SIGKILL)
        return self.parts.pop()


def die_at_upload(at: int, halfway: bool) -> None:
    """Kill this process before the upload number `at` to the store, or in the middle of it."""
    from botocore.httpsession import URLLib3Session

    real = URLLib3Session.send
    uploads = 0

    def send(self: Any, request: Any) -> Any:
        nonlocal uploads
        uploads += request.method == "PUT"
        if request.method == "PUT" and uploads == at:
            if not halfway:
                os.kill(os.getpid(), signal.SIGKILL)
            body = request.body
            request.body = HalfABody(body if isinstance(body, bytes) else body.read())
        return real(self, request)

    URLLib3Session.send = send


def compute_for_minutes(in_training: bool, at: int, log: StepLog) -> None:
    """In the batch norm number `at`, of steps or of validations: one call of torch that lasts, outside Python."""
    import torch

    @torch.jit.script
    def multiply(matrix: torch.Tensor, times: int) -> torch.Tensor:
        for _ in range(times):
            matrix = (matrix @ matrix).clamp(-1.0, 1.0)
        return matrix

    seen = 0

    def forward(module: torch.nn.Module, inputs: Any, output: Any) -> None:
        nonlocal seen
        if not isinstance(module, torch.nn.BatchNorm1d | torch.nn.BatchNorm2d) or module.training != in_training:
            return
        seen += 1
        if seen == at:
            log.warn("it lasts")
            multiply(torch.rand(256, 256), 1 << 40)

    torch.nn.modules.module.register_module_forward_hook(forward)


def train(dataset: Path, out: Path, events: Path, environment: dict[str, str]) -> None:
    """Run the step in this process."""
    os.environ.clear()
    os.environ.update(environment)
    home = Home.find().open()
    if place := os.environ.get("DIE_IN"):
        die_in(place, int(os.environ["DIE_AT"]))
    if upload := os.environ.get("DIE_AT_UPLOAD"):
        die_at_upload(int(upload), halfway=os.environ.get("DIE_HALFWAY") == "1")
    log = EveryStep(name="train", run_id="child", home=home, events=events)
    if place := os.environ.get("LASTS_IN"):
        compute_for_minutes(place == "step", int(os.environ["LASTS_AT"]), log)
    fit(dataset, out, TrainConfig(**{**SMALL_TRAINING, **json.loads(os.environ.get("CHANGES", "{}"))}), log)
