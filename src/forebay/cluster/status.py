"""What `forebay status --cluster` says: the newest run and the served models of a cluster."""

from dataclasses import asdict
from typing import Any

from forebay.backend.protocol import BackendStatus
from forebay.cluster.rollout.served_models import ANSWERS, ServedModel, served_models
from forebay.errors import ClusterError, ConfigError
from forebay.kube.client import connect
from forebay.kube.retries import LOOK_S, Patience
from forebay.settings.namespaces import PIPELINES


def cluster_status(context: str, namespace: str) -> BackendStatus:
    """Look at a cluster.

    Args:
        context: context of the kubeconfig; empty for the current one.
        namespace: namespace of the served models.
    """
    models = served_models(connect(context, Patience(LOOK_S)), namespace)
    run, problem = _newest_run(context)
    lines = [*_run_lines(run, problem), ""]
    for model in models:
        lines += _model_lines(model)
    if not models:
        lines.append(f"No model is served in the namespace {namespace}.")
    facts = {"run": run, "run_problem": problem or None, "models": [asdict(model) for model in models]}
    return BackendStatus(facts=facts, lines=tuple(lines))


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


def _run_lines(run: dict[str, Any] | None, problem: str) -> list[str]:
    if problem:
        return [f"Kubeflow Pipelines does not tell its newest run: {problem}"]
    if run is None:
        return ["No run yet in Kubeflow Pipelines. Start with `forebay submit`."]
    return [
        f"newest run  {run['name']}  {run['state']}  {run['created_at']}",
        f"            `forebay submit --follow {run['run_id']}` shows it",
    ]


def _model_lines(model: ServedModel) -> list[str]:
    ready = "?" if model.ready_pods is None else model.ready_pods
    lines = [f"{model.name} version {model.version}: {model.state} ({ready} of {model.wanted_pods} pods ready)"]
    lines += [f"  url   {model.url}", f"  from  run {model.run_id}, code {model.code_version}"]
    return lines if model.state == ANSWERS else [*lines, f"  why   {model.reason}"]
