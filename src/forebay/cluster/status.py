"""What `forebay status --cluster` says: the newest run and the served models of a cluster."""

from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from forebay.backend.protocol import BackendStatus
from forebay.backend.summary import current_progress
from forebay.backend.summary_text import progress_rows
from forebay.cluster.rollout.served_models import ANSWERS, ModelStatus, served_models
from forebay.cluster.timeouts import ClusterTimeouts
from forebay.errors import ClusterError, ConfigError
from forebay.kube.client import connect
from forebay.kube.retries import INTERACTIVE_RETRY_S
from forebay.settings.namespaces import PIPELINES

if TYPE_CHECKING:
    from forebay.cluster.runs.pipelines_client import PipelinesClient


def cluster_status(context: str, namespace: str, timeouts: ClusterTimeouts) -> BackendStatus:
    """Look at a cluster.

    Args:
        context: context of the kubeconfig; empty for the current one.
        namespace: namespace of the served models.
        timeouts: how long to wait for a server that is away.
    """
    api = connect(context, timeouts.retry_budget(INTERACTIVE_RETRY_S), timeouts.api)
    models = served_models(api, namespace)
    run, problem = _newest_run(context, timeouts)
    lines = [*_run_lines(run, problem), ""]
    for model in models:
        lines += _model_lines(model)
    if not models:
        lines.append(f"No model is served in the namespace {namespace}.")
    facts = {"run": run, "run_problem": problem or None, "models": [asdict(model) for model in models]}
    return BackendStatus(facts=facts, lines=tuple(lines))


def _newest_run(context: str, timeouts: ClusterTimeouts) -> tuple[dict[str, Any] | None, str]:
    """The run, or None; and why it is not known. Models are shown all the same: they outlive the pipelines' server."""
    from forebay.cluster.runs.login import PipelinesLogin
    from forebay.cluster.runs.pipelines_client import connect as connect_pipelines

    try:
        login = PipelinesLogin(host="", namespace=PIPELINES, context=context)
        client = connect_pipelines(login, timeouts.retry_budget(INTERACTIVE_RETRY_S))
        found = client.newest_run()
    except (ClusterError, ConfigError) as error:
        return None, str(error)
    if found is None:
        return None, ""
    run = {"run_id": found["run_id"], "name": found["display_name"], "created_at": found["created_at"]}
    state = str(found.get("state", "unknown")).lower()
    return run | {"state": state, "progress": _progress(client, run["run_id"]) if state == "running" else None}, ""


def _progress(client: "PipelinesClient", run_id: str) -> dict[str, Any] | None:
    """How far the step is that runs now; None between two steps, and where its log cannot be read."""
    from forebay.cluster.runs.run_follower import running_events

    try:
        return current_progress(running_events(client, run_id), datetime.now(UTC))
    except ClusterError:
        return None


def _run_lines(run: dict[str, Any] | None, problem: str) -> list[str]:
    if problem:
        return [f"Kubeflow Pipelines does not tell its newest run: {problem}"]
    if run is None:
        return ["No run yet in Kubeflow Pipelines. Start with `forebay submit`."]
    progress = run["progress"]
    now = [f"            {name or ' ' * 5}  {text}" for name, text in progress_rows(progress)] if progress else []
    return [
        f"newest run  {run['name']}  {run['state']}  {run['created_at']}",
        *now,
        f"            `forebay submit --follow {run['run_id']}` shows it",
    ]


def _model_lines(model: ModelStatus) -> list[str]:
    ready = "?" if model.ready_pods is None else model.ready_pods
    lines = [f"{model.name} version {model.version}: {model.state} ({ready} of {model.wanted_pods} pods ready)"]
    lines += [f"  url   {model.url}", f"  from  run {model.run_id}, code {model.code_version}"]
    return lines if model.state == ANSWERS else [*lines, f"  why   {model.reason}"]
