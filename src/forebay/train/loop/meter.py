"""How a training goes, between two epochs: smoothed loss and accuracy, speed, and the time that is left.

The sums lie on the device, and reading them waits for it. So they are read about once a second, not at every step.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

READ_EVERY_S = 1.0
REMEMBERED_STEPS = 50  # at most an epoch; steps that are longer ago hardly count in loss and accuracy
REMEMBERED_S = 15.0  # the same, in the speed


@dataclass
class DecayingRatio:
    """A ratio of two sums that forget: what was added `memory` ago counts a third."""

    memory: float
    numerator: float = 0.0
    denominator: float = 0.0

    def add(self, numerator: float, denominator: float, age: float) -> None:
        """Add to both sums.

        Args:
            numerator, denominator: what is added.
            age: how much older all that was added before is now, in the unit of `memory`.
        """
        kept = math.exp(-age / self.memory)
        self.numerator = self.numerator * kept + numerator
        self.denominator = self.denominator * kept + denominator

    @property
    def value(self) -> float | None:
        """The ratio; None before anything was added."""
        return self.numerator / self.denominator if self.denominator else None


class TrainingMeter:
    """Measures a training in one process. Its values never reach the weights."""

    def __init__(
        self,
        *,
        steps_per_epoch: int,
        epochs: int,
        batch_rows: int,
        processes: int,
        device: str,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._steps_per_epoch = steps_per_epoch
        self._epochs = epochs
        self._batch_rows = batch_rows
        self._processes = processes
        self._clock = clock
        self._sums = torch.zeros(2, dtype=torch.float64, device=device)  # loss and hits since the last reading
        self._steps = 0  # since the last reading
        self._read_at: float | None = None  # None before the first step, which takes longer than all others
        self._ended_at: float | None = None  # the last step of the last epoch
        remembered_steps = min(REMEMBERED_STEPS, steps_per_epoch)
        self._loss = DecayingRatio(remembered_steps)
        self._accuracy = DecayingRatio(remembered_steps)
        self._step_s = DecayingRatio(REMEMBERED_S)
        self._between_s = 0.0  # between the last two epochs: validation and checkpoint

    def start_epoch(self) -> None:
        """Begin to count the time of steps."""
        if self._ended_at is not None:
            self._between_s = self._clock() - self._ended_at
            self._read_at = self._clock()

    def add(self, loss_and_hits: Tensor) -> None:
        """Count a step.

        Args:
            loss_and_hits: float64 (2,) on the device: the process's part of the batch's mean loss, and its hits.
        """
        self._sums += loss_and_hits
        self._steps += 1

    def end_epoch(self) -> None:
        """Count no more time until the next epoch."""
        self._read()
        self._ended_at = self._clock()

    def measures(self, step: int, learning_rate: float) -> dict[str, float]:
        """The measures of a `progress` event.

        Args:
            step: steps done so far, at least 1.
            learning_rate: that of the last step.
        """
        if self._read_at is None or self._clock() - self._read_at >= READ_EVERY_S:
            self._read()
        found = {
            "epoch": (step - 1) // self._steps_per_epoch + 1,
            "epochs": self._epochs,
            "loss": self._loss.value,
            "accuracy": self._accuracy.value,
            "learning_rate": learning_rate,
            "images_per_s": self._batch_rows / self._step_s.value if self._step_s.value else None,
            "seconds_left": self._seconds_left(step),
        }
        return {name: value for name, value in found.items() if value is not None}

    def _seconds_left(self, step: int) -> float | None:
        steps = self._steps_per_epoch * self._epochs - step
        if not self._step_s.value or not steps:
            return None
        return steps * self._step_s.value + math.ceil(steps / self._steps_per_epoch) * self._between_s

    def _read(self) -> None:
        loss, hits = self._sums.tolist()
        now, steps, rows = self._clock(), self._steps, self._steps * self._batch_rows
        self._loss.add(loss * self._processes, steps, steps)
        self._accuracy.add(hits * self._processes, rows, steps)
        if self._read_at is not None and steps:
            self._step_s.add(now - self._read_at, steps, now - self._read_at)
        self._sums.zero_()
        self._steps, self._read_at = 0, now
