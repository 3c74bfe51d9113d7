"""The deploy step: prepare the smoke test, let the target serve and test the version, and record the result."""

from pathlib import Path

from forebay.contracts.evaluation import EvaluationResult, read_smoke
from forebay.deploy.smoke import SmokeTest
from forebay.deploy.target import DeployTarget
from forebay.serving.example import write_example
from forebay.settings import DeployConfig, ServeConfig
from forebay.settings.serve import DEFAULT_SERVE
from forebay.state import StepLog


def deploy(
    evaluation: Path,
    version: str,
    config: DeployConfig,
    log: StepLog,
    target: DeployTarget,
    serve: ServeConfig = DEFAULT_SERVE,
) -> str:
    """Serve a registered version and make it champion once it has answered as evaluated.

    Args:
        evaluation: output folder of evaluate, whose decision was to pass.
        version: version of the registered model that the evaluation names.
        config: smoke test, timeout, and what a cluster gives the server.
        log: the step's log.
        target: the place that serves it.
        serve: the server's settings on a cluster; on this machine the process that runs the pipeline gives them to it.

    Returns:
        The URL of the model's V1 predict path.

    Raises:
        DeployError: the version did not come up or answered otherwise; what was served before still is.
        ConfigError: there is no cluster to talk to, or it does not allow the name.
        ModelError: there is no such version.
    """
    name = EvaluationResult.read(evaluation).name
    bundle = target.registered_bundle(f"{name}/{version}", log)
    if bundle.note:
        log.warn(bundle.note)
    images, probabilities = read_smoke(evaluation)
    rows = slice(0, config.smoke_rows)
    smoke = SmokeTest(
        images_NHWC=images[rows],
        probabilities=probabilities[rows],
        version=bundle.version,
        tolerance=config.tolerance,
    )
    url = target.serve(bundle, smoke, config, serve, log)
    write_example(log.home, name, images[0])
    facts = {"name": name, "version": bundle.version, "weights_sha256": bundle.weights_sha256}
    log.result(url=url, model=facts, smoke={"rows": len(smoke.images_NHWC), "tolerance": config.tolerance})
    return url
