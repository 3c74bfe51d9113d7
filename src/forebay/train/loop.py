"""The training loop: optimizer steps, epochs, checkpoints, in an order that any interruption can repeat."""

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import DatasetSplit
from forebay.errors import TrainError
from forebay.models import standardize
from forebay.train.batches import Batches, derive_seed
from forebay.train.guard import Guard
from forebay.train.optimize import class_weights, learning_rate
from forebay.train.progress import EpochRecord, Progress
from forebay.train.resolve import Resolved
from forebay.train.team import ALONE, Team

VALIDATION_PIXELS = 1 << 20  # per forward pass


@dataclass(frozen=True, kw_only=True)
class Listeners:
    """What the loop tells its surroundings."""

    stepped: Callable[[int, int], None]  # steps done, steps in all
    epoch_ended: Callable[[EpochRecord], None]
    checkpoint: Callable[[], None]
    checkpoint_due: Callable[[], bool]
    should_stop: Callable[[], bool]


def silent(should_stop: Callable[[], bool]) -> Listeners:
    """Those of a process that writes nothing."""
    return Listeners(
        stepped=lambda done, total: None,
        epoch_ended=lambda record: None,
        checkpoint=lambda: None,
        checkpoint_due=lambda: False,
        should_stop=should_stop,
    )


class Interrupted(Exception):
    """A stop was requested; the checkpoint is written."""


