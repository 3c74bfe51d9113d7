"""Limits of PyTorch on this machine: its threads, and what it says where memory or a batch is too small."""

import contextlib
from collections.abc import Iterator

import torch

from forebay.errors import TrainError
from forebay.train.plan.resolved_settings import ResolvedSettings


@contextlib.contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Set PyTorch's thread count for the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def explained_memory_errors(settings: ResolvedSettings) -> Iterator[None]:
    """Explain errors of too little memory, and of batches too small for batch norm.

    Raises:
        TrainError: such an error was raised in the block.
    """
    try:
        yield
    except (RuntimeError, ValueError, MemoryError) as error:
        text = str(error)
        if isinstance(error, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in text:
            raise TrainError(
                f"The memory of {settings.device} is too small for {settings.model} with train.batch_rows="
                f"{settings.batch_rows}. Lower train.batch_rows or train.width."
            ) from error
        if "more than 1 value per channel" in text:
            raise TrainError(
                f"{settings.model} uses batch norm, which train.batch_rows={settings.batch_rows} is too small for. "
                "Set train.batch_rows to 2 or more."
            ) from error
        raise
