"""The step itself: stage, prove, promote, move the alias; or put back what was."""

from dataclasses import replace
from functools import partial
from pathlib import Path

from forebay import registry
from forebay.cluster.rollout.registry_retries import insist
from forebay.contracts.evaluation import Evaluation, read_smoke
from forebay.deploy.smoke import Smoke
from forebay.errors import DeployError, ForebayError
from forebay.kube.retries import WORK_S, Patience
from forebay.local.server.requests import Answer, Request, ask
from forebay.registry import RegisteredBundle
from forebay.serving.client import predict_url
from forebay.serving.example import write_example
from forebay.serving.state import DesiredModel
from forebay.settings import AUTO, DeployConfig, ServeConfig
from forebay.settings.serve import NOTHING_GIVEN
from forebay.state import Run, StepLog

ANSWER_MARGIN_S = 120.0  # on top of deploy.timeout_s: for starting the server, and for putting back what was


def deploy(
    evaluation: Path, version: str, config: DeployConfig, log: StepLog, serve: ServeConfig = NOTHING_GIVEN
) -> str:
    """Serve a registered version and make it champion once it has answered as evaluated.

    Args:
        evaluation: output folder of evaluate, whose decision was to pass.
        version: of the registered model that the evaluation names.
        config: target, smoke test and patience.
        log: of the step; its run folder carries the requests to the process that runs the pipeline.
        serve: the server's settings on a cluster; on this machine the process that runs the pipeline gives them to it.

    Returns:
        The URL of the model's V1 predict path.

    Raises:
        DeployError: it did not come up or answered otherwise; what was served before still is.
        ConfigError: there is no cluster to talk to, or the name cannot be one there.
        ModelError: there is no such version.
    """
    name = Evaluation.read(evaluation).name
    on_cluster = _target(config, log) == "kserve"
    resolve = partial(registry.resolve, log.home, f"{name}/{version}")
    bundle = insist(Patience(WORK_S, log.warn), resolve) if on_cluster else resolve()
    if bundle.note:
        log.warn(bundle.note)
    images, probabilities = read_smoke(evaluation)
    rows = slice(0, config.smoke_rows)
    smoke = Smoke(
        images_NHWC=images[rows],
        probabilities=probabilities[rows],
        version=bundle.version,
        tolerance=config.tolerance,
    )
    url = _on_cluster(bundle, smoke, config, serve, log) if on_cluster else _on_this_machine(bundle, smoke, config, log)
    write_example(log.home, name, images[0])
    facts = {"name": name, "version": bundle.version, "weights_sha256": bundle.weights_sha256}
    log.result(url=url, model=facts, smoke={"rows": len(smoke.images_NHWC), "tolerance": config.tolerance})
    return url


def _target(config: DeployConfig, log: StepLog) -> str:
    """Where to deploy: with an events file, a command line runs the pipeline and can serve here."""
    if config.target != AUTO:
        return config.target
    return "kserve" if log.events is None else "local"


def _on_this_machine(bundle: RegisteredBundle, smoke: Smoke, config: DeployConfig, log: StepLog) -> str:
    run = Run(log.home.runs / log.run_id)
    served = DesiredModel.from_record(bundle.folder, bundle.version, bundle.weights_sha256, bundle.record)
    request = Request(action="stage", name=bundle.name, model=served, timeout_s=config.timeout_s)
    patience_s = 2 * config.timeout_s + ANSWER_MARGIN_S
    staged = ask(run, request, patience_s)
    try:
        smoke.check(staged.url, staged.serving, config.timeout_s)
        promoted = ask(run, request.next("promote"), patience_s)
        smoke.check(promoted.url, promoted.serving, config.timeout_s)
        registry.set_champion(log.home, bundle.name, bundle.version)
    except Exception as error:
        ask(run, replace(request.next("discard"), previous=staged.previous), patience_s)
        raise _kept(bundle, staged, error) from error
    return predict_url(promoted.url, bundle.name)


def _kept(bundle: RegisteredBundle, staged: Answer, error: Exception) -> DeployError:
    reason = str(error) if isinstance(error, ForebayError) else f"{type(error).__name__}: {error}"
    kept = f"Version {staged.previous.version} keeps answering" if staged.previous else "Nothing is served instead"
    return DeployError(
        f"{bundle.name} version {bundle.version} was not made champion: {reason} {kept}. The server's log says more: "
        "`forebay logs server`."
    )


def _on_cluster(bundle: RegisteredBundle, smoke: Smoke, config: DeployConfig, serve: ServeConfig, log: StepLog) -> str:
    from forebay.cluster.rollout.served_versions import roll_out

    return roll_out(log.home, bundle, smoke, config, log.run_id, log.warn, serve)
