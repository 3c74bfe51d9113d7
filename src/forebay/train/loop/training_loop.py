"""The training loop: optimizer steps, epochs and checkpoints, in an order that any interruption can repeat."""

import time

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import DatasetSplit
from forebay.errors import TrainError
from forebay.models import resize, standardize
from forebay.models.classifier import rows_per_pass
from forebay.train.loop.batches import TrainingBatches, derive_seed
from forebay.train.loop.callbacks import TrainingCallbacks
from forebay.train.loop.history import EpochRecord
from forebay.train.loop.meter import TrainingMeter
from forebay.train.loop.optimize import class_weights, learning_rate
from forebay.train.loop.state_lock import StateLock
from forebay.train.loop.targets import batch_loss
from forebay.train.loop.training_state import TrainingState
from forebay.train.plan.resolved_settings import ResolvedSettings
from forebay.train.process_group import SINGLE_PROCESS, ProcessGroup


class TrainingInterrupt(Exception):
    """A stop was requested; the checkpoint is written."""


class TrainingLoop:
    """Trains `state` in place."""

    def __init__(
        self,
        state: TrainingState,
        settings: ResolvedSettings,
        data: SplitManifest,
        batches: TrainingBatches,
        validation: DatasetSplit,
        group: ProcessGroup = SINGLE_PROCESS,
    ) -> None:
        self.group = group
        self._model = group.data_parallel(state.network, settings.device)
        self._head_only = False
        self.keeps_logits = False  # whether `validation_logits` are kept
        self.validation_logits: Tensor | None = None  # float32 (N, K) of the last epoch's validation rows, on the CPU
        self.state = state
        self.lock = StateLock(state.network)
        self.settings = settings
        self.data = data
        self.batches = batches
        self.validation = validation
        self.total_steps = settings.epochs * len(batches)
        weights = class_weights(settings.class_weights, [data.train_class_rows[name] for name in data.classes])
        self.meter = TrainingMeter(
            steps_per_epoch=len(batches),
            epochs=settings.epochs,
            batch_rows=settings.batch_rows,
            processes=group.world_size,
            device=settings.device,
        )
        self._class_weights = None if weights is None else weights.to(settings.device)

    def run(self, callbacks: TrainingCallbacks) -> None:
        """Train to the end.

        Raises:
            TrainingInterrupt: a stop was requested.
            TrainError: the loss is no longer a number.
        """
        while not self.state.finished:
            self._epoch(callbacks)
            with self.lock.held():
                callbacks.save_checkpoint()
            callbacks.on_epoch_end(self.state.history[-1])
            (stop,) = self.group.any_rank(callbacks.should_stop())
            if stop and not self.state.finished:
                raise TrainingInterrupt

    def measures(self) -> dict[str, float]:
        """How the training goes now, for a `progress` event."""
        rates = [parameters["lr"] for parameters in self.state.optimizer.param_groups]
        return self.meter.measures(self.state.step, float(max(rates)))

    def _epoch(self, callbacks: TrainingCallbacks) -> None:
        epoch = len(self.state.history)
        first = self.state.step - epoch * len(self.batches)  # all batches, where it was stopped during validation
        self._set_rate(max(0, self.state.step - 1))  # the epoch's record names it
        order = self.batches.order(epoch)
        rows = self.settings.batch_rows
        start = time.monotonic()
        self.meter.start_epoch()
        self._begin_epoch(epoch)
        for index in range(first, len(self.batches)):
            self._step(order[index * rows : (index + 1) * rows])
            callbacks.on_step(self.state.step, self.total_steps)
            if index + 1 < len(self.batches):
                self._between_steps(callbacks)
        self.meter.end_epoch()
        self._end_epoch(epoch, images=(len(self.batches) - first) * rows, seconds=time.monotonic() - start)

    def _begin_epoch(self, epoch: int) -> None:
        state = self.state
        if state.fine_tuning is None:
            state.network.train()
            return
        head_only = epoch < self.settings.head_epochs
        state.fine_tuning.begin_epoch(state.network, head_only=head_only)
        if head_only != self._head_only:  # several processes agree on what learns when the network is wrapped
            self._head_only = head_only
            self._model = self.group.data_parallel(state.network, self.settings.device)

    def _between_steps(self, callbacks: TrainingCallbacks) -> None:
        """Write a checkpoint where it is due, and end where that is requested."""
        stop, due = self.group.any_rank(callbacks.should_stop(), callbacks.is_checkpoint_due())
        if stop or due:
            with self.lock.held():
                self._check_finite()
                callbacks.save_checkpoint()
        if stop:
            raise TrainingInterrupt

    def _step(self, rows: NDArray[np.int64]) -> None:
        state, settings = self.state, self.settings
        self.lock.begin_step()
        # Augmentation, dropout and the like draw from the global generator; seeding it anew makes every step
        # independent of where the process began.
        torch.manual_seed(derive_seed(settings.seed, "step", state.step))
        self._set_rate(state.step)
        batch = self.batches.batch(rows, self.group.rank_slice(len(rows)))
        if not self.group.is_rank0:  # processes must not drop out the same units; with dropout 0 it changes nothing
            torch.manual_seed(derive_seed(settings.seed, f"step of rank {self.group.rank}", state.step))
        logits = self._forward(self._model, batch.images)
        loss = batch_loss(logits, batch.targets, batch.whole, self._class_weights, settings.label_smoothing)
        state.optimizer.zero_grad(set_to_none=True)
        self.group.scale_loss(loss).backward()  # type: ignore[no-untyped-call]
        hits = (logits.detach().argmax(1) == batch.targets.main_labels).sum()
        loss_and_hits = torch.stack([loss.detach().double(), hits.double()])
        self.meter.add(loss_and_hits)
        with self.lock.finish_step():
            state.optimizer.step()
            state.average_weights()
            state.sums += loss_and_hits
            state.step += 1

    def _set_rate(self, step: int) -> None:
        """Set the rate of a step; the head's epochs have a schedule of their own."""
        settings = self.settings
        head_steps = settings.head_epochs * len(self.batches)
        first, total = (0, head_steps) if step < head_steps else (head_steps, self.total_steps - head_steps)
        rate = learning_rate(settings.schedule, settings.learning_rate, step - first, total, settings.warmup)
        for parameters in self.state.optimizer.param_groups:
            parameters["lr"] = rate * parameters["scale"]

    def _forward(self, network: nn.Module, images_NCHW: Tensor) -> Tensor:
        """Logits in fp32 from uint8 pixels."""
        bf16 = self.settings.precision == "bf16"
        settings = self.settings
        images = standardize(images_NCHW, settings.mean, settings.std)
        images = resize(images, settings.resize, settings.interpolation)
        with torch.autocast(self.settings.device, torch.bfloat16, enabled=bf16):
            logits: Tensor = network(images)
        return logits.float()

    def _end_epoch(self, epoch: int, *, images: int, seconds: float) -> None:
        state, settings = self.state, self.settings
        loss, hits = self._check_finite().tolist()
        validated = self._validate() if len(self.validation) and self.group.is_rank0 else (None, None)
        validation_loss, validation_accuracy = self.group.broadcast(validated)
        record = EpochRecord(
            epoch=epoch + 1,
            learning_rate=float(state.optimizer.param_groups[0]["lr"]),
            train_loss=loss / len(self.batches),
            train_accuracy=hits / (len(self.batches) * settings.batch_rows),
            validation_loss=validation_loss,
            validation_accuracy=validation_accuracy,
            images=images,
            seconds=seconds,
        )
        with self.lock.held():
            state.history.append(record)
            state.sums.zero_()
            state.finished = epoch + 1 == settings.epochs
            if settings.early_stop_epochs:
                self._consider_early_stop()

    def _consider_early_stop(self) -> None:
        losses = [record.validation_loss or 0.0 for record in self.state.history]
        best_epoch = losses.index(min(losses)) + 1
        if best_epoch == len(losses):
            self.state.remember_best()
        elif len(losses) - best_epoch >= self.settings.early_stop_epochs:
            self.state.finished = True

    @torch.inference_mode()
    def _validate(self) -> tuple[float, float]:
        """Loss (without smoothing and weights) and accuracy on the validation rows."""
        network = self.state.delivered_network.eval()
        rows = min(
            rows_per_pass(self.data.height, self.data.width), rows_per_pass(*self.settings.network_size(self.data))
        )
        loss, hits = 0.0, 0
        kept: list[Tensor] = []
        for start in range(0, len(self.validation), rows):
            images_NHWC = torch.from_numpy(self.validation.images_NHWC(start, start + rows)).to(self.settings.device)
            labels = torch.from_numpy(self.validation.labels[start : start + rows]).to(self.settings.device)
            logits = self._forward(network, images_NHWC.permute(0, 3, 1, 2))
            loss += float(cross_entropy(logits, labels, reduction="sum"))
            hits += int((logits.argmax(1) == labels).sum())
            kept += [logits.cpu()] if self.keeps_logits else []
        self.validation_logits = torch.cat(kept) if kept else None
        return loss / len(self.validation), hits / len(self.validation)

    def _check_finite(self) -> Tensor:
        """The epoch's sums over all processes."""
        sums = self.group.all_reduce(self.state.sums)
        if not bool(torch.isfinite(sums[0])):
            settings = self.settings
            raise TrainError(
                f"The training loss is no longer a number in epoch {self.state.step // len(self.batches) + 1} "
                f"of {settings.epochs}. Lower train.learning_rate (now {settings.learning_rate:g})"
                + (" or set train.precision=fp32." if settings.precision == "bf16" else ".")
            )
        return sums