class Loop:
    """Trains `progress` in place."""

    def __init__(
        self,
        progress: Progress,
        settings: Resolved,
        data: SplitManifest,
        batches: Batches,
        validation: DatasetSplit,
        team: Team = ALONE,
    ) -> None:
        self.team = team
        self._model = team.wrap(progress.network, settings.device)
        self.progress = progress
        self.guard = Guard(progress.network)
        self.settings = settings
        self.data = data
        self.batches = batches
        self.validation = validation
        self.total = settings.epochs * len(batches)
        weights = class_weights(settings.class_weights, [data.train_class_rows[name] for name in data.classes])
        self._class_weights = None if weights is None else weights.to(settings.device)

    def run(self, listeners: Listeners) -> None:
        """Train to the end.

        Raises:
            Interrupted: a stop was requested.
            TrainError: the loss is no longer a number.
        """
        while not self.progress.finished:
            self._epoch(listeners)
            with self.guard.held():
                listeners.checkpoint()
            listeners.epoch_ended(self.progress.history[-1])
            (stop,) = self.team.agree(listeners.should_stop())
            if stop and not self.progress.finished:
                raise Interrupted

    def _epoch(self, listeners: Listeners) -> None:
        epoch = len(self.progress.history)
        first = self.progress.step - epoch * len(self.batches)  # all, where a training was stopped while it validated
        self._set_rate(max(0, self.progress.step - 1))  # the record of the epoch names it
        order = self.batches.order(epoch)
        rows = self.settings.batch_rows
        start = time.monotonic()
        self.progress.network.train()
        for index in range(first, len(self.batches)):
            self._step(order[index * rows : (index + 1) * rows])
            listeners.stepped(self.progress.step, self.total)
            if index + 1 < len(self.batches):
                self._pause(listeners)
        self._end_epoch(epoch, images=(len(self.batches) - first) * rows, seconds=time.monotonic() - start)

    def _pause(self, listeners: Listeners) -> None:
        """Between two steps: write a checkpoint where it is time, end where that is asked for."""
        stop, due = self.team.agree(listeners.should_stop(), listeners.checkpoint_due())
        if stop or due:
            with self.guard.held():
                self._check_finite()
                listeners.checkpoint()
        if stop:
            raise Interrupted

    def _step(self, rows: NDArray[np.int64]) -> None:
        progress, settings = self.progress, self.settings
        self.guard.step_begins()
        # Augmentation, dropout and the like draw from the global generator; seeding it anew makes every step
        # independent of where the process began.
        torch.manual_seed(derive_seed(settings.seed, "step", progress.step))
        self._set_rate(progress.step)
        images, labels = self.batches.batch(rows, self.team.share(len(rows)))
        if not self.team.leads:  # so that processes do not drop out the same units; with dropout 0 it changes nothing
            torch.manual_seed(derive_seed(settings.seed, f"step of rank {self.team.rank}", progress.step))
        logits = self._forward(self._model, images)
        loss = self._loss(logits, labels, rows)
        progress.optimizer.zero_grad(set_to_none=True)
        self.team.scaled(loss).backward()  # type: ignore[no-untyped-call]
        hits = (logits.detach().argmax(1) == labels).sum()
        with self.guard.step_ends():
            progress.optimizer.step()
            progress.sums += torch.stack([loss.detach().double(), hits.double()])
            progress.step += 1

    def _set_rate(self, step: int) -> None:
        rate = learning_rate(self.settings.schedule, self.settings.learning_rate, step, self.total)
        for group in self.progress.optimizer.param_groups:
            group["lr"] = rate

    def _loss(self, logits: Tensor, labels: Tensor, rows: NDArray[np.int64]) -> Tensor:
        """The mean over the batch; of a process of several, its rows' part of that mean."""
        weights, smoothing = self._class_weights, self.settings.label_smoothing
        if self.team.size == 1:
            return cross_entropy(logits, labels, weights, label_smoothing=smoothing)
        part = cross_entropy(logits, labels, weights, label_smoothing=smoothing, reduction="sum")
        if weights is None:
            return part / len(rows)
        return part / weights[torch.from_numpy(self.batches.split.labels[rows]).to(weights.device)].sum()

    def _forward(self, network: nn.Module, images_NCHW: Tensor) -> Tensor:
        """Logits in fp32 from uint8 pixels."""
        bf16 = self.settings.precision == "bf16"
        images = standardize(images_NCHW, self.data.mean, self.data.std)
        with torch.autocast(self.settings.device, torch.bfloat16, enabled=bf16):
            logits: Tensor = network(images)
        return logits.float()

    def _end_epoch(self, epoch: int, *, images: int, seconds: float) -> None:
        progress, settings = self.progress, self.settings
        loss, hits = self._check_finite().tolist()
        validated = self._validate() if len(self.validation) and self.team.leads else (None, None)
        validation_loss, validation_accuracy = self.team.told(validated)
        record = EpochRecord(
            epoch=epoch + 1,
            learning_rate=float(progress.optimizer.param_groups[0]["lr"]),
            train_loss=loss / len(self.batches),
            train_accuracy=hits / (len(self.batches) * settings.batch_rows),
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            images=images,
            seconds=seconds,
        )
        with self.guard.held():
            progress.history.append(record)
            progress.sums.zero_()
            progress.finished = epoch + 1 == settings.epochs
            if settings.early_stop_epochs:
                self._consider_stopping()

    def _consider_stopping(self) -> None:
        progress = self.progress
        losses = [record.validation_loss or 0.0 for record in progress.history]
        best_epoch = losses.index(min(losses)) + 1
        if best_epoch == len(losses):
            progress.remember_best()
        elif len(losses) - best_epoch >= self.settings.early_stop_epochs:
            progress.finished = True

    @torch.inference_mode()
    def _validate(self) -> tuple[float, float]:
        """Loss (without smoothing and weights) and accuracy on the validation rows."""
        self.progress.network.eval()
        rows = max(1, VALIDATION_PIXELS // (self.data.height * self.data.width))
        loss, hits = 0.0, 0
        for start in range(0, len(self.validation), rows):
            images_NHWC = torch.from_numpy(self.validation.images_NHWC(start, start + rows)).to(self.settings.device)
            labels = torch.from_numpy(self.validation.labels[start : start + rows]).to(self.settings.device)
            logits = self._forward(self.progress.network, images_NHWC.permute(0, 3, 1, 2))
            loss += float(cross_entropy(logits, labels, reduction="sum"))
            hits += int((logits.argmax(1) == labels).sum())
        return loss / len(self.validation), hits / len(self.validation)

    def _check_finite(self) -> Tensor:
        """The epoch's sums over all processes."""
        sums = self.team.fold(self.progress.sums)
        if not bool(torch.isfinite(sums[0])):
            settings = self.settings
            raise TrainError(
                f"The training loss is no longer a number in epoch {self.progress.step // len(self.batches) + 1} "
                f"of {settings.epochs}. Lower train.learning_rate (now {settings.learning_rate:g})"
                + (" or set train.precision=fp32." if settings.precision == "bf16" else ".")
            )
        return sums
