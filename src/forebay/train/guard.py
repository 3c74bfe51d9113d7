"""What lets another thread save a training while a step is in progress: the state as it was before that step.

Until the optimizer's own step, a step changes nothing of what a checkpoint holds but the network's buffers (the running
statistics of batch norm). They are small, and copied when the step begins. The optimizer's step is waited for.
"""

import contextlib
import threading
from collections.abc import Iterator

from torch import Tensor, nn

from forebay.train.progress import Progress


class Guard:
    """The lock of a training's state, and the buffers that the step in progress began with."""

    def __init__(self, network: nn.Module) -> None:
        self._lock = threading.RLock()
        self._owners = [
            (f"{path}.{name}" if path else name, module, name)
            for path, module in network.named_modules()
            for name, buffer in module.named_buffers(recurse=False)
            if name not in module._non_persistent_buffers_set  # what the state dict leaves out
        ]
        self._before: dict[str, Tensor] = {}  # empty between two steps

    def step_begins(self) -> None:
        """Remember the buffers."""
        before = {path: getattr(module, name).clone() for path, module, name in self._owners}
        with self._lock:
            self._before = before

    @contextlib.contextmanager
    def step_ends(self) -> Iterator[None]:
        """Hold the state for the block, after which it is that behind the step."""
        with self._lock:
            yield
            self._before = {}

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the state as it is."""
        with self._lock:
            yield

    def take(self, timeout_s: float) -> bool:
        """Hold the state for good, for a process that is about to end; whether that was possible in time."""
        return self._lock.acquire(timeout=timeout_s)

    def tensors(self, progress: Progress) -> dict[str, Tensor]:
        """Those of a checkpoint, as they were between the last two steps; call it while the state is held."""
        buffers = {f"network.{path}": tensor.detach().cpu().contiguous() for path, tensor in self._before.items()}
        return progress.tensors() | buffers
