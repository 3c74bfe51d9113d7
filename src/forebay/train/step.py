"""The train step as the pipeline calls it."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from forebay.contracts.manifest import SplitManifest
from forebay.settings import TrainConfig
from forebay.settings.cluster_only import check_local_settings
from forebay.signals import StopTimeouts, stop_request
from forebay.state import Home, StepLog
from forebay.tracking import DataInput
from forebay.train.checkpoints.checkpoint import checkpoint_key
from forebay.train.first_weights import find_first_weights
from forebay.train.loop.callbacks import TrainingCallbacks
from forebay.train.loop.history import final_metrics, mean_metrics
from forebay.train.loop.training_loop import TrainingInterrupt
from forebay.train.mlflow_run import TrackedRun
from forebay.train.observer import TrainingObserver
from forebay.train.outputs import write_outputs
from forebay.train.own_network import OwnNetwork
from forebay.train.plan.fine_tuning import FirstWeights
from forebay.train.plan.hardware import inspect_hardware
from forebay.train.plan.resolved_settings import ResolvedSettings, resolve_settings
from forebay.train.plan.training_plan import MemberNumber, TrainingPlan, check_learnable
from forebay.train.process_group import SINGLE_PROCESS, ProcessGroup
from forebay.train.registered_ensemble import assemble
from forebay.train.result import TrainExecutor, TrainResult
from forebay.train.session import TrainedNetwork, TrainingSession, explained_errors, open_checkpoints, prepare_loop
from forebay.train.timeouts import TrainTimeouts
from forebay.train.torch_limits import torch_threads
from forebay.train.try_out import try_out_network
from forebay.version import code_version


def fit(
    dataset: Path, out: Path, config: TrainConfig, log: StepLog, group: ProcessGroup = SINGLE_PROCESS,
    executor: TrainExecutor | None = None, timeouts: TrainTimeouts = TrainTimeouts(),  # noqa: B008 - frozen
    observer: TrainingObserver | None = None,
) -> TrainResult:  # fmt: skip
    """Train a network on a prepared dataset, or several that answer together, and write the bundle.

    An interrupted training goes on from its last checkpoint and ends with the weights that it would have had. For a
    finished training only the outputs are written again. With `train.ensemble` nothing is trained: the networks of
    registered versions become the bundle.

    Args:
        dataset: output folder of preprocess.
        out: receives a bundle: `model.json`, weights or a graph, `history.json` and a few test rows as examples.
        config: settings; `auto` is resolved from the dataset's manifest.
        log: progress, warnings and results; its home holds the checkpoints.
        group: the processes that train together, of which this is rank 0; the others call `train_other_rank`.
        executor: trains where `train.nodes` is above 1; None where only this machine can train.
        timeouts: how long to wait for the checkpoint store and for MLflow.
        observer: is told of every epoch of a training in this process, and may end it.

    Raises:
        DataError: nothing can be learned from the rows.
        TrainError, ModelError, UserCodeError: settings, data, code and machine do not fit, or the loss is no number.
        LockHeldError: the same training runs already.
        SystemExit: SIGTERM or SIGINT arrived; a checkpoint is written.
        ObserverInterrupt: the observer ended the training; a checkpoint is written.
    """
    if config.ensemble:
        return assemble(dataset, out, config, log, timeouts)
    if config.nodes > 1 and group.world_size == 1:
        if executor is None:
            check_local_settings({"train.nodes": config.nodes})
        else:
            return executor.train(dataset, out, config, log)
    plans = plan_trainings(dataset, config, group, log.home, log.warn)
    members = [_run_session(plan, group, timeouts, log, observer) for plan in plans]
    mlflow_run_id = members[0].mlflow_run_id if len(members) == 1 else _group_runs(members, timeouts, log)
    spec = write_outputs(members, mlflow_run_id, out)
    each = [final_metrics(member.history, member.best_epoch) for member in members]
    metrics = each[0] if len(each) == 1 else mean_metrics(each)
    log.result(training={"settings": spec.training, "metrics": metrics, "mlflow_run_id": mlflow_run_id})
    return TrainResult(spec=spec, metrics=metrics)


def _run_session(
    plan: TrainingPlan, group: ProcessGroup, timeouts: TrainTimeouts, log: StepLog, observer: TrainingObserver | None
) -> TrainedNetwork:
    """Train while the lock of the training's checkpoints is held."""
    if plan.own_network:
        try_out_network(plan, plan.own_network)
    checkpoints = open_checkpoints(plan, log)
    holder = f"the train step of run {log.run_id or 'unknown'}"
    with checkpoints.lock.held(holder), torch_threads(plan.settings.threads):
        checkpoints.remove_temporary_files()
        if log.fresh:
            checkpoints.clear()
        session = TrainingSession(
            plan=plan, checkpoints=checkpoints, group=group, timeouts=timeouts, log=log, observer=observer
        )
        return session.run()


def _group_runs(members: list[TrainedNetwork], timeouts: TrainTimeouts, log: StepLog) -> str | None:
    """One MLflow run above those of the members: the model belongs to it. Returns its id."""
    plan = members[0].plan
    run = TrackedRun(
        log.home,
        checkpoint_key({"members": [member.training_id for member in members]}),
        name=f"{plan.mlflow_name} x{len(members)}",
        parameters={**plan.mlflow_parameters, "members": len(members)},
        tags=plan.mlflow_tags,
        warn=log.warn,
        data=DataInput(data=plan.data),
        members=[member.mlflow_run_id for member in members if member.mlflow_run_id],
    )
    return run.finish("FINISHED", timeouts.mlflow_at_end_s)


def train_other_rank(dataset: Path, config: TrainConfig, group: ProcessGroup) -> None:
    """Train in a process that is not rank 0: the same steps as `fit`, nothing written.

    Raises:
        The same errors as `fit`.
    """
    for plan in plan_trainings(dataset, config, group, Home.find(), lambda text: None):
        threads = torch_threads(plan.settings.threads)
        try:
            with stop_request(StopTimeouts()) as stop, explained_errors(plan), threads:
                loop = prepare_loop(plan, group, lambda: None)
                loop.run(TrainingCallbacks.writing_nothing(stop.acknowledge))
        except TrainingInterrupt:
            raise SystemExit(stop.exit_status) from None


def plan_trainings(
    dataset: Path, config: TrainConfig, group: ProcessGroup, home: Home, warn: Callable[[str], None]
) -> list[TrainingPlan]:
    """The trainings of the step, one for each member: the same but for their seeds."""
    data = SplitManifest.read(dataset)
    check_learnable(dataset, data)
    first_weights = find_first_weights(config, data, home, warn)
    return [
        replace(
            _plan(dataset, data, replace(config, members=1, seed=config.seed + number), first_weights, group),
            member=MemberNumber(number + 1, config.members),
        )
        for number in range(config.members)
    ]


def _plan(
    dataset: Path, data: SplitManifest, config: TrainConfig, first_weights: FirstWeights, group: ProcessGroup
) -> TrainingPlan:
    hardware = inspect_hardware()
    own = OwnNetwork.load(config)
    settings = resolve_settings(config, data, hardware, group.world_size, first_weights)
    if group.world_size > 1:  # machines may differ in cores or in bf16, and all have to do the same
        settings = ResolvedSettings(**group.broadcast(settings.as_dict()))
    return TrainingPlan(
        dataset=dataset,
        data=data,
        settings=settings,
        hardware=hardware,
        code_version=config.code_version or code_version(),
        checkpoint_s=config.checkpoint_s,
        own_network=own,
        pretrained=first_weights.pretrained,
    )
