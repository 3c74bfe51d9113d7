"""The processes that train one model together: each takes its rows of every batch, and all do the same step.

Collectives go through torch.distributed, gloo between CPUs and nccl between GPUs; state travels as safetensors bytes.
"""

import json
import os
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

WORLD = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # what torchrun gives each process


@dataclass(frozen=True)
class Team:
    """This process and how many there are; rank 0 validates, writes checkpoints, curves and the bundle."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this process writes for all."""
        return self.rank == 0

    def share(self, rows: int) -> slice:
        """Which of a batch's rows are this process's; they differ by one row at most."""
        return slice(self.rank * rows // self.size, (self.rank + 1) * rows // self.size)

    def wrap(self, network: nn.Module, device: str) -> nn.Module:
        """The network to train: with gradients averaged over the processes.

        On GPUs, batch norm takes its statistics from all rows of a batch; between CPUs torch has no such batch norm, so
        that each process normalizes by its own rows, and the running statistics are those of rank 0.
        """
        if self.size == 1:
            return network
        if device == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return nn.parallel.DistributedDataParallel(network)

    def scaled(self, loss: Tensor) -> Tensor:
        """A part of the loss so that the average of the gradients is the gradient of the sum."""
        return loss if self.size == 1 else loss * self.size

    def fold(self, sums: Tensor) -> Tensor:
        """The sum over all processes; afterwards `sums` is that in rank 0 and zero elsewhere: nothing counts twice."""
        if self.size == 1:
            return sums
        total = sums.clone()
        dist.all_reduce(total)
        sums.copy_(total if self.leads else torch.zeros_like(total))
        return total

    def agree(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether it is set in any process: the same answer everywhere, at the same step."""
        if self.size == 1:
            return flags
        votes = torch.tensor([int(flag) for flag in flags])
        dist.all_reduce(votes, dist.ReduceOp.MAX)
        return tuple(bool(vote) for vote in votes)

    def told(self, value: Any) -> Any:
        """What rank 0 passes, as JSON, in every process."""
        return json.loads(self.told_bytes(json.dumps(value).encode() if self.leads else b""))

    def told_bytes(self, data: bytes) -> bytes:
        """What rank 0 passes, in every process."""
        if self.size == 1:
            return data
        length = torch.tensor([len(data)])
        dist.broadcast(length, 0)
        body = torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)
        body = body if self.leads else torch.empty(int(length), dtype=torch.uint8)
        if int(length):
            dist.broadcast(body, 0)
        return body.numpy().tobytes()


ALONE = Team()


def join() -> Team:
    """Meet the other processes that torchrun started; alone, where it started none."""
    if any(name not in os.environ for name in WORLD):
        return ALONE
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    return Team(dist.get_rank(), dist.get_world_size())


def leave() -> None:
    """Part from the others."""
    if dist.is_initialized():
        dist.destroy_process_group()
