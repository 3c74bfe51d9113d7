"""`forebay status --cluster`: the newest run and the served models of a cluster."""

import json
from dataclasses import asdict
from typing import Any

import click

from forebay.cluster.rollout.served_models import ANSWERS, ServedModel, served_models
from forebay.errors import ClusterError, ConfigError
from forebay.kube.client import connect
from forebay.kube.retries import LOOK_S, Patience
from forebay.settings import DeployConfig
from forebay.settings.namespaces import PIPELINES


def show_cluster(context: str, namespace: str, *, as_json: bool) -> None:
    """Print it, for people or as one object.

    Args:
        context: of the kubeconfig; empty for the current one.
        namespace: of served models; empty for the one where nobody sets another.
    """
    config = DeployConfig(namespace=namespace) if namespace else DeployConfig()
    models = served_models(connect(context, Patience(LOOK_S)), config.namespace)
    run, problem = _newest_run(context)
    if as_json:
        served = [asdict(model) for model in models]
        click.echo(json.dumps({"run": run, "run_problem": problem or None, "models": served}))
        return
    if problem:
        click.echo(f"Kubeflow Pipelines does not tell its newest run: {problem}")
    elif run is None:
        click.echo("No run yet in Kubeflow Pipelines. Start with `forebay submit`.")
    else:
        click.echo(f"newest run  {run['name']}  {run['state']}  {run['created_at']}")
        click.echo(f"            `forebay submit --follow {run['run_id']}` shows it")
    click.echo("")
    for model in models:
        for line in _lines(model):
            click.echo(line)
    if not models:
        click.echo(f"No model is served in the namespace {config.namespace}.")


def _newest_run(context: str) -> tuple[dict[str, Any] | None, str]:
    """The run, or None; and why it is not known. Models are shown all the same: they outlive the pipelines' server."""
    from forebay.cluster.runs.login import Login
    from forebay.cluster.runs.pipelines_client import connect as connect_pipelines

    try:
        login = Login(host="", namespace=PIPELINES, context=context)
        found = connect_pipelines(login, Patience(LOOK_S)).newest_run()
    except (ClusterError, ConfigError) as error:
        return None, str(error)
    if found is None:
        return None, ""
    run = {"run_id": found["run_id"], "name": found["display_name"], "created_at": found["created_at"]}
    return run | {"state": str(found.get("state", "unknown")).lower()}, ""


def _lines(model: ServedModel) -> list[str]:
    ready = "?" if model.ready_pods is None else model.ready_pods
    lines = [f"{model.name} version {model.version}: {model.state} ({ready} of {model.wanted_pods} pods ready)"]
    lines += [f"  url   {model.url}", f"  from  run {model.run_id}, code {model.code_version}"]
    return lines if model.state == ANSWERS else [*lines, f"  why   {model.reason}"]
