"""Random numbers of a batch's rows, the same whichever process takes a row."""

from dataclasses import dataclass

import torch
from torch import Tensor

CPU = torch.device("cpu")


@dataclass(frozen=True)
class BatchRandom:
    """Random numbers for some rows of a batch.

    They are drawn for the whole batch and then indexed, so each row gets the same numbers whichever process takes it.
    """

    batch_rows: int
    rows: slice | Tensor  # of the batch, which this process takes

    def integers(self, limit: int, device: torch.device = CPU) -> Tensor:
        """Whole numbers from 0 to below the limit."""
        return torch.randint(limit, (self.batch_rows,), device=device)[self.rows]

    def uniform(self, device: torch.device = CPU) -> Tensor:
        """Numbers from 0 to below 1."""
        return torch.rand(self.batch_rows, device=device)[self.rows]

    def between(self, low: float, high: float) -> Tensor:
        """Numbers from `low` to below `high`."""
        return low + (high - low) * self.uniform()

    def beta(self, alpha: float) -> Tensor:
        """Numbers from 0 to 1 of the distribution Beta(alpha, alpha)."""
        concentration = torch.full((self.batch_rows,), alpha)
        return torch.distributions.Beta(concentration, concentration).sample()[self.rows]
