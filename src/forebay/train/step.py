"""The train step as the pipeline calls it."""

from pathlib import Path

from forebay.contracts.manifest import SplitManifest
from forebay.settings import TrainConfig
from forebay.settings.cluster_only import check_local_settings
from forebay.signals import StopTimeouts, stop_request
from forebay.state import StepLog
from forebay.train.loop.callbacks import TrainingCallbacks
from forebay.train.loop.history import final_metrics
from forebay.train.loop.training_loop import TrainingInterrupt
from forebay.train.loop.training_state import TrainingState
from forebay.train.outputs import write_outputs
from forebay.train.plan.hardware import inspect_hardware
from forebay.train.plan.resolved_settings import ResolvedSettings, resolve_settings
from forebay.train.plan.training_plan import TrainingPlan, check_learnable
from forebay.train.process_group import SINGLE_PROCESS, ProcessGroup
from forebay.train.result import TrainExecutor, TrainResult
from forebay.train.session import TrainingSession, open_checkpoints, prepare_loop
from forebay.train.timeouts import TrainTimeouts
from forebay.train.torch_limits import explained_memory_errors, torch_threads
from forebay.version import code_version


def fit(
    dataset: Path,
    out: Path,
    config: TrainConfig,
    log: StepLog,
    group: ProcessGroup = SINGLE_PROCESS,
    executor: TrainExecutor | None = None,
    timeouts: TrainTimeouts = TrainTimeouts(),  # noqa: B008 - frozen
) -> TrainResult:
    """Train a network on a prepared dataset and write its bundle.

    An interrupted training goes on from its last checkpoint and ends with the weights that it would have had. For a
    finished training only the outputs are written again.

    Args:
        dataset: output folder of preprocess.
        out: receives `model.json`, `weights.safetensors`, `history.json` and a few test rows as examples.
        config: settings; `auto` is resolved from the dataset's manifest.
        log: progress, warnings and results; its home holds the checkpoints.
        group: the processes that train together, of which this is rank 0; the others call `train_other_rank`.
        executor: trains where `train.nodes` is above 1; None where only this machine can train.
        timeouts: how long to wait for the checkpoint store and for MLflow.

    Raises:
        DataError: nothing can be learned from the rows.
        TrainError, ModelError: settings do not fit the data or the machine, the loss is no number, or there is too
            little memory.
        LockHeldError: the same training runs already.
        SystemExit: SIGTERM or SIGINT arrived; a checkpoint is written.
    """
    if config.nodes > 1 and group.world_size == 1:
        if executor is None:
            check_local_settings({"train.nodes": config.nodes})
        else:
            return executor.train(dataset, out, config, log)
    plan = _plan(dataset, config, group)
    state, mlflow_run_id = _run_session(plan, group, timeouts, log)
    spec = write_outputs(plan, state, mlflow_run_id, out)
    metrics = final_metrics(state.history, state.best_epoch)
    log.result(training={"settings": plan.training_facts, "metrics": metrics, "mlflow_run_id": mlflow_run_id})
    return TrainResult(spec=spec, metrics=metrics)


def _run_session(
    plan: TrainingPlan, group: ProcessGroup, timeouts: TrainTimeouts, log: StepLog
) -> tuple[TrainingState, str | None]:
    """Train while the lock of the training's checkpoints is held."""
    checkpoints = open_checkpoints(plan, log)
    holder = f"the train step of run {log.run_id or 'unknown'}"
    with checkpoints.lock.held(holder), torch_threads(plan.settings.threads):
        checkpoints.remove_temporary_files()
        if log.fresh:
            checkpoints.clear()
        session = TrainingSession(plan=plan, checkpoints=checkpoints, group=group, timeouts=timeouts, log=log)
        return session.run()


def train_other_rank(dataset: Path, config: TrainConfig, group: ProcessGroup) -> None:
    """Train in a process that is not rank 0: the same steps as `fit`, nothing written.

    Raises:
        The same errors as `fit`.
    """
    plan = _plan(dataset, config, group)
    threads = torch_threads(plan.settings.threads)
    try:
        with stop_request(StopTimeouts()) as stop, explained_memory_errors(plan.settings), threads:
            loop = prepare_loop(plan, group, lambda: None)
            loop.run(TrainingCallbacks.writing_nothing(stop.acknowledge))
    except TrainingInterrupt:
        raise SystemExit(stop.exit_status) from None


def _plan(dataset: Path, config: TrainConfig, group: ProcessGroup) -> TrainingPlan:
    data = SplitManifest.read(dataset)
    check_learnable(dataset, data)
    hardware = inspect_hardware()
    settings = resolve_settings(config, data, hardware, group.world_size)
    if group.world_size > 1:  # machines may differ in cores or in bf16, and all have to do the same
        settings = ResolvedSettings(**group.broadcast(settings.as_dict()))
    return TrainingPlan(
        dataset=dataset,
        data=data,
        settings=settings,
        hardware=hardware,
        code_version=config.code_version or code_version(),
        checkpoint_s=config.checkpoint_s,
    )
