"""Lets another thread save a training while a step is in progress, in the state before that step.

Before the optimizer's own step, a training step changes nothing that a checkpoint holds except the network's buffers
(the running statistics of batch norm). They are small and are copied when the step begins. The other thread waits for
the optimizer's step to end.
"""

import contextlib
import threading
from collections.abc import Iterator

from torch import Tensor, nn

from forebay.train.loop.training_state import TrainingState


class StateLock:
    """The lock of a training's state, with a copy of the buffers from before the step in progress."""

    def __init__(self, network: nn.Module) -> None:
        self._lock = threading.RLock()
        self._owners = [
            (f"{path}.{name}" if path else name, module, name)
            for path, module in network.named_modules(remove_duplicate=False)  # the state dict has each of its names
            for name, buffer in module.named_buffers(recurse=False)
            if name not in module._non_persistent_buffers_set  # the state dict leaves these out
        ]
        self._before: dict[str, Tensor] = {}  # empty between two steps

    def begin_step(self) -> None:
        """Copy the buffers."""
        before = {path: getattr(module, name).clone() for path, module, name in self._owners}
        with self._lock:
            self._before = before

    @contextlib.contextmanager
    def finish_step(self) -> Iterator[None]:
        """Hold the lock for the block, in which the optimizer changes the state to that after the step."""
        with self._lock:
            yield
            self._before = {}

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock for the block."""
        with self._lock:
            yield

    def acquire_for_good(self, timeout_s: float) -> bool:
        """Take the lock and keep it, for a process that is about to end; whether that was possible in time."""
        return self._lock.acquire(timeout=timeout_s)

    def tensors(self, state: TrainingState) -> dict[str, Tensor]:
        """The tensors of a checkpoint as they were between the last two steps; call it while the lock is held."""
        buffers = {f"network.{path}": tensor.detach().cpu().contiguous() for path, tensor in self._before.items()}
        return state.tensors() | buffers
