"""A batch in parts that stay in the processor's cache."""

from collections.abc import Callable

import torch
from torch import Tensor

CHUNK_PIXELS = 1 << 16  # measured: twice as fast as a whole batch of 64 images of 128x128


def by_chunks(change: Callable[..., Tensor], images_NCHW: Tensor, *of_each_row: Tensor) -> Tensor:
    """Call `change` with a few images and their rows of the other tensors at a time; on a GPU with all at once."""
    height, width = images_NCHW.shape[2:]
    rows = max(1, CHUNK_PIXELS // (height * width))
    if len(images_NCHW) <= rows or images_NCHW.device.type != "cpu":
        return change(images_NCHW, *of_each_row)
    chunks = zip(*(torch.split(tensor, rows) for tensor in (images_NCHW, *of_each_row)), strict=True)
    return torch.cat([change(*chunk) for chunk in chunks])
