"""One try at a training: it goes on from the last checkpoint, and keeps what was done when it is stopped."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from forebay.object_store import SHORT_TIMEOUTS, ObjectFolder
from forebay.settings.cluster_environment import CHECKPOINT_STORE
from forebay.signals import StopRequest, StopTimeouts, stop_request
from forebay.state import StepLog
from forebay.train.checkpoints.checkpoint import Checkpoint
from forebay.train.checkpoints.checkpoint_store import CheckpointStore
from forebay.train.checkpoints.remote_checkpoints import RemoteCheckpoints
from forebay.train.loop.batches import TrainingBatches
from forebay.train.loop.callbacks import TrainingCallbacks
from forebay.train.loop.history import EpochRecord
from forebay.train.loop.training_loop import TrainingInterrupt, TrainingLoop
from forebay.train.loop.training_state import TrainingState, initial_state
from forebay.train.mlflow_run import TrackedRun
from forebay.train.plan.training_plan import TrainingPlan
from forebay.train.process_group import ProcessGroup
from forebay.train.timeouts import TrainTimeouts
from forebay.train.torch_limits import explained_memory_errors


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
    state = initial_state(settings, plan.data, train)
    _restore(state, load(), group)
    batches = TrainingBatches(train, settings.batch_rows, settings.seed, settings.augment, settings.device)
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
class TrainingSession:
    """What rank 0 trains with: it writes checkpoints, curves and messages. The checkpoints' lock is held."""

    plan: TrainingPlan
    checkpoints: CheckpointStore
    group: ProcessGroup
    timeouts: TrainTimeouts
    log: StepLog

    def run(self) -> tuple[TrainingState, str | None]:
        """Train to the end.

        Returns:
            The final state, and the id of the MLflow run; None where MLflow could not be written.

        Raises:
            SystemExit: a stop was requested; a checkpoint is written.
        """
        plan = self.plan
        tracked = self._begin_mlflow_run()
        try:
            with stop_request(StopTimeouts()) as stop, explained_memory_errors(plan.settings):
                loop = prepare_loop(plan, self.group, lambda: self.checkpoints.load(self.log.warn))
                for record in loop.state.history:
                    tracked.log_epoch(record)  # an epoch that the run has already is not written again
                stop.before_forced_exit = lambda: self._save_before_exit(loop, tracked, stop)
                loop.run(self._callbacks(loop, tracked, stop))
        except TrainingInterrupt:
            self.checkpoints.flush(self.timeouts.upload_on_stop_s)
            tracked.finish("KILLED", stop.seconds_left())
            raise SystemExit(stop.exit_status) from None
        except BaseException:
            tracked.finish("FAILED", self.timeouts.mlflow_on_failure_s)
            raise
        self.checkpoints.flush(self.timeouts.upload_at_end_s)
        return loop.state, tracked.finish("FINISHED", self.timeouts.mlflow_at_end_s)

    def _begin_mlflow_run(self) -> TrackedRun:
        plan, data = self.plan, self.plan.data
        return TrackedRun(
            self.log.home,
            self.checkpoints.training_id(self.log.warn),
            name=f"{data.name}-{plan.settings.model}",
            parameters={**plan.training_facts, "data_digest": data.data_digest, "split_digest": data.digest},
            tags={"forebay.code_version": plan.code_version, "forebay.data": data.name},
            warn=self.log.warn,
        )

    def _callbacks(self, loop: TrainingLoop, tracked: TrackedRun, stop: StopRequest) -> TrainingCallbacks:
        last, state = time.monotonic(), loop.state

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
            self.log.epoch(record.epoch, self.plan.settings.epochs, record.measures(), is_last=state.finished)

        return TrainingCallbacks(
            on_step=lambda done, total: self.log.progress(done, total, "steps", loop.measures),
            on_epoch_end=on_epoch_end,
            save_checkpoint=save_checkpoint,
            is_checkpoint_due=lambda: time.monotonic() - last >= self.plan.checkpoint_s,
            should_stop=stop.acknowledge,
        )

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
