"""The train step as the pipeline calls it."""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch

from forebay.contracts.bundles.examples import example_rows, write_examples
from forebay.contracts.bundles.spec import HISTORY, ModelSpec
from forebay.contracts.manifest import SplitManifest
from forebay.contracts.shards import DatasetSplit, open_split
from forebay.errors import DataError, TrainError
from forebay.models import save_bundle
from forebay.object_store import SHORT_TIMEOUTS, ObjectFolder
from forebay.settings import TrainConfig
from forebay.settings.cluster_environment import CHECKPOINT_STORE
from forebay.settings.cluster_only import check_for_this_machine
from forebay.signals import StopRequest, StopTimeouts, stop_request
from forebay.state import StepLog, seal, write_json
from forebay.train.batches import Batches
from forebay.train.checkpoint import Checkpoints, Saved, from_bytes, to_bytes
from forebay.train.loop import Interrupted, Listeners, Loop, silent
from forebay.train.machine import inspect_machine
from forebay.train.mirror import Mirror
from forebay.train.mlflow_run import TrackedRun
from forebay.train.plan import Plan, check_learnable
from forebay.train.progress import EpochRecord, Progress, begin
from forebay.train.resolve import Resolved, resolve
from forebay.train.result import TrainExecutor, TrainResult
from forebay.train.team import ALONE, Team
from forebay.version import code_version

STOP_FLUSH_S = 15.0  # for the store after a stop request; Kubernetes grants a pod thirty seconds
END_FLUSH_S = 60.0  # and after the last step
KILLED_TIMEOUT_S = 5.0  # for MLflow after an error


def fit(
    dataset: Path,
    out: Path,
    config: TrainConfig,
    log: StepLog,
    team: Team = ALONE,
    executor: TrainExecutor | None = None,
) -> TrainResult:
    """Train a network on a prepared dataset and write its bundle.

    A training that was interrupted goes on from its last checkpoint and ends with the weights it would have had; a
    finished one is only written again.

    Args:
        dataset: output folder of preprocess.
        out: receives `model.json`, `weights.safetensors`, `history.json` and a few test rows as examples.
        config: settings; `auto` is resolved from the dataset's manifest.
        log: progress, warnings and results; its home holds the checkpoints.
        team: of which this is rank 0, the others calling `follow`.
        executor: trains where `train.nodes` is above 1; None where only this machine can.

    Raises:
        DataError: nothing can be learned from the rows.
        TrainError, ModelError: settings that do not fit the data or the machine, a loss that is no number, or too
            little memory.
        BusyError: the same training runs already.
        SystemExit: SIGTERM or SIGINT arrived; a checkpoint is written.
    """
    if config.nodes > 1 and team.size == 1:
        if executor is None:
            check_for_this_machine({"train.nodes": config.nodes})
        else:
            return executor.train(dataset, out, config, log)
    plan = _plan(dataset, config, team)
    checkpoints = Checkpoints(log.home.checkpoints / plan.key, _mirror(plan.key, log))
    with checkpoints.lock.held(f"the train step of run {log.run_id or 'unknown'}"), _threads(plan.settings.threads):
        checkpoints.clear_leftovers()
        if log.fresh:
            checkpoints.forget()
        progress, mlflow_run_id = _train(plan, checkpoints, log, team)
    return _write(plan, progress, mlflow_run_id, out, log)


def follow(dataset: Path, config: TrainConfig, team: Team) -> None:
    """Train as a process of a team that rank 0 leads: the same steps, nothing written.

    Raises:
        The same errors as `fit`.
    """
    plan = _plan(dataset, config, team)
    try:
        with stop_request(StopTimeouts()) as stop, _memory_advice(plan.settings), _threads(plan.settings.threads):
            train, validation = (_open(plan, split) for split in ("train", "validation"))
            progress = begin(plan.settings, plan.data, train)
            _restore(progress, None, team)
            _loop(plan, progress, train, validation, team).run(silent(stop.acknowledge))
    except Interrupted:
        raise SystemExit(stop.exit_status) from None


def _plan(dataset: Path, config: TrainConfig, team: Team) -> Plan:
    data = SplitManifest.read(dataset)
    check_learnable(dataset, data)
    machine = inspect_machine()
    settings = resolve(config, data, machine, team.size)
    if team.size > 1:  # machines may differ in cores or in bf16, and all have to do the same
        settings = Resolved(**team.told(settings.record()))
    return Plan(
        dataset=dataset, data=data, settings=settings, machine=machine,
        code_version=config.code_version or code_version(), checkpoint_s=config.checkpoint_s,
    )  # fmt: skip


def _mirror(key: str, log: StepLog) -> Mirror | None:
    store = os.environ.get(CHECKPOINT_STORE)
    if not store:
        return None
    return Mirror(ObjectFolder.parse(store, CHECKPOINT_STORE, SHORT_TIMEOUTS).subfolder(key), log.warn)


