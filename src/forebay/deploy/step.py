"""The step itself: stage, prove, promote, move the alias; or put back what was."""

import os
from dataclasses import replace
from pathlib import Path

from forebay import registry
from forebay.cluster.given import MODEL_STORE
from forebay.contracts.bundle import read_spec
from forebay.contracts.evaluation import Evaluation, read_smoke
from forebay.deploy.inference_service import Deployment, Resources, inference_service
from forebay.deploy.protocol import Answer, Request, ask
from forebay.deploy.smoke import Smoke
from forebay.errors import DeployError, ForebayError
from forebay.registry import RegisteredBundle
from forebay.serving.client import predict_url
from forebay.serving.example import write_example
from forebay.serving.state import Served
from forebay.settings import AUTO, DeployConfig
from forebay.state import Run, StepLog

PROXIED = "mlflow-artifacts:"
FETCHED = ("s3", "gs", "https")  # by KServe's storage initializer
ANSWER_MARGIN_S = 120.0  # on top of deploy.timeout_s: for starting the server, and for putting back what was


def deploy(evaluation: Path, version: str, config: DeployConfig, log: StepLog) -> str:
    """Serve a registered version and make it champion once it has answered as evaluated.

    Args:
        evaluation: output folder of evaluate, whose decision was to pass.
        version: of the registered model that the evaluation names.
        config: target, smoke test and patience.
        log: of the step; its run folder carries the requests to the process that runs the pipeline.

    Returns:
        The URL of the model's V1 predict path.

    Raises:
        DeployError: it did not come up or answered otherwise; what was served before still is.
        ConfigError: there is no cluster to talk to, or the name cannot be one there.
        ModelError: there is no such version.
    """
    name = Evaluation.read(evaluation).name
    bundle = registry.resolve(log.home, f"{name}/{version}")
    images, probabilities = read_smoke(evaluation)
    rows = slice(0, config.smoke_rows)
    smoke = Smoke(
        images_NHWC=images[rows],
        probabilities=probabilities[rows],
        version=bundle.version,
        tolerance=config.tolerance,
    )
    roll_out = _on_cluster if _target(config, log) == "kserve" else _on_this_machine
    url = roll_out(bundle, smoke, config, log)
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
    served = Served(bundle=str(bundle.folder), version=bundle.version, weights_sha256=bundle.weights_sha256)
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


def _on_cluster(bundle: RegisteredBundle, smoke: Smoke, config: DeployConfig, log: StepLog) -> str:
    from forebay.cluster.api import connect
    from forebay.deploy.kserve import Rollout

    wanted = inference_service(_deployment(bundle, config, log))

    def prove(url: str) -> None:
        smoke.check(url, bundle.name, float(config.timeout_s))
        registry.set_champion(log.home, bundle.name, bundle.version)

    rollout = Rollout(api=connect(), timeout_s=config.timeout_s, tell=log.warn)
    return predict_url(rollout.run(wanted, prove), bundle.name)


def _deployment(bundle: RegisteredBundle, config: DeployConfig, log: StepLog) -> Deployment:
    spec = read_spec(bundle.folder)
    return Deployment(
        name=bundle.name,
        namespace=config.namespace,
        version=bundle.version,
        storage_uri=storage_uri(bundle.uri),
        weights_sha256=bundle.weights_sha256,
        data_digest=str(spec.data.get("digest", "")),
        code_version=str(spec.lineage.get("code_version", "")),
        run_id=log.run_id,
        replicas=config.replicas,
        resources=Resources(
            memory=config.memory, memory_limit=config.memory, gpus=config.gpus, gpu_resource=config.gpu_resource
        ),
    )


def storage_uri(uri: str) -> str:
    """The address under which a cluster's pods fetch what the registry keeps.

    Raises:
        DeployError: they cannot reach it.
    """
    store = os.environ.get(MODEL_STORE, "").rstrip("/")
    if uri.startswith(PROXIED) and store:
        return f"{store}/{uri.removeprefix(PROXIED).lstrip('/')}"
    if uri.partition("://")[0] in FETCHED:
        return uri
    raise DeployError(
        f"The model's files are at {uri}, and pods of a cluster fetch them from {', '.join(FETCHED)} only. Let MLflow "
        f"keep its artifacts in an object store; where its server hands them out ({PROXIED}), name the store that it "
        f"keeps them in, {MODEL_STORE}=s3://BUCKET (the chart does)."
    )
