"""The processes that train one model together: each takes its rows of every batch, and all do the same steps.

Collectives go through torch.distributed: gloo between CPUs, nccl between GPUs. State travels as safetensors bytes.
"""

import json
import os
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

TORCHRUN_VARIABLES = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")  # torchrun sets them in each process


@dataclass(frozen=True)
class ProcessGroup:
    """This process's rank among all of them; rank 0 validates and writes checkpoints, curves and the bundle."""

    rank: int = 0
    world_size: int = 1

    @property
    def is_rank0(self) -> bool:
        """Whether this process writes for all."""
        return self.rank == 0

    def rank_slice(self, rows: int) -> slice:
        """The rows of a batch that this process takes; the slices differ by at most one row."""
        return slice(self.rank * rows // self.world_size, (self.rank + 1) * rows // self.world_size)

    def data_parallel(self, network: nn.Module, device: str) -> nn.Module:
        """Wrap a network so that its gradients are averaged over the processes.

        On GPUs, batch norm takes its statistics from all rows of a batch. Between CPUs torch has no such batch norm:
        each process normalizes by its own rows, and the running statistics are those of rank 0.
        """
        if self.world_size == 1:
            return network
        if device == "cuda":
            network = nn.SyncBatchNorm.convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
        return nn.parallel.DistributedDataParallel(network)

    def scale_loss(self, loss: Tensor) -> Tensor:
        """Scale a process's part of the loss, so that the averaged gradient is the gradient of the summed loss."""
        return loss if self.world_size == 1 else loss * self.world_size

    def all_reduce(self, sums: Tensor) -> Tensor:
        """Sum over all processes.

        Afterwards `sums` holds the total in rank 0 and zeros elsewhere, so that no row is counted twice.
        """
        if self.world_size == 1:
            return sums
        total = sums.clone()
        dist.all_reduce(total)
        sums.copy_(total if self.is_rank0 else torch.zeros_like(total))
        return total

    def any_rank(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag, whether any process sets it: every process gets the same answer at the same step."""
        if self.world_size == 1:
            return flags
        votes = torch.tensor([int(flag) for flag in flags])
        dist.all_reduce(votes, dist.ReduceOp.MAX)
        return tuple(bool(vote) for vote in votes)

    def broadcast(self, value: Any) -> Any:
        """Give rank 0's value, which must be JSON, to every process; the values of other ranks are ignored."""
        return json.loads(self.broadcast_bytes(json.dumps(value).encode() if self.is_rank0 else b""))

    def broadcast_bytes(self, data: bytes) -> bytes:
        """Give rank 0's bytes to every process; the bytes of other ranks are ignored."""
        if self.world_size == 1:
            return data
        length = torch.tensor([len(data)])
        dist.broadcast(length, 0)
        body = torch.frombuffer(bytearray(data), dtype=torch.uint8) if data else torch.empty(0, dtype=torch.uint8)
        body = body if self.is_rank0 else torch.empty(int(length), dtype=torch.uint8)
        if int(length):
            dist.broadcast(body, 0)
        return body.numpy().tobytes()


SINGLE_PROCESS = ProcessGroup()


def join_process_group() -> ProcessGroup:
    """Join the processes that torchrun started; `SINGLE_PROCESS` where torchrun started none."""
    if any(name not in os.environ for name in TORCHRUN_VARIABLES):
        return SINGLE_PROCESS
    if torch.cuda.is_available():
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    return ProcessGroup(dist.get_rank(), dist.get_world_size())


def leave_process_group() -> None:
    """Close the connections to the other processes."""
    if dist.is_initialized():
        dist.destroy_process_group()
