"""One try at a training: it goes on from the last checkpoint, and keeps what was done when it is stopped."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from forebay.contracts.overfitting import find_overfitting
from forebay.object_store import SHORT_TIMEOUTS, ObjectFolder
from forebay.settings.cluster_environment import CHECKPOINT_STORE
from forebay.signals import StopRequest, StopTimeouts, stop_request
from forebay.state import StepLog
from forebay.tracking import DataInput
from forebay.train.checkpoints.checkpoint import Checkpoint
from forebay.train.checkpoints.checkpoint_store import CheckpointStore
from forebay.train.checkpoints.remote_checkpoints import RemoteCheckpoints
from forebay.train.loop.batches import TrainingBatches
from forebay.train.loop.callbacks import TrainingCallbacks
from forebay.train.loop.history import EpochRecord
from forebay.train.loop.training_loop import TrainingInterrupt, TrainingLoop
from forebay.train.loop.training_state import TrainingState, initial_state
from forebay.train.mlflow_run import OVERFITTING_TAG, TrackedRun
from forebay.train.observer import ObservedEpoch, ObserverInterrupt, TrainingObserver
from forebay.train.overfitting_watch import OverfittingWatch
from forebay.train.plan.training_plan import TrainingPlan
from forebay.train.process_group import ProcessGroup
from forebay.train.timeouts import TrainTimeouts
from forebay.train.torch_limits import explained_memory_errors


@contextlib.contextmanager
def explained_errors(plan: TrainingPlan) -> Iterator[None]:
    """Explain errors of too little memory, of batches too small for batch norm, and of the user's code.

    Raises:
        TrainError, UserCodeError: such an error was raised in the block.
    """
    own = plan.own_network
    with own.explained_in_training() if own else contextlib.nullcontext(), explained_memory_errors(plan.settings):
        yield


def open_checkpoints(plan: TrainingPlan, log: StepLog) -> CheckpointStore:
    """The checkpoints of a training, with copies in an object store where the environment names one."""
    uri = os.environ.get(CHECKPOINT_STORE)
    folder = ObjectFolder.parse(uri, CHECKPOINT_STORE, SHORT_TIMEOUTS).subfolder(plan.key) if uri else None
    remote = RemoteCheckpoints(folder, log.warn) if folder else None
    return CheckpointStore(log.home.checkpoints / plan.key, remote)


def prepare_loop(plan: TrainingPlan, group: ProcessGroup, load: Callable[[], Checkpoint | None]) -> TrainingLoop:
    """The loop that goes on from rank 0's checkpoint, in every process.

    Args:
        load: reads the checkpoint; its result counts in rank 0 alone.
    """
    settings = plan.settings
    train, validation = (plan.open_split(name) for name in ("train", "validation"))
    state = initial_state(settings, plan.data, train, plan.own_network, plan.pretrained)
    _restore(state, load(), group)
    batches = TrainingBatches(train, settings.batch_rows, settings.seed, settings.augmentation, settings.device)
    return TrainingLoop(state, settings, plan.data, batches, validation, group)


def _restore(state: TrainingState, checkpoint: Checkpoint | None, group: ProcessGroup) -> None:
    if group.world_size > 1:
        data = group.broadcast_bytes(checkpoint.to_bytes() if checkpoint else b"")
        checkpoint = Checkpoint.from_bytes(data) if data else None
    if checkpoint is not None:
        state.restore(checkpoint)
        if not group.is_rank0:
            state.sums.zero_()


@dataclass(frozen=True, kw_only=True)
class TrainedNetwork:
    """The outcome of one training; its weights are on the CPU."""

    plan: TrainingPlan
    weights: dict[str, Tensor]
    history: list[EpochRecord]
    best_epoch: int
    training_id: str
    mlflow_run_id: str | None  # None where MLflow could not be written

    @classmethod
    def of(cls, plan: TrainingPlan, state: TrainingState, training_id: str, mlflow_run_id: str | None) -> Self:
        """What is kept of the state of a finished training."""
        return cls(
            plan=plan,
            weights={name: tensor.detach().cpu() for name, tensor in state.final_weights().items()},
            history=state.history,
            best_epoch=state.best_epoch,
            training_id=training_id,
            mlflow_run_id=mlflow_run_id,
        )


@dataclass(frozen=True, kw_only=True)
class TrainingSession:
    """What rank 0 trains with: it writes checkpoints, curves and messages. The checkpoints' lock is held."""

    plan: TrainingPlan
    checkpoints: CheckpointStore
    group: ProcessGroup
    timeouts: TrainTimeouts
    log: StepLog
    observer: TrainingObserver | None = None

    def run(self) -> TrainedNetwork:
        """Train to the end.

        Raises:
            SystemExit: a stop was requested; a checkpoint is written.
            ObserverInterrupt: the observer ended it; a checkpoint is written.
        """
        plan = self.plan
        tracked = self._begin_mlflow_run()
        try:
            with stop_request(StopTimeouts()) as stop, explained_errors(plan):
                loop = prepare_loop(plan, self.group, lambda: self.checkpoints.load(self.log.warn))
                loop.keeps_logits = self.observer is not None
                for record in loop.state.history:
                    tracked.log_epoch(record)  # an epoch that the run has already is not written again
                stop.before_forced_exit = lambda: self._save_before_exit(loop, tracked, stop)
                loop.run(self._callbacks(loop, tracked, stop))
                stopped = stop.acknowledge()
        except TrainingInterrupt:
            self.checkpoints.flush(self.timeouts.upload_on_stop_s)
            tracked.finish("KILLED", stop.seconds_left())
            raise (SystemExit(stop.exit_status) if stop else ObserverInterrupt()) from None
        except BaseException:
            tracked.finish("FAILED", self.timeouts.mlflow_on_failure_s)
            raise
        self._tell_overfitting(loop.state, tracked)
        self.checkpoints.finish()
        self.checkpoints.flush(self.timeouts.upload_at_end_s)
        run_id = tracked.finish("FINISHED", self.timeouts.mlflow_at_end_s)
        if stopped and plan.member.number < plan.member.count:  # the next one would not hear of it
            raise SystemExit(stop.exit_status)
        return TrainedNetwork.of(plan, loop.state, tracked.training_id, run_id)

    def _tell_overfitting(self, state: TrainingState, tracked: TrackedRun) -> None:
        found = find_overfitting(state.curves(), self.plan.settings.as_dict(), self.plan.data.splits["validation"])
        if found:
            self.log.warn(self.plan.member.named(found.text))
            self.log.result(overfitting=found.text)
            tracked.tag(OVERFITTING_TAG, found.text)

    def _begin_mlflow_run(self) -> TrackedRun:
        plan = self.plan
        return TrackedRun(
            self.log.home,
            self.checkpoints.training_id(self.log.warn),
            name=f"{plan.mlflow_name} {plan.member.label}".strip(),
            parameters=plan.mlflow_parameters,
            tags=plan.mlflow_tags | dict(self.observer.mlflow_tags if self.observer else {}),
            warn=self.log.warn,
            data=DataInput(data=plan.data),
            is_member=plan.member.count > 1,
        )

    def _callbacks(self, loop: TrainingLoop, tracked: TrackedRun, stop: StopRequest) -> TrainingCallbacks:
        last, state = time.monotonic(), loop.state
        watch = OverfittingWatch(self.plan)

        def save_checkpoint() -> None:
            nonlocal last
            try:
                self.checkpoints.save(state.step, state.tensors(), state.facts())
            except OSError as error:
                self.log.warn(
                    f"No checkpoint could be written ({error.strerror or error}); training goes on without. "
                    f"Free space in {self.log.home.root}."
                )
            last = time.monotonic()

        def on_epoch_end(record: EpochRecord) -> None:
            tracked.log_epoch(record)
            measures = {**record.measures(), **self.plan.member.measures}
            self.log.epoch(record.epoch, self.plan.settings.epochs, measures, is_last=state.finished)
            watch.look(state, self.log.warn)
            self._observe(record, loop)

        return TrainingCallbacks(
            on_step=lambda done, total: self._show_step(done, total, loop.measures),
            on_epoch_end=on_epoch_end,
            save_checkpoint=save_checkpoint,
            is_checkpoint_due=lambda: time.monotonic() - last >= self.plan.checkpoint_s,
            should_stop=lambda: stop.acknowledge() or (self.observer is not None and self.observer.should_end()),
        )

    def _observe(self, record: EpochRecord, loop: TrainingLoop) -> None:
        """Tell the observer of an epoch that has validation rows."""
        if self.observer and loop.validation_logits is not None:
            logits, labels = loop.validation_logits.numpy(), loop.validation.labels
            self.observer.on_epoch(ObservedEpoch(record, self.plan.settings.epochs, logits, labels))

    def _show_step(self, done: int, total: int, measures: Callable[[], dict[str, float]]) -> None:
        """Show how far the step is, over all networks that it trains."""
        member = self.plan.member
        others = (member.count - member.number) * total  # steps of the members to come

        def all_measures() -> dict[str, float]:
            found = {**measures(), **member.measures}
            if others and done < total and "seconds_left" in found:
                found["seconds_left"] *= 1 + others / (total - done)
            return found

        self.log.progress(done + (member.number - 1) * total, member.count * total, "steps", all_measures)

    def _save_before_exit(self, loop: TrainingLoop, tracked: TrackedRun, stop: StopRequest) -> None:
        """Save while the main thread is in a step that lasts; the process ends after this.

        One of several processes cannot save alone, because their sums of the epoch belong together. Then the last
        checkpoint is what is kept.
        """
        state = loop.state
        try:
            is_finite = bool(torch.isfinite(state.sums[0]))  # otherwise the checkpoint before it is the better one
            if is_finite and loop.group.world_size == 1 and loop.lock.acquire_for_good(stop.seconds_left()):
                self.checkpoints.save(state.step, loop.lock.tensors(state), state.facts())
            self.checkpoints.flush(self.timeouts.upload_on_stop_s)
        except OSError as error:
            self.log.warn(f"No checkpoint could be written ({error.strerror or error}); the one before it is kept.")
        tracked.finish("KILLED", stop.seconds_left())
        self.log.ended_by(stop.exit_status)