def _train(plan: Plan, checkpoints: Checkpoints, log: StepLog, team: Team) -> tuple[Progress, str | None]:
    tracked = TrackedRun(
        log.home, checkpoints.training_id(log.warn), name=f"{plan.data.name}-{plan.settings.model}",
        parameters={**plan.training_facts, "data_digest": plan.data.data_digest, "split_digest": plan.data.digest},
        tags={"forebay.code_version": plan.code_version, "forebay.data": plan.data.name}, warn=log.warn,
    )  # fmt: skip
    try:
        with stop_request(StopTimeouts()) as stop, _memory_advice(plan.settings):
            train, validation = (_open(plan, split) for split in ("train", "validation"))
            progress = begin(plan.settings, plan.data, train)
            _restore(progress, checkpoints.load(log.warn), team)
            for record in progress.history:
                tracked.log_epoch(record)  # it drops those that it has
            listeners = _listeners(plan, progress, checkpoints, tracked, stop, log)
            loop = _loop(plan, progress, train, validation, team)
            stop.before_forced_exit = lambda: _save_before_exit(loop, checkpoints, tracked, stop, log)
            loop.run(listeners)
    except Interrupted:
        checkpoints.flush(STOP_FLUSH_S)
        tracked.finish("KILLED", stop.seconds_left())
        raise SystemExit(stop.exit_status) from None
    except BaseException:
        tracked.finish("FAILED", KILLED_TIMEOUT_S)
        raise
    checkpoints.flush(END_FLUSH_S)
    return progress, tracked.finish("FINISHED")


def _save_before_exit(
    loop: Loop, checkpoints: Checkpoints, tracked: TrackedRun, stop: StopRequest, log: StepLog
) -> None:
    """Keep what there is while the main thread is in a step that lasts; the process ends after this.

    Of several processes none saves alone: their sums of the epoch belong together. What was saved last is what is kept.
    """
    progress = loop.progress
    try:
        whole = bool(torch.isfinite(progress.sums[0]))  # else the checkpoint before it is the better one
        if whole and loop.team.size == 1 and loop.guard.take(stop.seconds_left()):
            checkpoints.save(progress.step, loop.guard.tensors(progress), progress.facts())
        checkpoints.flush(STOP_FLUSH_S)
    except OSError as error:
        log.warn(f"No checkpoint could be written ({error.strerror or error}); the one before it is kept.")
    tracked.finish("KILLED", stop.seconds_left())
    log.ended_by(stop.exit_status)


def _restore(progress: Progress, saved: Saved | None, team: Team) -> None:
    """Go on from what rank 0 has saved, in every process."""
    if team.size > 1:
        data = team.told_bytes(to_bytes(saved) if saved else b"")
        saved = from_bytes(data) if data else None
    if saved is not None:
        progress.restore(saved)
        if not team.leads:
            progress.sums.zero_()


def _loop(plan: Plan, progress: Progress, train: DatasetSplit, validation: DatasetSplit, team: Team) -> Loop:
    settings = plan.settings
    batches = Batches(train, settings.batch_rows, settings.seed, settings.augment, settings.device)
    return Loop(progress, settings, plan.data, batches, validation, team)


def _open(plan: Plan, name: str) -> DatasetSplit:
    split = open_split(plan.dataset, plan.data, name)
    if len(split) != plan.data.splits[name]:
        problem = f"{name} has {len(split)} labels, its manifest says {plan.data.splits[name]}"
        raise DataError(source=str(plan.dataset), problem=problem, fix="Run preprocess again.")
    return split


def _listeners(
    plan: Plan, progress: Progress, checkpoints: Checkpoints, tracked: TrackedRun, stop: StopRequest, log: StepLog
) -> Listeners:
    last = time.monotonic()

    def checkpoint() -> None:
        nonlocal last
        try:
            checkpoints.save(progress.step, progress.tensors(), progress.facts())
        except OSError as error:
            log.warn(
                f"No checkpoint could be written ({error.strerror or error}); training goes on without. "
                f"Free space in {log.home.root}."
            )
        last = time.monotonic()

    return Listeners(
        stepped=lambda done, total: log.progress(done, total, "steps"),
        epoch_ended=tracked.log_epoch,
        checkpoint=checkpoint,
        checkpoint_due=lambda: time.monotonic() - last >= plan.checkpoint_s,
        should_stop=stop.acknowledge,
    )


def _write(plan: Plan, progress: Progress, mlflow_run_id: str | None, out: Path, log: StepLog) -> TrainResult:
    data = plan.data
    spec = ModelSpec(
        architecture=plan.settings.model,
        options=plan.settings.options,
        classes=data.classes, height=data.height, width=data.width, channels=data.channels,
        mean=data.mean, std=data.std,
        weights_sha256="",  # filled in by save_bundle
        fit=data.fit, bits=data.bits,
        training=plan.training_facts,
        data=plan.data_facts,
        lineage={"code_version": plan.code_version, "mlflow_run_id": mlflow_run_id},
    )  # fmt: skip
    spec = save_bundle(out, spec, progress.final_weights())
    write_json(out / HISTORY, [asdict(record) for record in progress.history])
    write_examples(out, _open(plan, "test").images_NHWC(0, example_rows(data.height, data.width, data.channels)))
    seal(out)
    metrics = final_metrics(progress.history, progress.best_epoch)
    log.result(training={"settings": plan.training_facts, "metrics": metrics, "mlflow_run_id": mlflow_run_id})
    return TrainResult(spec=spec, metrics=metrics)


def final_metrics(history: list[EpochRecord], best_epoch: int) -> dict[str, float]:
    """The numbers of the delivered epoch: the best one (counted from 1) where there is one, else the last."""
    record = history[best_epoch - 1]  # best_epoch 0 is the last one
    values = {
        "train_loss": record.train_loss,
        "train_accuracy": record.train_accuracy,
        "validation_loss": record.validation_loss,
        "validation_accuracy": record.validation_accuracy,
        "epochs": float(len(history)),
        "images_per_s": sum(each.images for each in history) / max(sum(each.seconds for each in history), 1e-9),
    }
    return {name: value for name, value in values.items() if value is not None}


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    """PyTorch's thread count for the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextlib.contextmanager
def _memory_advice(settings: Resolved) -> Iterator[None]:
    """Turn errors of too little memory, or of batches too small for batch norm, into advice."""
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
